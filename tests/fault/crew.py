"""Workers on one record in PostgreSQL, each in a process of its own, and what must hold once they are done.

`python -m tests.fault.crew DIR PORT BEGAN` is one worker: the product's own, with the counting plant as its door. A
second of the wall is an hour, so that a recipe of hours ends in seconds; all processes count from the same moment of
the machine's boot clock, as machines of one site follow one time server.
"""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import psycopg
from tests.contract.postgres_server import APP, PostgresServer
from tests.fault.counting_plant import ROOT, PlantDoor, effects

from cytoloop.adapters import postgres
from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.engine import Pulse, make_engine
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.packs import read_pack
from cytoloop.app.settings import Settings, read_settings, write_settings
from cytoloop.app.working import engine_address, wake
from cytoloop.app.workplace import Asked, carry_batches
from cytoloop.cli.worker import QUIET
from cytoloop.core.batch import fold
from cytoloop.core.entry import Draft
from cytoloop.core.facts.production import BatchFinished, StepCompleted, StepStarted
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Loop, Operation
from cytoloop.production.runner import Runner
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.builders import START, approved, created
from cytoloop.testing.doors import CountingDoor

FACTOR = 3600.0
PULSE = Pulse(beat=0.4, dead=2.0, poll=0.2, sweep=3.0)
"""Short, so that a test need not wait; the product's own are longer."""
PATIENCE = 0.4
"""Hours: rounds of the loop are further apart, so that batches move between workers."""


def site_clock(began: float) -> ScaledClock:
    """The time of the test's site: the same in every process of the machine. `began`: boot clock at its start."""
    passed = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    return ScaledClock(START + timedelta(seconds=passed * FACTOR), FACTOR)


@cache
def short_master() -> MasterRecipe:
    """The CAR-T pack's recipe up to a culture of two hours: scans, answers, samples, programs, set-points, a loop."""
    master = read_pack("car_t_cd19").master
    receiving, selection, culture, *_ = master.recipe.procedure
    operations = (_shortened(culture.operations[0]),)
    procedure = (receiving, selection, replace(culture, operations=operations))
    return replace(master, recipe=replace(master.recipe, procedure=procedure))


def _shortened(operation: Operation) -> Operation:
    duration = replace(operation.parameters["duration"], target=2.0, nor=(1.0, 3.0), par=(0.5, 4.0))
    steps = tuple(replace(each, every=1.0) if isinstance(each, Loop) else each for each in operation.steps)
    return replace(operation, parameters={**operation.parameters, "duration": duration}, steps=steps)


