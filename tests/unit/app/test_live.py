"""A live line carries what is in production, goes on when a hold is lifted, and leaves what has ended alone."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.asking import begun, say
from tests.staff import pack

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore, MemoryTelemetry
from cytoloop.app.bootstrap import Site
from cytoloop.app.historian import Historian
from cytoloop.app.live import LiveLine
from cytoloop.app.live_site import demand_fresh, in_production, make_batches
from cytoloop.app.production import read_batch
from cytoloop.app.registrar import Registrar
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.facts.production import BatchFinished, HoldLifted, HoldOrdered
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.telemetry import Readings, Tag, microseconds, readings
from cytoloop.core.time import Instant, after
from cytoloop.production.advance import always_fit
from cytoloop.production.journal import Direct
from cytoloop.record.ledger import Ledger
from cytoloop.record.segment import FORM
from cytoloop.testing.builders import signature
from cytoloop.testing.doors import CountingDoor


@dataclass(slots=True)
class World:
    """A live line over a record in memory, whose doors answer at once."""

    ledger: Ledger
    clock: SimulatedClock
    doors: dict[str, CountingDoor] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def line(self) -> LiveLine:
        """The line; the batch's door is found by its number in the key."""
        site = Site(
            registrar=Registrar(self.ledger, self.clock),
            clock=self.clock,
            door=ByBatch(self.doors),
            receive=_nobody,
            pack=pack(),
            journal=Direct(self.ledger),
            fit=always_fit,
        )
        return LiveLine(site=site, look=0.25, tell=self.told.append)

    def add(self, number: str) -> CountingDoor:
        """One more batch."""
        begun(self.ledger, number, at=self.clock.now())
        self.doors[number] = CountingDoor(self.clock, f"COI-{number}")
        return self.doors[number]


@dataclass(frozen=True, slots=True)
class ByBatch:
    """Sends each command to the door of its batch."""

    doors: dict[str, CountingDoor]

    async def perform(self, command: Command) -> Outcome:
        return await self.doors[command.key.partition("/")[0]].perform(command)

    async def recall(self, key: str) -> Outcome | None:
        return await self.doors[key.partition("/")[0]].recall(key)


async def _nobody(coi: str, donor: str) -> None:
    return None


@pytest.fixture
def world(start: Instant) -> World:
    clock = SimulatedClock(start)
    return World(Ledger(MemoryStore(), clock), clock)


async def test_every_batch_in_production_is_carried_also_one_that_comes_later(world: World) -> None:
    world.add("B-2")
    begun(world.ledger, "B-0")
    say(world.ledger, "batch/B-0", BatchFinished())

    async def later() -> None:
        await world.clock.until(after(world.clock.now(), 5.0))
        world.add("B-3")

    await world.clock.together(world.line().run(until_done=True), later())
    for number in ("B-2", "B-3"):
        assert read_batch(world.ledger, number).finished_at is not None
        assert set(world.doors[number].effects.values()) == {1}
        assert f"{number}: every step is done; its record waits for review and disposition" in world.told
    assert not any(said.startswith("B-0") for said in world.told), "what has ended is left alone"


async def test_a_batch_on_hold_goes_on_when_the_hold_is_lifted(world: World) -> None:
    door = world.add("B-2")

    async def people() -> None:
        await world.clock.until(after(world.clock.now(), 30.0))
        say(world.ledger, "batch/B-2", HoldOrdered(reason="the room is cleaned", signature=signature()))
        await world.clock.until(after(world.clock.now(), 50.0))
        done = sum(door.effects.values())
        await world.clock.until(after(world.clock.now(), 20.0))
        assert sum(door.effects.values()) == done, "nothing starts while it is on hold"
        say(world.ledger, "batch/B-2", HoldLifted(reason="clean again", signature=signature()))

    async def line() -> None:
        running = asyncio.ensure_future(world.line().run())
        while read_batch(world.ledger, "B-2").finished_at is None:
            await world.clock.until(after(world.clock.now(), 10.0))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    await world.clock.together(line(), people())
    assert "B-2: on hold: the room is cleaned" in world.told
    assert set(door.effects.values()) == {1}


async def test_what_stops_a_batch_stops_the_line(world: World) -> None:
    world.add("B-2")

    class BrokenError(Exception):
        """The record cannot be written."""

    class Broken(Direct):
        async def append(self, *args, **kwargs):  # type: ignore[no-untyped-def]  # as its base
            raise BrokenError

    line = world.line()
    line.site = Site(
        registrar=line.site.registrar, clock=line.site.clock, door=line.site.door, receive=_nobody, pack=pack(),
        journal=Broken(world.ledger), fit=always_fit,
    )  # fmt: skip
    with pytest.raises(BrokenError):
        await world.clock.together(line.run())


async def test_batches_of_invented_patients_begin_now_and_once(start: Instant, tmp_path: Path) -> None:
    clock = SimulatedClock(start)
    ledger = Ledger(MemoryStore(), clock)
    made = await make_batches(ledger, start, pack(), tmp_path, seed=1, count=2)
    assert [batch.number for batch in made] == ["B-L001", "B-L002"]
    assert {batch.created_at for batch in made} == {start}
    assert made[0].created.equipment["bioreactor"] != made[1].created.equipment["bioreactor"]
    assert [batch.number for batch in in_production(ledger)] == ["B-L001", "B-L002"]
    demand_fresh(made)
    with pytest.raises(UserError, match="holds a study or batches already"):
        await make_batches(ledger, start, pack(), tmp_path, seed=1, count=2)


async def test_a_batch_that_began_on_equipment_is_not_carried_on_an_empty_facility(world: World) -> None:
    world.add("B-2")
    await world.clock.together(world.line().run(until_done=True))
    with pytest.raises(UserError, match="which only the process that simulated it knows"):
        demand_fresh([read_batch(world.ledger, "B-2")])


@dataclass(frozen=True, slots=True)
class Probe:
    """A unit that gives a reading whenever it is asked."""

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        at = microseconds(since)
        return None if since >= until else readings(batch, [(Tag(f"{unit}/temperature", "°C"), at, at, 37.0, 0)])


async def test_readings_are_sealed_and_their_seals_entered_when_a_batch_ends(world: World) -> None:
    world.add("B-2")
    line = world.line()
    store = MemoryTelemetry(FORM)
    historian = Historian(store=store, source=Probe(), ledger=world.ledger, clock=world.clock, poll=6.0)
    line.site = replace(line.site, historian=historian)
    await world.clock.together(line.run(until_done=True))
    sealed = [each.fact.segment for each in world.ledger.stream("batch/B-2") if isinstance(each.fact, TelemetrySealed)]
    assert store.unsealed("B-2") == 0
    assert sealed == [each.name for each in store.segments("B-2")] != []
