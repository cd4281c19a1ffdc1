"""What comes in from equipment stands in the record once, and between its intent and now."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.flows import START, W, World, master

from cytoloop.core.entry import Recorded
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import ReadingsRecorded, StepCompleted
from cytoloop.core.reading import Reading
from cytoloop.core.recipe import Program, Read
from cytoloop.core.time import after
from cytoloop.testing.doors import CountingDoor

RUN = Program(phase="run", words=W, program="run")
FIRST, SECOND = (Read(phase=name, words=W, signals=("temperature",)) for name in ("first", "second"))


def reading(hours: float, value: float = 37.0) -> Reading:
    return Reading(signal="temperature", value=value, unit="°C", at=after(START, hours), source="bioreactor-01")


class GivesReadings(CountingDoor):
    """A door whose reads bring what is told, by the name of the step."""

    brings: dict[str, tuple[Reading, ...]]

    async def perform(self, command: Command) -> Outcome:
        outcome = await CountingDoor.perform(self, command)
        name = command.key.partition("#")[0].rpartition("/")[2]
        return replace(outcome, readings=self.brings.get(name, ()))


async def recorded(*brought: tuple[Reading, ...]) -> list[tuple[Reading, ...]]:
    """The readings of each entry, when the first read brings the first of `brought`, and so on."""
    world = World(master(FIRST, SECOND))
    door = GivesReadings(world.clock, "COI-TEST")
    door.brings = dict(zip(("first", "second"), brought, strict=True))
    world.door = door
    await world.carry()
    facts = (each.fact for each in world.ledger.stream("batch/B-1"))
    return [fact.readings for fact in facts if isinstance(fact, ReadingsRecorded)]


async def test_readings_that_come_twice_stand_once() -> None:
    one, two, three = reading(1), reading(2), reading(3)
    assert await recorded((one, two, one), (two, three, three)) == [(one, two), (three,)]


async def test_readings_that_come_late_stand_where_they_came() -> None:
    assert await recorded((reading(2),), (reading(3), reading(1))) == [(reading(2),), (reading(3), reading(1))]


async def test_a_read_that_brings_nothing_new_leaves_no_readings() -> None:
    assert await recorded((reading(1),), (reading(1), reading(1))) == [(reading(1),)]


async def test_the_first_of_two_values_of_one_moment_stands() -> None:
    assert await recorded((reading(1, 37.0),), (reading(1, 39.0),)) == [(reading(1, 37.0),)]


class WrongClock(CountingDoor):
    """A door to equipment whose clock is wrong."""

    by: timedelta

    async def perform(self, command: Command) -> Outcome:
        outcome = await CountingDoor.perform(self, command)
        await self.clock.until(after(self.clock.now(), 2.0))
        return replace(outcome, at=self.clock.now() + self.by)


@pytest.mark.parametrize(
    ("by", "happened"), [(timedelta(hours=9), 2.0), (timedelta(hours=-9), 0.0), (timedelta(hours=-1), 1.0)]
)
async def test_an_end_lies_between_the_intent_and_now_whatever_the_equipments_clock_says(
    by: timedelta, happened: float
) -> None:
    world = World(master(RUN))
    door = WrongClock(world.clock, "COI-TEST")
    door.by = by
    world.door = door
    await world.carry()
    entries: list[Recorded] = list(world.ledger.stream("batch/B-1"))
    (end,) = (each.entry for each in entries if isinstance(each.fact, StepCompleted))
    assert end.happened_at == after(START, happened)
    assert end.recorded_at == after(START, 2.0)
