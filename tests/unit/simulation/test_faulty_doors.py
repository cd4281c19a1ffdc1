"""What the simulated network, disk, equipment and people do when they go wrong, and that they do only that."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.disk import FaultyDisk, MemoryDisk
from cytoloop.adapters.faulty.equipment import CountedEquipment, Effect
from cytoloop.adapters.faulty.faults import FAULTS, FaultKind, rates
from cytoloop.adapters.faulty.network import Cuts, FaultyDoor
from cytoloop.adapters.faulty.people import CountedPeople
from cytoloop.adapters.faulty.telemetry import FaultyReadings
from cytoloop.app.packs import read_pack
from cytoloop.app.simulation.loop import SimulatedLoop
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.errors import StoreError, UserError
from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant, after
from cytoloop.testing.store_contract import StoreContract, head_over, row

FAR = timedelta(days=100)


class TestMemoryDisk(StoreContract):
    """The quick disk keeps the contract of every store."""

    @pytest.fixture
    def make_store(self) -> Callable[[], MemoryDisk]:
        return MemoryDisk


class TestFaultyDisk(StoreContract):
    """So does the faulty one while nothing goes wrong."""

    @pytest.fixture
    def make_store(self) -> Callable[[], FaultyDisk]:
        return FaultyDisk


def test_a_full_disk_keeps_nothing(start: Instant) -> None:
    disk = FaultyDisk(full=lambda: "tested")
    with pytest.raises(StoreError, match="the disk is full: tested; make room"):
        disk.append([row(0, "a", 0)], head_over(row(0, "a", 0)))
    assert disk.head() is None


def test_every_kind_of_fault_stands_once_in_the_table() -> None:
    assert [fault.kind for fault in FAULTS] == list(get_args(FaultKind))
    assert rates(["all"]).keys() == set(get_args(FaultKind))
    assert rates(["crash"], 2.0) == {"crash": 0.002}
    with pytest.raises(UserError, match="'typo' is no kind of fault; choose from: all, partition"):
        rates(["typo"])


def test_dice_depend_on_the_seed_and_the_names_alone() -> None:
    dice = Dice(7)
    first = [dice.draw("a", n) for n in range(1000)]
    assert first == [Dice(7).draw("a", n) for n in reversed(range(1000))][::-1]
    assert first != [Dice(8).draw("a", n) for n in range(1000)]
    assert 0.45 < sum(first) / 1000 < 0.55
    picked = Counter(dice.pick({"x": 0.2, "y": 0.3}, n) for n in range(4000))
    assert 0.15 < picked["x"] / 4000 < 0.25
    assert 0.25 < picked["y"] / 4000 < 0.35
    gaps = [dice.gap(0.1, n) for n in range(4000)]
    assert min(gaps) >= 1
    assert 9 < sum(gaps) / 4000 < 11


class World:
    """The CAR-T plant on a simulated loop."""

    def __init__(self, start: Instant, **odds: float) -> None:
        self.loop, self.dice, self.rates = (
            SimulatedLoop(start),
            Dice(3),
            {k.replace("_", "-"): v for k, v in odds.items()},
        )
        self.effects: list[Effect] = []
        self.faults = Counter[str]()
        master = read_pack("car_t_cd19").master
        self.equipment = CountedEquipment(
            plant=master.plant, product=master.product, clock=self.loop, dice=self.dice, rates=self.rates, begins=start,
            readings=FaultyReadings(dice=self.dice, rates=self.rates, note=self.note), told=self.effects.append,
            note=self.note,
        )  # fmt: skip
        cuts = Cuts(dice=self.dice, rate=self.rates.get("partition", 0.0), begins=start)
        self.door = FaultyDoor(
            inner=self.equipment, clock=self.loop, dice=self.dice, rates=self.rates, cuts=cuts, target_of={},
            note=self.note,
        )  # fmt: skip
        self.people = CountedPeople(
            clock=self.loop, dice=self.dice, rates=self.rates, fetch=lambda _, wrong: "OTHER" if wrong else "OWN",
            looked=self.equipment.worked, told=self.effects.append, note=self.note,
        )  # fmt: skip

    def note(self, kind: str, what: str) -> None:
        self.faults[kind] += 1

    def run(self, work: Any) -> None:
        assert self.loop.run(work, self.loop.now() + FAR)
        self.loop.bury()

    def ask(self, key: str, target: str = "person:operator", **asked: Any) -> Outcome:
        """What a person answers."""
        found: list[Outcome] = []
        verb = asked.pop("verb", "ask")

        async def work() -> None:
            found.append(await self.people.perform(Command(key=key, target=target, verb=verb, arguments=asked)))

        self.run(work())
        return found[0]


def program(key: str, unit: str = "closed-processor-01", coi: str = "OWN") -> Command:
    arguments: dict[str, JSON] = {"program": "select_t_cells", "coi": coi, "parameters": {}}
    return Command(key=key, target=unit, verb="program", arguments=arguments)


def test_without_faults_a_command_has_one_effect_and_its_outcome_is_recalled(start: Instant) -> None:
    world = World(start)

    async def work() -> None:
        first = await world.door.perform(program("k"))
        assert first.ok
        assert await world.door.perform(program("k")) == first
        assert await world.door.recall("k") == first
        assert await world.door.recall("other") is None

    world.run(work())
    assert [effect.key for effect in world.effects] == ["k"]


def test_a_lost_command_has_no_effect_and_a_lost_outcome_has_one(start: Instant) -> None:
    for kind, effects in (("command_lost", 0), ("outcome_lost", 1)):
        world = World(start, **{kind: 1.0})

        async def work(world: World = world) -> None:
            with pytest.raises(UnreachableError):
                await world.door.perform(program("k"))

        world.run(work())
        assert len(world.effects) == effects


def test_a_command_that_is_delivered_twice_has_one_effect(start: Instant) -> None:
    world = World(start, delivered_twice=1.0)

    async def work() -> None:
        await world.door.perform(program("k"))

    world.run(work())
    assert world.faults["delivered-twice"] == 1
    assert len(world.effects) == 1


def test_a_key_that_was_asked_about_before_it_came_has_no_effect_later(start: Instant) -> None:
    world = World(start)

    async def work() -> None:
        assert await world.door.recall("k") is None
        assert (await world.door.perform(program("k"))).ok is False
        assert await world.people.recall("q") is None
        assert (await world.people.perform(Command(key="q", target="person:operator", verb="ask"))).ok is False

    world.run(work())
    assert world.effects == []


def test_a_cut_in_the_middle_of_a_program_loses_the_outcome_and_the_program_runs_on(start: Instant) -> None:
    world = World(start, partition=1.0)

    async def work() -> None:
        cut = world.door.cuts.next("closed-processor-01", start)
        assert cut is not None
        await world.loop.until(cut - timedelta(minutes=30))
        with pytest.raises(UnreachableError):
            await world.door.perform(program("k"))
        assert cut <= world.loop.now() <= cut + timedelta(minutes=1)
        with pytest.raises(UnreachableError):
            await world.door.recall("k")
        while world.door.cuts.now("closed-processor-01", world.loop.now()):
            await world.loop.until(after(world.loop.now(), 0.1))
        recalled = await world.door.recall("k")
        assert recalled is not None
        assert recalled.ok

    world.run(work())
    assert len(world.effects) == 1


def test_equipment_that_forgets_cannot_be_recalled_now_or_later(start: Instant) -> None:
    world = World(start, forgets=1.0)

    async def work() -> None:
        await world.door.perform(program("k"))
        for _ in range(3):
            with pytest.raises(UnreachableError, match="cannot say what became of k"):
                await world.door.recall("k")

    world.run(work())


def test_equipment_whose_clock_is_wrong_says_wrong_times(start: Instant) -> None:
    world, found = World(start, clock_stepped=1.0), list[Outcome]()

    async def work() -> None:
        found.append(await world.door.perform(program("k")))

    world.run(work())
    assert found[0].at != after(start, 2.0)
    assert abs(found[0].at - after(start, 2.0)) <= timedelta(hours=3)


def test_shared_equipment_takes_one_program_after_the_other(start: Instant) -> None:
    world = World(start)

    async def work() -> None:
        await asyncio.gather(world.door.perform(program("a")), world.door.perform(program("b")))

    world.run(work())
    assert world.loop.now() == after(start, 4.0)


def test_readings_come_again_or_later_and_none_is_lost(start: Instant) -> None:
    def reading(n: int) -> Reading:
        return Reading(signal="ph", value=7.0, unit="pH", at=after(start, n), source="u")

    for kind in ("duplicated-telemetry", "late-telemetry"):
        passing, came = FaultyReadings(dice=Dice(1), rates={kind: 0.5}), list[Reading]()
        for n in range(0, 40, 2):
            came += passing.passed(f"k{n}", "u", (reading(n), reading(n + 1)))
        passing.rates = {}
        passing._odds = {}
        came += passing.passed("last", "u", (reading(40),))
        assert set(came) == {reading(n) for n in range(41)}
        assert (len(came) > 41) == (kind == "duplicated-telemetry")
        assert kind == "duplicated-telemetry" or came != sorted(came, key=lambda each: each.at)


ANSWER = {"name": "temperature", "unit": "°C", "low": 2.0, "high": 8.0}


def test_people_answer_inside_the_limits_and_outside_when_they_err(start: Instant) -> None:
    assert World(start).ask("k", answers=[ANSWER]).values == {"temperature": 5.0}
    assert World(start, out_of_range_answer=1.0).ask("k", answers=[ANSWER]).values == {"temperature": 9.0}


def test_an_absent_operator_gives_no_answer_and_a_late_one_a_late_answer(start: Instant) -> None:
    absent, late = World(start, absent_operator=1.0), World(start, late_operator=1.0)
    assert "nobody answered" in absent.ask("k").note
    assert absent.loop.now() == after(start, 12.0)
    assert late.ask("k").ok
    assert late.loop.now() >= after(start, 4.0)


def test_somebody_scans_another_bag(start: Instant) -> None:
    assert World(start).ask("B/k", verb="scan").values == {"code": "OWN"}
    assert World(start, wrong_bag=1.0).ask("B/k", verb="scan").values == {"code": "OTHER"}


@pytest.mark.parametrize(("lost", "said"), [("command_lost", "not-done"), ("outcome_lost", "done")])
def test_who_is_asked_what_happened_looks_at_the_equipment(start: Instant, lost: str, said: str) -> None:
    world, found = World(start, **{lost: 1.0}), list[Outcome]()

    async def work() -> None:
        with pytest.raises(UnreachableError):
            await world.door.perform(program("k"))
        arguments: dict[str, JSON] = {"options": ["done", "not-done"], "digest": "0" * 64, "meaning": "verified"}
        asked = Command(key="k/what-happened", target="person:operator", verb="decide", arguments=arguments)
        found.append(await world.people.perform(asked))

    world.run(work())
    assert found[0].values["decision"] == said
