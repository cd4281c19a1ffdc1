"""Intake, slowly and plainly: one reading of one tag after the other, in order of source time.

The order in which a reading is held against its tag's check: time, range, running number, silence, whether it is
usable, alarm limits, dead-band. What comes is a verdict, the status it is kept with, and the moments it showed.
`adapters/intake` does the same with machine code; a test compares the two on drawn readings.
"""

from dataclasses import dataclass, field
from math import isnan, nan

from cytoloop.core.intake import (
    AHEAD,
    DROPPED,
    KEPT,
    LATE,
    NEVER,
    OUT_OF_RANGE,
    OVERFLOW,
    QUIET,
    REFUSED,
    Check,
    Moment,
    MomentKind,
)

BAD = 0x8000_0000
"""Status codes from here on are bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One reading as it came."""

    at: int
    received: int
    value: float
    status: int = 0
    server: int | None = None
    sequence: int | None = None


@dataclass(slots=True, kw_only=True)
class TagState:
    """All that is remembered of a tag, however many readings it had."""

    seen: int = NEVER
    """Source time of the newest reading that was judged."""
    usable: int = NEVER
    """Source time of the newest that says something of the process."""
    last_value: float = nan
    last_status: int = 0
    """Of the newest that was judged, as it came."""
    kept_at: int = NEVER
    kept_value: float = nan
    kept_status: int = 0
    sequence: int = -1
    out: int = NEVER
    """Since when it is outside its limits: until it is back, or, once its alarm was raised, until that is cleared."""
    back: int = NEVER
    """Since when it is back inside while its alarm is still raised."""
    raised: int = NEVER
    """What names its limit alarm, while that is raised."""
    noted: bool = False
    """Whether this time outside is told as an excursion."""
    missing: int = NEVER
    """What names its alarm for missing readings, while that is raised."""
    missing_noted: bool = False
    told: dict[MomentKind, int] = field(default_factory=dict)
    """Kind of finding -> when it was seen last."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a reading."""

    verdict: int
    status: int
    moments: tuple[Moment, ...] = ()


def take(check: Check, state: TagState, reading: Arrived) -> Judged:
    """Judge the next reading of a tag, and remember it."""
    if reading.at < check.begins:
        return Judged(REFUSED, reading.status, tuple(_once(check, state, "before", reading)))
    if reading.at - reading.received > AHEAD:
        return Judged(KEPT, reading.status, tuple(_once(check, state, "future", reading)))
    if reading.at <= state.seen:
        return Judged(DROPPED if _again(state, reading) else LATE, reading.status)
    moments, status = list[Moment](), reading.status
    if status < BAD and not (check.least <= reading.value <= check.most) and not isnan(reading.value):
        status = OUT_OF_RANGE
        moments += _once(check, state, "range", reading)
    moments += _times(check, state, reading)
    moments += missing(check, state, reading.at)
    before = (state.out, state.back, state.raised)
    if status < BAD and not isnan(reading.value):
        moments += _usable(check, state, reading)
    edge = bool(moments) or before != (state.out, state.back, state.raised)
    verdict = KEPT if edge or _differs(check, state, reading, status) else DROPPED
    if verdict == KEPT:
        state.kept_at, state.kept_value, state.kept_status = reading.at, reading.value, status
    state.seen, state.last_value, state.last_status = reading.at, reading.value, reading.status
    return Judged(verdict, status, tuple(moments))


def missing(check: Check, state: TagState, until: int) -> list[Moment]:
    """What it shows that no usable reading came before `until`."""
    base = max(state.usable, check.armed)
    if check.silence <= 0 or check.tolerance < 0 or base == NEVER or until - base <= check.silence:
        return []
    moments = []
    if state.missing == NEVER:
        state.missing = base
        moments.append(Moment("missing-raised", check.tag, base + check.silence, base))
    tolerated = state.missing + max(check.silence, check.tolerance)
    if until > tolerated and not state.missing_noted:
        state.missing_noted = True
        moments.append(Moment("missing-excursion", check.tag, tolerated, state.missing))
    return moments


def disarmed(check: Check, state: TagState, at: int) -> list[Moment]:
    """Nobody waits for the tag any more from `at` on: its alarms are over."""
    moments = []
    if state.raised != NEVER:
        moments.append(Moment("limit-cleared", check.tag, at, state.raised))
    if state.missing != NEVER:
        moments.append(Moment("missing-cleared", check.tag, at, state.missing))
    state.out = state.back = state.raised = state.missing = NEVER
    state.noted = state.missing_noted = False
    return moments


