"""The runner carries a batch; whatever happens, no step is done twice, skipped or forgotten."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.packs import read_pack
from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Draft
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.facts.production import BatchCreated, SetPointMoved, StepInDoubt, StepResolved, StepStarted
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant, hours_between
from cytoloop.production.runner import Runner, advance
from cytoloop.production.walk import unrolled
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.doors import CountingDoor, signed

COI = "COI-TEST"
SCAN = "B-1/receipt/scan_leukapheresis#1"


@pytest.fixture(scope="module")
def master() -> MasterRecipe:
    """The CAR-T pack's master recipe."""
    return read_pack("car_t_cd19").master


class World:
    """A record, a clock and a door, with one batch just created."""

    def __init__(self, master: MasterRecipe, start: Instant) -> None:
        self.master = master
        self.store = MemoryStore()
        self.clock = SimulatedClock(start)
        self.ledger = Ledger(self.store, self.clock)
        self.door = CountingDoor(self.clock, COI)
        created = BatchCreated(
            batch="B-1", order="O-1", subject="S-1", study="ST-1", coi=COI, product=master.product.product,
            line="fixed", recipe=master.recipe.recipe, recipe_version=1, recipe_sha256="0" * 64, weight=70.0,
            equipment={each.equipment_class: f"{each.equipment_class}-01" for each in master.plant.classes},
        )  # fmt: skip
        self.say(created, position=0)

    def say(self, *facts: BatchCreated | SetPointMoved, position: int) -> None:
        drafts = [Draft(fact=fact, actor="system:test", happened_at=self.clock.now()) for fact in facts]
        self.ledger.append("batch/B-1", drafts, expected=position)

    def batch(self) -> Batch:
        return fold(self.ledger.stream("batch/B-1"), self.master)

    async def carry(self) -> Batch:
        return await carried(Runner(ledger=self.ledger, door=self.door, clock=self.clock, observers=(inspect,)), self)


async def carried(runner: Runner, world: World) -> Batch:
    await world.clock.together(runner.carry(world.batch()))
    return world.batch()


def keys(batch: Batch) -> list[str]:
    return [f"B-1/{planned.step}#1" for planned in unrolled(batch)]