@dataclass(slots=True)
class Crew:
    """A shared record, its plant, and the workers on it."""

    folder: Path
    url: str
    port: int
    began: float = field(default_factory=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    hired: int = 0

    def hire(self) -> "subprocess.Popen[bytes]":
        """One more worker, with a folder of its own."""
        self.hired += 1
        folder = self.folder / f"worker-{self.hired}"
        write_settings(folder, Settings(store=self.url, telemetry="part"))
        program = [sys.executable, "-m", "tests.fault.crew", str(folder), str(self.port), str(self.began)]
        with (self.folder / f"worker-{self.hired}.txt").open("wb") as said:
            worker = subprocess.Popen(program, cwd=ROOT, stdout=said, stderr=said)
        self.workers.append(worker)
        return worker

    @property
    def clock(self) -> ScaledClock:
        return site_clock(self.began)

    @contextmanager
    def record(self) -> Iterator[Ledger]:
        with closing(postgres.open_store(self.url)) as store:
            yield Ledger(store, self.clock)

    def begin(self, *numbers: str) -> None:
        """Create batches and wake them."""
        home = self.folder / "home"
        write_settings(home, Settings(store=self.url, telemetry="part"))
        with self.record() as ledger:
            if ledger.position("recipe/fixed/car_t_cd19") == 0:
                fact = approved(short_master(), line="fixed")
                ledger.append("recipe/fixed/car_t_cd19", [self._draft(fact)], expected=0)
            for number in numbers:
                fact_ = replace(created(short_master(), number, line="fixed"), coi=f"COI-{number}")
                ledger.append(f"batch/{number}", [self._draft(fact_)], expected=0)
                wake(home, number)

    def _draft(self, fact: object) -> Draft:
        return Draft(fact=fact, actor="system:test", happened_at=self.clock.now())  # type: ignore[arg-type]

    def finished(self) -> set[str]:
        """Batches whose production is over."""
        with closing(postgres.open_store(self.url)) as store:
            return {row.stream.removeprefix("batch/") for row in store.rows() if row.name == BatchFinished.NAME}

    def tell_engine(self, statement: str) -> int:
        """Do to the engine's tables what no worker does; how many rows it touched."""
        address = engine_address(self.url)
        options = f"-c search_path={address.schema}"
        with psycopg.connect(address.url, autocommit=True, options=options) as connection:
            return connection.execute(statement.encode()).rowcount

    def said(self) -> str:
        """Everything the workers said, for whoever has to find out what went wrong."""
        files = sorted(self.folder.glob("worker-*.txt"))
        return "\n".join(f"--- {file.name}\n{file.read_text(encoding='utf-8')[-4000:]}" for file in files)

    def wait(self, numbers: set[str], seconds: float = 60.0) -> None:
        """Wait until these batches are over."""
        ends = time.monotonic() + seconds
        while not numbers <= self.finished():
            assert time.monotonic() < ends, f"not over: {sorted(numbers - self.finished())}\n{self.said()}"
            time.sleep(0.2)

    def wait_until_at_work(self, workers: int, seconds: float = 60.0) -> None:
        """Wait until so many workers have told the engine of themselves."""
        ends = time.monotonic() + seconds
        while self.tell_engine("SELECT id FROM procrastinate_workers") < workers:
            assert time.monotonic() < ends, f"they do not begin\n{self.said()}"
            time.sleep(0.05)

    def dismiss(self) -> None:
        """End every worker at once."""
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.wait()


@contextmanager
def crew_of(server: PostgresServer, folder: Path, port: int, workers: int) -> Iterator[Crew]:
    """A fresh record whose application role is the workers'; nobody of the crew is left at the end."""
    database, schema = server.database(), "plant"
    owner = postgres.address(server.url(database, schema=schema))
    postgres.make_record(owner)
    postgres.grant_to(APP, owner)
    make_engine(engine_address(server.url(database, schema=schema)), APP)
    crew = Crew(folder, server.url(database, APP, schema), port)
    try:
        for _ in range(workers):
            crew.hire()
        crew.wait_until_at_work(workers)
        yield crew
    finally:
        crew.dismiss()


def check(crew: Crew, numbers: set[str]) -> None:
    """Every batch is over, every step was done once, every effect has its entry, and the record verifies."""
    with closing(postgres.open_store(crew.url)) as store:
        assert verify(store).entries > 0
        ledger = Ledger(store, crew.clock)
        facts = {number: [each.fact for each in ledger.stream(f"batch/{number}")] for number in numbers}
    counted = effects(crew.port)
    assert set(counted.values()) == {1}, f"an effect happened twice: {counted}"
    started = {fact.key for each in facts.values() for fact in each if isinstance(fact, StepStarted)}
    assert set(counted) <= started, "an effect has no entry"
    whole = steps_of_the_recipe()
    for number in numbers:
        done = Counter(fact.step for fact in facts[number] if isinstance(fact, StepCompleted))
        assert set(done.values()) == {1}, f"{number}: a step was done twice\n{crew.said()}"
        assert set(done) == whole, f"{number}: a step was skipped\n{crew.said()}"
        assert [type(fact) for fact in facts[number]].count(BatchFinished) == 1


@cache
def steps_of_the_recipe() -> frozenset[str]:
    """The steps of the short recipe, as one runner does them that nothing happens to."""
    clock = SimulatedClock(START)
    ledger = Ledger(MemoryStore(), clock)
    draft = Draft(fact=created(short_master(), "B-1", line="fixed"), actor="system:test", happened_at=START)
    batch = fold(ledger.append("batch/B-1", [draft], expected=0), short_master())
    asyncio.run(clock.together(Runner(ledger=ledger, door=CountingDoor(clock, "COI-B-1"), clock=clock).carry(batch)))
    facts = [each.fact for each in ledger.stream("batch/B-1")]
    assert isinstance(facts[-1], BatchFinished)
    return frozenset(fact.step for fact in facts if isinstance(fact, StepCompleted))


def hit(crew: Crew, dice: random.Random) -> None:
    """Kill a worker at random and hire another, or let one stand still for longer than the others wait for it."""
    worker = dice.choice([each for each in crew.workers if each.poll() is None])
    if dice.random() < 0.6:
        worker.kill()
        worker.wait()
        crew.hire()
        return
    os.kill(worker.pid, signal.SIGSTOP)
    time.sleep(dice.choice([0.3, PULSE.dead + 1.5]))
    os.kill(worker.pid, signal.SIGCONT)


async def _work(folder: Path, port: int, began: float) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    asked = Asked(folder=folder, plant="", factor=FACTOR, patience=PATIENCE, pulse=PULSE)
    assert read_settings(folder).store

    def say(text: str) -> None:
        print(f"{site_clock(began).now():%d %H:%M:%S} {text}", flush=True)

    await carry_batches(asked, lambda _: PlantDoor(port), site_clock(began), say, stop)


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
