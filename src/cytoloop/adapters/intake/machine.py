"""The fold over readings as machine code. What it does is said in its slow twin, `quality/intake.py`, step for step."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from cytoloop.core.intake import AHEAD, DROPPED, KEPT, LATE, MOMENTS, NEVER, OUT_OF_RANGE, OVERFLOW, QUIET, REFUSED

F = TypeVar("F", bound=Callable[..., object])
Row = Any
"""One row of a structured array; the machine code changes it in place."""

BAD = 0x8000_0000
MOST_OF_ONE = 12
"""Moments that one reading can show."""
(
    RANGE, FUTURE, BEFORE, CLOCK, SEQUENCE, OVERFLOWED, SILENCE, LIMIT_RAISED, LIMIT_CLEARED, LIMIT_EXCURSION,
    MISSING_RAISED, MISSING_CLEARED, MISSING_EXCURSION,
) = range(len(MOMENTS))  # fmt: skip


def compiled(function: F) -> F:
    """`function`, compiled at its first call and kept on disk; other threads run meanwhile."""
    return cast(F, njit(cache=True, nogil=True)(function))


@compiled
def ordered(tag: Row, at: Row, last: Row) -> bool:
    """Whether each tag's readings stand in order of time. `last`: room for a time of each tag, all NEVER."""
    for place in range(len(at)):
        if at[place] < last[tag[place]]:
            return False
        last[tag[place]] = at[place]
    return True


@compiled
def judge(start: int, columns: Row, checks: Row, states: Row, verdict: Row, found: Row) -> tuple[int, int]:
    """Judge the readings from place `start` on, until `found` is nearly full: (next place, moments found).

    `columns`: tag, at, received, value, status, server, sequence; the last two may be empty. Status is changed where a
    value is out of range; `verdict` is filled in.
    """
    tag, at, received, value, status, server, sequence = columns
    count = 0
    for place in range(start, len(at)):
        if count > len(found) - MOST_OF_ONE:
            return place, count
        code = tag[place]
        check, state = checks[code], states[code]
        now = at[place]
        if now < check.begins:
            verdict[place] = REFUSED
            count = _once(state, BEFORE, code, now, now, value[place], 0, found, count)
            continue
        if now - received[place] > AHEAD:
            verdict[place] = KEPT
            count = _once(state, FUTURE, code, now, now, value[place], 0, found, count)
            continue
        if now <= state.seen:
            verdict[place] = LATE
            continue
        before, came = count, status[place]
        usable = value[place] == value[place] and came < BAD
        if usable and (value[place] < check.least or value[place] > check.most):
            status[place] = OUT_OF_RANGE
            usable = False
            count = _once(state, RANGE, code, now, now, value[place], 0, found, count)
        if len(server) > 0 and abs(now - server[place]) > AHEAD:
            count = _once(state, CLOCK, code, now, now, (now - server[place]) / 1e6, 0, found, count)
        if len(sequence) > 0:
            count = _numbered(check, state, code, now, sequence[place], value[place], found, count)
        if came & OVERFLOW == OVERFLOW:
            since = state.seen if state.seen != NEVER else now
            count = _once(state, OVERFLOWED, code, now, since, value[place], 0, found, count)
        count = _silent(check, state, code, now, found, count)
        count = missing(check, state, code, now, found, count)
        out, back, raised = state.out, state.back, state.raised
        if usable:
            count = _usable(check, state, code, now, value[place], found, count)
        edge = count > before or out != state.out or back != state.back or raised != state.raised
        if edge or _differs(check, state, now, value[place], status[place]):
            verdict[place] = KEPT
            state.kept_at, state.kept_value, state.kept_status = now, value[place], status[place]
        else:
            verdict[place] = DROPPED
        state.seen = now
    return len(at), count


@compiled
def passed(codes: Row, until: int, checks: Row, states: Row, found: Row) -> int:
    """What it shows that nothing usable of these tags came before `until`: how many moments were found."""
    count = 0
    for code in codes:
        count = missing(checks[code], states[code], code, until, found, count)
    return count


