"""View of one batch: what was done, found, forecast, moved and decided, in the order a reviewer asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cytoloop.app.dataset import culture_began
from cytoloop.app.views_alarms import AlarmLine, alarm_lines
from cytoloop.app.views_loop import BatchState, state_of
from cytoloop.app.views_results import (
    Curve,
    ResultLine,
    attribute_words,
    readings,
    result_line,
    sampled,
    specification,
)
from cytoloop.app.views_review import CorrectionLine, ReviewLine, corrections, reviews
from cytoloop.app.views_shelf import Shelf
from cytoloop.app.views_steps import OperationLine, StepLine, listed_operations
from cytoloop.core.batch import Batch, Told
from cytoloop.core.facts.compliance import FindingRecorded, GateJudged
from cytoloop.core.facts.feedback import ForecastMade, Interval
from cytoloop.core.facts.production import SetPointMoved
from cytoloop.core.facts.quality import Decision, DeviationKind, DispositionKind
from cytoloop.core.rule import Verdict
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant, hours_between
from cytoloop.core.words import Words

COUNTED = "viable_cell_density"
"""The attribute that forecast curves speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationLine:
    """One deviation, with the decision when there is one."""

    deviation: str
    kind: DeviationKind
    what: str
    step: str | None
    opened_at: Instant
    closed_at: Instant | None
    decision: Decision | None
    reason: str
    signature: Signature | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastLine:
    """One forecast: the interval of each attribute at harvest."""

    at: Instant
    twin: str
    elapsed: float
    harvest_at: float
    in_specification: float
    quantities: Mapping[str, Interval] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLine:
    """One set-point deliberately moved."""

    at: Instant
    hours: float | None
    parameter: str
    words: Words
    old: float
    new: float
    unit: str
    reason: str
    gate_row: int
    model: str
    triggered_by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """One verdict of the change gate on a move of this batch."""

    at: Instant
    row: int
    answer: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingLine:
    """One rule of law read before an act on this batch."""

    at: Instant
    locus: str
    verdict: Verdict
    severity: str
    act: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """Everything a page or a terminal shows of one batch."""

    number: str
    order: str
    subject: str
    study: str
    coi: str
    product: Words
    line: str
    recipe: str
    recipe_version: int
    recipe_sha256: str
    weight: float
    equipment: Mapping[str, str] = field(hash=False)
    state: BatchState
    created_at: Instant
    ended_at: Instant | None
    as_of: Instant
    culture_began: Instant | None
    """Hour 0 of every curve: the end of the seeding into the bioreactor."""
    entries: int
    current: StepLine | None
    operations: tuple[OperationLine, ...]
    deviations: tuple[DeviationLine, ...]
    alarms: tuple[AlarmLine, ...]
    """The newest first."""
    corrections: tuple[CorrectionLine, ...]
    reviews: tuple[ReviewLine, ...]
    results: tuple[ResultLine, ...]
    """Every result in order."""
    specification: tuple[ResultLine, ...]
    """One line for each attribute of the release specification, with its latest result."""
    readings: tuple[Curve, ...]
    counts: Curve | None
    """Viable cell density as sampled."""
    metabolites: tuple[Curve, ...]
    """Every other in-process attribute that was sampled."""
    forecasts: tuple[ForecastLine, ...]
    forecast: ForecastMade | None
    """The latest, with its curve."""
    moves: tuple[MoveLine, ...]
    gates: tuple[GateLine, ...]
    findings: tuple[FindingLine, ...]
    disposition: DispositionKind | None
    disposition_reason: str
    signature: Signature | None
    attribute_words: Mapping[str, Words] = field(hash=False)
    """Attribute -> its words in the pack."""


