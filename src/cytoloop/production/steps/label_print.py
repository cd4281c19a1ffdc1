"""Label print: labels with the chain of identity; one is read back and every one is accounted for (21 CFR 211.125)."""

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import LabelsPrinted
from cytoloop.core.json import JSON
from cytoloop.core.recipe import LabelPrint
from cytoloop.production.walk import Planned


def command(batch: Batch, phase: LabelPrint, key: str) -> Command:
    """Ask for so many labels of this batch."""
    return Command(
        key=key,
        target="person:operator",
        verb="print",
        arguments={
            "label": phase.label,
            "copies": phase.copies,
            "coi": batch.created.coi,
            "batch": batch.number,
            "product": batch.created.product,
            "instruction": {"en": phase.words.en, "zh": phase.words.zh},
        },
    )


def facts(batch: Batch, planned: Planned, phase: LabelPrint, outcome: Outcome) -> tuple[tuple[Fact, ...], str | None]:
    """The labels that were printed; why they must not be used, when one reads wrong or is not accounted for."""
    printed, used, destroyed = (_count(outcome.values.get(name)) for name in ("printed", "used", "destroyed"))
    if printed is None or used is None or destroyed is None:
        return (), f"labels {phase.label} were not accounted for: printed, used and destroyed are whole numbers"
    told = LabelsPrinted(step=planned.step, label=phase.label, printed=printed, used=used, destroyed=destroyed)
    read = outcome.values.get("code")
    if read != batch.created.coi:
        return (told,), f"identity mismatch: label {phase.label} reads {read}, this batch is {batch.created.coi}"
    if used != phase.copies or printed != used + destroyed:
        return (told,), (
            f"labels {phase.label} do not add up: {printed} printed, {used} used of {phase.copies} asked for, "
            f"{destroyed} destroyed"
        )
    return (told,), None


def _count(value: JSON) -> int | None:
    return (
        int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value) else None
    )
