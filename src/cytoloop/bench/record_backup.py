"""D5: a record backed up, wiped, restored and proven: from the command to the same tree head."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import make_record
from cytoloop.app.backup import back_up
from cytoloop.app.restoring import Wish, restore
from cytoloop.bench.frame import Goal, Options, row
from cytoloop.bench.frame import Row as Figure
from cytoloop.bench.work import created, steps
from cytoloop.core.entry import Entry, Fact, document
from cytoloop.core.errors import FindingError
from cytoloop.core.json import canonical
from cytoloop.core.store import Row, TreeHead
from cytoloop.record.codec import Codec
from cytoloop.record.merkle import Tree, leaf_hash

ENTRIES, QUICK = 1_000_000, 5_000
OF_A_BATCH = 250
"""Entries of one batch, as in the demonstration."""
AT = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def rows(options: Options) -> list[Figure]:
    """Seconds for the whole way, its two halves, and what the backup weighs."""
    entries, folder = QUICK if options.quick else ENTRIES, options.scratch / "d5"
    options.tick(f"a record of {entries:,} entries is made")
    folder.mkdir()
    written = _entries(entries)
    heads = list[TreeHead]()
    make_record(folder / "record.db", _growing(written, heads), heads, ())
    options.tick("backed up, wiped, restored and proven")
    began = perf_counter()
    made = back_up(folder, options.scratch / "d5.backup", ScaledClock())
    backed_up = perf_counter()
    shutil.rmtree(folder)
    wiped = perf_counter()
    proven = restore(Wish(backup=options.scratch / "d5.backup", to=folder, reason="bench"), ScaledClock())
    ended = perf_counter()
    if proven != made.head or proven != heads[-1]:
        raise FindingError(f"the tree head over {entries} entries came back as {proven.root.hex()}")
    weight = (options.scratch / "d5.backup").stat().st_size / entries
    _clear(options.scratch)
    what = f"{entries:,} entries, each append with its tree head"
    goal = Goal(bound=60.0, better="less")
    return [
        row("D5", f"backup, wipe, restore, same tree head: {what}", [ended - began], "s", goal=goal),
        row("D5a", "  of that the backup, its record verified", [backed_up - began], "s", better="less"),
        row("D5b", "  of that the restore, its record verified", [ended - wiped], "s", better="less"),
        row("D5c", "  size of the backup", [weight], "bytes/entry", better="less"),
    ]


def _clear(scratch: Path) -> None:
    shutil.rmtree(scratch / "d5")
    (scratch / "d5.backup").unlink()


def _growing(written: Iterator[list[Row]], heads: list[TreeHead]) -> Iterator[Row]:
    """The rows of these appends; the tree head after each goes into `heads`."""
    tree = Tree()
    for append in written:
        yield from append
        tree = tree.extend(each.leaf_hash for each in append)
        heads.append(TreeHead(tree.size, tree.root))


def _entries(most: int) -> Iterator[list[Row]]:
    """Appends of batches, one after the other, until there are `most` entries."""
    codec, sequence, batch = Codec(), 0, 0
    data = [[(fact.NAME, codec.encode(fact)) for fact in facts] for facts in _batch()]
    while sequence < most:
        batch += 1
        stream, position = f"batch/B-{batch:06d}", 0
        for facts in data:
            append = list[Row]()
            for name, encoded in facts[: most - sequence]:
                entry = Entry(
                    sequence=sequence, stream=stream, position=position, name=name, actor="system:runner",
                    happened_at=AT, recorded_at=AT, data=encoded,
                )  # fmt: skip
                body = canonical(document(entry))
                append.append(Row(sequence, stream, position, name, body, leaf_hash(body)))
                sequence, position = sequence + 1, position + 1
            if append:
                yield append


def _batch() -> Iterator[tuple[Fact, ...]]:
    yield (created("B-1"),)
    yield from islice(steps("B-1", AT), (OF_A_BATCH - 1) * 4 // 7)
