"""Opening and making the file of the embedded store."""

import sqlite3
from contextlib import closing
from pathlib import Path

from cytoloop.adapters.files import promise_names, sqlite_address
from cytoloop.adapters.sqlite.migrations import OLDER
from cytoloop.adapters.sqlite.schema import FORMAT, PAGE, SCHEMA
from cytoloop.adapters.sqlite.store import SqliteStore
from cytoloop.core.errors import StoreError, UserError

WAIT = 30.0
"""Seconds to wait for another process that is writing."""


def open_store(path: Path, *, create: bool = False, read_only: bool = False) -> SqliteStore:
    """The store in the file `path`.

    Raises UserError when the file is not there (and `create` is False), is not a record, or has a format that this
    version does not know; StoreError when it cannot be made.
    """
    if not path.exists() and not create:
        raise UserError(f"there is no record at {path}; name a folder that `cytoloop demo --data` made")
    try:
        if not path.exists():
            _make(path)
        if read_only and path.with_name(f"{path.name}-journal").exists():
            _undo(path)
        writing = None if read_only else _connected(path, "rw")
        reading = _connected(path, "ro")
        return SqliteStore(writing or reading, path, reading)
    except (sqlite3.OperationalError, OSError) as error:
        raise StoreError(
            f"the record at {path} cannot be opened ({error}); check the disk, and that the folder may be written"
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite may quote what it cannot read
        raise UserError(
            f"{path} is not a record of Cytoloop or is damaged ({error}); name another folder or restore a copy"
        ) from error


def _make(path: Path) -> None:
    """An empty record at `path`. It is made beside and then takes its name: nobody ever sees a half-made one."""
    beside = path.with_suffix(".new")
    for left_over in path.parent.glob(f"{beside.name}*"):
        left_over.unlink()
    with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
    beside.replace(path)
    promise_names(path.parent)


def _undo(path: Path) -> None:
    """Undo a change of the file's mode that a power cut interrupted. Reading does that, but only for who may write."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=WAIT)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        sqlite_address(path, mode), uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT
    )
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found in OLDER and mode == "ro":
        connection.executescript(OLDER[found])
    elif found != FORMAT:
        connection.close()
        raise UserError(_not_written(path, found))
    if mode == "rw":
        connection.execute("PRAGMA journal_mode = WAL")  # a copy that was brought back is not in it yet
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # the store does it itself, and looks at what comes of it
    return connection


def _not_written(path: Path, found: int) -> str:
    if found in OLDER:
        return (
            f"{path} has format {found} of an earlier release, which this version reads and does not write; run "
            f"`cytoloop upgrade {path.parent}`, which changes no entry and keeps the old file"
        )
    if not found:
        return f"{path} is not a record of Cytoloop, or nothing is left of it; name another folder or restore a copy"
    return (
        f"{path} has format {found} and this version reads format {FORMAT}; use the version that wrote it, "
        "or name another folder"
    )
