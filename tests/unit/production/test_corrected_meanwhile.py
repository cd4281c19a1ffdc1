"""A value is corrected while production runs: the runner goes on with it, and nothing is done twice or forgotten."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.production.test_runner import COI, World, keys

from cytoloop.app.correcting import _consequences
from cytoloop.app.packs import read_pack
from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import ConflictError
from cytoloop.core.facts.production import StepInDoubt, StepStarted, ValueCorrected
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant
from cytoloop.production.runner import Runner
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.builders import START, signature
from cytoloop.testing.doors import CountingDoor

ASKED = "receipt/inspect"
MIDDLE = 41
"""Entries of the batch that stand when it is corrected behind a runner's back."""
MASTER = read_pack("car_t_cd19").master


class Interrupted(CountingDoor):
    """While it does one command or another, somebody corrects what was typed at the receipt."""

    world: World
    at: dict[int, float]
    """Number of the command -> the corrected value."""
    done: int = 0

    async def perform(self, command: Command) -> Outcome:
        self.done += 1
        if self.done in self.at:
            correct(self.world, self.at[self.done])
        return await CountingDoor.perform(self, command)


def correct(world: World, new: float) -> None:
    """As another process does it: by a ledger of its own on the same store."""
    batch = world.batch()
    step = batch.steps.get(ASKED)
    if step is None or step.state != "done":
        return
    old = step.values["transport_temperature"]
    fact = ValueCorrected(
        corrects=step.position, field="transport_temperature", old=old, new=new, reason="misread",
        signature=signature(role="operator"),
    )  # fmt: skip
    draft = Draft(fact=fact, actor="person:op.zhou", happened_at=world.clock.now())
    other = Ledger(world.store, world.clock)
    other.append("batch/B-1", [draft, *_consequences(batch, draft)], expected=batch.position)


def interrupted(master: MasterRecipe, start: Instant, at: dict[int, float]) -> World:
    world = World(master, start)
    door = Interrupted(world.clock, COI)
    door.world, door.at = world, at
    world.door = door
    return world


def done_once(world: World, batch: Batch) -> None:
    """Every step of the recipe, in order, once; every decision besides."""
    steps = [key for key in world.door.effects if "/deviation/" not in key]
    assert steps == keys(batch)
    assert set(world.door.effects.values()) == {1}
    assert verify(world.store).entries == batch.position


async def test_the_runner_goes_on_with_the_corrected_value(start: Instant) -> None:
    world = interrupted(MASTER, start, {5: 6.5})
    batch = await world.carry()
    assert batch.finished_at is not None
    assert batch.steps[ASKED].values["transport_temperature"] == 6.5
    assert batch.deviations == {}
    assert not any(isinstance(each.fact, StepInDoubt) for each in world.ledger.stream("batch/B-1"))
    done_once(world, batch)


async def test_a_corrected_value_out_of_range_stops_the_next_step_until_somebody_decides(start: Instant) -> None:
    world = interrupted(MASTER, start, {5: 12.0})
    batch = await world.carry()
    assert batch.finished_at is not None
    (deviation,) = batch.deviations.values()
    assert deviation.closed is not None
    between = list(world.ledger.stream("batch/B-1"))[deviation.opened.position + 1 : deviation.closed.position]
    begun = [each.fact.step for each in between if isinstance(each.fact, StepStarted)]
    assert begun == [f"deviation/{deviation.opened.fact.deviation}"]
    done_once(world, batch)


async def test_what_was_decided_on_the_batch_as_it_was_is_decided_again(start: Instant) -> None:
    """A correction out of range comes between reading the batch and writing the next intent: that intent never is."""
    whole, world = World(MASTER, start), World(MASTER, start)
    await whole.carry()
    for recorded in list(whole.ledger.stream("batch/B-1"))[1:MIDDLE]:
        draft = Draft(fact=recorded.fact, actor=recorded.entry.actor, happened_at=recorded.entry.happened_at)
        world.ledger.append("batch/B-1", [draft], expected=recorded.entry.position)
    read = world.batch()
    assert not read.underway, "nothing is under way: the next thing is an intent"
    correct(world, 12.0)
    runner = Runner(ledger=world.ledger, door=world.door, clock=world.clock, observers=(inspect,))
    await world.clock.together(runner.carry(read))
    corrected, opened, asked = list(world.ledger.stream("batch/B-1"))[MIDDLE : MIDDLE + 3]
    assert [corrected.entry.name, opened.entry.name] == ["value-corrected/1", "deviation-opened/1"]
    assert isinstance(asked.fact, StepStarted)
    assert asked.fact.step.startswith("deviation/")
    assert world.batch().finished_at is not None


async def test_a_second_runner_is_still_no_correction(start: Instant) -> None:
    world = World(MASTER, start)
    read = world.batch()
    begun = StepStarted(step="receipt/scan", attempt=1, key="k", target="t", verb="scan", arguments={})
    world.ledger.append("batch/B-1", [Draft(fact=begun, actor="system:runner", happened_at=START)], expected=1)
    with pytest.raises(ConflictError, match="is carried by somebody else too"):
        await Runner(ledger=world.ledger, door=world.door, clock=world.clock).carry(read)
    assert world.door.effects == {}


@settings(max_examples=6, deadline=None)
@given(st.dictionaries(st.integers(1, 60), st.sampled_from([3.0, 6.5, 12.0]), max_size=5))
async def test_whenever_values_are_corrected_every_step_is_done_once(at: dict[int, float]) -> None:
    world = interrupted(MASTER, START, at)
    batch = await world.carry()
    assert batch.finished_at is not None
    assert batch.open_deviations == ()
    done_once(world, batch)
