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
from cytoloop.core.facts.people import ActRefused
from cytoloop.core.facts.production import BatchCreated, SetPointMoved, StepInDoubt, StepResolved, StepStarted
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.time import Instant, hours_between
from cytoloop.production.runner import Runner, advance
from cytoloop.production.walk import unrolled
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.doors import Answer, CountingDoor, decided, signed

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
    world.door.answers[decision] = lambda command: decided(
        command, "reviewed", world.clock, "repeat", "wrong bag taken from the shelf"
    )
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
    (command,) = todo.commands
    assert (command.target, command.verb) == ("person:qa", "decide")


async def test_termination_ends_the_batch(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.refuse["B-1/selection/select#1"] = "the column is blocked"
    decision = f"B-1/deviation/B-1-D{await _failing_position(master, start):04d}#1"
    world.door.answers[decision] = lambda command: decided(
        command, "reviewed", world.clock, "terminate", "no cells left"
    )
    batch = await world.carry()
    assert batch.aborted is not None
    assert batch.finished_at is None
    assert not any(key.startswith("B-1/activation") for key in world.door.effects)


async def _failing_position(master: MasterRecipe, start: Instant) -> int:
    world = World(master, start)
    world.door.refuse["B-1/selection/select#1"] = "the column is blocked"
    batch = await world.carry()
    return next(iter(batch.deviations.values())).opened.fact.cause


DECISION = "B-1/deviation/B-1-D0002"


def answering(world: World, **changed: JSON) -> Answer:
    """A decision to go on, whose signature was changed so."""

    def answer(command: Command) -> dict[str, JSON]:
        good = decided(command, "reviewed", world.clock, "continue", "tested")
        signature = good["signature"]
        assert isinstance(signature, dict)
        return {**good, "signature": {**signature, **changed}}

    return answer


def refusals(world: World) -> list[ActRefused]:
    facts = [each.fact for each in world.ledger.stream("access/refusals")]
    return [fact for fact in facts if isinstance(fact, ActRefused)]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"digest": "0" * 64}, "signed something else than what was shown"),
        ({"role": "operator"}, "signed as operator, and person:qa was asked"),
        ({"meaning": "released"}, "signed as released, and it was shown as reviewed"),
        ({"signer": None}, "came back without a signature"),
    ],
)
async def test_a_decision_that_is_signed_wrongly_is_refused_as_an_entry_and_asked_again(
    master: MasterRecipe, start: Instant, changed: dict[str, JSON], why: str
) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    world.door.answers[f"{DECISION}#1"] = answering(world, **changed)
    batch = await world.carry()
    assert list(world.door.effects)[1:3] == [f"{DECISION}#1", f"{DECISION}#2"]
    (refusal,) = refusals(world)
    assert (refusal.act, refusal.subject) == ("close-deviation", "batch/B-1")
    assert why in refusal.reason
    assert batch.finished_at is not None
    assert len(batch.deviations) == 1, "a refused answer is no deviation of its own"


async def test_a_person_who_gives_no_answer_is_asked_again(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    world.door.refuse[f"{DECISION}#1"] = "user id and proof do not match"
    batch = await world.carry()
    assert [each.reason for each in refusals(world)] == ["user id and proof do not match"]
    assert batch.finished_at is not None


async def test_the_table_of_rights_is_asked_about_a_decision(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    asked: list[str] = []

    def may(act: str, signature: Signature) -> None:
        asked.append(f"{act} by {signature.signer}")
        if len(asked) == 1:
            raise RefusedError("not today")

    await carried(Runner(ledger=world.ledger, door=world.door, clock=world.clock, observers=(inspect,), may=may), world)
    assert asked == ["close-deviation by qa.1"] * 2
    assert [each.reason for each in refusals(world)] == ["not today"]


async def test_after_three_refused_answers_the_batch_is_held_and_goes_on_when_it_is_run_again(
    master: MasterRecipe, start: Instant
) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    for attempt in (1, 2, 3):
        world.door.answers[f"{DECISION}#{attempt}"] = answering(world, role="operator")
    batch = await world.carry()
    assert not batch.ended
    assert batch.held is not None
    assert batch.held.fact.step == "deviation/B-1-D0002"
    assert batch.held.fact.reason.startswith("3 answers were refused, the last because qa.1 signed as operator")
    assert len(refusals(world)) == 3
    batch = await world.carry()
    assert batch.held is None
    assert batch.finished_at is not None
    assert world.door.effects[f"{DECISION}#4"] == 1


async def test_after_three_more_refused_answers_the_batch_is_held_again(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    for attempt in range(1, 7):
        world.door.answers[f"{DECISION}#{attempt}"] = answering(world, role="operator")
    first, second = await world.carry(), await world.carry()
    assert first.held is not None
    assert second.held is not None
    assert second.held.position > first.held.position
    assert len(refusals(world)) == 6


async def test_a_word_on_a_step_in_doubt_that_is_signed_wrongly_is_asked_again_then_the_batch_is_held(
    master: MasterRecipe, start: Instant
) -> None:
    world = World(master, start)
    lost = "B-1/selection/select#1"
    world.door.unreachable.add(lost)

    def word(good: bool) -> Answer:
        meaning: Meaning = "verified" if good else "released"
        return lambda command: decided(command, meaning, world.clock, "done", "seen on the display")

    for asked in (f"{lost}/what-happened", f"{lost}/what-happened#2", f"{lost}/what-happened#3"):
        world.door.answers[asked] = word(False)
    world.door.answers[f"{lost}/what-happened#4"] = word(True)
    batch = await world.carry()
    assert batch.held is not None
    assert batch.held.fact.step == "selection/select"
    assert [each.act for each in refusals(world)] == ["resolve-step"] * 3
    batch = await world.carry()
    assert batch.held is None
    assert batch.finished_at is not None
    assert batch.steps["selection/select"].state == "done"


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
async def test_a_crash_at_any_write_loses_and_doubles_nothing(
    master: MasterRecipe, start: Instant, kept: bool, long: bool
) -> None:
    calm = World(master, start)
    wanted = keys(await calm.carry())
    for at in range(2, 60) if long else range(2 + kept, 60, 3):
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
    assert world.batch().underway
    await world.carry()
    facts = [each.fact for each in world.ledger.stream("batch/B-1")]
    assert isinstance(facts[2], StepInDoubt)
    assert getattr(facts[3], "recovered", False) is True


async def test_when_the_equipment_cannot_tell_a_person_is_asked(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    lost = "B-1/selection/select#1"
    world.door.unreachable.add(lost)
    world.door.answers[f"{lost}/what-happened"] = lambda command: decided(
        command, "verified", world.clock, "not-done", "the display shows no program"
    )
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


async def test_a_signature_over_the_question_alone_decides_nothing(master: MasterRecipe, start: Instant) -> None:
    world = World(master, start)
    world.door.answers[SCAN] = lambda _: {"code": "COI-OTHER"}
    for attempt in (1, 2, 3):
        world.door.answers[f"{DECISION}#{attempt}"] = lambda command: {
            "decision": "continue", "reason": "tested", "signature": signed(command, "reviewed", world.clock),
        }  # fmt: skip
    batch = await world.carry()
    assert batch.held is not None, "the answer was not signed, so nobody decided"
    assert [each.act for each in refusals(world)] == ["close-deviation"] * 3
