"""OPC UA: the driver is a door; it writes set-points, reads signals with source time and status, survives a loss.

One server for the module (it takes seconds to build its address space); every test has its own unit and bag.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.library import quality_of
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults, Misfortunes, Span
from cytoloop.app.plant import facility_server
from cytoloop.core.equipment import Command, UnreachableError
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.product import EquipmentClass, Plant
from cytoloop.core.reading import Reading
from cytoloop.core.time import Clock, Instant, after
from cytoloop.core.words import Words
from cytoloop.testing.door_contract import DoorCase, check_door

pytestmark = pytest.mark.asyncio(loop_scope="module")

DONORS = Path(__file__).parents[2] / "src/cytoloop/packs/car_t_cd19/donors.yaml"
BEGINNING = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


class Racing:
    """A wall clock made a hundred thousand times as fast: an hour in 36 ms."""

    def __init__(self, start: Instant) -> None:
        self._start, self._wall = start, datetime.now(UTC)

    def now(self) -> Instant:
        return self._start + (datetime.now(UTC) - self._wall) * 100_000

    async def until(self, when: Instant) -> None:
        while (left := when - self.now()) > timedelta(0):
            await asyncio.sleep(left.total_seconds() / 100_000)


def site() -> Plant:
    words = Words(en="unit", zh="单元")
    kinds = ("receiving_station", "closed_processor", "controlled_rate_freezer", "qc_laboratory")
    numbers = {**dict.fromkeys(kinds, 1), "bioreactor": 6}
    classes = tuple(EquipmentClass(equipment_class=kind, words=words, count=n) for kind, n in numbers.items())
    return Plant(plant="site", words=words, classes=classes)


def facility(clock: Clock) -> Facility:
    donors = Distribution.from_data(yaml.safe_load(DONORS.read_text(encoding="utf-8")))
    return Facility(seed=3, clock=clock, donors=donors, plant=site(), faults=Faults.none())


def free_endpoint() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"opc.tcp://127.0.0.1:{free.getsockname()[1]}/cytoloop"


@dataclass(frozen=True, slots=True)
class Served:
    """A plant behind an endpoint."""

    plant: Facility
    clock: Racing
    server: DeviceServer

    def door(self) -> OpcUaDoor:
        return OpcUaDoor(endpoint=self.server.endpoint, poll=0.01)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    clock = Racing(BEGINNING)
    plant = facility(clock)
    server = facility_server(plant, site(), clock, free_endpoint())
    await server.start()
    yield Served(plant, clock, server)
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def door(served: Served) -> AsyncIterator[OpcUaDoor]:
    door = served.door()
    yield door
    await door.close()


@dataclass(frozen=True, slots=True)
class Hands:
    """Commands for one bag in one unit."""

    coi: str
    unit: str

    def program(self, name: str, target: str | None = None, **parameters: float) -> Command:
        arguments: dict[str, JSON] = {"program": name, "coi": self.coi, "parameters": dict(parameters)}
        return Command(key=f"{self.coi}/{name}#1", target=target or self.unit, verb="program", arguments=arguments)

    def read(self, number: int, *signals: str) -> Command:
        key = f"{self.coi}/read#{number}"
        return Command(key=key, target=self.unit, verb="read", arguments={"signals": list(signals)})

    def set(self, number: int, **values: float) -> Command:
        return Command(key=f"{self.coi}/set#{number}", target=self.unit, verb="set", arguments=dict(values))

    async def begin(self, door: OpcUaDoor, plant: Facility, misfortunes: Misfortunes | None = None) -> Instant:
        await door.receive(self.coi)
        if misfortunes is not None:
            plant._chains[self.coi].misfortunes = misfortunes
        assert (await door.perform(self.program("select_t_cells", "closed-processor-01"))).ok
        seeded = await door.perform(self.program("seed", volume=200.0, seeding_density=1.0))
        assert seeded.ok, seeded.note
        return seeded.at

    async def at_least(self, number: int, door: OpcUaDoor, *signals: str) -> list[Reading]:
        """Read until there are so many readings: the plant tells them when it gets round to it."""
        readings: list[Reading] = []
        for turn in range(2000):
            readings += (await door.perform(self.read(turn, *signals))).readings
            if len(readings) >= number:
                break
            await asyncio.sleep(0.01)
        return readings


async def test_opcua_is_a_door(served: Served, door: OpcUaDoor) -> None:
    arguments: dict[str, JSON] = {
        "plan": "incoming",
        "attributes": ["viability"],
        "volume": 1.0,
        "from": "receiving-station-01",
        "coi": "C0",
    }
    good = Command(key="C0/sample#1", target="qc-laboratory-01", verb="sample", arguments=arguments)

    async def taken() -> float:
        bag = served.plant.product("C0")
        assert bag is not None
        return -bag.volume

    await door.receive("C0")
    await check_door(DoorCase(door=door, good=good, effects=taken, unknown=Hands("C0", "bioreactor-01").program("fly")))


async def test_writing_set_points_keeps_the_promises_of_a_door_too(served: Served, door: OpcUaDoor) -> None:
    hands = Hands("set", "bioreactor-06")

    async def il2() -> float:
        return served.plant.vessels["bioreactor-06"].set_points["il2"]

    await check_door(DoorCase(door=door, good=hands.set(1, il2=40.0), effects=il2, unknown=hands.set(2, mood=1.0)))
    assert await il2() == 40.0


async def test_readings_carry_the_time_and_status_of_the_probe(served: Served, door: OpcUaDoor) -> None:
    hands = Hands("C1", "bioreactor-01")
    stuck = Misfortunes(glucose_stuck=Span(start=3.0, end=5000.0, size=1.0))
    began = await hands.begin(door, served.plant, stuck)
    readings = await hands.at_least(20, door, "temperature", "glucose")
    warm = [reading for reading in readings if reading.signal == "temperature"]
    assert [reading.at for reading in warm] == [after(began, hour) for hour in range(1, len(warm) + 1)]
    assert all(abs(reading.value - 37.0) < 0.5 and reading.quality == "good" for reading in warm)
    assert {reading.source for reading in readings} == {"bioreactor-01"}
    sugar = [reading.quality for reading in readings if reading.signal == "glucose"]
    assert sugar[:2] == ["good", "good"]
    assert set(sugar[3:]) == {"bad"}


async def test_a_reading_is_taken_once(served: Served, door: OpcUaDoor) -> None:
    hands = Hands("C2", "bioreactor-02")
    began = await hands.begin(door, served.plant)
    taken = await hands.at_least(30, door, "ph")
    assert [reading.at for reading in taken] == [after(began, hour) for hour in range(1, len(taken) + 1)]


async def test_set_points_are_written_and_read_back(served: Served, door: OpcUaDoor) -> None:
    outcome = await door.perform(Hands("s3", "bioreactor-03").set(1, temperature=36.5, perfusion_rate=0.5))
    assert outcome.ok
    assert outcome.values == {"temperature": 36.5, "perfusion_rate": 0.5}
    assert served.plant.vessels["bioreactor-03"].set_points["temperature"] == 36.5


async def test_a_refused_set_point_changes_nothing(served: Served, door: OpcUaDoor) -> None:
    outcome = await door.perform(Hands("s4", "bioreactor-04").set(1, temperature=80.0, il2=50.0))
    assert not outcome.ok
    assert "30 to 40" in outcome.note
    assert served.plant.vessels["bioreactor-04"].set_points == {"temperature": 37.0, "perfusion_rate": 0.0, "il2": 0.0}


async def test_the_plant_carries_on_when_the_platform_is_gone(served: Served, door: OpcUaDoor) -> None:
    hands = Hands("C5", "bioreactor-05")
    await hands.begin(door, served.plant)
    command = hands.program("add_activator", beads_per_cell=1.0)
    first = await door.perform(command)
    await door.close()
    other = served.door()
    assert await other.recall(command.key) == first
    assert await other.recall("C5/never#1") is None
    await other.close()


async def test_the_same_bag_is_not_received_twice(door: OpcUaDoor) -> None:
    await door.receive("C6")
    with pytest.raises(UserError, match="already in the plant"):
        await door.receive("C6")


async def test_the_plants_clock_can_be_asked(served: Served, door: OpcUaDoor) -> None:
    before = served.clock.now()
    assert before <= await door.plant_time() <= served.clock.now()


async def test_a_plant_that_is_not_there_is_unreachable() -> None:
    door = OpcUaDoor(endpoint=free_endpoint(), patience=1.0)
    with pytest.raises(UnreachableError, match="does not answer"):
        await door.perform(Hands("C7", "bioreactor-01").read(1, "ph"))
    with pytest.raises(UnreachableError, match="does not answer"):
        await door.recall("C7/read#1")


async def test_an_endpoint_in_use_is_said_in_one_sentence(served: Served) -> None:
    second = facility_server(served.plant, site(), served.clock, served.server.endpoint)
    with pytest.raises(UserError, match="choose another port"):
        await second.start()
    await second.stop()


async def test_a_plant_that_went_away_and_came_back_still_knows(served: Served) -> None:
    command = Hands("C8", "bioreactor-06").set(8, il2=50.0)
    server = facility_server(served.plant, site(), served.clock, free_endpoint())
    await server.start()
    door = OpcUaDoor(endpoint=server.endpoint, poll=0.01, patience=1.0)
    outcome = await door.perform(command)
    await server.stop()
    with pytest.raises(UnreachableError):
        await door.recall("C8/other#1")
    await door.close()
    fresh = served.door()
    assert await fresh.recall(command.key) == outcome
    await fresh.close()


@pytest.mark.parametrize(
    ("status", "quality"),
    [(0x00000000, "good"), (0x40930000, "uncertain"), (0x808C0000, "bad"), (0x80320000, "bad")],
)
async def test_status_codes_fold_to_their_severity(status: int, quality: str) -> None:
    assert quality_of(status) == quality
