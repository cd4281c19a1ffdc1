"""The fast intake says what the slow one says; and where it is cut, restarted or sent things again changes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf, isnan, nan
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.adapters.intake import Intake
from cytoloop.core.intake import DROPPED, KEPT, LATE, Check, Moment
from cytoloop.core.telemetry import Readings, Tag
from cytoloop.quality.intake import Arrived, TagState, disarmed, missing, take

MINUTE = 60_000_000
BEGINS = 1_000 * MINUTE
LAST = BEGINS + 600 * MINUTE
NAMES = ("u/a", "u/b")
STATUSES = (0, 0, 0, 0x4000_0000, 0x8000_0000, 0x0480)

Rows = list[tuple[str, Arrived]]


@st.composite
def checks(draw: st.DrawFn, name: str) -> Check:
    """Expectations of every kind, narrow enough that drawn readings meet them and break them."""
    limited, waits = draw(st.booleans()), draw(st.booleans())
    return Check(
        tag=name,
        unit="1",
        begins=BEGINS,
        least=draw(st.sampled_from([-inf, 0.0])),
        most=draw(st.sampled_from([inf, 9.0])),
        deadband=draw(st.sampled_from([0.0, 1.0, 3.0])),
        heartbeat=draw(st.sampled_from([0, 30 * MINUTE])),
        silence=draw(st.sampled_from([20, 60])) * MINUTE if waits else 0,
        armed=BEGINS if waits else Check(tag="", unit="").armed,
        low=3.0 if limited else -inf,
        high=6.0 if limited else inf,
        hysteresis=draw(st.sampled_from([0.0, 0.5])),
        on_delay=draw(st.sampled_from([0, 15])) * MINUTE,
        off_delay=draw(st.sampled_from([0, 15])) * MINUTE,
        tolerance=draw(st.sampled_from([-1, 0, 45 * MINUTE])),
    )


def arrived(numbered: bool) -> st.SearchStrategy[Arrived]:
    """One reading; its time may be before the batch, late, again, or ahead of the clock."""
    return st.builds(
        lambda minute, value, status, ahead, apart, number: Arrived(
            at=BEGINS + minute * MINUTE,
            received=BEGINS + (minute + 1 - 10 * ahead) * MINUTE,
            value=value,
            status=status,
            server=BEGINS + (minute - apart) * MINUTE,
            sequence=number if numbered else None,
        ),
        st.integers(-3, 600),
        st.sampled_from([-1.0, 2.0, 3.2, 4.0, 4.5, 5.0, 6.0, 6.2, 7.0, 10.0, nan]),
        st.sampled_from(STATUSES),
        st.sampled_from([False] * 9 + [True]),
        st.sampled_from([0] * 9 + [9]),
        st.integers(0, 5),
    )


def block(rows: Rows) -> Readings:
    names = tuple(dict.fromkeys(name for name, _ in rows))
    column = [reading for _, reading in rows]
    numbered = bool(column) and column[0].sequence is not None
    return Readings(
        batch="B-1",
        tags=tuple(Tag(name, "1") for name in names),
        tag=np.array([names.index(name) for name, _ in rows], np.uint16).data,
        at=np.array([each.at for each in column], np.int64).data,
        received=np.array([each.received for each in column], np.int64).data,
        value=np.array([each.value for each in column], np.float64).data,
        status=np.array([each.status for each in column], np.uint32).data,
        server=np.array([each.server for each in column], np.int64).data,
        sequence=np.array([each.sequence for each in column], np.int64).data if numbered else b"",
    )


def same(moments: Sequence[Moment]) -> list[tuple[Any, ...]]:
    """Moments in one order, comparable although NaN is not NaN."""
    return sorted((m.tag, m.at, m.kind, m.since, str(m.value), m.count) for m in moments)


def kept(readings: Readings) -> list[tuple[Any, ...]]:
    return sorted((tag.name, at, received, str(value), status) for tag, at, received, value, status in readings.rows())


def series(rows: Rows) -> Rows:
    """What remains of drawn rows: each tag's readings in order of time, none twice, none from the future."""
    found: dict[tuple[str, int], Arrived] = {}
    for name, reading in rows:
        found.setdefault((name, reading.at), replace(reading, received=reading.at, sequence=None))
    return sorted(((name, each) for (name, _), each in found.items()), key=lambda row: (row[1].at, row[0]))


