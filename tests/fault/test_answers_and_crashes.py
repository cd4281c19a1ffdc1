"""Answers and crashes: an answer is given once from two tabs, and a line that is killed around it takes it up once."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.staff import pack

from cytoloop.adapters.clocks import LINE_CLOCK, FolderClock, ScaledClock, SimulatedClock
from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.memory import MemoryStore
from cytoloop.adapters.operator.door import PersonDoor
from cytoloop.app.answering import Answering
from cytoloop.app.answers import find_in, stands_in
from cytoloop.app.asked import TRIED, Typed
from cytoloop.app.cast import enrol_cast
from cytoloop.app.doors import Doors
from cytoloop.app.people import People, people_at
from cytoloop.app.production import read_batch
from cytoloop.app.records import acting_record, readable_store, writable_record
from cytoloop.app.registrar import Registrar
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.errors import ConflictError
from cytoloop.core.facts.answer import AnswerGiven
from cytoloop.core.facts.production import StepCompleted, StepStarted
from cytoloop.core.time import Instant, after
from cytoloop.production.asking import PERSON, Request, requests
from cytoloop.production.journal import Direct
from cytoloop.production.runner import Runner
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.builders import approved, created
from cytoloop.testing.doors import CountingDoor

LENGTH = 12
"""Appends of a run: receipt, with two requests to the operator, selection, and the vessel's scan."""
OPERATOR = "op.zhou"


class CrashError(Exception):
    """The line's process ends here."""


@dataclass(slots=True)
class Crashing:
    """A journal whose process ends before or after some append; and, at the run's length, for good."""

    ledger: Ledger
    at: int
    after_it: bool
    length: int = LENGTH
    appends: int = 0

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        self.appends += 1
        if self.appends > self.length or (self.appends == self.at and not self.after_it):
            raise CrashError
        kept = await Direct(self.ledger).append(stream, drafts, expected=expected)
        if self.appends == self.at:
            raise CrashError
        return kept


class Site:
    """A record with one batch, its equipment, and an operator with two tabs open; `late`: what the second was told."""

    def __init__(self, folder: Path, start: Instant) -> None:
        self.store, self.clock = MemoryStore(), SimulatedClock(start)
        self.late: list[str] = []
        self.ledger = Ledger(self.store, self.clock)
        self.equipment = CountingDoor(self.clock, "COI-B-1")
        registrar = Registrar(self.ledger, self.clock)
        enrol_cast(registrar, Credentials(folder))
        self.people = People(registrar, Credentials(folder))
        master = pack().master
        for stream, fact in (
            ("recipe/fixed/car_t_cd19", approved(master, line="fixed")),
            ("batch/B-1", created(master, "B-1", line="fixed")),
        ):
            self.ledger.append(stream, [Draft(fact=fact, actor="system:test", happened_at=start)], expected=0)

    async def operate(self) -> None:
        """Answer whatever is asked, from both tabs, for ever."""
        seen = -1
        while True:
            await self.clock.until(after(self.clock.now(), 0.07))
            if seen == self.ledger.position("batch/B-1"):
                continue
            seen = self.ledger.position("batch/B-1")
            batch = read_batch(self.ledger, "B-1")
            for request in requests(batch, list(self.ledger.stream("batch/B-1")), TRIED):
                if request.role == "operator" and request.since <= self.clock.now():
                    self._answer(request)

    def _answer(self, request: Request) -> None:
        answering = Answering(people=self.people, clock=self.clock)
        texts = {"code": "COI-B-1", "transport_temperature": "5", "bags_damaged": "0"}
        for _ in range(2):
            try:
                answering.give(OPERATOR, request.command.key, Typed(texts=texts))
            except ConflictError as told:
                self.late.append(str(told))

    async def carry(self, crash: Crashing) -> None:
        door = PersonDoor(clock=self.clock, find=find_in(self.ledger), stands=stands_in(self.ledger), poll=0.05)
        doors = Doors({"person:": door, "": self.equipment})
        runner = Runner(ledger=self.ledger, door=doors, clock=self.clock, journal=crash)
        operator = asyncio.ensure_future(self.operate())
        try:
            await self.clock.together(runner.carry(read_batch(self.ledger, "B-1")))
        finally:
            operator.cancel()
            await asyncio.gather(operator, return_exceptions=True)


def demand_once(site: Site) -> int:
    """Every answer was given once, every step done once, nothing was answered that nobody asked; how many answers."""
    started: Counter[str] = Counter()
    done: Counter[str] = Counter()
    answers: dict[str, AnswerGiven] = {}
    for recorded in site.ledger.entries():
        match recorded.fact:
            case StepStarted() as fact:
                started[fact.key] += 1
            case StepCompleted() as fact:
                done[fact.step] += 1
            case AnswerGiven() as fact:
                assert fact.key not in answers, f"{fact.key} was answered twice"
                assert recorded.entry.position == 0
                answers[fact.key] = fact
    assert set(started.values()) == set(done.values()) == {1}
    assert set(site.equipment.effects.values()) == {1}, site.equipment.effects
    batch = read_batch(site.ledger, "B-1")
    for key, answer in answers.items():
        step = batch.steps[answer.step]
        assert step.key == key
        if step.state == "done":
            assert step.values == answer.values
            assert step.ended_at is not None
    by_people = [step for step in batch.steps.values() if step.target.startswith(PERSON) and step.state == "done"]
    assert {step.key for step in by_people} <= set(answers)
    verify(site.store)
    return len(answers)


