"""Views of the whole loop: live counts of the four stages, the batches, the production lines compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from cytoloop.app.views_foresight import NEWEST, ForetoldView, foretold_view
from cytoloop.app.views_proposal import ProposalBrief, proposals_view
from cytoloop.app.views_shelf import Shelf
from cytoloop.clinic.order import order
from cytoloop.clinic.timeline import timeline
from cytoloop.core.batch import Batch
from cytoloop.core.facts.clinic import (
    MaterialCollected,
    OrderPlaced,
    OutcomeRecorded,
    ProductAdministered,
    StudyRegistered,
    SubjectEnrolled,
)
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.facts.feedback import ChangeSigned, ProposalDeclined, ProposalDrafted, TwinReleased
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.facts.quality import DispositionKind
from cytoloop.core.rule import Verdict
from cytoloop.core.time import Instant, hours_between
from cytoloop.core.words import Words

BatchState = Literal["running", "held", "finished", "aborted"]
BATCH_STATES: tuple[BatchState, ...] = ("running", "held", "finished", "aborted")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicView:
    """Stage 1 in numbers."""

    studies: int
    subjects: int
    orders: int
    orders_open: int
    """Placed, and neither administered nor ended by a rejected or aborted batch."""
    collections: int
    administered: int
    outcomes: int
    complete_responses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionView:
    """Stage 2 in numbers."""

    batches: int
    running: int
    held: int
    """Blocked by an open deviation."""
    finished: int
    aborted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityView:
    """Stage 3 in numbers."""

    deviations: int
    deviations_open: int
    findings: int
    findings_not_passed: int
    """Latest finding of each clause for each act that failed or lacked data."""
    findings_for_people: int
    """Those that a person has to judge."""
    awaiting_disposition: int
    released: int
    rejected: int
    other_dispositions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackView:
    """Stage 4 in numbers."""

    twin_version: int | None
    """The newest released version."""
    forecasts: int
    moves: int
    """Set-points moved inside running batches."""
    proposals: int
    proposals_open: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One production line ("arm") with the figures by which lines are compared."""

    line: str
    recipe: str | None
    recipe_version: int | None
    batches: int
    ended: int
    released: int
    rejected: int
    viable_car_cells_median: float | None
    """1e6 cells, of the released product."""
    vein_to_vein_days_median: float | None
    deviations: int
    moves: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """One batch in a list."""

    number: str
    order: str
    subject: str
    line: str
    product: Words
    recipe_version: int
    state: BatchState
    operation: Words | None
    """Where it stands, or ended; None before its first step."""
    operation_number: int
    operations: int
    created_at: Instant
    ended_at: Instant | None
    day: float
    """Days from creation to the last entry."""
    viable_cell_density: float | None
    """Latest count, 1e6 cells/mL."""
    in_specification: float | None
    """The latest forecast's probability."""
    viable_car_cells: float | None
    """1e6 cells, released product's test."""
    deviations: int
    deviations_open: int
    disposition: DispositionKind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopView:
    """The closed loop at one moment of the record."""

    entries: int
    tree_head: str
    as_of: Instant | None
    """The latest happened time in the record."""
    clinic: ClinicView
    production: ProductionView
    quality: QualityView
    feedback: FeedbackView
    lines: tuple[LineView, ...]
    proposals: tuple[ProposalBrief, ...]
    """Every proposal with its claim, newest first."""
    running: tuple[BatchLine, ...]
    """Batches that run or are held."""
    foretold: tuple[ForetoldView, ...]
    """The newest orders whose risk was told before their batch began."""
    steps_now: Mapping[str, int] = field(hash=False)
    """Operation -> number of batches that stand in it now."""


