"""Doors to the simulated site keep what a door promises: the facility in process, and its people."""

from pathlib import Path

import yaml

from cytoloop.adapters.operator.scripted import Person, ScriptedPeople
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON
from cytoloop.core.product import EquipmentClass, Plant
from cytoloop.core.signature import Meaning, Password, Proof, Signature
from cytoloop.core.time import Clock, Instant
from cytoloop.core.words import Words
from cytoloop.testing.door_contract import DoorCase, check_door

DONORS = Path(__file__).parents[2] / "src/cytoloop/packs/car_t_cd19/donors.yaml"


class Jumping:
    """A clock that is always where it is awaited."""

    def __init__(self, start: Instant) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    async def until(self, when: Instant) -> None:
        self._now = max(self._now, when)


def site() -> Plant:
    kinds = {"receiving_station": 1, "closed_processor": 1, "bioreactor": 2, "controlled_rate_freezer": 1}
    words = Words(en="unit", zh="单元")
    classes = (
        EquipmentClass(equipment_class=kind, words=words, count=number)
        for kind, number in {**kinds, "qc_laboratory": 1}.items()
    )
    return Plant(plant="site", words=words, classes=tuple(classes))


def facility(clock: Clock) -> Facility:
    donors = Distribution.from_data(yaml.safe_load(DONORS.read_text(encoding="utf-8")))
    return Facility(seed=3, clock=clock, donors=donors, plant=site(), faults=Faults.none())


def taking_a_sample() -> Command:
    arguments: dict[str, JSON] = {
        "plan": "incoming",
        "attributes": ["viability"],
        "volume": 1.0,
        "from": "receiving-station-01",
        "coi": "C1",
    }
    return Command(key="B-1/sample#1", target="qc-laboratory-01", verb="sample", arguments=arguments)


def no_such_program() -> Command:
    return Command(key="B-1/x#1", target="bioreactor-01", verb="program", arguments={"program": "fly", "coi": "C1"})


async def taken(plant: Facility) -> float:
    bag = plant.product("C1")
    assert bag is not None
    return -bag.volume


async def test_the_facility_is_a_door(start: Instant) -> None:
    plant = facility(Jumping(start))
    plant.register_collection("C1")
    await check_door(
        DoorCase(door=plant, good=taking_a_sample(), effects=lambda: taken(plant), unknown=no_such_program())
    )


class Signing:
    """Signs without asking for secrets: the promise under test is the door's."""

    def sign(self, *, signer: str, proof: Proof, role: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        return Signature(
            signer=signer, printed_name=signer, role=role, meaning=meaning, signed_at=at, zone="UTC", digest=digest,
            components=("user-id", "password") if isinstance(proof, Password) else (),
        )  # fmt: skip


async def test_people_are_a_door(start: Instant) -> None:
    scans: list[str] = []

    def scanner(command: Command) -> str:
        scans.append(command.key)
        return "C1"

    async def effects() -> float:
        return float(len(scans))

    people = ScriptedPeople(
        clock=Jumping(start), signing=Signing(), people={"operator": Person(user="o.1", secret="s")}, scanner=scanner
    )
    good = Command(key="B-1/scan#1", target="person:operator", verb="scan", arguments={"label": "final_bag"})
    nobody = Command(key="B-1/scan#2", target="person:gardener", verb="scan")
    await check_door(DoorCase(door=people, good=good, effects=effects, unknown=nobody))
