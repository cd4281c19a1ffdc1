"""The historian: a running batch's readings are kept, sealed and entered, also after a crash and not on a full disk."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryTelemetry
from cytoloop.app.historian import Historian, readable_telemetry, sealed
from cytoloop.app.packs import read_pack
from cytoloop.app.records import readable_record
from cytoloop.app.verifying_telemetry import verify_telemetry, verify_telemetry_of
from cytoloop.core.batch import apply, fold
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import FindingError, StoreError
from cytoloop.core.facts.production import ReadingsRecorded
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.telemetry import NO_STATES, Readings, Tag, TelemetryStore, Written, microseconds, quality, readings
from cytoloop.core.time import Instant, after
from cytoloop.record.segment import FORM
from cytoloop.testing.builders import START, Book, created

PH = Tag("bioreactor-01/ph", "pH")
BATCH = "B-X001"


@dataclass
class Probe:
    """A source with one reading every hour."""

    clock: SimulatedClock
    asked: list[tuple[Instant, Instant]] = field(default_factory=list)

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        if unit != "bioreactor-01":
            return None
        self.asked.append((since, until))
        hours = [hour for hour in range(1000) if since <= after(START, hour) < until]
        now = microseconds(self.clock.now())
        return readings(batch, [(PH, microseconds(after(START, hour)), now, 7.0 + hour / 1000, 0) for hour in hours])


@dataclass
class Plot:
    """A batch in a book, and a historian that follows it."""

    store: TelemetryStore
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(START))
    book: Book = field(default_factory=Book)
    entered: list[Recorded] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.probe = Probe(self.clock)
        master = read_pack("car_t_cd19").master
        self.batch = fold([self.book.tell(f"batch/{BATCH}", created(master, BATCH, line="fixed"))], master)

    def historian(self, poll: float = 6.0) -> Historian:
        return Historian(store=self.store, source=self.probe, ledger=self.book.ledger, clock=self.clock, poll=poll)

    def enter(self, drafts: Sequence[object]) -> None:
        for draft in drafts:
            recorded = self.book.tell(f"batch/{BATCH}", draft.fact, draft.happened_at, actor=draft.actor)  # type: ignore[attr-defined]
            self.entered.append(recorded)
            self.batch = apply(self.batch, recorded)

    async def run(self, hours: float, look_every: float, poll: float = 6.0) -> None:
        """Follow the batch for some hours; its runner asks what must be entered now and then."""
        async with self.historian(poll).following(self.batch) as followed:
            end = after(self.clock.now(), hours)
            while self.clock.now() < end:
                await self.clock.until(min(after(self.clock.now(), look_every), end))
                self.enter(followed.observe(self.batch, self.clock.now()))
        self.enter(followed.observe(self.batch, self.clock.now()))

    def go(self, hours: float, look_every: float = 5.0, poll: float = 6.0) -> None:
        asyncio.run(self.clock.together(self.run(hours, look_every, poll)))

    @property
    def facts(self) -> list[TelemetrySealed]:
        return [each.fact for each in self.entered if isinstance(each.fact, TelemetrySealed)]


def test_readings_are_sealed_every_day_and_at_the_end_and_each_seal_is_entered() -> None:
    plot = Plot(MemoryTelemetry(FORM))
    plot.go(60.0)
    assert [fact.segment for fact in plot.facts] == [f"{BATCH}/{number}" for number in (1, 2, 3)]
    assert [fact.readings for fact in plot.facts] == [24, 24, 12]
    assert [(fact.first, fact.last) for fact in plot.facts][1] == (after(START, 24), after(START, 47))
    assert plot.facts == [sealed(segment) for segment in plot.store.segments(BATCH)]
    assert {each.entry.actor for each in plot.entered} == {"system:historian"}
    assert {fact.tags for fact in plot.facts} == {(PH.name,)}
    assert plot.batch.position == 4
    assert plot.store.unsealed(BATCH) == 0


def test_nothing_is_asked_for_twice_and_nothing_is_left_out() -> None:
    plot = Plot(MemoryTelemetry(FORM))
    plot.go(31.0, poll=6.0)
    asked = plot.probe.asked
    assert asked[0][0] == START
    assert all(before[1] == following[0] for before, following in pairwise(asked))
    assert asked[-1][1] == after(START, 31.0)
    assert len(plot.store.read(BATCH)) == 31


def test_a_seal_that_a_crash_kept_out_of_the_record_is_entered_when_the_batch_is_carried_on() -> None:
    plot = Plot(MemoryTelemetry(FORM))
    plot.go(30.0)
    crashed = Plot(plot.store, clock=SimulatedClock(after(START, 30.0)))
    crashed.go(20.0)
    assert [fact.segment for fact in crashed.facts] == [f"{BATCH}/{number}" for number in (1, 2, 3)]
    assert [fact.readings for fact in crashed.facts] == [24, 6, 20]
    checked = verify_telemetry(crashed.book.ledger._store.rows(), crashed.store)
    assert (checked.segments, checked.readings, checked.unsealed) == (3, 50, 0)


def test_what_is_in_the_record_is_not_entered_again() -> None:
    plot = Plot(MemoryTelemetry(FORM))
    plot.go(30.0)
    plot.go(20.0)
    assert [fact.segment for fact in plot.facts] == [f"{BATCH}/{number}" for number in (1, 2, 3)]


def test_readings_of_batches_that_other_folders_keep_are_counted_only_where_that_is_said() -> None:
    plot = Plot(MemoryTelemetry(FORM))
    plot.go(30.0)
    rows = list(plot.book.ledger._store.rows())
    for elsewhere in (None, MemoryTelemetry(FORM)):
        checked = verify_telemetry(rows, elsewhere, part=True)
        assert (checked.segments, checked.readings, checked.elsewhere) == (0, 0, 2)
        with pytest.raises(FindingError, match=rf"segment {BATCH}/1 .* is missing"):
            verify_telemetry(rows, elsewhere)
    begun = MemoryTelemetry(FORM)
    begun.write([readings(BATCH, [(PH, 5, 5, 7.0, 0)])])
    with pytest.raises(FindingError, match=rf"segment {BATCH}/1 .* is missing"):
        verify_telemetry(rows, begun, part=True)


class FullDisk(MemoryTelemetry):
    """Takes nothing any more."""

    def write(self, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES) -> Written:
        raise StoreError("the disk is full")


def test_a_batch_does_not_go_on_when_its_readings_cannot_be_kept() -> None:
    plot = Plot(FullDisk(FORM))
    with pytest.raises(StoreError, match="the disk is full"):
        plot.go(100.0, look_every=5.0)
    assert plot.clock.now() == after(START, 10.0)


def test_readings_that_no_entry_protects_are_counted(tmp_path: Path) -> None:
    plot = Plot(MemoryTelemetry(FORM))
    plot.go(30.0)
    plot.store.write([readings(BATCH, [(PH, 5, 5, 7.0, 0)]), readings("B-Y", [(PH, 5, 5, 7.0, 0), (PH, 6, 5, 7.0, 0)])])
    plot.store.seal("B-Y", 6)
    checked = verify_telemetry(plot.book.ledger._store.rows(), plot.store)
    assert (checked.segments, checked.readings, checked.unsealed) == (2, 30, 3)


def test_in_a_demonstration_every_batch_is_sealed_to_its_end_and_shows_what_the_record_has_read(
    demo_folder: Path,
) -> None:
    checked = verify_telemetry_of(demo_folder)
    with readable_record(demo_folder) as ledger, readable_telemetry(demo_folder) as store:
        assert store is not None
        for stream in ledger.streams("batch/"):
            told = list(ledger.stream(stream))
            number = stream.partition("/")[2]
            facts = [each.fact for each in told if isinstance(each.fact, TelemetrySealed)]
            assert [sealed(segment) for segment in store.segments(number)] == facts
            kept = {(tag.name, at): (value, quality(status)) for tag, at, _, value, status in store.read(number).rows()}
            read = [r for each in told if isinstance(each.fact, ReadingsRecorded) for r in each.fact.readings]
            shown = {(f"{r.source}/{r.signal}", microseconds(r.at)): (r.value, r.quality) for r in read}
            assert shown.items() <= kept.items()
            assert len(facts) >= 9
    assert checked.unsealed == 0
    assert checked.readings > 40_000
