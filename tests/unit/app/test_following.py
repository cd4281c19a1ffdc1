"""What comes in from equipment: judged, kept, told once; alarms, gaps and excursions, and what becomes of them."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from tests.followed import BATCH, CELSIUS, CHECK, LIMIT, PH, UNIT, Followed, Row, steady, watched

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.memory import MemoryTelemetry
from cytoloop.app.historian import Historian
from cytoloop.app.quality import inspect
from cytoloop.core.facts.monitoring import (
    AlarmCleared,
    AlarmRaised,
    ExcursionFound,
    IntakeFinding,
    TelemetryGap,
)
from cytoloop.core.facts.production import ReadingsRecorded, StepStarted
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import NO_STATES, STATUS, Readings, Segment, Tag, Written, quality
from cytoloop.core.time import after
from cytoloop.record.segment import FORM
from cytoloop.testing.builders import START

WARM = [*steady(0.0, 2.0), *steady(2.0, 4.0, 39.0), *steady(4.0, 8.0)]
"""Two hours too warm, of which one is tolerated."""


def test_an_alarm_is_told_at_once_and_what_lasts_too_long_is_a_deviation() -> None:
    plot = Followed(WARM).go(8.0)
    assert plot.told() == ["alarm-raised high 2.00", "excursion-found high 2.00", "alarm-cleared returned 4.00"]
    (raised,) = plot.facts(AlarmRaised)
    assert isinstance(raised, AlarmRaised)
    assert (raised.alarm, raised.value, raised.low, raised.high) == (
        f"{CELSIUS.name}/limit/20260601T100000Z", 39.0, 36.0, 38.0,
    )  # fmt: skip
    entries = {each.entry.name: each.entry.happened_at for each in plot.book.ledger.stream(f"batch/{BATCH}")}
    assert entries["alarm-raised/1"] == after(START, 2.25)
    assert entries["excursion-found/1"] == entries["deviation-opened/1"] == after(START, 3.25)
    (what,) = plot.deviations()
    assert what == (
        "temperature of bioreactor-01 was 39 °C at 2026-06-01T11:05:00+00:00, outside 36 to 38 °C for longer than 1 h"
    )


def test_a_short_time_outside_is_an_alarm_and_no_deviation_and_the_delays_keep_noise_away() -> None:
    short = [*steady(0.0, 2.0), *steady(2.0, 2.5, 39.0), *steady(2.5, 4.0)]
    assert Followed(short).go(4.0).told() == ["alarm-raised high 2.00", "alarm-cleared returned 2.50"]
    quiet = watched(replace(LIMIT, on_delay=1.0, off_delay=0.5))
    assert Followed(short, master=quiet).go(4.0).told() == []
    waits = [*WARM[:48], *steady(4.0, 4.25, 37.0), *steady(4.25, 4.5, 38.5), *steady(4.5, 8.0)]
    told = Followed(waits, master=quiet).go(8.0).facts(AlarmCleared)
    assert [fact.at for fact in told if isinstance(fact, AlarmCleared)] == [after(START, 5.0)]


def test_the_batch_read_by_its_steps_and_by_telemetry_has_one_deviation_for_one_excursion() -> None:
    plot = Followed(WARM).go(3.1)
    hourly = [
        Reading(signal="temperature", value=39.0, unit="°C", at=after(START, 2.0 + n), source=UNIT) for n in (0, 1, 1.9)
    ]
    plot.enter(ReadingsRecorded(step="activation/read", readings=tuple(hourly)), 3.9)
    for draft in inspect(plot.batch, plot.clock.now()):
        plot.enter(draft.fact, 3.9)
    assert plot.go(8.0).facts(ExcursionFound) != []
    assert len(plot.deviations()) == 1
    other = Followed([*WARM, *steady(8.0, 10.0, 35.0), *steady(10.0, 11.0)]).go(11.0)
    assert len(other.deviations()) == 2


def test_readings_are_judged_only_while_the_batch_is_in_the_unit() -> None:
    cold = [*steady(-2.0, 0.0, 20.0), *steady(0.0, 2.0), *steady(2.0, 3.0, 39.0), *steady(3.0, 6.0, 20.0)]
    plot = Followed([*cold, Row(at=8.0, value=20.0)])
    key = f"{BATCH}/harvest/wash#1"
    plot.go(2.5)
    begun = StepStarted(
        step="harvest/wash", attempt=1, key=key, target="closed-processor-01", verb="program", arguments={}
    )
    assert "harvest" in {each.operation for _, each in plot.master.recipe.operations()}
    plot.enter(begun, 2.9)
    plot.go(9.0)
    assert plot.told() == ["alarm-raised high 2.00", "alarm-cleared out-of-use 2.90"]
    assert plot.deviations() == []
    assert len(plot.stored()) == len(cold) - 24 + 1


def test_a_signal_that_falls_silent_is_missed_and_then_a_deviation() -> None:
    plot = Followed([*steady(0.0, 2.0), *steady(5.0, 6.0), *steady(2.0, 6.0, 7.2, tag=PH)]).go(6.0)
    assert plot.told() == [
        "alarm-raised missing 1.92", "excursion-found missing 1.92", "alarm-cleared returned 5.00",
        "telemetry-gap silence 1.92",
    ]  # fmt: skip
    (what,) = plot.deviations()
    assert what.startswith("no usable reading of temperature of bioreactor-01 came since 2026-06-01T09:55:00")


def test_a_signal_of_which_every_reading_is_bad_is_missed_as_one_that_is_silent() -> None:
    stuck = [replace(row, status=STATUS["bad"]) for row in steady(2.0, 5.0, 99.0)]
    plot = Followed([*steady(0.0, 2.0), *stuck, *steady(5.0, 6.0)]).go(6.0)
    assert plot.told() == [
        "alarm-raised missing 1.92", "excursion-found missing 1.92", "alarm-cleared returned 5.00",
    ]  # fmt: skip
    assert len(plot.stored()) == 72


def test_a_unit_that_is_away_for_hours_is_an_alarm_and_its_readings_are_filled_in() -> None:
    plot = Followed([*steady(0.0, 4.0), *steady(4.0, 4.5, 39.0), *steady(4.5, 9.0)], away=((2.0, 6.0),)).go(9.0)
    assert plot.told() == [
        "alarm-raised unreachable 1.75", "excursion-found unreachable 1.75",
        "alarm-raised high 4.00", "alarm-cleared returned 4.50", "alarm-cleared returned 6.00",
        "telemetry-gap unreachable 1.75",
    ]  # fmt: skip
    (gap,) = plot.facts(TelemetryGap)
    assert isinstance(gap, TelemetryGap)
    assert (gap.first, gap.last, gap.filled) == (after(START, 1.75), after(START, 6.0), True)
    assert plot.stored() == [round(n / 12, 4) for n in range(108)]
    assert plot.deviations() == [
        "bioreactor-01 could not be asked since 2026-06-01T09:45:00+00:00, for longer than 1 h"
    ]


def test_a_unit_that_does_not_come_back_before_the_batch_ends_leaves_a_gap_that_is_told() -> None:
    plot = Followed(steady(0.0, 2.0), away=((2.0, 99.0),)).go(9.0, finish=True)
    (gap,) = plot.facts(TelemetryGap)
    assert isinstance(gap, TelemetryGap)
    assert (gap.kind, gap.last, gap.filled) == ("unreachable", after(START, 9.0), False)
    assert plot.told()[-2:] == ["alarm-cleared out-of-use 9.00", "telemetry-gap unreachable 1.75"]


def test_another_unit_is_converted_where_it_enters_and_one_that_measures_something_else_is_refused() -> None:
    fahrenheit, density = Tag(CELSIUS.name, "degF"), Tag(PH.name, "1e6 cells/mL")
    rows = [replace(row, tag=fahrenheit) for row in steady(0.0, 2.0, 102.2)]
    plot = Followed([*rows, *steady(0.0, 2.0, 7.2, tag=density)]).go(2.0)
    found = [each for each in plot.facts(IntakeFinding) if isinstance(each, IntakeFinding)]
    assert [(each.kind, each.of) for each in found] == [("unit-converted", CELSIUS.name), ("unit-refused", PH.name)]
    assert "is not kept: cannot turn '1e6 cells/mL' into 'pH'" in found[1].what
    kept = {(tag, round(value, 6)) for tag, _, _, value, _ in plot.store.read(BATCH).rows()}
    assert kept == {(CELSIUS, 39.0)}
    assert "alarm-raised high 0.00" in plot.told()


def test_a_value_that_the_probe_cannot_show_is_kept_as_bad_and_raises_no_limit_alarm() -> None:
    plot = Followed([*steady(0.0, 2.0), Row(at=2.0, value=-273.0), *steady(2.1, 4.0)]).go(4.0)
    assert plot.told() == ["intake-finding range 2.00"]
    odd = [row for row in plot.store.read(BATCH).rows() if row[3] == -273.0]
    assert [quality(row[4]) for row in odd] == ["bad"]


def test_source_and_server_clocks_that_differ_are_told_once_an_hour_at_most() -> None:
    rows = [replace(row, server=row.at + 0.2) for row in steady(0.0, 3.0)]
    plot = Followed(rows).go(3.0)
    (found,) = plot.facts(IntakeFinding)
    assert isinstance(found, IntakeFinding)
    assert found.what == f"{CELSIUS.name}: the clocks of source and server differ by -720 s"


def test_what_comes_late_goes_into_a_further_segment_and_an_excursion_it_shows_is_one() -> None:
    late = [replace(row, arrives=30.0) for row in steady(2.0, 5.0, 39.0)]
    plot = Followed([*steady(0.0, 2.0), *late, *steady(5.0, 40.0)], again=40.0, poll=1.0)
    plot.go(40.0)
    assert [each for each in plot.told() if not each.startswith(("alarm", "telemetry"))] == [
        "excursion-found missing 1.92", "intake-finding late 2.00", "excursion-found high 2.00",
    ]  # fmt: skip
    assert plot.stored() == [round(n / 12, 4) for n in range(480)]
    assert len(plot.deviations()) == 2
    segments = plot.store.segments(BATCH)
    sealed = [each for each in plot.facts(TelemetrySealed) if isinstance(each, TelemetrySealed)]
    assert [each.segment for each in sealed] == [each.name for each in segments]
    assert sum(each.readings for each in segments) == 480
    assert segments[0].readings == 24 * 12 - 36
    assert (segments[-1].readings, segments[-1].first) == (480 - 24 * 12 + 36, plot_time(2.0))


def plot_time(hours: float) -> int:
    return round((after(START, hours) - START).total_seconds() * 1e6) + round(START.timestamp() * 1e6)


def test_the_same_again_is_dropped_and_another_value_for_it_is_told_and_not_kept() -> None:
    plot = Followed(steady(0.0, 4.0), again=4.0)
    plot.go(2.0)
    plot.source.rows[10] = replace(plot.source.rows[10], value=36.5)
    plot.go(4.0)
    (found,) = plot.facts(IntakeFinding)
    assert isinstance(found, IntakeFinding)
    assert (found.kind, found.of) == ("conflict", UNIT)
    assert {row[3] for row in plot.store.read(BATCH).rows()} == {37.0}
    assert len(plot.stored()) == 48


def test_a_source_whose_clock_steps_ahead_and_back_is_told_and_loses_nothing_that_it_measured() -> None:
    ahead = [replace(row, at=row.at + 3.0, arrives=row.at) for row in steady(1.0, 2.0, 37.5)]
    plot = Followed([*steady(0.0, 1.0), *ahead, *steady(2.0, 8.0)], again=8.0).go(8.0)
    told = plot.told()
    assert "telemetry-gap silence 0.92" in told
    assert "alarm-raised missing 0.92" in told
    assert "intake-finding conflict" in " ".join(told)
    assert len(plot.stored()) == 12 + 72  # the hour that was stamped wrong fell on readings that came later


def test_a_dead_band_thins_what_is_stored_and_alarms_are_the_same() -> None:
    noisy = [replace(row, value=row.value + 0.01 * (n % 5)) for n, row in enumerate(WARM)]
    thin = replace(CHECK, deadband=0.1, heartbeat=0.4)
    plot = Followed(noisy, master=watched(LIMIT, checks=[thin])).go(8.0)
    assert plot.facts() == Followed(noisy).go(8.0).facts()
    assert len(plot.stored()) < len(noisy) / 3
    assert max(b - a for a, b in zip(plot.stored(), plot.stored()[1:], strict=False)) <= 0.5


def test_a_dead_band_is_not_undone_by_what_comes_again() -> None:
    thin = watched(LIMIT, checks=[replace(CHECK, deadband=0.1, heartbeat=0.4)])
    once, again = Followed(WARM, master=thin).go(8.0), Followed(WARM, master=thin, again=3.0).go(8.0)
    assert again.stored() == once.stored()
    assert again.facts() == once.facts()


def test_limits_that_narrow_to_the_proven_range_follow_the_set_point() -> None:
    wide = replace(LIMIT, low=30.0, high=45.0, par=True)
    plot = Followed([*steady(0.0, 2.0, 39.0), *steady(2.0, 6.0, 39.0)], master=watched(wide))
    plot.step("activation/set_conditions", "set", 2.0, temperature=37.0)
    plot.go(6.0)
    assert plot.told() == ["alarm-raised high 2.00", "excursion-found high 2.00"]
    (raised,) = plot.facts(AlarmRaised)
    assert isinstance(raised, AlarmRaised)
    assert (raised.low, raised.high) == (36.0, 38.0)


def test_a_plant_recorded_before_there_were_checks_is_judged_by_its_limits_alone() -> None:
    plot = Followed([*steady(0.0, 2.0), *steady(6.0, 8.0)], master=watched(LIMIT, checks=())).go(8.0)
    assert plot.told() == []


async def test_in_real_time_readings_are_judged_and_written_beside_the_event_loop() -> None:
    class Store(MemoryTelemetry):
        """Notes who calls it."""

        def __init__(self) -> None:
            super().__init__(FORM)
            self.threads: set[int] = set()

        def write(self, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES) -> Written:
            self.threads.add(threading.get_ident())
            return super().write(blocks, states)

        def seal(self, batch: str, upto: int) -> tuple[Segment, ...]:
            self.threads.add(threading.get_ident())
            return super().seal(batch, upto)

    store = Store()
    plot = Followed(WARM, store=store)
    clock = ScaledClock(start=after(START, 20.0), factor=36_000.0)
    plot.source.clock = clock  # type: ignore[assignment]
    historian = Historian(store=store, source=plot.source, ledger=plot.book.ledger, clock=clock, poll=1.0, threads=True)
    async with historian.following(plot.batch) as following:
        await clock.until(after(START, 23.0))
    await following.entered(plot.batch)
    assert plot.told()[:3] == ["alarm-raised high 2.00", "excursion-found high 2.00", "alarm-cleared returned 4.00"]
    assert len(plot.stored()) == len(WARM)
    assert store.unsealed(BATCH) == 0
    assert store.threads
    assert threading.get_ident() not in store.threads


@pytest.mark.parametrize("finish", [False, True])
def test_what_follows_from_it_stands_once_in_the_record_however_often_it_was_stopped(finish: bool) -> None:
    whole = Followed(WARM).go(8.0, finish=finish)
    parts = Followed(WARM).go(0.5, 2.1, 2.3, 3.3, 4.2, 8.0, finish=finish)
    assert parts.facts() == whole.facts()
    assert len(parts.facts(DeviationOpened)) == 1
    assert parts.stored() == whole.stored()
