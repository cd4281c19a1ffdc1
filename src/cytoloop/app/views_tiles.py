"""Tiles: the units of a plant, each with the batch that is on it and what happens there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cytoloop.app.production import SHARED
from cytoloop.app.views_steps import OperationLine, listed_operations
from cytoloop.app.views_work import WorkLine
from cytoloop.core.batch import Batch
from cytoloop.core.product import EquipmentClass
from cytoloop.core.time import Instant, hours_between
from cytoloop.core.words import Words
from cytoloop.production.advance import advance
from cytoloop.production.own_steps import RUNNER
from cytoloop.production.walk import next_steps

UnitState = Literal["free", "kept", "working", "waiting", "person", "held"]
"""free     no batch
kept     a batch's own, which is elsewhere just now
working  a step runs on it
waiting  the batch waits here for its next step
person   a person is waited for
held     a deviation is open, or the batch stands still"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One unit of the plant."""

    unit: str
    state: UnitState
    batch: str = ""
    line: str = ""
    operation: Words | None = None
    doing: Words | None = None
    """The step that runs, or that comes next."""
    since: Instant | None = None
    next_look: Instant | None = None
    """When the line looks at the batch again by itself."""
    done: float = 0.0
    """Share of the recipe's operations that are behind the batch."""
    day: float = 0.0
    """Days since the batch began."""
    waiting: tuple[WorkLine, ...] = ()
    deviations: int = 0
    alarms: int = 0
    more: int = 0
    """Other batches on the same unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A batch in production with the operation that it is in."""

    batch: Batch
    operation: OperationLine | None
    done: float
    """Share of the recipe's operations that are behind it."""


def placed(batch: Batch) -> Placed:
    """Where a batch is."""
    listed = list(listed_operations(batch))
    begun = [each for each in listed if each.state == "running"]
    over = sum(each.state == "done" for each in listed)
    here = begun[-1] if begun else next(iter(listed), None)
    return Placed(batch=batch, operation=here, done=over / len(listed) if listed else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the tiles of one moment are made from."""

    batches: Sequence[Placed]
    work: Sequence[WorkLine]
    at: Instant
    ringing: Sequence[str]
    """Unit of each alarm that stands."""

    def tiles(self, of: EquipmentClass) -> tuple[Tile, ...]:
        """The units of a class."""
        units = [f"{of.equipment_class.replace('_', '-')}-{number:02d}" for number in range(1, of.count + 1)]
        return tuple(self._tile(unit, shared=of.equipment_class in SHARED) for unit in units)

    def _tile(self, unit: str, *, shared: bool) -> Tile:
        ringing = list(self.ringing).count(unit)
        here = [each for each in self.batches if each.operation is not None and each.operation.equipment == unit]
        if here and here[0].operation is not None:
            return replace(self._taken(unit, here[0], here[0].operation, ringing), more=len(here) - 1)
        own = (each.batch for each in self.batches if unit in each.batch.created.equipment.values())
        kept = next(own, None)
        if kept is None or shared:
            return Tile(unit=unit, state="free", alarms=ringing)
        return Tile(unit=unit, state="kept", batch=kept.number, line=kept.created.line, alarms=ringing)

    def _taken(self, unit: str, here: Placed, operation: OperationLine, ringing: int) -> Tile:
        batch = here.batch
        waiting = tuple(each for each in self.work if each.batch == batch.number and each.waits != "line")
        doing, since = _doing(batch, operation)
        return Tile(
            unit=unit,
            state=_state(batch, waiting),
            batch=batch.number,
            line=batch.created.line,
            operation=operation.words,
            doing=doing,
            since=since,
            next_look=_next_look(batch, self.at),
            done=here.done,
            day=hours_between(batch.created_at, self.at) / 24.0,
            waiting=waiting,
            deviations=len(batch.open_deviations),
            alarms=ringing,
        )


def _state(batch: Batch, waiting: Sequence[WorkLine]) -> UnitState:
    if stands(batch):
        return "held"
    if waiting:
        return "person"
    return "working" if batch.underway else "waiting"


def stands(batch: Batch) -> bool:
    """Whether the batch goes nowhere until somebody decides."""
    return bool(batch.open_deviations or batch.blocked) or batch.held is not None or batch.on_hold is not None


def _doing(batch: Batch, operation: OperationLine) -> tuple[Words | None, Instant | None]:
    """The step that is underway, else the one that comes next; since when."""
    if batch.underway:
        first = batch.underway[0]
        line = next((each for each in operation.steps if each.step == first.step), None)
        return (line.words if line else Words(en=first.step, zh=first.step)), first.started_at
    planned = next(iter(next_steps(batch)), None)
    ended = max((each.ended_at for each in operation.steps if each.ended_at), default=None)
    return (planned.phase.words if planned else None), ended


def _next_look(batch: Batch, at: Instant) -> Instant | None:
    """The next moment that the line itself waits for; None while somebody or something else is waited for."""
    if stands(batch) or any(step.target != RUNNER for step in batch.underway):
        return None
    return advance(batch, at).wake_at
