"""View of one batch: what was done, found, forecast, moved and decided, in the order a reviewer asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cytoloop.app.views_loop import BatchState, state_of
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.batch import Batch, StepRecord, StepState, Told
from cytoloop.core.facts.compliance import FindingRecorded, GateJudged
from cytoloop.core.facts.feedback import ForecastMade, Interval
from cytoloop.core.facts.production import SetPointMoved
from cytoloop.core.facts.quality import Decision, DeviationKind, DispositionKind, ResultRecorded
from cytoloop.core.json import JSON
from cytoloop.core.product import Attribute, Product, Stage
from cytoloop.core.recipe import Loop, Operation
from cytoloop.core.rule import Verdict
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant, hours_between
from cytoloop.core.words import Words

OperationState = Literal["pending", "running", "done"]
COUNTED = "viable_cell_density"
"""The attribute that forecast curves speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step as executed: its latest attempt."""

    step: str
    words: Words
    round: int | None
    """Round of its loop, from 0; None outside a loop."""
    target: str
    verb: str
    state: StepState
    attempt: int
    started_at: Instant
    ended_at: Instant | None
    reason: str
    values: Mapping[str, JSON] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLine:
    """One ISA-88 operation of the batch."""

    operation: str
    words: Words
    unit_procedure: Words
    equipment: str
    state: OperationState
    started_at: Instant | None
    ended_at: Instant | None
    steps: tuple[StepLine, ...]


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
class ResultLine:
    """One result beside the limits of its stage; `value` is None for a release test that is not there yet."""

    attribute: str
    words: Words
    stage: Stage
    sample: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    """For this patient: limits per kilogram are multiplied by the weight."""
    within: bool | None
    """None when there is no limit or no value."""
    critical: bool
    method: str
    at: Instant | None
    hours: float | None
    """Hours since the culture began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Readings of one signal, or results of one attribute, over the culture."""

    name: str
    unit: str
    hours: tuple[float, ...]
    values: tuple[float, ...]
    low: float | None = None
    high: float | None = None
    """Alarm limits."""


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
    operations = tuple(_operations(batch))
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
        results=tuple(_result(batch, told, began) for told in batch.results),
        specification=tuple(_specification(batch, began)),
        readings=_readings(batch, began),
        counts=next((curve for curve in _sampled(batch, began) if curve.name == COUNTED), None),
        metabolites=tuple(curve for curve in _sampled(batch, began) if curve.name != COUNTED),
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


def culture_began(batch: Batch) -> Instant | None:
    """When the cells were in the bioreactor: the end of the first `seed` program; None before it."""
    seeded = (step for step in batch.steps.values() if step.arguments.get("program") == "seed")
    return next((step.ended_at for step in seeded if step.state == "done"), None)


def limits(attribute: Attribute, weight: float) -> tuple[float | None, float | None]:
    """Low and high limit of an attribute for a patient of `weight` kg."""
    factor = weight if attribute.per_kg else 1.0
    low = None if attribute.low is None else attribute.low * factor
    high = None if attribute.high is None else attribute.high * factor
    return low, high


def attribute_words(product: Product) -> dict[str, Words]:
    """Attribute -> its words, those of the earliest stage that tests it."""
    return {each.attribute: each.words for each in reversed(product.attributes)}


def _operations(batch: Batch) -> Iterator[OperationLine]:
    listed = list(batch.master.recipe.operations())
    executed = {operation.operation: tuple(_steps(batch, operation)) for _, operation in listed}
    begun = [index for index, (_, operation) in enumerate(listed) if executed[operation.operation]]
    last = max(begun, default=-1)
    for index, (unit_procedure, operation) in enumerate(listed):
        steps = executed[operation.operation]
        over = index < last or (bool(steps) and batch.ended)
        ends = [step.ended_at for step in steps if step.ended_at]
        yield OperationLine(
            operation=operation.operation,
            words=operation.words,
            unit_procedure=unit_procedure.words,
            equipment=batch.created.equipment.get(unit_procedure.equipment_class, unit_procedure.equipment_class),
            state="done" if over and steps else "running" if steps else "pending",
            started_at=min((step.started_at for step in steps), default=None),
            ended_at=max(ends, default=None) if over else None,
            steps=steps,
        )


def _steps(batch: Batch, operation: Operation) -> Iterator[StepLine]:
    names = dict(_phase_words(operation))
    for record in batch.steps.values():
        if record.step.startswith(f"{operation.operation}/"):
            yield _step(record, names)


def _phase_words(operation: Operation) -> Iterator[tuple[str, Words]]:
    for item in operation.steps:
        if isinstance(item, Loop):
            for phase in item.steps:
                yield f"{operation.operation}/{item.loop}/{phase.phase}", phase.words
        else:
            yield f"{operation.operation}/{item.phase}", item.words


def _step(record: StepRecord, names: Mapping[str, Words]) -> StepLine:
    path, number = _path(record.step)
    return StepLine(
        step=record.step,
        words=names.get(path, Words(en=record.step, zh=record.step)),
        round=number,
        target=record.target,
        verb=record.verb,
        state=record.state,
        attempt=record.attempt,
        started_at=record.started_at,
        ended_at=record.ended_at,
        reason=record.reason,
        values=record.values,
    )


def _path(step: str) -> tuple[str, int | None]:
    """The step's path in the recipe, and its round: "a/b[3]/c" -> ("a/b/c", 3)."""
    before, bracket, rest = step.partition("[")
    if not bracket:
        return step, None
    number, _, tail = rest.partition("]")
    return before + tail, int(number)


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