def loop_view(shelf: Shelf) -> LoopView:
    """The four stages with their counts, the running batches, the lines compared."""
    batches = batch_list_view(shelf)
    active = tuple(line for line in batches if line.state in ("running", "held"))
    return LoopView(
        entries=shelf.size,
        tree_head=shelf.head().root.hex(),
        as_of=max((each.entry.happened_at for each in shelf.entries()), default=None),
        clinic=_clinic(shelf),
        production=_production(batches),
        quality=_quality(shelf, batches),
        feedback=_feedback(shelf),
        lines=lines_view(shelf),
        proposals=proposals_view(shelf),
        running=active,
        foretold=foretold_view(shelf, newest=NEWEST),
        steps_now=_tally(line.operation.en for line in active if line.operation),
    )


def batch_list_view(shelf: Shelf, *, line: str | None = None) -> tuple[BatchLine, ...]:
    """Every batch in order of creation, or those of one line."""
    return tuple(_batch_line(shelf, batch) for batch in shelf.batches() if line in (None, batch.created.line))


def lines_view(shelf: Shelf) -> tuple[LineView, ...]:
    """The production lines, in order of their first recipe."""
    names = dict.fromkeys(approved.fact.line for approved in shelf.facts(RecipeApproved, "recipe/"))
    return tuple(_line(shelf, name) for name in names)


def state_of(batch: Batch) -> BatchState:
    """What a person says of a batch in one word."""
    if batch.aborted is not None:
        return "aborted"
    if batch.finished_at is not None:
        return "finished"
    return "held" if batch.open_deviations else "running"


def _clinic(shelf: Shelf) -> ClinicView:
    outcomes = shelf.facts(OutcomeRecorded)
    orders = {kept.fact.order for kept in shelf.facts(OrderPlaced)}
    administered = {kept.fact.order for kept in shelf.facts(ProductAdministered)}
    return ClinicView(
        studies=len(shelf.facts(StudyRegistered)),
        subjects=len({kept.fact.subject for kept in shelf.facts(SubjectEnrolled)}),
        orders=len(orders),
        orders_open=len(orders - administered - _orders_without_product(shelf)),
        collections=len(shelf.facts(MaterialCollected)),
        administered=len(administered),
        outcomes=len(outcomes),
        complete_responses=sum(kept.fact.response == "complete" for kept in outcomes),
    )


def _orders_without_product(shelf: Shelf) -> set[str]:
    """Orders whose latest batch was aborted or rejected."""
    latest = {batch.created.order: batch for batch in shelf.batches()}
    return {
        order
        for order, batch in latest.items()
        if batch.aborted or (batch.disposition and batch.disposition.fact.disposition == "rejected")
    }


def _production(batches: tuple[BatchLine, ...]) -> ProductionView:
    states = _tally(line.state for line in batches)
    return ProductionView(
        batches=len(batches),
        running=states.get("running", 0),
        held=states.get("held", 0),
        finished=states.get("finished", 0),
        aborted=states.get("aborted", 0),
    )


def _quality(shelf: Shelf, batches: tuple[BatchLine, ...]) -> QualityView:
    latest = {
        (kept.entry.stream, kept.fact.locus, kept.fact.act): kept.fact.verdict for kept in shelf.facts(FindingRecorded)
    }
    verdicts = list(latest.values())
    dispositions = _tally(line.disposition or "" for line in batches)
    known = sum(count for name, count in dispositions.items() if name)
    return QualityView(
        deviations=sum(line.deviations for line in batches),
        deviations_open=sum(line.deviations_open for line in batches),
        findings=len(latest),
        findings_not_passed=verdicts.count(Verdict.FAIL) + verdicts.count(Verdict.INSUFFICIENT_DATA),
        findings_for_people=verdicts.count(Verdict.NEEDS_HUMAN),
        awaiting_disposition=sum(line.state in ("finished", "aborted") and not line.disposition for line in batches),
        released=dispositions.get("released", 0),
        rejected=dispositions.get("rejected", 0),
        other_dispositions=known - dispositions.get("released", 0) - dispositions.get("rejected", 0),
    )