def batch_view(shelf: Shelf, number: str) -> BatchView:
    """The batch of that number; UserError when there is none."""
    batch = shelf.batch(number)
    began = culture_began(batch)
    stream = shelf.stream(f"batch/{number}")
    disposition = batch.disposition
    operations = tuple(listed_operations(batch))
    return BatchView(
        number=number,
        order=batch.created.order,
        subject=batch.created.subject,
        study=batch.created.study,
        coi=batch.created.coi,
        product=batch.master.product.words,
        line=batch.created.line,
        recipe=batch.created.recipe,
        recipe_version=batch.created.recipe_version,
        recipe_sha256=batch.created.recipe_sha256,
        weight=batch.created.weight,
        equipment=batch.created.equipment,
        state=state_of(batch),
        created_at=batch.created_at,
        ended_at=batch.finished_at or (batch.aborted.happened_at if batch.aborted else None),
        as_of=max(each.entry.happened_at for each in stream),
        culture_began=began,
        entries=len(stream),
        current=_current(batch, operations),
        operations=operations,
        deviations=tuple(_deviations(batch)),
        alarms=alarm_lines(batch),
        corrections=corrections(batch),
        reviews=reviews(batch),
        results=tuple(result_line(batch, told, began) for told in batch.results),
        specification=tuple(specification(batch, began)),
        readings=readings(batch, began),
        counts=next((curve for curve in sampled(batch, began) if curve.name == COUNTED), None),
        metabolites=tuple(curve for curve in sampled(batch, began) if curve.name != COUNTED),
        forecasts=tuple(_forecast(told) for told in batch.forecasts),
        forecast=batch.forecasts[-1].fact if batch.forecasts else None,
        moves=tuple(_move(batch, told, began) for told in batch.moves),
        gates=tuple(
            GateLine(
                at=each.entry.happened_at,
                row=each.fact.row,
                answer=each.fact.answer,
                subject=each.fact.subject,
                reason=each.fact.reason,
            )
            for each in stream
            if isinstance(each.fact, GateJudged)
        ),
        findings=tuple(
            FindingLine(
                at=each.entry.happened_at,
                locus=each.fact.locus,
                verdict=each.fact.verdict,
                severity=each.fact.severity,
                act=each.fact.act,
                reason=each.fact.reason,
            )
            for each in stream
            if isinstance(each.fact, FindingRecorded)
        ),
        disposition=disposition.fact.disposition if disposition else None,
        disposition_reason=disposition.fact.reason if disposition else "",
        signature=disposition.fact.signature if disposition else None,
        attribute_words=attribute_words(batch.master.product),
    )


def _current(batch: Batch, operations: tuple[OperationLine, ...]) -> StepLine | None:
    if batch.ended:
        return None
    steps = [step for operation in operations for step in operation.steps]
    return max(steps, key=lambda step: step.started_at, default=None)


def _deviations(batch: Batch) -> Iterator[DeviationLine]:
    for deviation in batch.deviations.values():
        opened, closed = deviation.opened, deviation.closed
        yield DeviationLine(
            deviation=opened.fact.deviation,
            kind=opened.fact.kind,
            what=opened.fact.what,
            step=opened.fact.step,
            opened_at=opened.happened_at,
            closed_at=closed.happened_at if closed else None,
            decision=closed.fact.decision if closed else None,
            reason=closed.fact.reason if closed else "",
            signature=closed.fact.signature if closed else None,
        )


def _forecast(told: Told[ForecastMade]) -> ForecastLine:
    return ForecastLine(
        at=told.happened_at,
        twin=told.fact.twin,
        elapsed=told.fact.elapsed,
        harvest_at=told.fact.harvest_at,
        in_specification=told.fact.in_specification,
        quantities=told.fact.quantities,
    )


def _move(batch: Batch, told: Told[SetPointMoved], began: Instant | None) -> MoveLine:
    fact = told.fact
    parameter = batch.master.recipe.parameters().get(fact.parameter)
    return MoveLine(
        at=told.happened_at,
        hours=hours_between(began, told.happened_at) if began else None,
        parameter=fact.parameter,
        words=parameter.words if parameter else Words(en=fact.parameter, zh=fact.parameter),
        old=fact.old,
        new=fact.new,
        unit=fact.unit,
        reason=fact.reason,
        gate_row=fact.gate_row,
        model=fact.model,
        triggered_by=fact.triggered_by,
    )
