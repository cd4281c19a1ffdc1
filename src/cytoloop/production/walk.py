"""Walk: which step a batch's recipe asks for next, and not before when.

A step's id is its path in the recipe: "receipt/scan_bag", "expansion/culture[12]/daily_sample". Loops are unrolled
with the parameter values in force for the batch, so a moved duration moves the loop's end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cytoloop.core.batch import Batch
from cytoloop.core.recipe import Loop, Operation, Phase
from cytoloop.core.time import Instant, after

TOLERANCE = 1e-6
"""Hours by which a loop's end may be missed in floating point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step that the recipe asks for."""

    step: str
    phase: Phase
    operation: str
    equipment: str
    not_before: Instant
    """The earliest moment it may start: the batch's creation when nothing holds it back."""


def next_step(batch: Batch) -> Planned | None:
    """The first step that is not done yet; None when every step is."""
    return next((planned for planned in unrolled(batch) if not _done(batch, planned.step)), None)


def unrolled(batch: Batch) -> Iterator[Planned]:
    """Every step in order. Rounds of a loop that has not begun are planned from the batch's creation on."""
    floor = batch.created_at
    for unit_procedure, operation in batch.master.recipe.operations():
        equipment = batch.created.equipment[unit_procedure.equipment_class]
        for item in operation.steps:
            if isinstance(item, Loop):
                began = loop_began(batch, operation, item) or floor
                yield from _rounds(batch, operation, item, equipment, began)
                floor = max(floor, after(began, loop_hours(batch, operation, item)))
            else:
                yield _planned(f"{operation.operation}/{item.phase}", item, operation, equipment, floor)


def loop_hours(batch: Batch, operation: Operation, loop: Loop) -> float:
    """Hours from the loop's first round to its end, as parameters stand."""
    return batch.parameters[f"{operation.operation}.{loop.until}"]


def loop_began(batch: Batch, operation: Operation, loop: Loop) -> Instant | None:
    """When the loop's first step started; None when it has not."""
    record = batch.steps.get(step_in_loop(operation, loop, 0, loop.steps[0]))
    return record.started_at if record else None


def step_in_loop(operation: Operation, loop: Loop, index: int, phase: Phase) -> str:
    """The id of a loop's step in round `index`."""
    return f"{operation.operation}/{loop.loop}[{index}]/{phase.phase}"


def _rounds(batch: Batch, operation: Operation, loop: Loop, equipment: str, began: Instant) -> Iterator[Planned]:
    hours, index = loop_hours(batch, operation, loop), 0
    while index * loop.every < hours - TOLERANCE:
        due = after(began, index * loop.every)
        for phase in loop.steps:
            if index % phase.every_nth == 0:
                step = step_in_loop(operation, loop, index, phase)
                yield _planned(step, phase, operation, equipment, due)
        index += 1


def _planned(step: str, phase: Phase, operation: Operation, equipment: str, not_before: Instant) -> Planned:
    return Planned(step=step, phase=phase, operation=operation.operation, equipment=equipment, not_before=not_before)


def _done(batch: Batch, step: str) -> bool:
    record = batch.steps.get(step)
    return record is not None and record.state == "done"
