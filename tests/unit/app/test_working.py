"""A turn with a batch: what it leaves, when it wants to be woken, and which batches want a worker at all."""

import asyncio
from pathlib import Path

import pytest
from tests.fault.crew import short_master

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.settings import Settings, write_settings
from cytoloop.app.working import REFUSED, OpenBatches, Work, engine_address, wake
from cytoloop.app.workplace import Asked, run_worker
from cytoloop.cli.main import run
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.facts.production import BatchFinished, BatchHeld, StepStarted
from cytoloop.production.journal import Direct
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import START, approved, created
from cytoloop.testing.doors import CountingDoor

FACTOR = 18_000.0


class Desk:
    """A record in memory with one batch, and a worker's turn on it."""

    def __init__(self, patience: float | None = 0.5) -> None:
        self.store, self.clock, self.said = MemoryStore(), ScaledClock(START, FACTOR), list[str]()
        self.ledger = Ledger(self.store, self.clock)
        self.door = CountingDoor(self.clock, "COI-B-1")
        self.batches = OpenBatches(self.store)
        self.work = Work(
            ledger=self.ledger, journal=Direct(self.ledger), door=self.door, clock=self.clock, batches=self.batches,
            tell=self.said.append, patience=patience,
        )  # fmt: skip
        self.say("recipe/fixed/car_t_cd19", approved(short_master(), line="fixed"))
        self.say("batch/B-1", created(short_master(), "B-1", line="fixed"))

    def say(self, stream: str, *facts: Fact) -> None:
        drafts = [Draft(fact=fact, actor="system:test", happened_at=self.clock.now()) for fact in facts]
        self.ledger.append(stream, drafts, expected=self.ledger.position(stream))


async def test_a_turn_gives_the_batch_back_until_its_time_and_the_next_goes_on() -> None:
    desk, turns, seconds = Desk(), 0, 0.0
    while (left := await desk.work.turn("B-1")) is not None:
        turns += 1
        seconds += left
        assert turns < 50, desk.said
        await asyncio.sleep(left)
    assert turns >= 1, "the rounds of the culture are further apart than the worker's patience"
    assert seconds > 0.0
    assert "finished at entry" in desk.said[-1]
    assert set(desk.door.effects.values()) == {1}
    assert desk.batches.wanted() == []


async def test_a_worker_with_all_patience_carries_a_batch_to_its_end_in_one_turn() -> None:
    desk = Desk(patience=None)
    assert await desk.work.turn("B-1") is None
    assert len(desk.said) == 2


async def test_a_batch_that_is_held_is_left_until_something_is_entered() -> None:
    desk = Desk()
    desk.say("batch/B-1", BatchHeld(step="receipt/inspect", reason="three answers were refused"))
    assert desk.batches.wanted() == ["B-1"]
    assert await desk.work.turn("B-1") is None
    assert (desk.said, desk.door.effects) == ([], {})
    assert desk.batches.wanted() == [], "nobody asks the person again before something is entered"
    started = StepStarted(step="x", attempt=1, key="k", target="person:qa", verb="ask", arguments={})
    desk.say("batch/B-1", started)
    assert desk.batches.wanted() == ["B-1"]


async def test_what_stands_against_a_batch_is_told_and_tried_again() -> None:
    class Shut(CountingDoor):
        async def perform(self, command: Command) -> Outcome:
            raise UserError(f"no door leads to {command.target!r}")

    desk = Desk()
    object.__setattr__(desk.work, "door", Shut(desk.clock, ""))
    assert await desk.work.turn("B-1") == REFUSED
    assert "no door leads to" in desk.said[-1]
    assert await desk.work.turn("B-9") == REFUSED
    assert "there is no batch B-9" in desk.said[-1]


def test_only_batches_that_have_not_ended_want_a_worker() -> None:
    desk = Desk()
    desk.say("batch/B-2", created(short_master(), "B-2", line="fixed"))
    assert desk.batches.wanted() == ["B-1", "B-2"]
    desk.say("batch/B-1", BatchFinished())
    assert desk.batches.wanted() == ["B-2"]


def test_the_engine_is_beside_the_record() -> None:
    address = engine_address("postgresql://line@db.example.org/plant?schema=site_a")
    assert (address.schema, address.url) == ("site_a_engine", "postgresql://line@db.example.org/plant")


def test_a_record_in_a_file_has_no_workers_to_wake(tmp_path: Path) -> None:
    wake(tmp_path, "B-1")


@pytest.mark.parametrize("scripted", [False, True])
async def test_a_worker_that_cannot_work_says_why(tmp_path: Path, scripted: bool) -> None:
    asked = Asked(folder=tmp_path, plant="opc.tcp://127.0.0.1:1/none", scripted=scripted)
    with pytest.raises(UserError, match="is a file, which one process"):
        await run_worker(asked, print, asyncio.Event())


PLANT = ("--plant", "opc.tcp://127.0.0.1:1/none", "--scripted-people")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "has no settings yet; name the shared record with --store"),
        (("--store", "postgresql://line:secret@127.0.0.1/plant"), "found a password, expected none"),
        (("--store", "sqlite:///record.db"), "expected postgresql://role@host"),
    ],
)
def test_the_command_line_names_the_mistake_and_shows_no_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(["worker", "--data", str(tmp_path / "new"), *PLANT, *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "secret" not in told


def test_a_folder_of_another_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_settings(tmp_path, Settings(store="postgresql://line@127.0.0.1/plant"))
    assert run(["worker", "--data", str(tmp_path), *PLANT, "--store", "postgresql://line@127.0.0.1/other"]) == 2
    assert "belongs to another record" in capsys.readouterr().err
