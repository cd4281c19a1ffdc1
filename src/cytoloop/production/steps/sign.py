"""Sign: a person signs what was done in the operation so far."""

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import StepSigned
from cytoloop.core.json import JSON, digest
from cytoloop.core.recipe import Sign
from cytoloop.production.signed import read_signature
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: Sign, key: str) -> Command:
    """Show the operation's steps with their values and ask for a signature."""
    done: list[JSON] = [
        {"step": each.step, "state": each.state, "attempt": each.attempt, "values": dict(each.values)}
        for each in batch.steps.values()
        if each.step.startswith(f"{planned.operation}/")
    ]
    shown: dict[str, JSON] = {"batch": batch.number, "operation": planned.operation, "steps": done}
    arguments: dict[str, JSON] = {
        "what": f"{phase.words.en}: operation {planned.operation} of batch {batch.number}",
        "instruction": {"en": phase.words.en, "zh": phase.words.zh},
        "shown": shown,
        "digest": digest(shown),
        "meaning": phase.meaning,
    }
    return Command(key=key, target=f"person:{phase.role}", verb="sign", arguments=arguments)


def facts(batch: Batch, planned: Planned, outcome: Outcome) -> tuple[tuple[Fact, ...], str | None]:
    """The signature. Raises RefusedError when it is not over what was shown."""
    asked = batch.steps[planned.step].arguments
    signature = read_signature(outcome.values, str(asked["digest"]), str(asked["meaning"]))
    return (StepSigned(step=planned.step, signature=signature),), None
