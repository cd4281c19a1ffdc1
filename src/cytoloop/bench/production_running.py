"""L1, L2: batches in flight on one machine and how soon they run again; what the engine adds to a step."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.quality import Inspector
from cytoloop.app.simulation.loop import SimulatedLoop
from cytoloop.app.simulation.setting import START
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.bench.in_flight import created, doors, master, write
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Draft
from cytoloop.core.master import MasterRecipe
from cytoloop.production.runner import Runner
from cytoloop.record.ledger import Ledger

MEMORY = Path("/dev/shm")
"""A file system in memory, where making a write durable costs nothing."""
WAITS = 16.0
"""Hours after its creation at which a batch of L1 waits for its next reading: its culture has just begun."""


def rows(options: Options) -> list[Row]:
    """L1, L2."""
    return [*_in_flight(options), *_overhead(options)]


def _in_flight(options: Options) -> list[Row]:
    batches = 20 if options.quick else 10_000
    options.tick(f"a record of {batches:,} batches in flight")
    path = options.scratch / "in-flight.db"
    entries = write(path, batches, WAITS, ScaledClock().now())
    options.tick("starting a process that carries them all")
    told = [_started(path) for _ in range(1 if options.quick else 3)]
    what = f"{batches:,} batches in flight, each with {entries} entries and a timer, in SQLite"
    seconds = [each["seconds"] for each in told]
    return [
        row("L1", f"{what}: from the start of the process until all of them wait", seconds, "s",
            goal=Goal(bound=5, better="less")),
        row("L1 memory", f"{what}: most memory", [each["mebibytes"] for each in told], "MiB",
            goal=Goal(bound=2048, better="less")),
        *_parts(told),
    ]  # fmt: skip


def _parts(told: Sequence[dict[str, float]]) -> list[Row]:
    """Where the time of the start goes."""
    names = {"open": "opening the record and checking its tree", "read": "reading and folding every batch",
             "start": "having every batch carried until it waits"}  # fmt: skip
    return [row(f"L1 {name}", f"of it {what}", [each[name] for each in told], "s", better="less")
            for name, what in names.items()]  # fmt: skip


def _started(path: Path) -> dict[str, float]:
    """What a process of its own says that carries every batch, with the seconds from its start until it says so."""
    began = perf_counter()
    command = [sys.executable, "-m", "cytoloop.bench.in_flight", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None, "it was asked for"
        said = process.stdout.readline()
        seconds = perf_counter() - began
    told: dict[str, float] = json.loads(said)
    return {**told, "seconds": seconds}


@dataclass(frozen=True, slots=True)
class _Run:
    """One batch carried from its creation to its end."""

    seconds: float
    steps: int

    @property
    def per_step(self) -> float:
        """Milliseconds a step."""
        return 1000.0 * self.seconds / self.steps


def _overhead(options: Options) -> list[Row]:
    options.tick("what the engine adds to a step")
    recipe = master()
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else options.scratch) as memory:
        quick = Path(memory)
        _carried(recipe, quick / "warm.db")
        runs = [0]

        def measured(folder: Path) -> float:
            runs[0] += 1
            return _carried(recipe, folder / f"l2-{runs[0]}.db").per_step

        peer_steps = 50 if options.quick else 500
        ours, disk, peer = alternate(
            1 if options.quick else 9,
            lambda: measured(quick),
            lambda: measured(options.scratch),
            lambda: _peer(options, quick / f"dbos-{runs[0]}", peer_steps),
        )
    synced = [max(there - here, 0.0) for there, here in zip(disk, ours, strict=True)]
    what = "a step of a 14-day batch (intent, command, outcome, inspection) in SQLite"
    return [
        row("L2", f"{what}, without the disk's part", ours, "ms", goal=Goal(bound=1, better="less"),
            peer="DBOS step", peer_values=peer),
        row("L2 disk", "what the disk adds to it: two durable appends", synced, "ms", better="less"),
    ]  # fmt: skip


def _peer(options: Options, folder: Path, steps: int) -> float | None:
    folder.mkdir(parents=True)
    told = options.peers.run("dbos", "dbos_appends.py", {"folder": str(folder), "appends": steps})
    return None if told is None else 1000.0 / float(str(told["per_second"]))


def _carried(recipe: MasterRecipe, path: Path) -> _Run:
    """Carry a batch through the whole recipe, in simulated time, in a SQLite store at `path`."""
    with closing(open_store(path, create=True)) as store:
        loop = SimulatedLoop(START)
        ledger, fact = Ledger(store, loop), created(recipe, "B-1")
        ledger.append("batch/B-1", [Draft(fact=fact, actor="system:production", happened_at=START)], expected=0)
        door = doors(loop, recipe, START, fact.coi)
        runner = Runner(ledger=ledger, door=door, clock=loop, observers=(Inspector().inspect,))
        ended: list[Batch] = []

        async def work() -> None:
            ended.append(await runner.carry(fold(ledger.stream("batch/B-1"), recipe)))

        began = perf_counter()
        loop.run(work(), START + timedelta(days=60))
        return _Run(perf_counter() - began, len(ended[0].steps))
