"""Walk: which steps a batch's recipe asks for next, and not before when.

A step's id is its path in the recipe: "receipt/scan_bag", "expansion/culture[12]/daily_sample",
"culture/both/cells/count". Loops are unrolled with the parameter values in force for the batch, so a moved duration
moves the loop's end. Which way a selection takes, and whether a repeat goes on, is decided once and read from the
record ever after.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cytoloop.core.batch import Batch
from cytoloop.core.recipe import (
    Item,
    Loop,
    Operation,
    Parallel,
    Phase,
    Repeat,
    Selection,
    phases,
)
from cytoloop.core.time import Instant, after
from cytoloop.production.parts import primitives

TOLERANCE = 1e-6
"""Hours by which a loop's end may be missed in floating point."""
SAFE = "safe/"
"""Prefix of the steps that bring units into a safe state."""
AGAIN, ENOUGH, EXHAUSTED = "again", "enough", "exhausted"
"""Ways that a repeat takes after a round."""

Asked: TypeAlias = Phase | Selection | Repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step that the recipe asks for; a selection or a repeat, when what comes next is to be decided."""

    step: str
    phase: Asked
    operation: str
    equipment: str
    not_before: Instant
    """The earliest moment it may start: the batch's creation when nothing holds it back."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a sequence belongs to."""

    batch: Batch
    operation: Operation
    equipment: str
    done: Callable[[str], bool]
    begun: Callable[[str], bool]

    def planned(self, step: str, phase: Asked, not_before: Instant) -> Planned:
        return Planned(
            step=step,
            phase=phase,
            operation=self.operation.operation,
            equipment=self.equipment,
            not_before=not_before,
        )


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What a sequence asks for next; when nothing, it has ended and what follows may start at `floor`."""

    floor: Instant
    steps: tuple[Planned, ...] = ()


def next_steps(batch: Batch) -> tuple[Planned, ...]:
    """Steps that are not done and wait for no other: one, or one for each parallel branch; none at the end.

    A step that is underway is among them.
    """
    return _front(batch, lambda step: _done(batch, step), batch.steps.__contains__, _latest(batch))


def unrolled(batch: Batch) -> Iterator[Planned]:
    """Every step in order, as far as it is known which ways are taken. Rounds of a loop that has not begun are planned
    from the batch's creation on.
    """
    seen: set[str] = set()
    while front := _front(batch, seen.__contains__, seen.__contains__):
        yield front[0]
        seen.add(front[0].step)


def safe_steps(batch: Batch) -> Iterator[Planned]:
    """The steps that bring each unit that was begun on into its safe state, in order."""
    begun = {step.partition("/")[0] for step in batch.steps}
    for each in batch.master.recipe.procedure:
        if each.safe_state is not None and not begun.isdisjoint(operation.operation for operation in each.operations):
            scope = _Scope(batch, each.safe_state, batch.created.equipment[each.equipment_class], _never, _never)
            for phase in phases(each.safe_state.steps):
                yield scope.planned(f"{SAFE}{each.safe_state.operation}/{phase.phase}", phase, batch.created_at)


def deadlines(batch: Batch) -> Iterator[tuple[str, Instant]]:
    """Steps that have a maximum wait, which has begun, and have not started: with the moment it ends."""
    for _, operation in batch.master.recipe.operations():
        for step, phase in _timed(operation.operation, operation.steps):
            before = batch.steps.get(phase.within.after) if phase.within else None
            if phase.within is None or before is None or before.state != "done" or before.ended_at is None:
                continue
            if step not in batch.steps:
                yield step, after(before.ended_at, phase.within.hours)


def loop_hours(batch: Batch, operation: Operation, loop: Loop) -> float:
    """Hours from the loop's first round to its end, as parameters stand."""
    return batch.parameters[f"{operation.operation}.{loop.until}"]


def rounds_of(loop: Loop, hours: float) -> int:
    """Number of the loop's rounds when it lasts `hours`: one begins every so many hours, none at its end."""
    return max(math.ceil((hours - TOLERANCE) / loop.every), 0)


def _front(
    batch: Batch, done: Callable[[str], bool], begun: Callable[[str], bool], latest: str | None = None
) -> tuple[Planned, ...]:
    """`latest`: the operation that was begun last; those before it are over, and so are the times they ask to wait."""
    floor, over = batch.created_at, latest is not None
    for unit_procedure, operation in batch.master.recipe.operations():
        over = over and operation.operation != latest
        if over:
            continue
        scope = _Scope(batch, operation, batch.created.equipment[unit_procedure.equipment_class], done, begun)
        ahead = _sequence(scope, operation.operation, operation.steps, floor)
        if ahead.steps:
            return ahead.steps
        floor = ahead.floor
    return ()


def _sequence(scope: _Scope, path: str, steps: Sequence[Item], floor: Instant) -> _Ahead:
    for item in steps:
        ahead = _item(scope, path, item, floor)
        if ahead.steps:
            return ahead
        floor = ahead.floor
    return _Ahead(floor)


