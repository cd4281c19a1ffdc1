"""Batch: one product lot, one chain of identity. A batch is what its entries add up to.

`begin` makes it from its first entry, `apply` adds one entry; both are pure. Nothing else changes a batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.facts.feedback import ForecastMade
from cytoloop.core.facts.monitoring import AlarmAcknowledged, AlarmCleared, AlarmRaised, ExcursionFound
from cytoloop.core.facts.production import (
    AbortOrdered,
    BatchAborted,
    BatchCarried,
    BatchCreated,
    BatchFinished,
    BatchHeld,
    DeadlineMissed,
    HoldLifted,
    HoldOrdered,
    ReadingsRecorded,
    SetPointMoved,
    StepBlocked,
    StepCompleted,
    StepFailed,
    StepInDoubt,
    StepResolved,
    StepStarted,
    ValueCorrected,
    WayTaken,
)
from cytoloop.core.facts.quality import (
    DeviationClosed,
    DeviationOpened,
    DispositionSigned,
    RecordReviewed,
    ResultRecorded,
)
from cytoloop.core.facts.record import BundleExported
from cytoloop.core.facts.shadow import ShadowMove
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant

StepState = Literal["running", "in-doubt", "done", "failed", "not-done"]
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Told(Generic[F]):
    """A fact with where and when it stands in the batch's stream."""

    fact: F
    position: int
    happened_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What is known of one step: its latest attempt."""

    step: str
    attempt: int
    key: str
    target: str
    verb: str
    arguments: Mapping[str, JSON] = field(hash=False)
    state: StepState
    started_at: Instant
    ended_at: Instant | None = None
    position: int
    """Position of the entry that gave it its state."""
    values: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    """Values in force: as they came, or as they were corrected since."""
    reason: str = ""
    doubts: int = 0
    """Times it was said to be in doubt: how often a person was asked what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A deviation of this batch, open until a person decided."""

    opened: Told[DeviationOpened]
    closed: Told[DeviationClosed] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of this batch's equipment: raised and cleared by the process, acknowledged by a person (ISA-18.2)."""

    raised: Told[AlarmRaised]
    cleared: Told[AlarmCleared] | None = None
    acknowledged: Told[AlarmAcknowledged] | None = None

    @property
    def waits(self) -> bool:
        """Whether it still asks for somebody: it is active, or nobody has acknowledged it."""
        return self.cleared is None or self.acknowledged is None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The state of a batch, folded from its stream."""

    number: str
    created: BatchCreated
    created_at: Instant
    master: MasterRecipe
    position: int
    """Number of entries folded so far: what `expected` of the next append must be."""
    parameters: Mapping[str, float] = field(hash=False)
    """Full parameter name -> value in force for this batch."""
    steps: Mapping[str, StepRecord] = field(default_factory=dict, hash=False)
    moves: tuple[Told[SetPointMoved], ...] = ()
    shadow_moves: tuple[Told[ShadowMove], ...] = ()
    """What a controller in shadow mode would have moved; nothing was."""
    results: tuple[Told[ResultRecorded], ...] = ()
    readings: tuple[Told[ReadingsRecorded], ...] = ()
    forecasts: tuple[Told[ForecastMade], ...] = ()
    deviations: Mapping[str, Deviation] = field(default_factory=dict, hash=False)
    alarms: Mapping[str, Alarm] = field(default_factory=dict, hash=False)
    """By the alarm's name, in the order they were raised."""
    excursions: tuple[Told[ExcursionFound], ...] = ()
    """What telemetry showed; those of `readings` are found by reading them."""
    corrections: tuple[Told[ValueCorrected], ...] = ()
    reviews: tuple[Told[RecordReviewed], ...] = ()
    newest: int = 0
    """Position of the newest entry that a review must have seen: any but reviews, dispositions and exports."""
    people: frozenset[str] = frozenset()
    """User ids of everybody whose act stands in the stream; reading it for a review is no act in the batch."""
    finished_at: Instant | None = None
    aborted: Told[BatchAborted] | None = None
    held: Told[BatchHeld] | None = None
    """Since when it stands still because a person's answers were refused; None once it goes on."""
    disposition: Told[DispositionSigned] | None = None
    ways: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Selection, or round of a repeat -> the way that was taken."""
    exhausted: tuple[Told[WayTaken], ...] = ()
    """Repeats whose last round was not enough."""
    reworks: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Step -> times that its rework was decided on."""
    missed: Mapping[str, Told[DeadlineMissed]] = field(default_factory=dict, hash=False)
    """Step -> its maximum wait that was missed."""
    blocked: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Step -> why it may not start now, for those whose turn has come."""
    on_hold: Told[HoldOrdered] | None = None
    """Since when it stands still because a person ordered it; None once the hold is lifted."""
    abort: Told[AbortOrdered] | Told[DeviationClosed] | None = None
    """Who ended it: an order, or the decision on a deviation. Its units are brought into a safe state first."""
    release: str = ""
    """Version of the platform that carries it; empty when none has said so."""

    @property
    def open_deviations(self) -> tuple[Deviation, ...]:
        """Deviations that nobody has decided on: while there is one, no next step starts."""
        return tuple(deviation for deviation in self.deviations.values() if deviation.closed is None)

    @property
    def ended(self) -> bool:
        """Whether production of this batch is over."""
        return self.finished_at is not None or self.aborted is not None

    @property
    def reviewed(self) -> Told[RecordReviewed] | None:
        """The newest review, when nothing was entered that it has not seen; None when a new one is needed."""
        return next((told for told in reversed(self.reviews) if told.fact.position > self.newest), None)

    @property
    def underway(self) -> tuple[StepRecord, ...]:
        """Steps that were started and have no outcome yet: one, or one for each parallel branch."""
        return tuple(step for step in self.steps.values() if step.state in ("running", "in-doubt"))


def begin(recorded: Recorded, master: MasterRecipe) -> Batch:
    """The batch that a `batch-created` entry makes; ValueError for any other first entry."""
    created = recorded.fact
    if not isinstance(created, BatchCreated):
        raise ValueError(f"the first entry of a batch must be {BatchCreated.NAME}, not {recorded.entry.name}")
    targets = {name: parameter.target for name, parameter in master.recipe.parameters().items()}
    return Batch(
        number=created.batch,
        created=created,
        created_at=recorded.entry.happened_at,
        master=master,
        position=1,
        parameters=targets,
    )


def fold(recorded: Iterable[Recorded], master: MasterRecipe) -> Batch:
    """The batch that a whole stream adds up to; ValueError for an empty stream."""
    entries = iter(recorded)
    first = next(entries, None)
    if first is None:
        raise ValueError("a batch has at least one entry")
    batch = begin(first, master)
    for each in entries:
        batch = apply(batch, each)
    return batch


def apply(batch: Batch, recorded: Recorded) -> Batch:
    """The batch after one more entry. Entries of no consequence for the state only move the position."""
    fact, position = recorded.fact, recorded.entry.position
    changes = _changes(batch, fact, recorded.entry.happened_at, position)
    if not isinstance(fact, RecordReviewed | BundleExported):  # these only read
        kind, _, user = recorded.entry.actor.partition(":")
        people = batch.people | {user} if kind == "person" else batch.people
        # A disposition follows the review; it is nothing that the review should have seen.
        newest = batch.newest if isinstance(fact, DispositionSigned) else position
        changes |= {"newest": newest, "people": people}
    return _changed(batch, changes | {"position": position + 1})


def _changed(batch: Batch, changes: Mapping[str, Any]) -> Batch:
    """As `dataclasses.replace`, some five times as fast: a plant that starts again folds every batch it carries."""
    changed = object.__new__(Batch)
    changed.__dict__.update(batch.__dict__, **changes)
    return changed


def _changes(batch: Batch, fact: Fact, at: Instant, position: int) -> dict[str, Any]:
    """What an entry changes in a batch, by field: the batch is made anew once for all of them."""
    match fact:
        case StepStarted():
            blocked = {step: reason for step, reason in batch.blocked.items() if step != fact.step}
            return {"held": None, "blocked": blocked, "steps": _with(batch, _started(fact, at, position))}
        case StepCompleted():
            return {"steps": _ended(batch, fact.step, "done", at, position, values=fact.values)}
        case StepFailed():
            return {"steps": _ended(batch, fact.step, "failed", at, position, values=fact.values, reason=fact.reason)}
        case StepInDoubt():
            return {"steps": _ended(batch, fact.step, "in-doubt", None, position, doubts=1)}
        case StepResolved():
            state: StepState = "done" if fact.resolution == "done" else "not-done"
            return {"held": None, "steps": _ended(batch, fact.step, state, at, position, reason=fact.reason)}
        case SetPointMoved():
            parameters = {**batch.parameters, fact.parameter: fact.new}
            return {"parameters": parameters, "moves": (*batch.moves, Told(fact, position, at))}
        case ShadowMove():
            return {"shadow_moves": (*batch.shadow_moves, Told(fact, position, at))}
        case ResultRecorded():
            return {"results": (*batch.results, Told(fact, position, at))}
        case ReadingsRecorded():
            return {"readings": (*batch.readings, Told(fact, position, at))}
        case ForecastMade():
            return {"forecasts": (*batch.forecasts, Told(fact, position, at))}
        case ValueCorrected():
            return _corrected(batch, Told(fact, position, at))
        case DeviationOpened():
            opened = Deviation(opened=Told(fact, position, at))
            return {"deviations": {**batch.deviations, fact.deviation: opened}}
        case DeviationClosed():
            return _closed(batch, Told(fact, position, at))
        case AlarmRaised() | AlarmCleared() | AlarmAcknowledged():
            return {"alarms": _alarmed(batch, fact, position, at)}
        case ExcursionFound():
            return {"excursions": (*batch.excursions, Told(fact, position, at))}
        case BatchFinished():
            return {"finished_at": at}
        case BatchHeld():
            return {"held": Told(fact, position, at)}
        case BatchAborted():
            return {"aborted": Told(fact, position, at)}
        case DispositionSigned():
            return {"disposition": Told(fact, position, at)}
        case RecordReviewed():
            return {"reviews": (*batch.reviews, Told(fact, position, at))}
        case _:
            return _flow(batch, fact, at, position)


def _flow(batch: Batch, fact: Fact, at: Instant, position: int) -> dict[str, Any]:
    """What an entry changes in the way a batch goes: ways, waits, holds."""
    match fact:
        case WayTaken():
            exhausted = (*batch.exhausted, Told(fact, position, at)) if fact.way == "exhausted" else batch.exhausted
            return {"ways": {**batch.ways, fact.step: fact.way}, "exhausted": exhausted}
        case DeadlineMissed():
            return {"missed": {**batch.missed, fact.step: Told(fact, position, at)}}
        case StepBlocked():
            return {"blocked": {**batch.blocked, fact.step: fact.reason}}
        case HoldOrdered():
            return {"on_hold": Told(fact, position, at)}
        case HoldLifted():
            return {"on_hold": None}
        case AbortOrdered():
            return {"abort": Told(fact, position, at)}
        case BatchCarried():
            return {"release": fact.release}
        case _:
            return {}


def _alarmed(
    batch: Batch, fact: AlarmRaised | AlarmCleared | AlarmAcknowledged, position: int, at: Instant
) -> dict[str, Alarm]:
    """The alarms with one more, or one that changed. What is told of an alarm that nobody raised changes nothing."""
    if isinstance(fact, AlarmRaised):
        return {**batch.alarms, fact.alarm: Alarm(raised=Told(fact, position, at))}
    alarm = batch.alarms.get(fact.alarm)
    if alarm is None:
        return dict(batch.alarms)
    if isinstance(fact, AlarmCleared):
        return {**batch.alarms, fact.alarm: replace(alarm, cleared=Told(fact, position, at))}
    return {**batch.alarms, fact.alarm: replace(alarm, acknowledged=Told(fact, position, at))}


def _corrected(batch: Batch, told: Told[ValueCorrected]) -> dict[str, Any]:
    """The corrected value is in force, unless the step was done again since."""
    corrections = (*batch.corrections, told)
    step = next((each for each in batch.steps.values() if each.position == told.fact.corrects), None)
    if step is None:
        return {"corrections": corrections}
    values = {**step.values, told.fact.field: told.fact.new}
    return {"corrections": corrections, "steps": _with(batch, replace(step, values=values))}


def _started(fact: StepStarted, at: Instant, position: int) -> StepRecord:
    return StepRecord(
        step=fact.step,
        attempt=fact.attempt,
        key=fact.key,
        target=fact.target,
        verb=fact.verb,
        arguments=fact.arguments,
        state="running",
        started_at=at,
        position=position,
    )


def _with(batch: Batch, step: StepRecord) -> dict[str, StepRecord]:
    return {**batch.steps, step.step: step}


def _ended(
    batch: Batch,
    name: str,
    state: StepState,
    at: Instant | None,
    position: int,
    *,
    values: Mapping[str, JSON] | None = None,
    reason: str = "",
    doubts: int = 0,
) -> dict[str, StepRecord]:
    """The steps, one of which came to an end or into doubt; `doubts` adds to the times it was."""
    step = batch.steps[name]
    ended = replace(
        step,
        state=state,
        ended_at=at,
        position=position,
        values=values or {},
        reason=reason,
        doubts=step.doubts + doubts,
    )
    return _with(batch, ended)


def _closed(batch: Batch, closed: Told[DeviationClosed]) -> dict[str, Any]:
    """The deviation is decided on; the step that failed for it is done or to be done again."""
    deviation = replace(batch.deviations[closed.fact.deviation], closed=closed)
    changes: dict[str, Any] = {"deviations": {**batch.deviations, closed.fact.deviation: deviation}}
    step, decision = deviation.opened.fact.step, closed.fact.decision
    if decision == "terminate":
        changes["abort"] = batch.abort or closed
    if step is not None and step in batch.steps and batch.steps[step].state == "failed":
        state: StepState = "done" if decision == "continue" else "not-done"
        changes["steps"] = _with(batch, replace(batch.steps[step], state=state, ended_at=closed.happened_at))
        if decision == "rework":
            changes["reworks"] = {**batch.reworks, step: batch.reworks.get(step, 0) + 1}
    return changes