def _again(state: TagState, reading: Arrived) -> bool:
    """Whether it is the newest reading once more."""
    same = reading.value == state.last_value or (isnan(reading.value) and isnan(state.last_value))
    return reading.at == state.seen and reading.status == state.last_status and same


def _once(check: Check, state: TagState, kind: MomentKind, reading: Arrived, count: int = 0) -> list[Moment]:
    """The finding, unless the same was seen within the hour."""
    before, state.told[kind] = state.told.get(kind, NEVER), max(reading.at, state.told.get(kind, NEVER))
    if before != NEVER and reading.at - before <= QUIET:
        return []
    since = state.seen if kind in ("sequence", "overflow") and state.seen != NEVER else reading.at
    value = (reading.at - reading.server) / 1e6 if kind == "clock" and reading.server is not None else reading.value
    return [Moment(kind, check.tag, reading.at, since, value, count)]


def _times(check: Check, state: TagState, reading: Arrived) -> list[Moment]:
    """The server's clock, running numbers, a full queue, silence."""
    moments = list[Moment]()
    if reading.server is not None and abs(reading.at - reading.server) > AHEAD:
        moments += _once(check, state, "clock", reading)
    if reading.sequence is not None:
        if state.sequence >= 0 and reading.sequence != state.sequence + 1:
            lost = max(reading.sequence - state.sequence - 1, 0)
            moments += _once(check, state, "sequence", reading, lost)
        state.sequence = reading.sequence
    if reading.status & OVERFLOW == OVERFLOW:
        moments += _once(check, state, "overflow", reading)
    heard = max(state.seen, check.armed)
    if check.silence > 0 and heard != NEVER and reading.at - heard > check.silence:
        moments.append(Moment("silence", check.tag, reading.at, heard))
    return moments


def _usable(check: Check, state: TagState, reading: Arrived) -> list[Moment]:
    moments = list[Moment]()
    if state.missing != NEVER:
        moments.append(Moment("missing-cleared", check.tag, reading.at, state.missing, reading.value))
        state.missing, state.missing_noted = NEVER, False
    state.usable = reading.at
    return moments + _limits(check, state, reading)


def _limits(check: Check, state: TagState, reading: Arrived) -> list[Moment]:
    """The alarm limits: outside after the on-delay, back, by the hysteresis, after the off-delay."""
    value, at, room = reading.value, reading.at, check.hysteresis
    if state.out == NEVER:
        outside = value < check.low or value > check.high
    else:
        outside = not (check.low + room <= value <= check.high - room)
    if outside:
        return _outside(check, state, reading)
    if state.raised == NEVER:
        state.out, state.noted = NEVER, False
        return []
    if state.back == NEVER:
        state.back = at
    if at - state.back < check.off_delay:
        return []
    cleared = Moment("limit-cleared", check.tag, at, state.raised, value)
    state.raised = state.out = state.back = NEVER
    state.noted = False
    return [cleared]


def _outside(check: Check, state: TagState, reading: Arrived) -> list[Moment]:
    at, moments = reading.at, list[Moment]()
    state.back = NEVER
    if state.out == NEVER:
        state.out = at
    lasted = at - state.out
    excursion = not state.noted and check.tolerance >= 0 and (lasted > check.tolerance or check.tolerance == 0)
    if state.raised == NEVER and (excursion or lasted >= check.on_delay):
        state.raised = state.out
        moments.append(Moment("limit-raised", check.tag, at, state.out, reading.value))
    if excursion:
        state.noted = True
        moments.append(Moment("limit-excursion", check.tag, at, state.out, reading.value))
    return moments


def _differs(check: Check, state: TagState, reading: Arrived, status: int) -> bool:
    """Whether the reading tells more than the one stored last."""
    if check.deadband <= 0 or state.kept_at == NEVER or status != state.kept_status:
        return True
    if check.heartbeat > 0 and reading.at - state.kept_at >= check.heartbeat:
        return True
    if isnan(reading.value) or isnan(state.kept_value):
        return isnan(reading.value) != isnan(state.kept_value)
    return abs(reading.value - state.kept_value) > check.deadband
