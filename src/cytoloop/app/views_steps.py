"""View of a batch's steps: what was executed, operation by operation."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cytoloop.core.batch import Batch, StepRecord, StepState
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Common, Operation, placed
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

ROUND = re.compile(r"\[(\d+)\]")
OperationState = Literal["pending", "running", "done"]


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


def listed_operations(batch: Batch) -> Iterator[OperationLine]:
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
    for path, item in placed(operation.operation, operation.steps):
        yield path, item.words
    for path, item in placed(operation.operation, operation.steps):
        rework = operation.reworks.get(item.rework or "") if isinstance(item, Common) else None
        for inner, phase in (
            placed(f"{path}~{item.rework}", rework.steps) if isinstance(item, Common) and rework else ()
        ):
            yield inner, phase.words


def _step(record: StepRecord, names: Mapping[str, Words]) -> StepLine:
    path, number = _path(record.step)
    return StepLine(
        step=record.step,
        words=names.get(path) or names.get(path.rpartition("/")[0]) or Words(en=record.step, zh=record.step),
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
    rounds = ROUND.findall(step)
    return ROUND.sub("", step), int(rounds[0]) if rounds else None
