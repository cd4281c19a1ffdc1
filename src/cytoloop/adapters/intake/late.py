"""Late readings: settled by their names against what the store has, so that nothing is kept twice or dropped unseen."""

from dataclasses import replace
from typing import Any

import numpy as np

from cytoloop.adapters.intake.forms import FORMS
from cytoloop.adapters.intake.intake import Intake
from cytoloop.core.intake import Check
from cytoloop.core.telemetry import Readings


def untold(late: Readings, stored: Readings, intake: Intake) -> tuple[Readings, int]:
    """Those of `late` that say more than `stored` does, and how many come again with another value or status.

    `stored`: readings of the same tags from a heartbeat before the first late one on, sorted by (tag name, at). A late
    reading within the dead-band of the stored one before it is what the dead-band left out when it first came.
    """
    tag, at, value, status = _columns(late)
    keep, conflicts = np.ones(len(at), bool), 0
    names = {each.name: number for number, each in enumerate(stored.tags)}
    there = _columns(stored)
    for number, each in enumerate(late.tags):
        if each.name not in names:
            continue
        rows, own = tag == number, there[0] == names[each.name]
        columns = tuple(column[rows] for column in (at, value, status))
        keep[rows], differs = _more(intake.check(each.name), columns, tuple(column[own] for column in there[1:]))
        conflicts += differs
    places = np.flatnonzero(keep)
    received = np.frombuffer(memoryview(late.received), "i8")
    more = replace(
        late, tag=tag[places].data, at=at[places].data, received=received[places].data, value=value[places].data,
        status=status[places].data,
    )  # fmt: skip
    return more, conflicts


def _more(check: Check, late: tuple[np.ndarray, ...], there: tuple[np.ndarray, ...]) -> tuple[np.ndarray, int]:
    """For each late reading of one tag whether it says more than the stored one before it; how many conflict."""
    before = np.searchsorted(there[0], late[0], side="right") - 1
    at, value, status = (column[np.maximum(before, 0)] for column in there)
    again = (before >= 0) & (at == late[0])
    same = (status == late[2]) & ((value == late[1]) | (np.isnan(value) & np.isnan(late[1])))
    with np.errstate(invalid="ignore"):
        near = same | ((status == late[2]) & (np.abs(late[1] - value) <= check.deadband))
    within = near & (late[0] - at < check.heartbeat) & (check.deadband > 0)
    more: np.ndarray = ~again & ((before < 0) | ~within)
    return more, int((again & ~same).sum())


def _columns(readings: Readings) -> tuple[np.ndarray, ...]:
    names = ("tag", "at", "value", "status")
    return tuple(np.frombuffer(memoryview(getattr(readings, name)), FORMS[name]) for name in names)


def stamped(readings: Readings, received: int) -> Readings:
    """The readings, taken in at `received`."""
    return replace(readings, received=np.full(len(readings), received, np.int64).data)


def between(readings: Readings, start: int, stop: int) -> Readings:
    """The readings with start <= at < stop, in the same order and with all their columns."""
    at = np.frombuffer(memoryview(readings.at), "i8")
    inside = (at >= start) & (at < stop)
    if inside.all():
        return readings
    columns = {name: np.frombuffer(memoryview(getattr(readings, name)), form) for name, form in FORMS.items()}
    cut: dict[str, Any] = {name: column[inside].data for name, column in columns.items() if len(column)}
    return replace(readings, **cut)
