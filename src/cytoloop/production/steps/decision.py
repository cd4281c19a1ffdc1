"""Decision: a person chooses one of the recipe's options and signs the choice."""

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import DecisionSigned
from cytoloop.core.json import JSON, digest
from cytoloop.core.recipe import Decision
from cytoloop.production.signed import signed_by
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: Decision, key: str) -> Command:
    """Show what is to be decided and ask for a choice."""
    shown: dict[str, JSON] = {
        "batch": batch.number,
        "step": planned.step,
        "what": phase.words.en,
        "options": [each.option for each in phase.options],
        "position": batch.position,
    }
    arguments: dict[str, JSON] = {
        **shown,
        "instruction": {"en": phase.words.en, "zh": phase.words.zh},
        "words": {each.option: {"en": each.words.en, "zh": each.words.zh} for each in phase.options},
        "digest": digest(shown),
        "meaning": "answered",
    }
    return Command(key=key, target=f"person:{phase.role}", verb="decide", arguments=arguments)


def facts(batch: Batch, planned: Planned, phase: Decision, outcome: Outcome) -> tuple[tuple[Fact, ...], str | None]:
    """The signed choice; why it is none, when it is not among the options or not signed as shown."""
    record = batch.steps[planned.step]
    chosen = str(outcome.values.get("decision") or "")
    if chosen not in {each.option for each in phase.options}:
        return (), f"{chosen!r} is none of the options {', '.join(each.option for each in phase.options)}"
    signature = signed_by(record.target, outcome, record.arguments)
    reason = str(outcome.values.get("reason") or "")
    return (DecisionSigned(step=planned.step, decision=chosen, reason=reason, signature=signature),), None
