"""Transfer: a person moves the material to another unit; both labels must carry the batch's chain of identity."""

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import MaterialTransferred
from cytoloop.core.recipe import Transfer
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: Transfer, key: str) -> Command:
    """Ask a person to scan the source, move the material, and scan the destination."""
    return Command(
        key=key,
        target="person:operator",
        verb="transfer",
        arguments={
            "from": planned.equipment,
            "to": batch.created.equipment[phase.to],
            "instruction": {"en": phase.words.en, "zh": phase.words.zh},
        },
    )


def facts(batch: Batch, planned: Planned, phase: Transfer, outcome: Outcome) -> tuple[tuple[Fact, ...], str | None]:
    """The transfer; why it is not this patient's, when a label says so."""
    for place, name in (("source", "code"), ("destination", "to_code")):
        scanned = outcome.values.get(name)
        if scanned != batch.created.coi:
            return (), f"identity mismatch: the label on the {place} reads {scanned}, this batch is {batch.created.coi}"
    destination = batch.created.equipment[phase.to]
    return (MaterialTransferred(step=planned.step, source=planned.equipment, destination=destination),), None
