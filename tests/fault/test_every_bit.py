"""Every bit of a small record is flipped in turn: refused, found, or of no consequence; never served as it is."""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.bench.killing import CODEC, draft
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import CytoloopError
from cytoloop.core.store import Store
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify

PAGE = 512
"""Bytes: the smallest page that SQLite has, so that the file is small and every page full."""


@dataclass(frozen=True, slots=True)
class Served:
    """All that a program can read of a record without verifying it."""

    entries: tuple[Recorded, ...]
    streams: tuple[tuple[str, int, tuple[Recorded, ...]], ...]
    head: bytes


def served(store: Store, start: Instant) -> Served:
    ledger = Ledger(store, SimulatedClock(start), CODEC)
    streams = tuple((name, ledger.position(name), tuple(ledger.stream(name))) for name in ledger.streams())
    return Served(tuple(ledger.entries()), streams, ledger.head().root)


def kept(store: Store) -> tuple[object, ...]:
    """All that is in a record, as it is, by every way that leads to it."""
    streams = store.streams()
    by_stream = tuple((name, store.end(name), tuple(store.stream(name))) for name in streams)
    return (tuple(store.rows()), by_stream, tuple(store.places()), tuple(store.heads()), tuple(store.attestations()))


@pytest.fixture
def record(tmp_path: Path, start: Instant) -> Path:
    """A record of five entries in two streams, in one file of small pages."""
    path = tmp_path / "record.db"
    with closing(open_store(path, create=True)) as store:
        ledger = Ledger(store, SimulatedClock(start), CODEC)
        for number in range(5):
            ledger.append(f"study/{number % 2}", [draft(number)], expected=number // 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("journal_mode = DELETE", f"page_size = {PAGE}"):
            connection.execute(f"PRAGMA {statement}")
        connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode = WAL")
    assert not path.with_name("record.db-wal").exists()
    return path


def flips(content: bytes, every: bool) -> Iterator[tuple[int, int]]:
    """(byte, bit): every bit; in the short form one by lot of an empty byte, and of the pages of the schema's text."""
    dice = random.Random(1)
    for place, byte in enumerate(content):
        page = content[place // PAGE * PAGE :][:PAGE]
        all_of_them = every or (byte != 0 and b"RAISE(ABORT" not in page)
        yield from ((place, bit) for bit in (range(8) if all_of_them else [dice.randrange(8)]))


def consequence(path: Path, honest: Served, whole: tuple[object, ...], start: Instant) -> str:
    """What comes of a damage: "none", "refused", or what a person was told that is not so."""
    try:
        with closing(open_store(path, read_only=True)) as store:
            if kept(store) == whole:
                return "none"
    except CytoloopError:
        return "refused"
    try:
        with closing(open_store(path, read_only=True)) as store:
            if served(store, start) != honest:
                return "it was served"
    except CytoloopError:
        pass
    try:
        with closing(open_store(path, read_only=True)) as store:
            verify(store)
            return "it was not found"
    except CytoloopError:
        return "refused"


def test_a_flipped_bit_is_never_served_and_always_found(record: Path, start: Instant, long: bool) -> None:
    content, came = record.read_bytes(), Counter[str]()
    with closing(open_store(record, read_only=True)) as store:
        honest, whole = served(store, start), kept(store)
    with record.open("r+b", buffering=0) as file:
        for place, bit in flips(content, long):
            os.pwrite(file.fileno(), bytes([content[place] ^ (1 << bit)]), place)
            try:
                came[consequence(record, honest, whole, start)] += 1
            except Exception as error:
                error.add_note(f"bit {bit} of byte {place} was flipped")
                raise
            os.pwrite(file.fileno(), content[place : place + 1], place)
    assert set(came) == {"none", "refused"}
    assert came["refused"] > len(content)
