"""Batches in flight: a record with many of them in the middle of their production, and a process that carries them all.

Run as a program (`python -m cytoloop.bench.in_flight STORE MASTER`) it is that process: it reads every batch, has each
carried, and says as JSON when all of them wait for their time, and how much memory that takes.
"""

import asyncio
import json
import sys
from collections.abc import Collection, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.disk import MemoryDisk
from cytoloop.adapters.faulty.equipment import CountedEquipment
from cytoloop.adapters.faulty.people import CountedPeople
from cytoloop.adapters.faulty.telemetry import FaultyReadings
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.doors import Doors
from cytoloop.app.packs import read_pack
from cytoloop.app.production import Reader
from cytoloop.app.quality import Inspector
from cytoloop.app.simulation import nobody
from cytoloop.app.simulation.loop import SimulatedLoop
from cytoloop.app.simulation.running import PACK
from cytoloop.app.simulation.setting import fourteen_days
from cytoloop.app.simulation.site import Plan
from cytoloop.core.batch import Batch, begin
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.equipment import Door
from cytoloop.core.facts.production import BatchCreated, StepStarted
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Doing, Instant
from cytoloop.production.journal import Direct
from cytoloop.production.runner import Runner
from cytoloop.record.group import Request
from cytoloop.record.ledger import Ledger

T = TypeVar("T")
GROUP = 250
"""Batches whose entries are made durable by one write when the record is made."""


def master() -> MasterRecipe:
    """What every batch here is made by: fourteen days of CAR-T."""
    return fourteen_days(read_pack(PACK)).master


def doors(clock: SimulatedLoop, recipe: MasterRecipe, begins: Instant, coi: str) -> Door:
    """Equipment and people to whom nothing happens."""
    dice = Dice(0)
    equipment = CountedEquipment(
        plant=recipe.plant, product=recipe.product, clock=clock, dice=dice, rates={}, begins=begins,
        readings=FaultyReadings(dice=dice, rates={}),
    )  # fmt: skip
    people = CountedPeople(clock=clock, dice=dice, rates={}, fetch=lambda *_: coi, looked=equipment.worked)
    return Doors({"person:": people, "": equipment})


def created(recipe: MasterRecipe, number: str) -> BatchCreated:
    """The first fact of a batch."""
    equipment = {each.equipment_class: f"{each.equipment_class.replace('_', '-')}-01" for each in recipe.plant.classes}
    return nobody.created(recipe, Plan(number=number, coi=f"COI-{number}", arrives=0.0), equipment)


@dataclass(slots=True)
class Copied:
    """A journal that keeps a copy of what is written."""

    ledger: Ledger
    drafts: list[Sequence[Draft]] = field(default_factory=list)

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        self.drafts.append(drafts)
        return await Direct(self.ledger).append(stream, drafts, expected=expected)


def history(recipe: MasterRecipe, ends: Instant, hours: float) -> list[Draft]:
    """Everything that a batch has in the record so many hours after its creation, which is then `ends`."""
    loop = SimulatedLoop(ends - timedelta(hours=hours))
    ledger, fact = Ledger(MemoryDisk(), loop), created(recipe, "B-0")
    journal = Copied(ledger)
    first = Draft(fact=fact, actor="system:production", happened_at=loop.now())
    journal.drafts.append([first])
    (recorded,) = ledger.append("batch/B-0", [first], expected=0)
    door = doors(loop, recipe, loop.now(), fact.coi)
    runner = Runner(ledger=ledger, door=door, clock=loop, journal=journal, observers=(Inspector().inspect,))
    loop.run(_carried(runner, begin(recorded, recipe)), ends)
    loop.bury()
    return [draft for drafts in journal.drafts for draft in drafts]


async def _carried(runner: Runner, batch: Batch) -> None:
    await runner.carry(batch)


def write(path: Path, batches: int, hours: float, now: Instant) -> int:
    """Make the record of so many batches in flight; the number of entries of each."""
    drafts = history(master(), now, hours)
    with closing(open_store(path, create=True)) as store:
        ledger = Ledger(store, ScaledClock())
        for start in range(0, batches, GROUP):
            numbers = [f"B-{number:05d}" for number in range(start, min(start + GROUP, batches))]
            requests = [Request(f"batch/{each}", [_of(each, draft) for draft in drafts], 0) for each in numbers]
            ledger.append_all(requests)
    return len(drafts)


def _of(number: str, draft: Draft) -> Draft:
    """The same of another batch."""
    fact: Fact = draft.fact
    match fact:
        case BatchCreated():
            fact = replace(fact, batch=number, coi=f"COI-{number}", order=f"O-{number}", subject=f"S-{number}")
        case StepStarted():
            fact = replace(fact, key=f"{number}/{fact.key.partition('/')[2]}")
    return replace(draft, fact=fact)


@dataclass(slots=True)
class Counting:
    """The machine's clock, which counts who waits."""

    clock: ScaledClock
    waiting: int = 0

    def now(self) -> Instant:
        return self.clock.now()

    async def until(self, when: Instant) -> None:
        self.waiting += 1
        try:
            await self.clock.until(when)
        finally:
            self.waiting -= 1

    def begin(self, work: Coroutine[Any, Any, T]) -> Doing[T]:
        return self.clock.begin(work)

    async def first(self, doings: Collection[Doing[Any]], when: Instant | None = None) -> None:
        self.waiting += 1
        try:
            await self.clock.first(doings, when)
        finally:
            self.waiting -= 1


def read(ledger: Ledger, recipe: MasterRecipe) -> list[Batch]:
    """Every batch of the record, as a line on this machine reads them when it starts."""
    reader = Reader(ledger)
    numbers = [stream.removeprefix("batch/") for stream in ledger.streams("batch/")]
    reader.masters[created(recipe, numbers[0]).recipe_sha256] = recipe  # no version of it is approved in this record
    return reader.batches(numbers)


async def carry_all(path: Path) -> None:
    """Read every batch and have it carried; say what it took when all of them wait, and stop."""
    began = perf_counter()
    recipe, clock = master(), Counting(ScaledClock())
    with closing(open_store(path)) as store:
        ledger = Ledger(store, clock)
        opened = perf_counter()
        batches = read(ledger, recipe)
        folded = perf_counter()
        door = doors(SimulatedLoop(clock.now()), recipe, clock.now(), "")
        runner = Runner(ledger=ledger, door=door, clock=clock, observers=(Inspector().inspect,))
        tasks = [asyncio.create_task(runner.carry(batch)) for batch in batches]
        while clock.waiting < len(tasks):
            if any(task.done() for task in tasks):
                raise RuntimeError("a batch ended or failed where all of them should wait")
            await asyncio.sleep(0)  # noqa: TID251  (let the others go on; no time is waited for)
        took = {"open": opened - began, "read": folded - opened, "start": perf_counter() - folded}
        print(json.dumps({**took, "batches": len(tasks), "mebibytes": _memory()}), flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _memory() -> float:
    """MiB of memory that this process has taken at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024.0


if __name__ == "__main__":
    asyncio.run(carry_all(Path(sys.argv[1])))
