"""View of what people said of a batch's record: values they corrected, reviews they signed."""

from dataclasses import dataclass

from cytoloop.core.batch import Batch
from cytoloop.core.json import JSON
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant
from cytoloop.quality.answer import questions


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionLine:
    """One typed value that was corrected."""

    at: Instant
    step: str
    """Empty when the step was done again since."""
    field: str
    unit: str
    old: JSON
    new: JSON
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLine:
    """One review of the record."""

    at: Instant
    position: int
    """Entries it has seen."""
    remarks: str
    stands: bool
    """Whether nothing was entered since that it has not seen."""
    signature: Signature


def corrections(batch: Batch) -> tuple[CorrectionLine, ...]:
    """Every correction, in order."""
    steps = {step.position: step for step in batch.steps.values()}
    units = {(place, each.name): each.unit for place, step in steps.items() for each in questions(step)}
    return tuple(
        CorrectionLine(
            at=told.happened_at,
            step=steps[told.fact.corrects].step if told.fact.corrects in steps else "",
            field=told.fact.field,
            unit=units.get((told.fact.corrects, told.fact.field), ""),
            old=told.fact.old,
            new=told.fact.new,
            reason=told.fact.reason,
            signature=told.fact.signature,
        )
        for told in batch.corrections
    )


def reviews(batch: Batch) -> tuple[ReviewLine, ...]:
    """Every review, in order."""
    return tuple(
        ReviewLine(
            at=told.happened_at,
            position=told.fact.position,
            remarks=told.fact.remarks,
            stands=told.fact.position > batch.newest,
            signature=told.fact.signature,
        )
        for told in batch.reviews
    )