def _feedback(shelf: Shelf) -> FeedbackView:
    drafted = {kept.fact.proposal for kept in shelf.facts(ProposalDrafted)}
    signed = {kept.fact.proposal for kept in shelf.facts(ChangeSigned)}
    declined = {kept.fact.proposal for kept in shelf.facts(ProposalDeclined)}
    return FeedbackView(
        twin_version=max((kept.fact.version for kept in shelf.facts(TwinReleased)), default=None),
        forecasts=sum(len(batch.forecasts) for batch in shelf.batches()),
        moves=sum(len(batch.moves) for batch in shelf.batches()),
        proposals=len(drafted),
        proposals_open=len(drafted - signed - declined),
        changes=len(signed),
    )


def _line(shelf: Shelf, name: str) -> LineView:
    batches = [batch for batch in shelf.batches() if batch.created.line == name]
    approved = [kept.fact for kept in shelf.facts(RecipeApproved, f"recipe/{name}/")]
    verdicts = [batch.disposition.fact.disposition for batch in batches if batch.disposition]
    doses = [dose for batch in batches if (dose := dose_of(batch)) is not None]
    days = vein_to_vein_days(shelf)
    known = [days[batch.number] for batch in batches if batch.number in days]
    return LineView(
        line=name,
        recipe=approved[-1].recipe if approved else None,
        recipe_version=approved[-1].version if approved else None,
        batches=len(batches),
        ended=sum(batch.ended for batch in batches),
        released=verdicts.count("released"),
        rejected=verdicts.count("rejected"),
        viable_car_cells_median=median(doses) if doses else None,
        vein_to_vein_days_median=median(known) if known else None,
        deviations=sum(len(batch.deviations) for batch in batches),
        moves=sum(len(batch.moves) for batch in batches),
        changes=len(shelf.facts(ChangeSigned, f"recipe/{name}/")),
    )


def vein_to_vein_days(shelf: Shelf) -> dict[str, float]:
    """Batch number -> days from collection to administration, where both are recorded."""
    orders = (order(shelf.stream(stream)) for stream in shelf.streams("order/"))
    return {
        each.administered.batch: days
        for each in orders
        if each is not None and each.administered is not None
        if (days := timeline(each, None).vein_to_vein) is not None
    }


def dose_of(batch: Batch) -> float | None:
    """The dose attribute's latest release result; None when it was not tested."""
    name = batch.master.product.dose_attribute
    found = [told.fact.value for told in batch.results if told.fact.attribute == name and told.fact.stage == "release"]
    return found[-1] if found else None


def _batch_line(shelf: Shelf, batch: Batch) -> BatchLine:
    operations = [operation for _, operation in batch.master.recipe.operations()]
    reached = {step.step.partition("/")[0] for step in batch.steps.values()}
    standing = max((number for number, each in enumerate(operations, 1) if each.operation in reached), default=0)
    ended_at = batch.finished_at or (batch.aborted.happened_at if batch.aborted else None)
    last = shelf.stream(f"batch/{batch.number}")[-1].entry.happened_at
    counts = [told.fact.value for told in batch.results if told.fact.attribute == "viable_cell_density"]
    return BatchLine(
        number=batch.number,
        order=batch.created.order,
        subject=batch.created.subject,
        line=batch.created.line,
        product=batch.master.product.words,
        recipe_version=batch.created.recipe_version,
        state=state_of(batch),
        operation=operations[standing - 1].words if standing else None,
        operation_number=standing,
        operations=len(operations),
        created_at=batch.created_at,
        ended_at=ended_at,
        day=hours_between(batch.created_at, ended_at or last) / 24,
        viable_cell_density=counts[-1] if counts else None,
        in_specification=batch.forecasts[-1].fact.in_specification if batch.forecasts else None,
        viable_car_cells=dose_of(batch),
        deviations=len(batch.deviations),
        deviations_open=len(batch.open_deviations),
        disposition=batch.disposition.fact.disposition if batch.disposition else None,
    )


def _tally(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
