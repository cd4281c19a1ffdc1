"""The facility: a whole batch by hand, luck that is shared between arms, faults, refusals, and carrying on alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from cytoloop.adapters.plant import laboratory
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults, Misfortunes, Span, draw_misfortunes
from cytoloop.adapters.plant.streams import stream
from cytoloop.adapters.plant.virtual import dice_of, virtual_batch
from cytoloop.app.packs import read_pack
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.product import EquipmentClass, Plant
from cytoloop.core.time import Instant, after, hours_between
from cytoloop.core.words import Words

DONORS = Path(__file__).parents[3] / "src/cytoloop/packs/car_t_cd19/donors.yaml"
RELEASE = ("viability", "cd3_purity", "car_fraction", "memory_fraction", "viable_car_cells", "vector_copy_number")
SIGNALS = ["temperature", "ph", "dissolved_oxygen", "glucose", "perfusion_rate"]


class Jumping:
    """A clock that is always where it is awaited."""

    def __init__(self, start: Instant) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    async def until(self, when: Instant) -> None:
        self._now = max(self._now, when)


def plant() -> Plant:
    words = Words(en="unit", zh="单元")
    kinds = {"receiving_station": 1, "closed_processor": 1, "bioreactor": 3, "controlled_rate_freezer": 1}
    classes = (
        EquipmentClass(equipment_class=kind, words=words, count=n) for kind, n in {**kinds, "qc_laboratory": 1}.items()
    )
    return Plant(plant="site", words=words, classes=tuple(classes))


def facility(clock: Jumping, *, seed: int = 1, faults: Faults | None = None) -> Facility:
    donors = Distribution.from_data(yaml.safe_load(DONORS.read_text(encoding="utf-8")))
    return Facility(seed=seed, clock=clock, donors=donors, plant=plant(), faults=faults or Faults.none())


@dataclass
class Hands:
    """A pair of hands that works one bag through the facility."""

    facility: Facility
    clock: Jumping
    coi: str = "C1"
    unit: str = "bioreactor-01"
    done: int = field(default=0)

    async def do(self, target: str, verb: Verb, arguments: Mapping[str, JSON]) -> Outcome:
        self.done += 1
        return await self.facility.perform(
            Command(key=f"{self.coi}/{self.done}", target=target, verb=verb, arguments=arguments)
        )

    async def program(self, name: str, target: str, **parameters: float) -> Outcome:
        return await self.do(target, "program", {"program": name, "coi": self.coi, "parameters": dict(parameters)})

    async def sample(self, plan: str, *attributes: str, volume: float = 0.5) -> dict[str, float]:
        arguments: dict[str, JSON] = {"plan": plan, "attributes": list(attributes), "volume": volume, "from": self.unit}
        outcome = await self.do("qc-laboratory-01", "sample", {**arguments, "coi": self.coi})
        results = outcome.values["results"]
        assert isinstance(results, dict)
        return {name: value(result) for name, result in results.items()}

    async def read(self) -> Outcome:
        return await self.do(self.unit, "read", {"signals": list(SIGNALS)})

    async def begin(self) -> Instant:
        assert (await self.program("select_t_cells", "closed-processor-01")).ok
        seeded = await self.program("seed", self.unit, volume=200.0, seeding_density=1.0)
        assert seeded.ok, seeded.note
        await self.do(self.unit, "set", {"il2": 100.0, "temperature": 37.0})
        await self.program("add_activator", self.unit, beads_per_cell=1.0)
        return seeded.at

    async def whole(self, *, duration: float = 192.0) -> dict[str, float]:
        began = await self.begin()
        await self.clock.until(after(began, 24.0))
        await self.program("add_vector", self.unit, moi=3.0)
        await self.clock.until(after(began, 48.0))
        await self.do(self.unit, "set", {"perfusion_rate": 0.5, "il2": 100.0})
        await self.clock.until(after(began, 48.0 + duration))
        for name, target, parameters in (
            ("wash_and_harvest", "closed-processor-01", {}),
            ("formulate", "closed-processor-01", {"cell_concentration": 20.0}),
            ("fill_bags", "closed-processor-01", {"bags": 2.0}),
            ("freeze", "controlled-rate-freezer-01", {"cooling_rate": -1.0}),
        ):
            outcome = await self.program(name, target, **parameters)
            assert outcome.ok, outcome.note
        return await self.sample("release", *RELEASE, volume=1.0)


def value(result: JSON) -> float:
    assert isinstance(result, dict)
    number = result["value"]
    assert isinstance(number, int | float)
    return float(number)


def hands(start: Instant, *, seed: int = 1, faults: Faults | None = None, luck: str = "patient") -> Hands:
    clock = Jumping(start)
    site = facility(clock, seed=seed, faults=faults)
    site.register_collection("C1", luck=luck)
    return Hands(site, clock)


async def test_a_whole_batch_makes_a_product_and_frees_the_bioreactor(start: Instant) -> None:
    worker = hands(start)
    results = await worker.whole()
    assert set(results) == set(RELEASE)
    assert 20.0 < results["viable_car_cells"] < 3000.0
    assert 0.5 < results["viability"] < 1.0
    assert worker.facility.vessels["bioreactor-01"].coi is None
    assert (await worker.read()).readings == ()


async def test_a_virtual_batch_is_the_facilitys_with_the_same_luck(start: Instant) -> None:
    worker = hands(start)  # its vector comes 24 h after the seeding, its expansion at 48 h
    theirs = await worker.whole()
    parameters = {name: parameter.target for name, parameter in read_pack("car_t_cd19").recipe.parameters().items()}
    moved = {"activation.duration": 23.5, "transduction.duration": 23.5}
    donor = worker.facility.draw_donor("patient")
    batch = virtual_batch(donor, {**parameters, **moved}, dice_of(1, "patient"))
    rng = stream(1, "patient", "sample", "release", 0)
    ours = laboratory.test(laboratory.Sampled(bag=batch.product), RELEASE, rng)
    found = {name: value(result) for name, result in ours.items()}
    assert found == pytest.approx(theirs, rel=1e-3)
    assert batch.harvest_at == 23.5 + 0.5 + 0.5 + 23.5 + 192.0 + 3.0


async def test_the_same_luck_meets_the_same_results_in_another_arm(start: Instant) -> None:
    alone = await hands(start).whole()
    clock = Jumping(start)
    shared = facility(clock)
    for coi, luck in (("X", "somebody else"), ("C9", "patient")):
        shared.register_collection(coi, luck=luck)
    await Hands(shared, clock, coi="X", unit="bioreactor-03").whole()
    assert await Hands(shared, clock, coi="C9", unit="bioreactor-02").whole() == alone


async def test_other_luck_is_another_patient(start: Instant) -> None:
    assert await hands(start, luck="one").whole() != await hands(start, luck="two").whole()
    assert hands(start, seed=1).facility.draw_donor("d") != hands(start, seed=2).facility.draw_donor("d")


async def test_a_longer_culture_is_another_product(start: Instant) -> None:
    short, long = await hands(start).whole(duration=24.0), await hands(start).whole(duration=192.0)
    assert long["viable_car_cells"] > short["viable_car_cells"]
    assert long["vector_copy_number"] == short["vector_copy_number"]


async def test_readings_are_hourly_since_the_last_time(start: Instant) -> None:
    worker = hands(start)
    began = await worker.begin()
    await worker.clock.until(after(began, 6.0))
    first = (await worker.read()).readings
    await worker.clock.until(after(began, 12.5))
    second = (await worker.read()).readings
    hours = [hours_between(began, reading.at) for reading in first + second if reading.signal == "ph"]
    assert hours == [float(hour) for hour in range(1, 13)]
    assert {reading.signal for reading in first} == set(SIGNALS)
    assert all(reading.quality == "good" for reading in first + second)


async def test_faults_show_in_the_readings(start: Instant) -> None:
    worker = hands(start)
    worker.facility._chains["C1"].misfortunes = Misfortunes(
        excursion=Span(start=3.0, end=6.0, size=2.0),
        ph_drift=Span(start=0.0, end=400.0, size=0.05),
        glucose_stuck=Span(start=5.0, end=8.0, size=1.0),
        pump_slip=Span(start=4.0, end=9.0, size=0.5),
    )
    began = await worker.begin()
    await worker.do("bioreactor-01", "set", {"perfusion_rate": 1.0})
    await worker.clock.until(after(began, 20.0))
    rows = {(r.signal, round(hours_between(began, r.at))): r for r in (await worker.read()).readings}
    assert rows["temperature", 4].value == pytest.approx(39.0, abs=0.3)
    assert rows["temperature", 10].value == pytest.approx(37.0, abs=0.3)
    assert rows["ph", 20].value > 8.0
    assert [rows["glucose", hour].quality for hour in (4, 5, 7, 8)] == ["good", "bad", "bad", "good"]
    assert rows["glucose", 5].value == rows["glucose", 7].value
    assert rows["perfusion_rate", 6].value == pytest.approx(0.5, abs=0.05)
    assert rows["perfusion_rate", 12].value == pytest.approx(1.0, abs=0.1)


async def test_a_contaminated_batch_is_found(start: Instant) -> None:
    worker = hands(start)
    worker.facility._chains["C1"].misfortunes = Misfortunes(contamination=60.0)
    await worker.whole()
    found = await worker.sample("again", "sterility", "endotoxin")
    assert found["sterility"] > 0
    assert found["endotoxin"] > 5


async def test_a_failed_program_can_be_repeated(start: Instant) -> None:
    worker = hands(start, faults=Faults(program_failure=0.5))
    outcomes = [await worker.program("select_t_cells", "closed-processor-01") for _ in range(12)]
    failed = [outcome for outcome in outcomes if not outcome.ok]
    assert failed
    assert len(failed) < len(outcomes)
    assert all("unharmed" in outcome.note for outcome in failed)


async def test_a_person_sometimes_fetches_the_wrong_bag(start: Instant) -> None:
    site = facility(Jumping(start), faults=Faults(wrong_label=0.3))
    site.register_collection("C1")
    assert {site.code_on("C1", "final_bag") for _ in range(40)} == {"C1", "C1-OTHER"}
    site.register_collection("C2")
    assert {site.code_on("C1", "final_bag") for _ in range(40)} == {"C1", "C2"}
    assert site.code_on("C3", "final_bag") == "no such item"


async def test_the_plant_carries_on_when_nobody_waits(start: Instant) -> None:
    clock = Jumping(start)
    site = facility(clock)
    site.register_collection("C1")
    select = Command(
        key="k", target="closed-processor-01", verb="program", arguments={"program": "select_t_cells", "coi": "C1"}
    )
    site.submit(select)
    assert site.outcome("k") is None
    await clock.until(after(start, 30.0))
    recalled = await site.recall("k")
    assert recalled is not None
    assert recalled.ok
    assert recalled.at == after(start, 4.0)
    assert clock.now() == after(start, 30.0)


async def test_a_processor_does_one_thing_after_the_other(start: Instant) -> None:
    clock = Jumping(start)
    site = facility(clock)
    for coi in ("C1", "C2"):
        site.register_collection(coi)
        arguments: dict[str, JSON] = {"program": "select_t_cells", "coi": coi}
        site.submit(Command(key=coi, target="closed-processor-01", verb="program", arguments=arguments))
    second = await site.recall("C2")
    assert second is not None
    assert second.at == after(start, 8.0)


async def test_sterility_takes_a_week_and_a_count_an_hour(start: Instant) -> None:
    worker = hands(start)
    await worker.sample("count", "viability")
    assert worker.clock.now() == after(start, 1.0)
    await worker.sample("release", "viability", "sterility")
    assert worker.clock.now() == after(start, 169.0)


async def test_a_sample_takes_material(start: Instant) -> None:
    worker = hands(start)
    began = await worker.begin()
    await worker.clock.until(after(began, 30.0))
    await worker.sample("daily", "viability", volume=10.0)
    culture = worker.facility.vessels["bioreactor-01"].culture
    assert culture is not None
    assert culture.volume == 190.0


async def test_assay_noise_is_unbiased_and_as_large_as_stated(start: Instant) -> None:
    worker = hands(start)
    counts = [(await worker.sample("many", "total_viable_cells", volume=0.0001)) for _ in range(400)]
    values = [count["total_viable_cells"] for count in counts]
    mean = sum(values) / len(values)
    spread = (sum((each - mean) ** 2 for each in values) / len(values)) ** 0.5 / mean
    assert 0.065 < spread < 0.095


async def test_refusals_say_what_it_was(start: Instant) -> None:
    worker = hands(start)
    assert "no program fly" in (await worker.program("fly", "bioreactor-01")).note
    assert "no program seed" in (await worker.program("seed", "closed-processor-01")).note
    assert "no bioreactor-77" in (await worker.program("seed", "bioreactor-77")).note
    assert "no culture of C1" in (await worker.program("add_vector", "bioreactor-01", moi=3.0)).note
    assert "30 to 40" in (await worker.do("bioreactor-01", "set", {"temperature": 50.0})).note
    assert "no set-point mood" in (await worker.do("bioreactor-01", "set", {"mood": 1.0})).note
    assert "ask a person" in (await worker.do("bioreactor-01", "sign", {})).note
    unknown: dict[str, JSON] = {"attributes": ["charm"], "coi": "C1"}
    assert "no method for charm" in (await worker.do("qc-laboratory-01", "sample", unknown)).note
    assert "no material of C7" in (await worker.do("receiving-station-01", "scan", {"coi": "C7"})).note


async def test_a_bioreactor_in_use_is_not_seeded_until_its_culture_is_discarded(start: Instant) -> None:
    worker = hands(start)
    await worker.begin()
    worker.facility.register_collection("C2")
    other = Hands(worker.facility, worker.clock, coi="C2")
    await other.program("select_t_cells", "closed-processor-01")
    refused = await other.program("seed", "bioreactor-01", volume=200.0, seeding_density=1.0)
    assert "still holds the culture of C1" in refused.note
    assert (await worker.program("discard", "bioreactor-01")).ok
    assert (await other.program("seed", "bioreactor-01", volume=200.0, seeding_density=1.0)).ok


async def test_a_missing_parameter_is_named(start: Instant) -> None:
    worker = hands(start)
    await worker.program("select_t_cells", "closed-processor-01")
    assert "needs volume" in (await worker.program("seed", "bioreactor-01", seeding_density=1.0)).note


def test_a_label_is_used_once(start: Instant) -> None:
    site = facility(Jumping(start))
    site.register_collection("C1")
    with pytest.raises(UserError, match="C1"):
        site.register_collection("C1")


def test_misfortunes_come_as_often_as_stated() -> None:
    faults, n = Faults(), 4000
    drawn = [draw_misfortunes(faults, stream(1, number)) for number in range(n)]
    assert sum(each.excursion is not None for each in drawn) / n == pytest.approx(
        faults.temperature_excursion, abs=0.015
    )
    assert sum(each.pump_slip is not None for each in drawn) / n == pytest.approx(faults.pump_slip, abs=0.012)
    assert all(draw_misfortunes(Faults.none(), stream(1, number)) == Misfortunes() for number in range(50))
