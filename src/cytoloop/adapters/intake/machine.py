"""The fold over readings as machine code. What it does is said in its slow twin, `quality/intake.py`, step for step.

`out` is (rows of MOMENT, an array of one: how many of them are filled); `reading` is (code of its tag, at, value);
`rules` is (checks, states), a row for each tag. States are changed in place.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from cytoloop.core.intake import AHEAD, DROPPED, KEPT, LATE, MOMENTS, NEVER, OUT_OF_RANGE, OVERFLOW, QUIET, REFUSED

F = TypeVar("F", bound=Callable[..., object])
Row = Any
"""A structured array, or one row of it."""
Out = tuple[Any, Any]
Reading = tuple[int, int, float]

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
def judge(start: int, columns: Row, rules: Row, verdict: Row, out: Out) -> int:
    """Judge the readings from place `start` on, until `out` is nearly full; the place to go on from.

    `columns`: tag, at, received, value, status, server, sequence; the last two may be empty. Status is changed where a
    value is out of range; `verdict` is filled in.
    """
    tag, at, received, value, status, server, sequence = columns
    checks, states = rules
    for place in range(start, len(at)):
        if out[1][0] > len(out[0]) - MOST_OF_ONE:
            return place
        code, now = tag[place], at[place]
        check, state, reading = checks[code], states[code], (code, now, value[place])
        if now < check.begins:
            verdict[place] = REFUSED
            _once(out, state, BEFORE, reading, (now, 0))
            continue
        if now - received[place] > AHEAD:
            verdict[place] = KEPT
            _once(out, state, FUTURE, reading, (now, 0))
            continue
        if now <= state.seen:
            verdict[place] = DROPPED if _again(state, reading, status[place]) else LATE
            continue
        before, came = out[1][0], status[place]
        usable = not np.isnan(value[place]) and came < BAD
        if usable and (value[place] < check.least or value[place] > check.most):
            status[place] = OUT_OF_RANGE
            usable = False
            _once(out, state, RANGE, reading, (now, 0))
        if len(server) > 0 and abs(now - server[place]) > AHEAD:
            _once(out, state, CLOCK, (code, now, (now - server[place]) / 1e6), (now, 0))
        if len(sequence) > 0 and sequence[place] >= 0:
            _numbered(out, state, sequence[place], reading)
        if came & OVERFLOW == OVERFLOW:
            _once(out, state, OVERFLOWED, reading, (_since(state, now), 0))
        _silent(out, check, state, reading)
        missing(out, check, state, code, now)
        left, back, raised = state.out, state.back, state.raised
        if usable:
            _usable(out, check, state, reading)
        edge = out[1][0] > before or left != state.out or back != state.back or raised != state.raised
        if edge or _differs(check, state, reading, status[place]):
            verdict[place] = KEPT
            state.kept_at, state.kept_value, state.kept_status = now, value[place], status[place]
        else:
            verdict[place] = DROPPED
        state.seen, state.last_value, state.last_status = now, value[place], came
    return len(at)


@compiled
def passed(codes: Row, until: int, rules: Row, out: Out) -> None:
    """What it shows that nothing usable of these tags came before `until`."""
    for code in codes:
        missing(out, rules[0][code], rules[1][code], code, until)


@compiled
def _again(state: Row, reading: Reading, status: int) -> bool:
    same = reading[2] == state.last_value or (np.isnan(reading[2]) and np.isnan(state.last_value))
    return bool(reading[1] == state.seen and status == state.last_status and same)


@compiled
def _tell(out: Out, kind: int, reading: Reading, since: int, missed: int) -> None:
    row = out[0][out[1][0]]
    row.kind, row.tag, row.at, row.value = kind, reading[0], reading[1], reading[2]
    row.since, row.count = since, missed
    out[1][0] += 1


@compiled
def _once(out: Out, state: Row, kind: int, reading: Reading, about: tuple[int, int]) -> None:
    before = state.told[kind]
    state.told[kind] = max(reading[1], before)
    if before == NEVER or reading[1] - before > QUIET:
        _tell(out, kind, reading, about[0], about[1])


@compiled
def _since(state: Row, now: int) -> int:
    return state.seen if state.seen != NEVER else now


@compiled
def _numbered(out: Out, state: Row, number: int, reading: Reading) -> None:
    if state.sequence >= 0 and number != state.sequence + 1:
        missed = max(number - state.sequence - 1, 0)
        _once(out, state, SEQUENCE, reading, (_since(state, reading[1]), missed))
    state.sequence = number


@compiled
def _silent(out: Out, check: Row, state: Row, reading: Reading) -> None:
    heard = max(state.seen, check.armed)
    if check.silence > 0 and heard != NEVER and reading[1] - heard > check.silence:
        _tell(out, SILENCE, (reading[0], reading[1], np.nan), heard, 0)


@compiled
def missing(out: Out, check: Row, state: Row, code: int, until: int) -> None:
    """As in the twin."""
    base = max(state.usable, check.armed)
    if check.silence <= 0 or check.tolerance < 0 or base == NEVER or until - base <= check.silence:
        return
    if state.missing == NEVER:
        state.missing = base
        _tell(out, MISSING_RAISED, (code, base + check.silence, np.nan), base, 0)
    tolerated = state.missing + max(check.silence, check.tolerance)
    if until > tolerated and state.missing_noted == 0:
        state.missing_noted = 1
        _tell(out, MISSING_EXCURSION, (code, tolerated, np.nan), state.missing, 0)


@compiled
def _usable(out: Out, check: Row, state: Row, reading: Reading) -> None:
    now, value = reading[1], reading[2]
    if state.missing != NEVER:
        _tell(out, MISSING_CLEARED, reading, state.missing, 0)
        state.missing, state.missing_noted = NEVER, 0
    state.usable = now
    outside = value < check.low or value > check.high
    if state.out != NEVER:
        outside = not (check.low + check.hysteresis <= value <= check.high - check.hysteresis)
    if outside:
        _outside(out, check, state, reading)
    elif state.raised == NEVER:
        state.out, state.noted = NEVER, 0
    else:
        state.back = now if state.back == NEVER else state.back
        if now - state.back >= check.off_delay:
            _tell(out, LIMIT_CLEARED, reading, state.raised, 0)
            state.raised, state.out, state.back, state.noted = NEVER, NEVER, NEVER, 0


@compiled
def _outside(out: Out, check: Row, state: Row, reading: Reading) -> None:
    state.back = NEVER
    state.out = reading[1] if state.out == NEVER else state.out
    lasted = reading[1] - state.out
    excursion = state.noted == 0 and check.tolerance >= 0 and (lasted > check.tolerance or check.tolerance == 0)
    if state.raised == NEVER and (excursion or lasted >= check.on_delay):
        state.raised = state.out
        _tell(out, LIMIT_RAISED, reading, state.out, 0)
    if excursion:
        state.noted = 1
        _tell(out, LIMIT_EXCURSION, reading, state.out, 0)


@compiled
def _differs(check: Row, state: Row, reading: Reading, status: int) -> bool:
    value = reading[2]
    if check.deadband <= 0.0 or state.kept_at == NEVER or status != state.kept_status:
        return True
    if check.heartbeat > 0 and reading[1] - state.kept_at >= check.heartbeat:
        return True
    if np.isnan(value) or np.isnan(state.kept_value):
        return bool(np.isnan(value) != np.isnan(state.kept_value))
    return bool(abs(value - state.kept_value) > check.deadband)
