"""D1, D2: durable appends, one at a time and from many batches at once, beside the disk's own floor."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from time import perf_counter

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.committing import GroupCommitter
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.bench.work import created, drafts, steps
from cytoloop.core.json import JSON
from cytoloop.record.ledger import Ledger

FRAME = 4120
"""Bytes of the floor's write: one page of 4 KiB with its frame, the least that a journal of pages writes."""
FLOOR_FILE = 1000
"""Writes until the floor's file, made beforehand, is gone through and begun again, as a write-ahead log is."""
BATCHES = 32
AT = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def rows(options: Options) -> list[Row]:
    """The floor, D1 with its peers, D2."""
    return [*_one_at_a_time(options), _many_at_once(options)]


def _one_at_a_time(options: Options) -> list[Row]:
    options.tick("durable appends, one at a time")
    writes, dbos, eventsourcing = (100, 20, 20) if options.quick else (1500, 200, 400)
    with _one_batch(options.scratch / "d1.db") as ours:
        ours.append(writes)
        measured = alternate(
            options.repeats,
            lambda: floor(options.scratch, writes),
            lambda: ours.append(writes),
            lambda: _peer(options, "dbos", dbos),
            lambda: _peer(options, "eventsourcing", eventsourcing),
        )
    floors, values, dbos_values, eventsourcing_values = measured
    what = "durable appends, one at a time"
    return [
        row("D1 floor", f"pwrite of {FRAME} bytes and fdatasync", floors, "/s"),
        row("D1", f"{what}, of the floor", values, "/s", peer="disk floor", peer_values=floors,
            goal=Goal(bound=0.6, of="ratio")),
        row("D1", what, values, "/s", peer="DBOS", peer_values=dbos_values, goal=Goal(bound=10, of="ratio")),
        row("D1", what, values, "/s", peer="eventsourcing", peer_values=eventsourcing_values),
    ]  # fmt: skip


def _peer(options: Options, peer: str, appends: int) -> float | None:
    folder = options.scratch / peer / str(perf_counter())
    folder.mkdir(parents=True)
    arguments: dict[str, JSON] = {"folder": str(folder), "appends": appends}
    told = options.peers.run(peer, f"{peer}_appends.py", arguments)
    return None if told is None else float(str(told["per_second"]))


def floor(folder: Path, writes: int) -> float:
    """Durable writes a second that the disk of `folder` does for anybody, into a file that is there already."""
    path, frame = folder / "floor", os.urandom(FRAME)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for place in range(FLOOR_FILE):
            os.pwrite(descriptor, frame, place * FRAME)
        os.fsync(descriptor)
        began = perf_counter()
        for place in range(writes):
            os.pwrite(descriptor, frame, place % FLOOR_FILE * FRAME)
            os.fdatasync(descriptor)
        return writes / (perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()


@dataclass(slots=True)
class _OneBatch:
    """A batch that is written entry by entry."""

    ledger: Ledger
    position: int = 0
    turn: Iterator[int] = field(default_factory=count)

    def append(self, entries: int) -> float:
        """Appends a second, each of one entry and durable before the next."""
        work = [facts[0] for facts in islice(steps("B-1", AT), entries)]
        began = perf_counter()
        for fact in work:
            self.ledger.append("batch/B-1", drafts((fact,), AT), expected=self.position)
            self.position += 1
        return entries / (perf_counter() - began)


@contextmanager
def _one_batch(path: Path) -> Iterator[_OneBatch]:
    store = open_store(path, create=True)
    try:
        yield _OneBatch(Ledger(store, ScaledClock()))
    finally:
        store.close()


def _many_at_once(options: Options) -> Row:
    options.tick(f"durable entries from {BATCHES} batches at once")
    appends = 20 if options.quick else 400
    values = [_grouped(options.scratch / f"d2-{turn}.db", appends) for turn in range(options.repeats)]
    what = f"durable entries from {BATCHES} batches at once, in groups, on one event loop"
    return row("D2", what, values, "/s", goal=Goal(bound=20_000))


def _grouped(path: Path, appends: int) -> float:
    """Entries a second when every batch awaits each of its appends."""
    store = open_store(path, create=True)
    committer = GroupCommitter(Ledger(store, ScaledClock()))
    try:
        began = perf_counter()
        entries = asyncio.run(_batches(committer, appends))
        return entries / (perf_counter() - began)
    finally:
        committer.close()
        store.close()


async def _batches(committer: GroupCommitter, appends: int) -> int:
    return sum(await asyncio.gather(*(_carried(committer, f"B-{n}", appends) for n in range(BATCHES))))


async def _carried(committer: GroupCommitter, number: str, appends: int) -> int:
    stream, position = f"batch/{number}", 0
    for facts in ((created(number),), *islice(steps(number, AT), appends)):
        position += len(await committer.append(stream, drafts(facts, AT), expected=position))
    return position
