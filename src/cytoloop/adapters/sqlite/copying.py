"""Copies of a record as one file: as it stands while it is written, or from any other store."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from cytoloop.adapters.files import sqlite_address
from cytoloop.adapters.sqlite.schema import FORMAT, PAGE, SCHEMA
from cytoloop.core.errors import FindingError, StoreError
from cytoloop.core.store import Attestation, Row, TreeHead


def copy_file(path: Path, to: Path) -> None:
    """Copy the SQLite file `path` to the new file `to`, as it stood at one moment; others may write meanwhile.

    The copy is not durable yet. FindingError when the file is damaged, StoreError when the copy cannot be written.
    """
    try:
        with (
            closing(sqlite3.connect(sqlite_address(path, "ro"), uri=True)) as source,
            closing(sqlite3.connect(to)) as target,
        ):
            source.backup(target)
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path} could not be copied to {to} ({error}); free space and try again") from error
    except sqlite3.DatabaseError as error:
        raise FindingError(f"{path} is damaged ({error}); restore it from an earlier copy") from error


def make_record(
    path: Path, rows: Iterable[Row], heads: Iterable[TreeHead], attestations: Iterable[Attestation]
) -> None:
    """Make the new file `path` with everything of another store, every byte as it was. StoreError when it cannot."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA synchronous = OFF")  # nobody knows the file yet; it is made durable at the end
            connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT};")
            connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", map(_values, rows))
            connection.executemany("INSERT INTO tree_head VALUES (?, ?)", ((each.size, each.root) for each in heads))
            connection.executemany(
                "INSERT INTO attestation (size, kind, body) VALUES (?, ?, ?)",
                ((each.size, each.kind, each.body) for each in attestations),
            )
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise StoreError(f"the record could not be written to {path} ({error}); free space and try again") from error
    _sync(path)


def _values(row: Row) -> tuple[int, str, int, str, bytes, bytes]:
    return (row.sequence, row.stream, row.position, row.name, row.body, row.leaf_hash)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