@pytest.mark.parametrize("after_it", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 6, 9])
async def test_a_line_that_ends_at_any_append_takes_every_answer_up_once(
    tmp_path: Path, start: Instant, at: int, after_it: bool
) -> None:
    site = Site(tmp_path, start)
    with pytest.raises(CrashError):
        await site.carry(Crashing(site.ledger, at, after_it))
    with pytest.raises(CrashError):
        await site.carry(Crashing(site.ledger, 0, after_it=False, length=LENGTH - at))
    assert demand_once(site) >= 2, "the bag's scan and its inspection at least"
    assert site.late, "the second tab sent every answer too"
    assert all(said.startswith("already answered by Zhou Min") for said in site.late)


ANSWER = """
import sys
from pathlib import Path
from cytoloop.adapters.clocks import FolderClock
from cytoloop.app.answering import Answering
from cytoloop.app.asked import Typed
from cytoloop.app.people import people_at
from cytoloop.app.records import acting_record
from cytoloop.core.errors import CytoloopError

folder = Path(sys.argv[1])
clock = FolderClock(folder)
with acting_record(folder, clock) as ledger:
    answering = Answering(people=people_at(folder, ledger, clock), clock=clock)
    print("ready", flush=True)
    for line in sys.stdin:
        key, code = line.split()
        try:
            answering.give("op.zhou", key, Typed(texts={"code": code}))
            print("given", flush=True)
        except CytoloopError as error:
            print(error, flush=True)
"""


def line_of(folder: Path, *more: str) -> "subprocess.Popen[str]":
    """A real line on the folder, in a process of its own."""
    command = [sys.executable, "-m", "cytoloop.cli.main", "line", "run", "--data", str(folder), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def steps_of(folder: Path) -> list[tuple[str, str]]:
    """What happened to the batch's steps."""
    with acting_record(folder) as ledger:
        stream = list(ledger.stream("batch/B-L001"))
    return [(each.entry.name, getattr(each.fact, "step", "")) for each in stream]


def waited_for(folder: Path, wanted: tuple[str, str]) -> None:
    """Return once the batch's stream holds an entry."""
    for _ in range(600):
        if wanted in steps_of(folder):
            return
        time.sleep(0.1)
    raise AssertionError(f"{wanted} did not come: {steps_of(folder)}")


def test_a_killed_line_finds_the_answer_that_two_processes_gave_while_it_was_dead(tmp_path: Path) -> None:
    """Killed with kill -9 while a person is asked; the answer comes when nobody waits for it; started again."""
    folder = tmp_path / "data"
    with writable_record(folder, ScaledClock()) as ledger:
        people_at(folder, ledger, ScaledClock())
    line = line_of(folder, "--patients", "1")
    try:
        scan = "receipt/scan_leukapheresis"
        waited_for(folder, ("step-started/1", scan))
        line.send_signal(signal.SIGKILL)
        line.communicate()
        told = _from_two_processes(folder, f"B-L001/{scan}#1")
        assert sorted(told)[0].startswith("already answered by Zhou Min"), told
        assert sorted(told)[1] == "given"
        line = line_of(folder)
        waited_for(folder, ("step-completed/1", scan))
        waited_for(folder, ("step-started/1", "receipt/inspect"))
    finally:
        line.kill()
        line.communicate()
    found = Counter(steps_of(folder))
    assert found["step-started/1", scan] == found["step-completed/1", scan] == 1
    with readable_store(folder) as store:
        verify(store)


def _from_two_processes(folder: Path, key: str) -> list[str]:
    """What two processes are told that give the same answer at once."""
    with acting_record(folder) as ledger:
        code = read_batch(ledger, key.partition("/")[0]).created.coi
    program = [sys.executable, "-c", ANSWER, str(folder)]
    tabs = [subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for tab in tabs:
        assert tab.stdout is not None
        assert tab.stdout.readline() == "ready\n"
    for tab in tabs:
        assert tab.stdin is not None
        tab.stdin.write(f"{key} {code}\n")
        tab.stdin.flush()
    return [tab.communicate()[0].strip() for tab in tabs]


def test_the_folder_of_a_dead_line_says_nothing_of_its_time(tmp_path: Path) -> None:
    """What a killed line left in its clock's file is nobody's time."""
    (tmp_path / LINE_CLOCK).write_text(json.dumps({"start": "2030-01-01T00:00:00+00:00", "factor": 9.0, "began": 0.0}))
    assert not FolderClock(tmp_path).line_runs
