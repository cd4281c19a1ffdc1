"""Kill -9, again and again, while a process appends: nothing acknowledged may be lost or doubled.

A child process opens the record and appends as fast as it can; after each append it says so through a pipe. The
parent kills it at a random moment (of opening, recovering, appending, writing back), opens the record and compares:
every acknowledged entry is there once, in its place and as it was said, and beyond them at most what was under way.
"""

import asyncio
import os
import random
import select
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from itertools import count
from pathlib import Path

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.committing import GroupCommitter
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.facts.record import ClockStepped
from cytoloop.core.store import Row, Store
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger, Request
from cytoloop.record.merkle import Tree
from cytoloop.record.verify import verify

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
STREAMS = 4
"""Streams that the child appends to in turn."""
TOGETHER = 8
"""Batches that append side by side."""
LONGEST = 0.008
"""s. A child lives up to so long after it began, or after it was ready."""
LARGEST = 4_000
"""Entries of one record; it is then verified whole and a new one begun, so that ten thousand kills take minutes."""
WIDTH = 8
"""Bytes of one acknowledgement."""
CODEC = Codec((StudyFiled, ClockStepped))
"""Made once: a child that had to make its own would mostly be killed over that."""


@dataclass(slots=True)
class Tally:
    """What so many kills came to."""

    kills: int = 0
    acknowledged: int = 0
    under_way: int = 0
    """Entries that were kept though the process died before it could say so."""
    before_ready: int = 0
    """Kills while the record was being opened or recovered."""
    records: int = 0


@dataclass(slots=True)
class Kept:
    """A record as the parent knows it."""

    path: Path
    tree: Tree
    written: int = 0
    """Acknowledged or found entries: the next child's first number."""


Writer = Callable[[Ledger, int, Callable[[int], None]], None]
"""Append for ever from entry number so and so on, saying each one that is durable; -1 says that it is ready."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to append, and how many appends it may have under way when it is killed."""

    write: Writer
    at_once: int


