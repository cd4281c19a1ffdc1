"""The embedded store: rows in one SQLite file, durable at every append (WAL, synchronous=FULL).

SQLite: https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

from cytoloop.adapters.sqlite.ends import END, Ends
from cytoloop.core.errors import ConflictError, FindingError, StoreError
from cytoloop.core.store import Attestation, Place, Row, TreeHead

CHECKPOINT_EVERY = 1000
"""Rows and tree heads written until the write-ahead log is carried over into the file."""

_COLUMNS = "sequence, stream, position, name, body, leaf_hash"


class SqliteStore:
    """A Store in one file. One writer at a time; any number of readers, also while it writes.

    One connection writes and another reads: who reads never sees what is not durable yet. After a write that failed
    for any other reason than a conflict or a full disk the store writes no more: nobody knows what the disk kept, and
    a second try that seems to succeed proves nothing (https://wiki.postgresql.org/wiki/Fsync_Errors).
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, reading: sqlite3.Connection | None = None) -> None:
        self._connection = connection
        self._reading = reading or connection
        self._path = path
        self._lock = Lock()
        self._ends = Ends(connection)
        self._to_carry = 0
        self._failed: str | None = None

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        def insert() -> None:
            self._ends.check(rows)
            self._connection.executemany(f"INSERT INTO entry ({_COLUMNS}) VALUES (?,?,?,?,?,?)", map(_values, rows))
            self._connection.execute("INSERT INTO tree_head VALUES (?, ?)", (head.size, head.root))

        with self._lock:
            self._write(insert, "nothing of this append was kept")
            self._ends.follow(rows)
            self._carry_over(len(rows) + 1)

    def _write(self, insert: Callable[[], object], kept: str) -> None:
        """Do `insert` in one durable transaction, or not at all; of a failing disk only opening again tells which."""
        if self._failed is not None:
            raise StoreError(
                f"the record in {self._path} is not written any more: a write failed earlier ({self._failed}); mend "
                "the disk and start again; what was acknowledged before is safe"
            )
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            insert()
            self._connection.execute("COMMIT")
        except (ConflictError, sqlite3.IntegrityError) as error:
            self._roll_back()
            raise ConflictError(f"the record was appended to meanwhile ({error}); read again") from error
        except sqlite3.Error as error:
            self._failed = None if _may_be_tried_again(error) else str(error)
            self._roll_back()
            told = kept if self._failed is None else "whether it was kept shows when the record is opened again"
            raise StoreError(
                f"the record in {self._path} could not be written ({error}); {told}; "
                "free space or mend the disk and start again; what was acknowledged before is safe"
            ) from error

    def _carry_over(self, written: int) -> None:
        """Carry the write-ahead log over into the file now and then. What is in the log is durable already.

        Done here and not by SQLite itself, which passes over a failing disk at this place without a word.
        """
        self._to_carry += written
        if self._to_carry < CHECKPOINT_EVERY:
            return
        self._to_carry = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            self._failed = None if _may_be_tried_again(error) else str(error)

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._failed = str(error)

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        limit = -1 if stop is None else max(stop - start, 0)
        return self._select("WHERE sequence >= ? ORDER BY sequence LIMIT ?", start, limit)

    def stream(self, stream: str, start: int = 0) -> Iterator[Row]:
        return self._select("WHERE stream = ? AND position >= ? ORDER BY position", stream, start)

    def streams(self, prefix: str = "") -> list[str]:
        first = self._read("SELECT stream FROM entry WHERE position = 0 ORDER BY sequence")
        return [name for (name,) in first if isinstance(name, str) and name.startswith(prefix)]

    def end(self, stream: str) -> int:
        (found,) = self._read(END, stream)
        return int(found[0])

    def places(self) -> Iterator[Place]:
        read = self._read("SELECT stream, position, leaf_hash FROM entry NOT INDEXED ORDER BY sequence")
        return map(Place._make, read)

    def problems(self) -> Iterator[str]:
        return (str(found) for (found,) in self._read("PRAGMA integrity_check") if found != "ok")

    def heads(self) -> Iterator[TreeHead]:
        return map(TreeHead._make, self._read("SELECT size, root FROM tree_head ORDER BY size"))

    def head(self) -> TreeHead | None:
        newest = self._read("SELECT size, root FROM tree_head ORDER BY size DESC LIMIT 1")
        return next((TreeHead(*columns) for columns in newest), None)

    def leaf_hashes(self) -> Iterator[bytes]:
        return (leaf for (leaf,) in self._read("SELECT leaf_hash FROM entry ORDER BY sequence"))

    def attest(self, attestation: Attestation) -> None:
        values = (attestation.size, attestation.kind, attestation.body)
        insert = "INSERT OR IGNORE INTO attestation (size, kind, body) VALUES (?, ?, ?)"
        with self._lock:
            self._write(lambda: self._connection.execute(insert, values), f"the {attestation.kind} was not kept")

    def attestations(self) -> Iterator[Attestation]:
        kept = self._read("SELECT size, kind, body FROM attestation ORDER BY number")
        return (Attestation(*columns) for columns in kept)

    def close(self) -> None:
        self._reading.close()
        self._connection.close()

    def _select(self, where: str, *values: object) -> Iterator[Row]:
        return map(Row._make, self._read(f"SELECT {_COLUMNS} FROM entry {where}", *values))

    def _read(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            # Chained, so that a reader who stops half way does not touch a cursor whose connection may be closed.
            yield from chain(self._reading.execute(query, values))
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite may quote what it cannot read
            raise FindingError(
                f"the record in {self._path} is damaged ({error}); restore it from a copy and verify that"
            ) from error


def _may_be_tried_again(error: sqlite3.Error) -> bool:
    """Whether the disk was merely full or the store busy: then nothing was written and the next try is a fresh one."""
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY}


def _values(row: Row) -> tuple[int, str, int, str, bytes, bytes]:
    return (row.sequence, row.stream, row.position, row.name, row.body, row.leaf_hash)