async def test_every_step_is_done_once_in_the_recipes_order(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    batch = await world.carry()
    assert batch.finished_at is not None
    assert list(world.door.effects) == keys(batch)
    assert set(world.door.effects.values()) == {1}
    assert verify(world.store).entries == batch.position
    expansion = [step for name, step in batch.steps.items() if name.startswith("expansion/")]
    hours = hours_between(expansion[0].started_at, batch.steps["harvest/wash"].started_at)
    assert hours == pytest.approx(192.0)


async def test_intent_stands_before_every_act(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    seen: list[str] = []

    class Listening(CountingDoor):
        async def perform(self, command: Command) -> Outcome:
            last = list(world.ledger.stream("batch/B-1"))[-1].fact
            assert isinstance(last, StepStarted)
            assert last.key == command.key
            seen.append(command.key)
            return await CountingDoor.perform(self, command)

    world.door = Listening(world.clock, COI)
    await world.carry()
    assert len(seen) == len(world.door.effects) > 50


async def test_a_moved_duration_moves_the_end_of_the_culture(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    move = SetPointMoved(
        parameter="expansion.culture_duration", old=192, new=150, unit="h", reason="tested", triggered_by=0,
        gate_row=9, model="none",
    )  # fmt: skip
    world.say(move, position=1)
    batch = await world.carry()
    expansion = [step for name, step in batch.steps.items() if name.startswith("expansion/")]
    assert hours_between(expansion[0].started_at, batch.steps["harvest/wash"].started_at) == pytest.approx(150.0)


async def test_a_wrong_label_blocks_the_batch_until_a_person_decides(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    decision = "B-1/deviation/B-1-D0002#1"
    world.door.answers[decision] = lambda command: {
        "decision": "repeat",
        "reason": "wrong bag taken from the shelf",
        "signature": signed(command, "reviewed", world.clock),
    }
    batch = await world.carry()
    (deviation,) = batch.deviations.values()
    assert deviation.opened.fact.kind == "identity-mismatch"
    assert deviation.closed is not None
    order = list(world.door.effects)
    assert order[:3] == [SCAN, decision, "B-1/receipt/scan_leukapheresis#2"]
    assert batch.finished_at is not None


async def test_nothing_starts_while_a_deviation_is_open(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    deviation = DeviationOpened(deviation="D", kind="excursion", what="tested", cause=0)
    world.ledger.append(
        "batch/B-1", [Draft(fact=deviation, actor="system:quality", happened_at=start)], expected=1
    )  # fmt: skip
    todo = advance(world.batch(), start + timedelta(days=30))
    assert todo.command is not None
    assert (todo.command.target, todo.command.verb) == ("person:qa", "decide")


async def test_termination_ends_the_batch(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.refuse["B-1/selection/select#1"] = "the column is blocked"
    decision = f"B-1/deviation/B-1-D{await _failing_position(master, start):04d}#1"
    world.door.answers[decision] = lambda command: {
        "decision": "terminate", "reason": "no cells left", "signature": signed(command, "reviewed", world.clock),
    }  # fmt: skip
    batch = await world.carry()
    assert batch.aborted is not None
    assert batch.finished_at is None
    assert not any(key.startswith("B-1/activation") for key in world.door.effects)


async def _failing_position(master: MasterRecipe, start: Instant) -> int:
    world = World(master, start)
    world.door.refuse["B-1/selection/select#1"] = "the column is blocked"
    batch = await world.carry()
    return next(iter(batch.deviations.values())).opened.fact.cause


async def test_a_decision_that_signs_something_else_is_refused(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}

    def forged(command: Command) -> dict[str, object]:
        return {"decision": "continue", "signature": {**signed(command, "reviewed", world.clock), "digest": "0" * 64}}

    world.door.answers["B-1/deviation/B-1-D0002#1"] = forged  # type: ignore[assignment]  # a forger's answer
    with pytest.raises(RefusedError, match="signed something else than what was shown"):
        await world.carry()
    assert world.batch().open_deviations


async def test_a_decision_signed_in_another_role_is_refused(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    world.door.answers["B-1/deviation/B-1-D0002#1"] = lambda command: {
        "decision": "continue",
        "signature": {**signed(command, "reviewed", world.clock), "role": "operator"},
    }
    with pytest.raises(RefusedError, match="signed as operator, and person:qa was asked"):
        await world.carry()
    assert world.batch().open_deviations


class CrashedError(Exception):
    """The process died here."""


class CrashingStore(MemoryStore):
    """Dies at one append: before it is kept, or just after."""

    def __init__(self, at: int, *, kept: bool) -> None:
        super().__init__()
        self.at, self.kept, self.appends = at, kept, 0

    def append(self, rows: Sequence[object], head: object) -> None:
        self.appends += 1
        if self.appends == self.at and not self.kept:
            raise CrashedError
        super().append(rows, head)  # type: ignore[arg-type]  # handed through as it came
        if self.appends == self.at:
            raise CrashedError


@pytest.mark.parametrize("kept", [False, True], ids=["before the write", "after the write"])
async def test_a_crash_at_any_write_loses_and_doubles_nothing(master: MasterRecipe, start: Instant, kept: bool) -> None:
    calm = World(master, start)
    wanted = keys(await calm.carry())
    for at in range(2, 60):
        world = World(master, start)
        crashing = CrashingStore(at, kept=kept)
        crashing.append(list(world.store.rows()), world.store.head())
        world.store, world.ledger = crashing, Ledger(crashing, world.clock)
        with pytest.raises(CrashedError):
            await world.carry()
        world.clock = SimulatedClock(world.clock.now())
        world.door.clock = world.clock
        world.ledger = Ledger(crashing, world.clock)
        batch = await world.carry()
        done = [key for key in world.door.effects if not key.endswith("#1") or key in wanted]
        assert set(world.door.effects.values()) == {1}, f"a step had two effects after a crash at append {at}"
        assert [key.rpartition("#")[0] for key in done] == [key.rpartition("#")[0] for key in wanted]
        assert batch.finished_at is not None
        assert verify(crashing).entries == batch.position


async def test_a_lost_answer_is_read_back_and_marked(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    crashing = CrashingStore(3, kept=False)
    crashing.append(list(world.store.rows()), world.store.head())
    world.store, world.ledger = crashing, Ledger(crashing, world.clock)
    with pytest.raises(CrashedError):
        await world.carry()
    assert world.batch().running is not None
    await world.carry()
    facts = [each.fact for each in world.ledger.stream("batch/B-1")]
    assert isinstance(facts[2], StepInDoubt)
    assert getattr(facts[3], "recovered", False) is True


async def test_when_the_equipment_cannot_tell_a_person_is_asked(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    lost = "B-1/selection/select#1"
    world.door.unreachable.add(lost)
    world.door.answers[f"{lost}/what-happened"] = lambda command: {
        "decision": "not-done",
        "reason": "the display shows no program",
        "signature": signed(command, "verified", world.clock),
    }
    batch = await world.carry()
    resolved = [each.fact for each in world.ledger.stream("batch/B-1") if isinstance(each.fact, StepResolved)]
    assert [(fact.resolution, fact.signature is not None) for fact in resolved] == [("not-done", True)]
    assert world.door.effects["B-1/selection/select#2"] == 1
    assert batch.finished_at is not None


async def test_a_second_worker_is_harmless(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    stale = world.batch()
    await world.carry()
    effects = dict(world.door.effects)
    second = Runner(ledger=world.ledger, door=world.door, clock=world.clock)
    with pytest.raises(ConflictError):
        await second.carry(stale)
    assert dict(world.door.effects) == effects
