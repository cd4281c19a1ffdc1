"""Expectation: what the readings of a batch's equipment are held against, and from when to when. Pure.

The plant says what a signal may be, the recipe in which range the parameter it was set by is proven, and the batch
when it is in a unit: before its first step there is done and after it has left, nobody waits for readings of it.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.intake import NEVER, Check
from cytoloop.core.product import AlarmLimit, EquipmentClass
from cytoloop.core.telemetry import microseconds
from cytoloop.core.time import Instant

HOUR = 3_600_000_000
"""Microseconds."""
Limits = tuple[tuple[Instant, float, float], ...]
"""(from when, low, high), the newest first."""


def units(batch: Batch) -> dict[str, EquipmentClass]:
    """Equipment id -> class, of the units allotted to the batch."""
    classes = {each.equipment_class: each for each in batch.master.plant.classes}
    return {unit: classes[name] for name, unit in batch.created.equipment.items() if name in classes}


def checks(batch: Batch, unit: str, at: Instant) -> tuple[Check, ...]:
    """What each signal of `unit` is held against at `at`, as far as the batch tells now."""
    kind = units(batch).get(unit)
    if kind is None:
        return ()
    since, until = in_use(batch, unit)
    waits = since is not None and since <= at and (until is None or at < until)
    armed = microseconds(since) if waits and since is not None else NEVER
    bases = (_intake(kind, f"{unit}/{signal}", signal) for signal in kind.signals)
    begun = (replace(base, begins=microseconds(batch.created_at), armed=armed) for base in bases)
    if armed == NEVER:
        return tuple(replace(each, silence=0) for each in begun)
    return tuple(_limited(batch, kind, each, at) for each in begun)


def changes(batch: Batch, unit: str) -> tuple[Instant, ...]:
    """Moments from which on `checks` are others, in order."""
    found = {moment for moment in in_use(batch, unit) if moment is not None}
    found |= {ended for _, ended in _set(batch, unit)}
    return tuple(sorted(found))


def in_use(batch: Batch, unit: str) -> tuple[Instant | None, Instant | None]:
    """From when to when the batch is in the unit: from its first step done there until a step of what follows begins.

    None where that has not come yet.
    """
    done = [step.ended_at for step in batch.steps.values() if step.target == unit and step.state == "done"]
    ends = [step.started_at for step in _afterwards(batch, unit)]
    over = batch.finished_at or (batch.aborted.happened_at if batch.aborted else None)
    ends += [over] if over is not None else []
    return min((each for each in done if each is not None), default=None), min(ends, default=None)


def limits(batch: Batch, unit: str, alarm: AlarmLimit) -> Limits:
    """The alarm's limits from when on: its own, narrowed to the PAR of the parameter by which the signal was set last.

    The newest first.
    """
    found = [(batch.created_at, alarm.low, alarm.high)]
    ranges = batch.master.recipe.parameters() if alarm.par else {}
    for step, ended in _set(batch, unit) if ranges else ():
        parameter = ranges.get(f"{_operation(step)}.{alarm.signal}") if alarm.signal in step.arguments else None
        if parameter is not None:
            found.append((ended, max(alarm.low, parameter.par[0]), min(alarm.high, parameter.par[1])))
    return tuple(reversed(found))


def within(limits: Limits, at: Instant) -> tuple[float, float]:
    """The limits at `at`."""
    return next(((low, high) for since, low, high in limits if since <= at), limits[-1][1:])


def _intake(kind: EquipmentClass, tag: str, signal: str) -> Check:
    """What readings of the signal are held against whoever uses the unit."""
    base = Check(tag=tag, unit=kind.signals[signal])
    wanted = next((each for each in kind.checks if each.signal == signal), None)
    if wanted is None:
        return base
    return replace(
        base,
        least=-inf if wanted.low is None else wanted.low,
        most=inf if wanted.high is None else wanted.high,
        deadband=wanted.deadband,
        heartbeat=round(wanted.heartbeat * HOUR),
        silence=round(wanted.silence * HOUR),
    )


def _limited(batch: Batch, kind: EquipmentClass, base: Check, at: Instant) -> Check:
    """With the alarm limits that hold at `at`, when the signal has any."""
    unit, _, signal = base.tag.partition("/")
    alarm = next((each for each in kind.alarms if each.signal == signal), None)
    if alarm is None:
        return base
    low, high = within(limits(batch, unit, alarm), at)
    return replace(
        base,
        low=low,
        high=high,
        hysteresis=alarm.deadband,
        on_delay=round(alarm.on_delay * HOUR),
        off_delay=round(alarm.off_delay * HOUR),
        tolerance=round(alarm.tolerance * HOUR),
        priority=alarm.priority,
    )


def _set(batch: Batch, unit: str) -> list[tuple[StepRecord, Instant]]:
    """Steps that wrote set-points to the unit, with when they were done, in that order."""
    done = [
        (step, step.ended_at)
        for step in batch.steps.values()
        if step.verb == "set" and step.target == unit and step.state == "done" and step.ended_at is not None
    ]
    return sorted(done, key=lambda each: each[1])


def _afterwards(batch: Batch, unit: str) -> Iterator[StepRecord]:
    """Steps of operations that come after the last on the unit's class."""
    order = [(each.equipment_class, operation.operation) for each, operation in batch.master.recipe.operations()]
    own = {kind.equipment_class for name, kind in units(batch).items() if name == unit}
    last = max((place for place, (kind, _) in enumerate(order) if kind in own), default=len(order))
    later = {operation for _, operation in order[last + 1 :]}
    return (step for step in batch.steps.values() if _operation(step) in later)


def _operation(step: StepRecord) -> str:
    return step.step.partition("/")[0]
