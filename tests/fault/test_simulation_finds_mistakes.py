"""The invariants can fail: each mistake here is made on purpose, and is found within a few seeds, by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

import cytoloop.production.runner as running
from cytoloop.adapters.faulty.disk import FaultyDisk
from cytoloop.adapters.faulty.equipment import CountedEquipment
from cytoloop.adapters.faulty.network import FaultyDoor
from cytoloop.adapters.faulty.people import CountedPeople
from cytoloop.app.packs import read_pack
from cytoloop.app.quality import inspect
from cytoloop.app.registrar import Registrar
from cytoloop.app.simulation.setting import Parts, Setting, fourteen_days
from cytoloop.app.simulation.world import Ended, World
from cytoloop.clinic.order import coi_number
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.equipment import Command, Door, Outcome
from cytoloop.core.facts.production import BatchFinished, ReadingsRecorded, StepCompleted, StepResolved, StepStarted
from cytoloop.core.facts.quality import DeviationOpened, DispositionSigned, RecordReviewed
from cytoloop.core.json import JSON
from cytoloop.core.store import Row, TreeHead
from cytoloop.core.time import Instant, after
from cytoloop.production.advance import Advance, Fit, advance, always_fit
from cytoloop.production.runner import Runner
from cytoloop.production.walk import next_steps
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import signature

SEEDS = 12
PACK = fourteen_days(read_pack("car_t_cd19"))


def found(parts: Parts, odds: Mapping[str, float], seeds: int = SEEDS) -> tuple[str, Ended]:
    """The invariant that finds it, and the world in which it does."""
    for seed in range(seeds):
        ended = World(Setting(seed=seed, batches=2, rates=odds, pack=PACK, parts=parts)).run()
        if ended.violation is not None:
            return ended.violation.invariant, ended
    raise AssertionError(f"{seeds} seeds did not find it")


def test_without_a_mistake_nothing_is_found() -> None:
    with pytest.raises(AssertionError, match="did not find it"):
        found(
            Parts(), {"crash": 0.004, "outcome-lost": 0.05, "delivered-twice": 0.2, "out-of-range-answer": 0.3}, seeds=4
        )


# -- the equipment and its doors --------------------------------------------------------------------------------------


class ActsOnEveryDelivery(CountedEquipment):
    """Equipment that keeps no keys."""

    async def perform(self, command: Command) -> Outcome:
        self.act(command)
        return await self._ended(command.key)


class KeepsNoFence(CountedEquipment):
    """Equipment that forgets that it was asked about a key before the command came."""

    async def recall(self, key: str) -> Outcome | None:
        return await self._ended(key) if key in self.outcomes else None


class DeliversLate(FaultyDoor):
    """A network that gives up on a command, and delivers it all the same when everybody has gone on."""

    async def perform(self, command: Command) -> Outcome:
        for key, late in list(LATE.items()):
            if self.clock.now() - late[1] > timedelta(hours=6):
                del LATE[key]
                assert isinstance(self.inner, CountedEquipment)
                self.inner.act(late[0])
        lost = self.dice.draw("lost for now", command.key) < 0.1
        if lost and command.verb == "program":
            LATE[command.key] = (command, self.clock.now())
            return await self._unreachable(command.target)
        return await FaultyDoor.perform(self, command)


LATE: dict[str, tuple[Command, Instant]] = {}


@dataclass(frozen=True)
class AnotherUnit:
    """A door that takes one bioreactor for another."""

    inner: Door

    async def perform(self, command: Command) -> Outcome:
        swapped = {"bioreactor-01": "bioreactor-02", "bioreactor-02": "bioreactor-01"}
        return await self.inner.perform(replace(command, target=swapped.get(command.target, command.target)))

    async def recall(self, key: str) -> Outcome | None:
        return await self.inner.recall(key)


@dataclass(frozen=True)
class AsksBeforehand:
    """A door that warms the equipment up under a key of its own."""

    inner: Door

    async def perform(self, command: Command) -> Outcome:
        if command.verb == "program":
            await self.inner.perform(replace(command, key=f"{command.key}-warm-up"))
        return await self.inner.perform(command)

    async def recall(self, key: str) -> Outcome | None:
        return await self.inner.recall(key)


class ReadsWhatItExpects(CountedPeople):
    """A scanner that shows what was asked for, whatever bag was fetched."""

    def _values(self, command: Command, at: Instant, fault: str | None) -> dict[str, JSON]:
        values = CountedPeople._values(self, command, at, fault)
        if fault == "wrong-bag":
            values["code"] = coi_number("DEMO", 2026, int(command.key.partition("/")[0].removeprefix("B-")))
        return values


class SaysItSeesNothing(CountedPeople):
    """An operator who says that nothing was done without looking."""

    def __post_init__(self) -> None:
        CountedPeople.__post_init__(self)
        self.looked = lambda _: False


@pytest.mark.parametrize(
    ("parts", "odds", "names"),
    [
        pytest.param(Parts(equipment=ActsOnEveryDelivery), {"delivered-twice": 0.1}, {"one_effect_per_key"}, id="acts"),
        pytest.param(
            Parts(equipment=KeepsNoFence), {"slow-disk": 0.3, "second-runner": 1.0}, {"no_step_twice"}, id="no fence"
        ),
        pytest.param(Parts(network=DeliversLate), {}, {"no_step_twice", "completed_means_done"}, id="late"),
        pytest.param(Parts(door=AnotherUnit), {}, {"own_material"}, id="another unit"),
        pytest.param(Parts(door=AsksBeforehand), {}, {"intent_before_effect"}, id="no intent"),
        pytest.param(
            Parts(people=SaysItSeesNothing), {"outcome-lost": 0.1, "forgets": 1.0}, {"completed_means_done"}, id="blind"
        ),
    ],
)  # fmt: skip
def test_a_mistake_of_equipment_people_or_their_doors_is_found(
    parts: Parts, odds: dict[str, float], names: set[str]
) -> None:
    LATE.clear()
    invariant, _ = found(parts, odds)
    assert invariant in names


def test_a_scanner_that_lies_mixes_up_material_and_is_found() -> None:
    invariant, ended = found(Parts(people=ReadsWhatItExpects), {"wrong-bag": 0.5})
    assert invariant == "own_material"
    assert ended.faults["wrong-bag"]


# -- the record -------------------------------------------------------------------------------------------------------


class Forgetful(FaultyDisk):
    """A disk that says it has written, and loses the last rows when the power goes."""

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        try:
            FaultyDisk.append(self, rows, head)
        except BaseException:
            for row in self.kept[-3:]:
                self.by_stream[row.stream].remove(row)
            self.kept = self.kept[:-3]
            self.tree_heads = [each for each in self.tree_heads if each.size <= len(self.kept)]
            raise


class Rotting(FaultyDisk):
    """A disk on which a byte changes."""

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        FaultyDisk.append(self, rows, head)
        if len(self.kept) > 50:
            row = self.kept[20]
            self.kept[20] = row._replace(body=row.body.replace(b"B-1", b"B-9"))


@dataclass(frozen=True)
class Heedless:
    """A journal that writes wherever the stream ends: nobody is told that others were first."""

    ledger: Ledger

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        return self.ledger.append(stream, drafts, expected=self.ledger.position(stream))


async def heedless(runner: Runner, batch: Batch) -> Batch:
    return await replace(runner, journal=Heedless(runner.ledger)).carry(batch)


@pytest.mark.parametrize(
    ("parts", "odds", "names"),
    [
        pytest.param(
            Parts(disk=Forgetful), {"crash": 0.01},
            {"nothing_lost", "same_fold", "intent_before_effect", "runs_without_mistake", "recipe_order"}, id="forgets",
        ),
        pytest.param(Parts(disk=Rotting), {}, {"record_is_sound", "runs_without_mistake"}, id="rots"),
        pytest.param(
            Parts(carry=heedless), {"second-runner": 1.0},
            {"one_end_per_attempt", "one_running_step", "recipe_order", "runs_without_mistake"}, id="no position",
        ),
    ],
)  # fmt: skip
def test_a_mistake_of_the_record_is_found(parts: Parts, odds: dict[str, float], names: set[str]) -> None:
    invariant, _ = found(parts, odds)
    assert invariant in names


# -- the runner -------------------------------------------------------------------------------------------------------


def tell(runner: Runner, batch: Batch, *facts: Any) -> None:
    now = runner.clock.now()
    drafts = [Draft(fact=fact, actor="system:runner", happened_at=now) for fact in facts]
    runner.ledger.append(f"batch/{batch.number}", drafts, expected=batch.position)


def again(runner: Runner, batch: Batch) -> Batch:
    """The batch as its stream is now."""
    return fold(runner.ledger.stream(f"batch/{batch.number}"), batch.master)


async def repeats_blindly(runner: Runner, batch: Batch) -> Batch:
    """After a crash, whatever was underway is simply begun again."""
    for step in batch.underway:
        if not step.target.startswith("system:"):
            tell(runner, batch, StepResolved(step=step.step, attempt=step.attempt, resolution="never-arrived",
                                             reason="it surely was not done"))  # fmt: skip
            batch = again(runner, batch)
    return await runner.carry(batch)


async def invents_an_end(runner: Runner, batch: Batch) -> Batch:
    """A step is entered as done that nobody was asked for."""
    (planned, *_) = next_steps(batch)
    if not batch.underway and not batch.open_deviations and planned.step not in batch.steps:
        began = StepStarted(step=planned.step, attempt=1, key=f"{batch.number}/{planned.step}#1",
                            target="person:operator", verb="scan", arguments={})  # fmt: skip
        tell(runner, batch, began, StepCompleted(step=planned.step, attempt=1, values={}))
    return await runner.carry(again(runner, batch))


async def goes_on_after_the_end(runner: Runner, batch: Batch) -> Batch:
    """An aborted batch is carried on."""
    ended = await runner.carry(batch)
    if ended.aborted is not None:
        step = next_steps(ended)[0].step
        tell(runner, ended, StepStarted(step=step, attempt=9, key=f"{ended.number}/{step}#9",
                                        target="closed-processor-01", verb="program", arguments={}))  # fmt: skip
    return ended


async def gives_up(runner: Runner, batch: Batch) -> Batch:
    """A batch is left where it stands and nobody says so."""
    return batch


def from_the_future(batch: Batch, now: Instant) -> Sequence[Draft]:
    """A deviation is entered before it happens."""
    drafts = inspect(batch, now)
    return [replace(draft, happened_at=after(now, 1.0)) for draft in drafts]


def reads_twice(batch: Batch, now: Instant) -> Sequence[Draft]:
    """The readings of a batch are entered a second time."""
    if len(batch.readings) != 3:
        return inspect(batch, now)
    fact = ReadingsRecorded(step="again", readings=batch.readings[0].fact.readings)
    return [Draft(fact=fact, actor="system:tested", happened_at=now)]


BLIND = {"completed_means_done", "no_step_twice"}


@pytest.mark.parametrize(
    ("parts", "odds", "names"),
    [
        pytest.param(Parts(carry=repeats_blindly), {"crash": 0.01}, BLIND, id="blind"),
        pytest.param(Parts(carry=invents_an_end), {}, {"completed_means_done"}, id="invents"),
        pytest.param(Parts(carry=goes_on_after_the_end), {"program-fails": 0.2}, {"ended_is_ended"}, id="goes on"),
        pytest.param(Parts(carry=gives_up), {}, {"comes_to_an_end"}, id="gives up"),
        pytest.param(Parts(observers=()), {"out-of-range-answer": 0.5}, {"no_step_twice"}, id="no deviations"),
        pytest.param(Parts(observers=(from_the_future,)), {"program-fails": 0.2}, {"times_in_order"}, id="future"),
        pytest.param(Parts(observers=(reads_twice,)), {}, {"readings_once"}, id="reads twice"),
    ],
)  # fmt: skip
def test_a_mistake_of_who_carries_a_batch_is_found(parts: Parts, odds: dict[str, float], names: set[str]) -> None:
    invariant, _ = found(parts, odds)
    assert invariant in names


Decide = Callable[[Batch, Instant, Fit], Advance]


def heeds_no_deviation(batch: Batch, now: Instant, fit: Fit = always_fit) -> Advance:
    """Goes on with the recipe while a deviation is open."""
    return advance(replace(batch, deviations={}), now, fit)


def hastens(batch: Batch, now: Instant, fit: Fit = always_fit) -> Advance:
    """Does what is due tomorrow today."""
    early = advance(batch, after(now, 24.0), fit)
    wake = early.wake_at if early.wake_at is None or early.wake_at > now else after(now, 1.0)
    return replace(early, drafts=tuple(replace(each, happened_at=now) for each in early.drafts), wake_at=wake)


def finishes_early(batch: Batch, now: Instant, fit: Fit = always_fit) -> Advance:
    """Takes the culture for the end."""
    if "expansion/expand[3]/read" in batch.steps and not batch.underway:
        return Advance(drafts=(Draft(fact=BatchFinished(), actor="system:runner", happened_at=now),))
    return advance(batch, now, fit)


def skips(batch: Batch, now: Instant, fit: Fit = always_fit) -> Advance:
    """Leaves the second step out."""
    first = batch.steps.get("receipt/scan_leukapheresis")
    if first is None or first.state != "done" or "receipt/inspect" in batch.steps:
        return advance(batch, now, fit)
    return advance(
        replace(batch, steps={**batch.steps, "receipt/inspect": replace(first, step="receipt/inspect")}), now
    )


def decides_by_mood(batch: Batch, now: Instant, fit: Fit = always_fit) -> Advance:
    """Takes into account what does not stand in the record."""
    MOOD[0] += 1
    return replace(
        (todo := advance(batch, now, fit)),
        drafts=tuple(
            replace(each, fact=replace(each.fact, arguments={**each.fact.arguments, "mood": MOOD[0]}))
            if isinstance(each.fact, StepStarted)
            else each
            for each in todo.drafts
        ),
    )


MOOD = [0]


@pytest.mark.parametrize(
    ("decide", "odds", "name"),
    [
        pytest.param(heeds_no_deviation, {"out-of-range-answer": 0.5, "program-fails": 0.2}, "a_deviation_blocks"),
        pytest.param(hastens, {}, "not_too_early"),
        pytest.param(finishes_early, {}, "nothing_skipped"),
        pytest.param(skips, {}, "recipe_order"),
        pytest.param(decides_by_mood, {}, "decides_again"),
    ],
)
def test_a_mistake_of_the_decisions_is_found(
    monkeypatch: pytest.MonkeyPatch, decide: Decide, odds: dict[str, float], name: str
) -> None:
    monkeypatch.setattr(running, "advance", decide)
    invariant, _ = found(Parts(), odds)
    assert invariant == name


def test_taking_any_label_for_the_right_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cytoloop.production.steps.identity_scan.mismatch", lambda *_: None)
    invariant, _ = found(Parts(), {"wrong-bag": 0.5})
    assert invariant == "wrong_label_stops"


# -- quality ----------------------------------------------------------------------------------------------------------


@dataclass
class Careless:
    """Quality that signs whatever comes, and a deviation that is opened after the end of production."""

    opened: set[str] = field(default_factory=set)

    async def carry(self, runner: Runner, batch: Batch) -> Batch:
        ended = await runner.carry(batch)
        if ended.ended and not ended.deviations:
            late = DeviationOpened(deviation="late", kind="excursion", what="seen afterwards", cause=0)
            tell(runner, ended, late)
            return again(runner, ended)
        return ended

    async def review(self, registrar: Registrar, batch: Batch, door: Door, remarks: str) -> Draft:
        fact = RecordReviewed(batch=batch.number, position=batch.position, remarks=remarks, signature=signature())
        return Draft(fact=fact, actor="person:qa.zhao", happened_at=registrar.clock.now())

    async def dispose(self, registrar: Registrar, batch: Batch, door: Door, _: object) -> tuple[object, Draft]:
        fact = DispositionSigned(disposition="released", reason="it looks fine", signature=signature())
        return None, Draft(fact=fact, actor="person:qp.chen", happened_at=registrar.clock.now())


def test_a_release_with_an_open_deviation_is_found() -> None:
    careless = Careless()
    invariant, _ = found(Parts(carry=careless.carry, review=careless.review, dispose=careless.dispose), {})
    assert invariant == "no_release_with_open_deviation"


def test_a_disposition_that_is_never_signed_is_found() -> None:
    async def never(registrar: Registrar, batch: Batch, door: Door, _: object) -> tuple[object, Draft]:
        return None, Draft(fact=DeviationOpened(deviation="x", kind="excursion", what="no", cause=0),
                           actor="person:qp.chen", happened_at=registrar.clock.now())  # fmt: skip

    invariant, ended = found(Parts(dispose=never), {})
    assert invariant == "comes_to_an_end"
    assert ended.violation is not None
    assert "nobody decided on it" in ended.violation.what