def _item(scope: _Scope, path: str, item: Item, floor: Instant) -> _Ahead:
    match item:
        case Loop():
            return _loop(scope, f"{path}/{item.loop}", item, floor)
        case Repeat():
            return _repeat(scope, f"{path}/{item.repeat}", item, floor)
        case Parallel():
            return _parallel(scope, f"{path}/{item.parallel}", item, floor)
        case Selection():
            return _selection(scope, f"{path}/{item.selection}", item, floor)
        case _:
            return _phase(scope, f"{path}/{item.phase}", item, floor)


def _phase(scope: _Scope, step: str, phase: Phase, floor: Instant) -> _Ahead:
    """The first of the phase's primitive steps that is not done, behind the rework that was decided for it."""
    for name, primitive, hours in primitives(step, phase, scope.batch, scope.operation):
        if not scope.done(name):
            due = max(floor, after(_began(scope, step, phase, floor), hours)) if hours else floor
            return _reworked(scope, name, primitive) or _Ahead(floor, (scope.planned(name, primitive, due),))
    return _Ahead(floor)


def _began(scope: _Scope, step: str, phase: Phase, floor: Instant) -> Instant:
    first, _, _ = primitives(step, phase, scope.batch, scope.operation)[0]
    record = scope.batch.steps.get(first)
    return record.started_at if record else floor


def _reworked(scope: _Scope, step: str, phase: Phase) -> _Ahead | None:
    """What the rework decided on last still asks for; None when it asks for nothing."""
    times, rework = scope.batch.reworks.get(step, 0), scope.operation.reworks.get(phase.rework or "")
    if not times or rework is None:
        return None
    ahead = _sequence(scope, f"{step}~{phase.rework}[{times}]", rework.steps, scope.batch.created_at)
    return ahead if ahead.steps else None


def _loop(scope: _Scope, path: str, loop: Loop, floor: Instant) -> _Ahead:
    hours = loop_hours(scope.batch, scope.operation, loop)
    first = scope.batch.steps.get(f"{path}[0]/{_first_step(scope, loop)}")
    began = first.started_at if first else floor
    for index in range(_round(scope, path, loop), rounds_of(loop, hours)):
        due = after(began, index * loop.every)
        for phase in loop.steps:
            if index % phase.every_nth == 0:
                ahead = _phase(scope, f"{path}[{index}]/{phase.phase}", phase, due)
                if ahead.steps:
                    return ahead
    return _Ahead(max(floor, after(began, hours)))


def _round(scope: _Scope, path: str, loop: Loop) -> int:
    """The latest round that was begun, found by halving: those before it are done, as rounds follow one another."""
    first = _first_step(scope, loop)
    low, high = 0, 1
    while scope.begun(f"{path}[{high}]/{first}"):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if scope.begun(f"{path}[{middle}]/{first}") else (low, middle)
    return low


def _first_step(scope: _Scope, loop: Loop) -> str:
    """What the loop's first round begins with, behind the loop's own path."""
    return primitives(loop.steps[0].phase, loop.steps[0], scope.batch, scope.operation)[0][0]


def _repeat(scope: _Scope, path: str, repeat: Repeat, floor: Instant) -> _Ahead:
    for index in range(repeat.at_most):
        here = f"{path}[{index}]"
        ahead = _sequence(scope, here, repeat.steps, floor)
        if ahead.steps:
            return ahead
        floor, way = ahead.floor, scope.batch.ways.get(here)
        if way is None:
            return _Ahead(floor, () if scope.done(here) else (scope.planned(here, repeat, floor),))
        if way != AGAIN:
            break
    return _Ahead(floor)


def _parallel(scope: _Scope, path: str, parallel: Parallel, floor: Instant) -> _Ahead:
    aheads = [_sequence(scope, f"{path}/{each.branch}", each.steps, floor) for each in parallel.branches]
    steps = tuple(step for ahead in aheads for step in ahead.steps)
    return _Ahead(max(ahead.floor for ahead in aheads), steps)


def _selection(scope: _Scope, path: str, selection: Selection, floor: Instant) -> _Ahead:
    taken = scope.batch.ways.get(path)
    if taken is None:
        return _Ahead(floor, () if scope.done(path) else (scope.planned(path, selection, floor),))
    way = next(each for each in selection.ways if each.way == taken)
    return _sequence(scope, f"{path}/{way.way}", way.steps, floor)


def _timed(path: str, steps: Sequence[Item]) -> Iterator[tuple[str, Phase]]:
    """Steps with a maximum wait, where a step is met once in a batch: not inside loops and repeats."""
    for item in steps:
        match item:
            case Loop() | Repeat():
                continue
            case Parallel():
                for branch in item.branches:
                    yield from _timed(f"{path}/{item.parallel}/{branch.branch}", branch.steps)
            case Selection():
                for way in item.ways:
                    yield from _timed(f"{path}/{item.selection}/{way.way}", way.steps)
            case _ if item.within is not None:
                yield f"{path}/{item.phase}", item
            case _:
                pass


def _latest(batch: Batch) -> str | None:
    """The operation in which a step was first begun last; None before the first."""
    operations = {operation.operation for _, operation in batch.master.recipe.operations()}
    return next((name for step in reversed(list(batch.steps)) if (name := step.partition("/")[0]) in operations), None)


def _never(step: str) -> bool:
    return False


def _done(batch: Batch, step: str) -> bool:
    record = batch.steps.get(step)
    return record is not None and record.state == "done"
