"""However readings come within the time they are given, and wherever the process dies, the record tells the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.followed import CHECK, LIMIT, PH, CrashError, Followed, Row, steady, watched

from cytoloop.adapters.memory import MemoryTelemetry
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.telemetry import NO_STATES, STATUS, Readings, Segment, Written
from cytoloop.production.journal import Direct
from cytoloop.record.ledger import Ledger
from cytoloop.record.segment import FORM

SETTLE = 1.0
HOURS = 12.0


@st.composite
def days(draw: st.DrawFn) -> list[Row]:
    """Half a day of two signals, with stretches outside, bad or silent."""
    rows = [*steady(0.0, HOURS), *steady(0.0, HOURS, 7.2, tag=PH)]
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, 110)) / 10
        stop = start + draw(st.integers(1, 30)) / 10
        what = draw(st.sampled_from(["warm", "cold", "bad", "silent"]))
        rows = [each for row in rows for each in _changed(row, what, start, stop)]
    return rows


def _changed(row: Row, what: str, start: float, stop: float) -> list[Row]:
    if not start <= row.at < stop:
        return [row]
    match what:
        case "warm" | "cold":
            return [replace(row, value=row.value + (2.0 if what == "warm" else -2.0))]
        case "bad":
            return [replace(row, status=STATUS["bad"])]
        case _:
            return []


MASTER = watched(
    replace(LIMIT, on_delay=0.1, deadband=0.2),
    replace(LIMIT, signal="ph", unit="pH", low=6.9, high=7.6, tolerance=2.0, off_delay=0.3),
    checks=[replace(CHECK, deadband=0.05, heartbeat=0.2), replace(CHECK, signal="ph", unit="pH", high=14.0)],
)


@settings(max_examples=8, deadline=None)
@given(days(), st.lists(st.integers(1, 115), max_size=4, unique=True), st.integers(0, 2**32), st.booleans())
def test_readings_that_come_late_twice_and_in_any_order_and_restarts_change_nothing(
    rows: list[Row], cuts: list[int], seed: int, again: bool
) -> None:
    plain = Followed(rows, MASTER, settle=SETTLE).go(HOURS + SETTLE)
    dice = np.random.default_rng(seed)
    delays = dice.uniform(0.0, SETTLE - 0.01, len(rows))
    shaken = [replace(row, arrives=row.at + float(delay)) for row, delay in zip(rows, delays, strict=True)]
    other = Followed(
        shaken, MASTER, settle=SETTLE, dice=dice, again=2.0 if again else 0.0, poll=float(dice.uniform(0.1, 0.9))
    )
    other.go(*sorted(cut / 10 for cut in cuts), HOURS + SETTLE)
    assert sorted(map(str, other.facts())) == sorted(map(str, plain.facts()))
    assert sorted(other.deviations()) == sorted(plain.deviations())
    assert _stored(other) == _stored(plain)


def _stored(plot: Followed) -> list[tuple[str, int, float, int]]:
    return [(tag.name, at, value, status) for tag, at, _, value, status in plot.store.read("B-X001").rows()]


@dataclass
class Dying:
    """Counts what is made durable, and dies before or after the one of its number."""

    at: int
    before: bool
    count: int = 0

    def around(self, work: Callable[[], object]) -> None:
        self.count += 1
        if self.count == self.at and self.before:
            raise CrashError
        work()
        if self.count == self.at:
            raise CrashError


class DyingStore(MemoryTelemetry):
    """Dies at a write or a seal."""

    dying: Dying

    def write(self, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES) -> Written:
        written: list[Written] = []
        self.dying.around(lambda: written.append(super(DyingStore, self).write(blocks, states)))
        return written[0]

    def seal(self, batch: str, upto: int) -> tuple[Segment, ...]:
        sealed: list[tuple[Segment, ...]] = []
        self.dying.around(lambda: sealed.append(super(DyingStore, self).seal(batch, upto)))
        return sealed[0]


@dataclass
class DyingJournal:
    """Dies at an entry."""

    ledger: Ledger
    dying: Dying

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        appended: list[tuple[Recorded, ...]] = []
        self.dying.around(lambda: appended.append(self.ledger.append(stream, drafts, expected=expected)))
        return appended[0]


EVENTFUL = [*steady(0.0, 2.0), *steady(2.0, 4.0, 39.0), *steady(4.0, 6.0), *steady(8.0, 10.0)]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_the_process_dies_at_every_write_and_the_record_tells_everything_once(before: bool, long: bool) -> None:
    whole = Followed(EVENTFUL, poll=1.0).go(10.0)
    places, place = 0, 1
    while True:
        dying = Dying(place, before)
        store = DyingStore(FORM)
        store.dying = dying
        plot = Followed(EVENTFUL, store=store, poll=1.0)
        plot.journal = DyingJournal(plot.book.ledger, dying)
        _until_dead(plot)
        if dying.count < place:
            break
        plot.journal = Direct(plot.book.ledger)
        plot.go(10.0)
        assert sorted(map(str, plot.facts())) == sorted(map(str, whole.facts())), place
        assert plot.deviations() == whole.deviations(), place
        assert plot.stored() == whole.stored()
        places, place = places + 1, place + (1 if long else 3)
    assert places > 8
    assert len(whole.facts(DeviationOpened)) == 2


def _until_dead(plot: Followed) -> None:
    try:
        plot.go(10.0)
    except CrashError:
        return