def kill_loop(
    folder: Path,
    kills: int,
    *,
    seed: int = 1,
    way: Way | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> Tally:
    """Kill `kills` writers, one after another; FindingError with the first entry that was lost or doubled."""
    dice, tally, kept = random.Random(seed), Tally(), None
    way = way or WAYS["one at a time"]
    for number in range(kills):
        if kept is None:
            kept = Kept(folder / f"record-{tally.records}.db", Tree())
            tally.records += 1
        _cycle(kept, dice, tally, way)
        if kept.tree.size > LARGEST or number == kills - 1:
            _verify_whole(kept)
            kept = None
        tick(number + 1)
    return tally


def receipt(number: int) -> str:
    """What entry `number` says, so that a lost, doubled or misplaced one is seen."""
    return f"entry {number}."


def draft(number: int) -> Draft:
    """The draft of entry `number`."""
    return Draft(
        fact=StudyFiled(receipt=receipt(number), protocol_version="1"), actor="system:bench", happened_at=START
    )


def append_in_turn(ledger: Ledger, first: int, say: Callable[[int], None]) -> None:
    """One append at a time, each durable before the next."""
    ends = {f"study/{each}": ledger.position(f"study/{each}") for each in range(STREAMS)}
    say(-1)
    for number in count(first):
        stream = f"study/{number % STREAMS}"
        ledger.append(stream, [draft(number)], expected=ends[stream])
        say(number)
        ends[stream] += 1


def append_in_groups(ledger: Ledger, first: int, say: Callable[[int], None]) -> None:
    """Several streams in one durable append."""
    streams = [f"study/{each}" for each in range(STREAMS)]
    ends = {stream: ledger.position(stream) for stream in streams}
    say(-1)
    for start in count(first, STREAMS):
        requests = [Request(stream, [draft(start + at)], ends[stream]) for at, stream in enumerate(streams)]
        for answer in ledger.append_all(requests):
            if isinstance(answer, Exception):
                raise answer
        for at, stream in enumerate(streams):
            say(start + at)
            ends[stream] += 1


def append_together(ledger: Ledger, first: int, say: Callable[[int], None]) -> None:
    """Batches side by side on one loop, through the committer that a running plant uses."""
    committer, numbers = GroupCommitter(ledger), count(first)
    ends = {f"study/{each}": ledger.position(f"study/{each}") for each in range(TOGETHER)}

    async def carry(stream: str) -> None:
        for end in count(ends[stream]):
            number = next(numbers)
            await committer.append(stream, [draft(number)], expected=end)
            say(number)

    async def carry_all() -> None:
        say(-1)
        await asyncio.gather(*map(carry, ends))

    asyncio.run(carry_all())


WAYS = {
    "one at a time": Way(append_in_turn, 1),
    "in groups": Way(append_in_groups, STREAMS),
    "side by side": Way(append_together, TOGETHER),
}


def _cycle(kept: Kept, dice: random.Random, tally: Tally, way: Way) -> None:
    """One child's life and death, and what it left."""
    said = _lived(kept, dice, way.write)
    tally.kills += 1
    tally.before_ready += not said
    acknowledged = said[1:]
    tally.acknowledged += len(acknowledged)
    if kept.path.exists():
        # A reader leaves the write-ahead log as it is, a writer brings it into the file when it closes.
        with closing(open_store(kept.path, read_only=dice.random() < 0.8)) as store:
            tally.under_way += _judge(kept, store, acknowledged, way.at_once)
    elif kept.written or acknowledged:
        raise FindingError(f"{kept.path} is gone and entries of it were acknowledged")


def _lived(kept: Kept, dice: random.Random, writer: Writer) -> list[int]:
    """The numbers that a child said before it was killed; -1 says that it was ready."""
    with _pipe() as (hear, speak), _pipe() as (never, _):
        child = os.fork()
        if child == 0:
            _write_for_ever(kept.path, kept.written, speak.fileno(), writer)
        speak.close()
        if dice.random() < 0.75:
            select.select([hear], [], [], 10.0)
        select.select([never], [], [], dice.uniform(0.0, LONGEST))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        heard = hear.readall()
        if not os.WIFSIGNALED(status):
            raise FindingError(f"the writer ended by itself before it was killed: {heard[-500:]!r}")
    whole = len(heard) // WIDTH * WIDTH
    return [int.from_bytes(heard[at : at + WIDTH], "big", signed=True) for at in range(0, whole, WIDTH)]


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    hear, speak = os.pipe()
    with FileIO(hear, "rb") as hearing, FileIO(speak, "wb") as speaking:
        yield hearing, speaking


def _write_for_ever(path: Path, first: int, speak: int, writer: Writer) -> None:
    """The child. It never returns: nothing of the parent may be cleaned up here."""
    try:
        ledger = Ledger(open_store(path, create=True), SimulatedClock(START), CODEC)
        writer(ledger, first, lambda number: _say(speak, number))
    except BaseException as error:  # noqa: BLE001  (whatever it is, the parent must hear it)
        os.write(speak, repr(error).encode())
    os._exit(70)


def _say(speak: int, number: int) -> None:
    os.write(speak, number.to_bytes(WIDTH, "big", signed=True))


def _judge(kept: Kept, store: Store, acknowledged: list[int], at_once: int) -> int:
    """Take in what the record holds beyond what was known; how many of these nobody acknowledged."""
    rows = list(store.rows(kept.tree.size))
    found = [number_of(row) for row in rows]
    lost = sorted(set(acknowledged) - set(found))
    if lost:
        raise FindingError(f"entry {lost[0]} was acknowledged and is lost (found: {found})")
    if sorted(found) != list(range(kept.written, kept.written + len(found))):
        raise FindingError(f"after entry {kept.written - 1} the record holds {found}: one is doubled or missing")
    beyond = len(found) - len(acknowledged)
    if beyond > at_once:
        raise FindingError(f"{beyond} entries were kept that nobody acknowledged; at most {at_once} were under way")
    kept.tree = kept.tree.extend(row.leaf_hash for row in rows)
    kept.written += len(found)
    head = store.head()
    if (head.size, head.root) != (kept.tree.size, kept.tree.root) if head else rows:
        raise FindingError(f"the tree head kept is not the one over the {kept.tree.size} entries")
    return beyond


def number_of(row: Row) -> int:
    _, _, rest = row.body.partition(b'"receipt":"entry ')
    return int(rest[: rest.index(b".")])


def _verify_whole(kept: Kept) -> None:
    if not kept.written and not kept.path.exists():
        return  # its writers were all killed before the record had its name
    with closing(open_store(kept.path)) as store:
        verified = verify(store, expected_root=kept.tree.root.hex())
        _same(map(number_of, store.rows()), kept.written)
    if verified.entries != kept.written:
        raise FindingError(f"{kept.written} entries were written and {verified.entries} are there")


def _same(numbers: Iterable[int], written: int) -> None:
    if sorted(numbers) != list(range(written)):
        raise FindingError("an entry that was there earlier is lost or doubled")