def _attribute(batch: Batch, name: str, stage: Stage) -> Attribute | None:
    return next((each for each in batch.master.product.at(stage) if each.attribute == name), None)


def _result(batch: Batch, told: Told[ResultRecorded], began: Instant | None) -> ResultLine:
    fact = told.fact
    attribute = _attribute(batch, fact.attribute, fact.stage)
    low, high = limits(attribute, batch.created.weight) if attribute else (None, None)
    return ResultLine(
        attribute=fact.attribute,
        words=attribute.words if attribute else Words(en=fact.attribute, zh=fact.attribute),
        stage=fact.stage,
        sample=fact.sample,
        value=fact.value,
        unit=fact.unit,
        low=low,
        high=high,
        within=_within(fact.value, low, high),
        critical=attribute.critical if attribute else False,
        method=fact.method,
        at=told.happened_at,
        hours=hours_between(began, told.happened_at) if began else None,
    )


def _within(value: float, low: float | None, high: float | None) -> bool | None:
    if low is None and high is None:
        return None
    return (low is None or value >= low) and (high is None or value <= high)


def _specification(batch: Batch, began: Instant | None) -> Iterator[ResultLine]:
    latest = {told.fact.attribute: told for told in batch.results if told.fact.stage == "release"}
    for attribute in batch.master.product.at("release"):
        told = latest.get(attribute.attribute)
        if told is not None:
            yield _result(batch, told, began)
            continue
        low, high = limits(attribute, batch.created.weight)
        yield ResultLine(
            attribute=attribute.attribute,
            words=attribute.words,
            stage="release",
            sample="",
            value=None,
            unit=attribute.unit,
            low=low,
            high=high,
            within=None,
            critical=attribute.critical,
            method=attribute.method,
            at=None,
            hours=None,
        )


def _readings(batch: Batch, began: Instant | None) -> tuple[Curve, ...]:
    """Good and uncertain readings by signal, over the culture."""
    if began is None:
        return ()
    points: dict[str, list[tuple[float, float]]] = {}
    units: dict[str, str] = {}
    for told in batch.readings:
        for reading in told.fact.readings:
            if reading.quality != "bad":
                points.setdefault(reading.signal, []).append((hours_between(began, reading.at), reading.value))
                units[reading.signal] = reading.unit
    alarms = {alarm.signal: alarm for each in batch.master.plant.classes for alarm in each.alarms}
    return tuple(
        Curve(
            name=signal,
            unit=units[signal],
            hours=tuple(hours for hours, _ in sorted(pairs)),
            values=tuple(value for _, value in sorted(pairs)),
            low=alarms[signal].low if signal in alarms else None,
            high=alarms[signal].high if signal in alarms else None,
        )
        for signal, pairs in points.items()
    )


def _sampled(batch: Batch, began: Instant | None) -> tuple[Curve, ...]:
    """In-process results by attribute, of samples taken from the culture."""
    if began is None:
        return ()
    points: dict[str, list[Told[ResultRecorded]]] = {}
    for told in batch.results:
        if told.fact.stage == "in_process" and told.happened_at >= began:
            points.setdefault(told.fact.attribute, []).append(told)
    return tuple(
        Curve(
            name=name,
            unit=tolds[0].fact.unit,
            hours=tuple(hours_between(began, told.happened_at) for told in tolds),
            values=tuple(told.fact.value for told in tolds),
            low=_low_high(batch, name)[0],
            high=_low_high(batch, name)[1],
        )
        for name, tolds in points.items()
    )


def _low_high(batch: Batch, name: str) -> tuple[float | None, float | None]:
    attribute = _attribute(batch, name, "in_process")
    return limits(attribute, batch.created.weight) if attribute else (None, None)


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