def drawn(numbered: bool) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(st.sampled_from(NAMES), arrived(numbered)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.booleans())
def test_the_fast_intake_says_what_the_slow_one_says(data: st.DataObject, numbered: bool) -> None:
    held = {name: data.draw(checks(name)) for name in NAMES}
    rows = data.draw(drawn(numbered))
    fast, slow = Intake(held.values()), {name: TagState() for name in NAMES}
    came = fast.take(block(rows))
    in_order = sorted(rows, key=lambda row: (row[0], row[1].at))
    if all(a[1].at <= b[1].at for n in NAMES for a, b in pairwise([r for r in rows if r[0] == n])):
        in_order = rows
    judged = [(name, reading, take(held[name], slow[name], reading)) for name, reading in in_order]
    assert same(came.moments) == same([m for _, _, each in judged for m in each.moments])
    assert came.checked == len(rows)
    for wanted, got in ((KEPT, came.kept), (LATE, came.late)):
        expected = [(n, r.at, r.received, str(r.value), j.status) for n, r, j in judged if j.verdict == wanted]
        assert kept(got) == sorted(expected)
    _same_states(fast, slow)
    now = data.draw(st.sampled_from([BEGINS, LAST, LAST + 100 * MINUTE]))
    assert same(fast.passed(NAMES, now)) == same([m for n in NAMES for m in missing(held[n], slow[n], now)])
    assert same(fast.disarmed(NAMES, now)) == same([m for n in NAMES for m in disarmed(held[n], slow[n], now)])
    _same_states(fast, slow)


def _same_states(fast: Intake, slow: dict[str, TagState]) -> None:
    for name, row in fast.states().items():
        state = slow[name]
        for field in ("seen", "usable", "kept_at", "kept_status", "sequence", "out", "back", "raised", "missing"):
            assert row[field] == getattr(state, field), field
        assert (bool(row["noted"]), bool(row["missing_noted"])) == (state.noted, state.missing_noted)
        assert row["kept_value"] == state.kept_value or (isnan(row["kept_value"]) and isnan(state.kept_value))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_wherever_it_is_cut_and_restarted_the_same_is_told_and_kept(data: st.DataObject) -> None:
    held = [data.draw(checks(name)) for name in NAMES]
    rows = series(data.draw(drawn(False)))
    cuts = sorted(data.draw(st.lists(st.integers(BEGINS, LAST), max_size=5)))
    whole = Intake(held)
    came = whole.take(block(rows))
    told = [*came.moments, *whole.passed(NAMES, LAST + MINUTE)]
    state, moments, stored = Intake(held).state(), list[Moment](), list[tuple[Any, ...]]()
    for start, stop in zip([0, *cuts], [*cuts, LAST + MINUTE], strict=True):
        piece = Intake(held, state)
        part = [row for row in rows if start <= row[1].at < stop]
        taken = piece.take(block(data.draw(st.permutations(part)) if len(part) < 8 else part))
        moments += [*taken.moments, *piece.passed(NAMES, stop)]
        stored += kept(taken.kept)
        state = piece.state()
    assert same(moments) == same(told)
    assert sorted(stored) == kept(came.kept)
    assert len(came.late) == 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_dead_band_hides_no_alarm(data: st.DataObject) -> None:
    held = [replace(data.draw(checks(name)), begins=0) for name in NAMES]
    rows = series(data.draw(drawn(False)))
    came = Intake(held).take(block(rows))
    again = Intake([replace(each, deadband=0.0) for each in held]).take(came.kept)
    alarms = [m for m in came.moments if m.kind.startswith("limit")]
    assert same(alarms) == same([m for m in again.moments if m.kind.startswith("limit")])
    for check in held:
        dropped = {row[1].at for row in rows if row[0] == check.tag} - {r[1] for r in kept(came.kept)}
        assert not dropped or check.deadband > 0


def test_most_of_a_quiet_signal_is_dropped_and_its_heartbeat_is_kept() -> None:
    check = Check(tag="u/a", unit="1", deadband=0.5, heartbeat=10 * MINUTE)
    times = [n * MINUTE for n in range(60)]
    rows = [("u/a", Arrived(at=at, received=at, value=5.0 + at % 7 / 20, server=at)) for at in times]
    came = Intake([check]).take(block(rows))
    assert [at // MINUTE for _, at, *_ in kept(came.kept)] == [0, 10, 20, 30, 40, 50]
    state = TagState()
    assert [take(check, state, reading).verdict for _, reading in rows].count(DROPPED) == 54
