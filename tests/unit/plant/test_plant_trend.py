"""Trends of the simulated bioreactors: what the probes show between looks, and that looking changes nothing."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults
from cytoloop.adapters.plant.trend import INTERVAL, SIGNALS
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.json import JSON
from cytoloop.core.product import EquipmentClass, Plant
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import Readings, microseconds, moment, quality
from cytoloop.core.time import Instant, after
from cytoloop.core.words import Words

DONORS = Path(__file__).parents[3] / "src/cytoloop/packs/car_t_cd19/donors.yaml"
UNIT = "bioreactor-01"
STUCK = Faults(
    temperature_excursion=1.0, ph_drift=1.0, glucose_stuck=1.0, pump_slip=1.0, program_failure=0.0, wrong_label=0.0,
    contamination=0.0,
)  # fmt: skip
"""Everything that can happen to the probes happens."""


class Jumping:
    """A clock that is always where it is awaited."""

    def __init__(self, start: Instant) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    async def until(self, when: Instant) -> None:
        self._now = max(self._now, when)


class Bench:
    """A facility with one culture in it, worked by hand."""

    def __init__(self, start: Instant, faults: Faults, seed: int = 1) -> None:
        self.start, self.clock, self.done = start, Jumping(start), 0
        words = Words(en="unit", zh="单元")
        classes = tuple(
            EquipmentClass(equipment_class=kind, words=words, count=1)
            for kind in ("closed_processor", "bioreactor", "qc_laboratory")
        )
        donors = Distribution.from_data(yaml.safe_load(DONORS.read_text(encoding="utf-8")))
        plant = Plant(plant="site", words=words, classes=classes)
        self.facility = Facility(seed=seed, clock=self.clock, donors=donors, plant=plant, faults=faults)
        self.facility.register_collection("C1", luck="patient")

    async def do(self, verb: Verb, arguments: Mapping[str, JSON], target: str = UNIT) -> Outcome:
        self.done += 1
        command = Command(key=f"C1/{self.done}", target=target, verb=verb, arguments={**arguments, "coi": "C1"})
        outcome = await self.facility.perform(command)
        assert outcome.ok, outcome.note
        return outcome

    async def begin(self) -> Instant:
        await self.do("program", {"program": "select_t_cells", "parameters": {}}, "closed-processor-01")
        seed: dict[str, JSON] = {"volume": 200.0, "seeding_density": 1.0}
        seeded = await self.do("program", {"program": "seed", "parameters": seed})
        await self.do("set", {"il2": 100.0, "temperature": 37.0, "perfusion_rate": 0.5})
        await self.do("program", {"program": "add_activator", "parameters": {"beads_per_cell": 1.0}})
        return seeded.at

    async def trend(self, since: Instant, until: Instant) -> Readings | None:
        return await self.facility.readings("B-1", UNIT, since, until)


async def worked(bench: Bench, look_every: float | None) -> tuple[list[Reading], JSON]:
    """A culture of ten days: its hourly readings, and what the laboratory finds in it at the end."""
    began, read = await bench.begin(), list[Reading]()
    looks = [] if look_every is None else [look_every * number for number in range(int(240 / look_every))]
    reads = [17.3 * number for number in range(1, 14)]
    for hour, what in sorted([*((hour, "look") for hour in looks), *((hour, "read") for hour in reads)]):
        await bench.clock.until(after(began, hour))
        if what == "look":
            await bench.trend(began, bench.clock.now())
        else:
            read += (await bench.do("read", {"signals": list(SIGNALS)})).readings
    await bench.clock.until(after(began, 240.0))
    sampled: dict[str, JSON] = {"plan": "end", "attributes": ["viability"], "volume": 0.5, "from": UNIT}
    return read, dict((await bench.do("sample", sampled, "qc-laboratory-01")).values)["results"]


@pytest.mark.parametrize("faults", [Faults.none(), STUCK], ids=["nothing goes wrong", "everything goes wrong"])
async def test_looking_at_a_trend_changes_nothing(start: Instant, faults: Faults) -> None:
    alone = await worked(Bench(start, faults), None)
    assert await worked(Bench(start, faults), 0.7) == alone
    assert await worked(Bench(start, faults), 24.0) == alone
    assert len(alone[0]) > 1000


@pytest.mark.parametrize("faults", [Faults.none(), STUCK], ids=["nothing goes wrong", "everything goes wrong"])
async def test_the_trend_shows_what_the_batch_record_has_read_at_the_same_time(start: Instant, faults: Faults) -> None:
    bench = Bench(start, faults)
    read, _ = await worked(bench, None)
    trend = await bench.trend(start, bench.clock.now())
    assert trend is not None
    shown = {(tag.name, at): (value, quality(status)) for tag, at, _, value, status in trend.rows()}
    for each in read:
        assert shown[f"{each.source}/{each.signal}", microseconds(each.at)] == (each.value, each.quality)
    units = {tag.name.partition("/")[2]: tag.unit for tag in trend.tags}
    assert units == SIGNALS


async def test_a_stuck_probe_shows_its_last_value_as_bad_and_nothing_else_is(start: Instant) -> None:
    bench = Bench(start, STUCK)
    await worked(bench, None)
    bad = [row for row in rows(await bench.trend(start, bench.clock.now())) if quality(row[4]) == "bad"]
    assert {row[0] for row in bad} == {f"{UNIT}/glucose"}
    assert len({row[3] for row in bad}) == 1
    assert len(bad) >= 6 * 8


async def test_there_is_one_reading_of_each_signal_every_ten_minutes_wherever_the_questions_part(
    start: Instant,
) -> None:
    bench = Bench(start, Faults.none())
    began = await bench.begin()
    await bench.clock.until(after(began, 30.5))
    whole = rows(await bench.trend(start, bench.clock.now()))
    assert sorted({at for _, at, *_ in whole}) == [microseconds(after(began, n / 6)) for n in range(6 * 30 + 1)]
    parts = [after(began, hours) for hours in (-5.0, 0.0, 0.1, 7.0, 29.99, 30.5)]
    asked = [await bench.trend(since, until) for since, until in pairwise(parts)]
    assert asked[0] is None
    assert [row for each in asked for row in rows(each)] == whole
    assert {moment(received) for _, _, received, *_ in whole} == {bench.clock.now()}


async def test_the_trend_is_still_there_once_the_culture_is_taken_out(start: Instant) -> None:
    bench = Bench(start, Faults.none())
    began = await bench.begin()
    await bench.clock.until(after(began, 50.0))
    await bench.do("program", {"program": "wash_and_harvest", "parameters": {}}, "closed-processor-01")
    trend = rows(await bench.trend(began, bench.clock.now()))
    assert trend[-1][1] == microseconds(after(began, 53.0)) - INTERVAL
    assert await bench.facility.readings("B-1", "closed-processor-01", start, bench.clock.now()) is None


def rows(trend: Readings | None) -> Sequence[tuple[str, int, int, float, int]]:
    assert trend is None or trend.batch == "B-1"
    return [(tag.name, *rest) for tag, *rest in trend.rows()] if trend else []  # type: ignore[misc]
