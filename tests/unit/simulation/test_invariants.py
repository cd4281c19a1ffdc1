"""Each invariant says what is wrong when it is, and is silent when it is not: those that are hard to break at large."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
from tests.simulated import every_form

from cytoloop.adapters.faulty.disk import MemoryDisk
from cytoloop.adapters.faulty.equipment import Effect
from cytoloop.app.packs import read_pack
from cytoloop.app.simulation import after_entries, at_effects, at_the_end, invariants
from cytoloop.app.simulation.order import order_of
from cytoloop.app.simulation.story import Story
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.facts.clinic import ProductAdministered
from cytoloop.core.facts.production import BatchFinished, StepCompleted, StepStarted
from cytoloop.core.facts.quality import DispositionSigned
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant
from cytoloop.production.walk import unrolled
from cytoloop.testing.builders import START, Book, created, signature

SCAN, KEY = "receipt/scan_leukapheresis", "B-1/receipt/scan_leukapheresis#1"
SEEN = Effect(key=KEY, target="person:operator", verb="scan", at=START)


@pytest.fixture(scope="module")
def master() -> MasterRecipe:
    return read_pack("car_t_cd19").master


class Telling:
    """A story told entry by entry."""

    def __init__(self, master: MasterRecipe) -> None:
        self.book, self.story = Book(), Story(master, "B-1")
        self.tell(created(master, "B-1", line="tested"))

    def tell(self, fact: Fact, at: Instant = START) -> tuple[Batch | None, Recorded]:
        recorded = self.book.tell("batch/B-1", fact, at)
        return self.story.take(recorded), recorded

    @property
    def batch(self) -> Batch:
        assert self.story.batch is not None
        return self.story.batch


@pytest.fixture
def telling(master: MasterRecipe) -> Telling:
    return Telling(master)


def started(attempt: int = 1, step: str = SCAN) -> StepStarted:
    return StepStarted(step=step, attempt=attempt, key=f"B-1/{step}#{attempt}", target="person:operator", verb="scan",
                       arguments={})  # fmt: skip


def released(telling: Telling) -> None:
    telling.tell(DispositionSigned(disposition="released", reason="tested", signature=signature()))


def test_every_invariant_is_broken_on_purpose_somewhere() -> None:
    tests = [Path(__file__), Path(__file__).parents[2] / "fault" / "test_simulation_finds_mistakes.py"]
    texts = "".join(path.read_text(encoding="utf-8") for path in tests)
    names = [each.__name__ for group in invariants.ALL.values() for each in group]
    assert len(names) == len(set(names)) == 25
    assert [name for name in names if name not in texts] == []


def test_every_invariant_is_pure_and_says_what_it_holds() -> None:
    for group in invariants.ALL.values():
        for each in group:
            assert inspect.getdoc(each)
            assert not inspect.iscoroutinefunction(each)


def test_an_effect_that_no_entry_tells_of_at_the_end(telling: Telling) -> None:
    telling.tell(started())
    telling.story.effects[KEY].append(SEEN)
    assert at_the_end.every_effect_is_told(telling.story) is None, "it may still end"
    telling.tell(started(2))
    assert at_the_end.every_effect_is_told(telling.story) == f"{KEY} was done and no entry tells of it"


def test_a_step_that_begins_while_it_runs(telling: Telling) -> None:
    telling.tell(started())
    before, recorded = telling.tell(started(2))
    assert before is not None
    said = after_entries.one_running_step(telling.story, before, recorded)
    assert said == f"{SCAN} began while {SCAN} was running"


def test_an_attempt_that_ends_twice(telling: Telling) -> None:
    telling.tell(started())
    done = StepCompleted(step=SCAN, attempt=1, values={"code": "COI-B-1"})
    before, recorded = telling.tell(done)
    assert before is not None
    assert after_entries.one_end_per_attempt(telling.story, before, recorded) is None
    before, recorded = telling.tell(done)
    assert before is not None
    said = after_entries.one_end_per_attempt(telling.story, before, recorded)
    assert said == f"attempt 1 of {SCAN} ended (step-completed/1), and attempt 1 is done"


def test_an_effect_after_the_end(telling: Telling) -> None:
    assert at_effects.nothing_after_its_end(telling.story, SEEN) is None
    telling.tell(BatchFinished())
    assert at_effects.nothing_after_its_end(telling.story, SEEN) == f"{KEY} was done after B-1 had ended"
    signing = replace(SEEN, key="B-1/disposition#1", verb="sign")
    assert at_effects.nothing_after_its_end(telling.story, signing) is None


def test_a_product_of_another_patient_or_that_was_never_released(telling: Telling) -> None:
    given = ProductAdministered(order="O-B-1", batch="B-1", coi="COI-B-1", viable_car_cells=1.0)
    assert "was never released" in (at_the_end.the_right_patient(telling.story, given) or "")
    released(telling)
    assert at_the_end.the_right_patient(telling.story, given) is None
    assert at_the_end.the_right_patient(telling.story, replace(given, coi="COI-2")) is not None
    assert at_the_end.the_right_patient(telling.story, replace(given, order="O-2")) is not None


def test_a_fold_that_differs(telling: Telling) -> None:
    assert at_the_end.same_fold(telling.story, telling.batch) is None
    assert at_the_end.same_fold(telling.story, replace(telling.batch, parameters={})) is not None


def test_an_acknowledged_entry_that_is_not_there(telling: Telling) -> None:
    store = MemoryDisk()
    assert at_the_end.nothing_lost({}, store) is None
    assert at_the_end.nothing_lost({0: b"x"}, store) == "entry 0 was acknowledged and is not in the record as it was"


def test_the_platform_stopping_for_what_it_does_not_know() -> None:
    assert at_the_end.runs_without_mistake(KeyError("step")) == "KeyError: 'step'"


def test_the_order_is_the_walks(telling: Telling) -> None:
    """Two readings of one recipe, written apart, agree on every step."""
    planned = [each.step for each in unrolled(telling.batch)]
    assert list(order_of(telling.batch).steps) == planned
    assert len(planned) > 60


def test_the_order_knows_every_form() -> None:
    telling = Telling(every_form().master)
    needs = order_of(telling.batch).needs
    assert needs["work/warm_up[2]"].passed == (("work/warm_up[0]", 3.0),)
    assert needs["work/both/cells/settle"] == needs["work/both/feed/add_il2"]
    assert needs["work/both/feed/follow[3]/read"].passed == (("work/both/feed/follow[0]/read", 12.0),)
    undecided = needs["work/density?"]
    assert undecided.done == ("work/both/cells/look", "work/both/feed/follow[5]/read")
    assert undecided.passed == (("work/both/feed/follow[0]/read", 24.0),)
