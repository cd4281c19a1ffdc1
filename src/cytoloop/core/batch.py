"""Batch: one product lot, one chain of identity. A batch is what its entries add up to.

`begin` makes it from its first entry, `apply` adds one entry; both are pure. Nothing else changes a batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, TypeVar

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.feedback import ForecastMade
from cytoloop.core.facts.production import (
    BatchAborted,
    BatchCreated,
    BatchFinished,
    ReadingsRecorded,
    SetPointMoved,
    StepCompleted,
    StepFailed,
    StepInDoubt,
    StepResolved,
    StepStarted,
)
from cytoloop.core.facts.quality import (
    DeviationClosed,
    DeviationOpened,
    DispositionSigned,
    ResultRecorded,
)
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
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A deviation of this batch, open until a person decided."""

    opened: Told[DeviationOpened]
    closed: Told[DeviationClosed] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
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
    results: tuple[Told[ResultRecorded], ...] = ()
    readings: tuple[Told[ReadingsRecorded], ...] = ()
    forecasts: tuple[Told[ForecastMade], ...] = ()
    deviations: Mapping[str, Deviation] = field(default_factory=dict, hash=False)
    people: frozenset[str] = frozenset()
    """User ids of everybody whose act stands in the stream."""
    finished_at: Instant | None = None
    aborted: Told[BatchAborted] | None = None
    disposition: Told[DispositionSigned] | None = None

    @property
    def open_deviations(self) -> tuple[Deviation, ...]:
        """Deviations that nobody has decided on: while there is one, no next step starts."""
        return tuple(deviation for deviation in self.deviations.values() if deviation.closed is None)

    @property
    def ended(self) -> bool:
        """Whether production of this batch is over."""
        return self.finished_at is not None or self.aborted is not None

    @property
    def running(self) -> StepRecord | None:
        """The step that was started and has no outcome yet."""
        open_states = ("running", "in-doubt")
        return next((step for step in self.steps.values() if step.state in open_states), None)


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
    at, position = recorded.entry.happened_at, recorded.entry.position
    kind, _, user = recorded.entry.actor.partition(":")
    people = batch.people | {user} if kind == "person" else batch.people
    moved_on = replace(batch, position=position + 1, people=people)
    match recorded.fact:
        case StepStarted() as fact:
            return _with_step(moved_on, _started(fact, at, position))
        case StepCompleted() as fact:
            return _end_step(moved_on, fact.step, "done", at, position, values=fact.values)
        case StepFailed() as fact:
            return _end_step(moved_on, fact.step, "failed", at, position, values=fact.values, reason=fact.reason)
        case StepInDoubt() as fact:
            return _end_step(moved_on, fact.step, "in-doubt", None, position)
        case StepResolved() as fact:
            state: StepState = "done" if fact.resolution == "done" else "not-done"
            return _end_step(moved_on, fact.step, state, at, position, reason=fact.reason)
        case SetPointMoved() as fact:
            parameters = {**batch.parameters, fact.parameter: fact.new}
            moves = (*batch.moves, Told(fact, position, at))
            return replace(moved_on, parameters=parameters, moves=moves)
        case ResultRecorded() as fact:
            return replace(moved_on, results=(*batch.results, Told(fact, position, at)))
        case ReadingsRecorded() as fact:
            return replace(moved_on, readings=(*batch.readings, Told(fact, position, at)))
        case ForecastMade() as fact:
            return replace(moved_on, forecasts=(*batch.forecasts, Told(fact, position, at)))
        case DeviationOpened() as fact:
            return _with_deviation(moved_on, Deviation(opened=Told(fact, position, at)))
        case DeviationClosed() as fact:
            return _close_deviation(moved_on, Told(fact, position, at))
        case BatchFinished():
            return replace(moved_on, finished_at=at)
        case BatchAborted() as fact:
            return replace(moved_on, aborted=Told(fact, position, at))
        case DispositionSigned() as fact:
            return replace(moved_on, disposition=Told(fact, position, at))
        case _:
            return moved_on


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


def _with_step(batch: Batch, step: StepRecord) -> Batch:
    return replace(batch, steps={**batch.steps, step.step: step})


def _end_step(
    batch: Batch,
    name: str,
    state: StepState,
    at: Instant | None,
    position: int,
    *,
    values: Mapping[str, JSON] | None = None,
    reason: str = "",
) -> Batch:
    step = batch.steps[name]
    ended = replace(step, state=state, ended_at=at, position=position, values=values or {}, reason=reason)
    return _with_step(batch, ended)


def _with_deviation(batch: Batch, deviation: Deviation) -> Batch:
    return replace(batch, deviations={**batch.deviations, deviation.opened.fact.deviation: deviation})


def _close_deviation(batch: Batch, closed: Told[DeviationClosed]) -> Batch:
    deviation = replace(batch.deviations[closed.fact.deviation], closed=closed)
    batch = _with_deviation(batch, deviation)
    step = deviation.opened.fact.step
    if step is None or step not in batch.steps or batch.steps[step].state != "failed":
        return batch
    state: StepState = "done" if closed.fact.decision == "continue" else "not-done"
    return _with_step(batch, replace(batch.steps[step], state=state, ended_at=closed.happened_at))
