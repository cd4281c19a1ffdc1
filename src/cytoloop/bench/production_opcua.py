"""T1: changes that come over OPC UA, checked and stored durably, beside a bare subscriber of the same library.

One server in a process of its own changes all signals round by round as fast as it can; each subscriber takes the same
number of rounds, in turns. The bare one counts its notifications and does nothing else. A run in which a change is
missing is no figure.
"""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from time import perf_counter, process_time
from typing import Any

from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.telemetry import SqliteTelemetry, open_telemetry
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.bench.opcua_burst import PROGRAM
from cytoloop.core.equipment import Command
from cytoloop.core.errors import FindingError
from cytoloop.core.telemetry import Readings
from cytoloop.record.segment import FORM

DEVICES, SIGNALS, ROUNDS = 10, 100, 100
QUICK = (2, 25, 10)
INTERVAL = 0.1
"""Seconds from one publish to the next, for both."""
QUEUE = 10_000
"""Changes of a signal that the server keeps between two publishes, for both."""
PEER = "bare asyncua subscriber"
PATIENCE = 600.0
"""Seconds after which a run counts as stuck."""

_numbers = count(1)

Keep = Callable[[SqliteTelemetry, list[Readings]], int]
"""Checks a block and keeps it durably; how many readings it kept."""


def keep(store: SqliteTelemetry, block: list[Readings]) -> int:
    """The intake of the platform: what stands between the feed and the store is called here."""
    return store.write(block).kept


@dataclass(frozen=True, slots=True)
class Run:
    """What taking all changes of a run cost."""

    rate: float
    """Changes a second."""
    work: float
    """Microseconds of this process for each change."""


def rows(options: Options, kept: Keep = keep) -> list[Row]:
    """The rate with its ratio, and what a change costs the subscriber's process."""
    options.tick("OPC UA changes")
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    devices, signals, rounds = QUICK if options.quick else (DEVICES, SIGNALS, ROUNDS)
    costs: dict[str, list[float]] = {"ours": [], "theirs": []}

    def measured(name: str, taken: Callable[[], Any]) -> float:
        run: Run = asyncio.run(taken())
        costs[name].append(run.work)
        return run.rate

    with serving(devices, signals) as endpoint:
        size = Size(endpoint, devices, signals, rounds)
        ours, theirs = alternate(
            options.repeats,
            lambda: measured("ours", lambda: _ours(size, options, kept)),
            lambda: measured("theirs", lambda: _bare(size)),
        )
    what = f"OPC UA changes of {devices * signals:,} signals, checked and stored durably"
    goal = Goal(bound=0.9, of="ratio")
    return [
        row("T1", what, ours, "/s", goal=goal, peer=PEER, peer_values=theirs),
        row("T1", "work of the subscriber's process for a change", costs["ours"], "µs", better="less", peer=PEER,
            peer_values=costs["theirs"]),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured, and where."""

    endpoint: str
    devices: int
    signals: int
    rounds: int

    @property
    def changes(self) -> int:
        """Changes of one run."""
        return self.devices * self.signals * self.rounds

    @property
    def units(self) -> list[str]:
        """Equipment ids."""
        return [f"burst-{number:02d}" for number in range(1, self.devices + 1)]


@contextmanager
def serving(devices: int, signals: int) -> Iterator[str]:
    """The server in its process; its endpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "cytoloop.bench.opcua_burst", str(port), str(devices), str(signals)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "serving":
                raise FindingError("the server to measure on did not start; see what it said above")
            yield f"opc.tcp://127.0.0.1:{port}/bench"
        finally:
            process.terminate()


async def _ours(size: Size, options: Options, kept: Keep) -> Run:
    """Through the feed into the store, until every change is on the disk."""
    path = options.scratch / f"changes-{next(_numbers)}.db"
    door = OpcUaDoor(endpoint=size.endpoint, patience=60.0)
    stored = 0
    with closing(open_telemetry(path, FORM, create=True)) as store:
        feed = door.feed({unit: f"B-{unit}" for unit in size.units}, interval=INTERVAL, queue=QUEUE)
        async with asyncio.timeout(PATIENCE), aclosing(feed.blocks()) as blocks:  # type: ignore[type-var]
            following = asyncio.ensure_future(anext(blocks))
            await feed.ready.wait()
            while (await asyncio.wait({following}, timeout=5 * INTERVAL))[0]:  # present values are no changes
                following = asyncio.ensure_future(anext(blocks))
            began, worked = perf_counter(), process_time()
            await _begin(door, size)
            while True:
                stored += kept(store, await following)
                if stored >= size.changes:
                    break
                following = asyncio.ensure_future(anext(blocks))
            took, worked = perf_counter() - began, process_time() - worked
    await door.close()
    return _run(size, stored, took, worked)


async def _bare(size: Size) -> Run:
    """The library's own subscriber with a handler that counts."""
    door = OpcUaDoor(endpoint=size.endpoint, patience=60.0)
    nodes = [signal.node for unit in size.units for signal in await door.signals(unit)]
    client = library().Client(size.endpoint, timeout=60.0)
    async with asyncio.timeout(PATIENCE), client:
        counting = Counting(size.changes)
        subscription = await client.create_subscription(1000.0 * INTERVAL, counting)
        await subscription.subscribe_data_change([client.get_node(node) for node in nodes], queuesize=QUEUE)
        counting.expected = await _present(counting) + size.changes
        began, worked = perf_counter(), process_time()
        await _begin(door, size)
        await counting.all.wait()
        took, worked = perf_counter() - began, process_time() - worked
        await subscription.delete()
    await door.close()
    return _run(size, size.changes, took, worked)


class Counting:
    """A handler that counts."""

    def __init__(self, expected: int) -> None:
        self.count, self.expected, self.all = 0, expected, asyncio.Event()

    def datachange_notification(self, _node: Any, _value: Any, _data: Any) -> None:
        """One change."""
        self.count += 1
        if self.count >= self.expected:
            self.all.set()


async def _present(counting: Counting) -> int:
    """How many present values a new subscription told first; they are no changes of this run."""
    before = -1
    while before != counting.count or not counting.count:
        before = counting.count
        with suppress(TimeoutError):
            await asyncio.wait_for(counting.all.wait(), 5 * INTERVAL)
    return counting.count


async def _begin(door: OpcUaDoor, size: Size) -> None:
    """Have every device change in so many rounds."""
    number = next(_numbers)
    commands = [
        Command(
            key=f"bench/{unit}/{number}#1", target=unit, verb="program",
            arguments={"program": PROGRAM, "parameters": {"rounds": float(size.rounds)}},
        )
        for unit in size.units
    ]  # fmt: skip
    outcomes = await asyncio.gather(*(door.perform(command) for command in commands))
    if not all(outcome.ok for outcome in outcomes):
        raise FindingError(f"the server to measure on refused: {next(o.note for o in outcomes if not o.ok)}")


def _run(size: Size, stored: int, took: float, worked: float) -> Run:
    if stored != size.changes:
        raise FindingError(f"{stored:,} of {size.changes:,} changes were stored: a change was lost or kept twice")
    return Run(rate=size.changes / took, work=1e6 * worked / size.changes)