@compiled
def _tell(kind: int, code: int, at: int, since: int, value: float, missed: int, found: Row, count: int) -> int:
    row = found[count]
    row.kind, row.tag, row.at, row.since, row.value, row.count = kind, code, at, since, value, missed
    return count + 1


@compiled
def _once(
    state: Row, kind: int, code: int, at: int, since: int, value: float, missed: int, found: Row, count: int
) -> int:
    before = state.told[kind]
    state.told[kind] = max(at, before)
    if before != NEVER and at - before <= QUIET:
        return count
    return _tell(kind, code, at, since, value, missed, found, count)


@compiled
def _numbered(
    check: Row, state: Row, code: int, now: int, number: int, value: float, found: Row, count: int
) -> int:
    if number < 0:
        return count
    if state.sequence >= 0 and number != state.sequence + 1:
        since = state.seen if state.seen != NEVER else now
        missed = max(number - state.sequence - 1, 0)
        count = _once(state, SEQUENCE, code, now, since, value, missed, found, count)
    state.sequence = number
    return count


@compiled
def _silent(check: Row, state: Row, code: int, now: int, found: Row, count: int) -> int:
    heard = max(state.seen, check.armed)
    if check.silence > 0 and heard != NEVER and now - heard > check.silence:
        count = _tell(SILENCE, code, now, heard, np.nan, 0, found, count)
    return count


@compiled
def missing(check: Row, state: Row, code: int, until: int, found: Row, count: int) -> int:
    """As in the twin."""
    base = max(state.usable, check.armed)
    if check.silence <= 0 or check.tolerance < 0 or base == NEVER or until - base <= check.silence:
        return count
    if state.missing == NEVER:
        state.missing = base
        count = _tell(MISSING_RAISED, code, base + check.silence, base, np.nan, 0, found, count)
    tolerated = state.missing + max(check.silence, check.tolerance)
    if until > tolerated and state.missing_noted == 0:
        state.missing_noted = 1
        count = _tell(MISSING_EXCURSION, code, tolerated, state.missing, np.nan, 0, found, count)
    return count


@compiled
def _usable(check: Row, state: Row, code: int, now: int, value: float, found: Row, count: int) -> int:
    if state.missing != NEVER:
        count = _tell(MISSING_CLEARED, code, now, state.missing, value, 0, found, count)
        state.missing, state.missing_noted = NEVER, 0
    state.usable = now
    outside = value < check.low or value > check.high
    if state.out != NEVER or state.raised != NEVER:
        outside = not (check.low + check.hysteresis <= value <= check.high - check.hysteresis)
    if outside:
        return _outside(check, state, code, now, value, found, count)
    state.out, state.noted = NEVER, 0
    if state.raised == NEVER:
        return count
    if state.back == NEVER:
        state.back = now
    if now - state.back < check.off_delay:
        return count
    count = _tell(LIMIT_CLEARED, code, now, state.raised, value, 0, found, count)
    state.raised, state.back = NEVER, NEVER
    return count


@compiled
def _outside(check: Row, state: Row, code: int, now: int, value: float, found: Row, count: int) -> int:
    state.back = NEVER
    if state.out == NEVER:
        state.out = now
    lasted = now - state.out
    excursion = state.noted == 0 and check.tolerance >= 0 and (lasted > check.tolerance or check.tolerance == 0)
    if state.raised == NEVER and (excursion or lasted >= check.on_delay):
        state.raised = state.out
        count = _tell(LIMIT_RAISED, code, now, state.out, value, 0, found, count)
    if excursion:
        state.noted = 1
        count = _tell(LIMIT_EXCURSION, code, now, state.out, value, 0, found, count)
    return count


@compiled
def _differs(check: Row, state: Row, now: int, value: float, status: int) -> bool:
    if check.deadband <= 0.0 or state.kept_at == NEVER or status != state.kept_status:
        return True
    if check.heartbeat > 0 and now - state.kept_at >= check.heartbeat:
        return True
    if value != value or state.kept_value != state.kept_value:
        return (value == value) != (state.kept_value == state.kept_value)
    return bool(abs(value - state.kept_value) > check.deadband)
