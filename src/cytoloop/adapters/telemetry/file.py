"""The connection to a file of telemetry: whole writes, and failures told in one sentence."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from cytoloop.adapters.files import promise_names, sqlite_address
from cytoloop.adapters.telemetry.schema import APPLICATION, FORMAT, PAGE, SCHEMA
from cytoloop.core.errors import FindingError, StoreError, UserError

CARRY_OVER_AFTER = 8_000_000
"""Bytes written until the write-ahead log is carried over into the file."""
WAIT = 30.0
"""Seconds to wait for another process that is writing."""
T = TypeVar("T")


class TelemetryFile:
    """One SQLite file. After a write that failed for another reason than a full disk it is written no more."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path
        self._lock = RLock()
        self._failed: str | None = None
        self._to_carry = 0

    def change(self, act: Callable[[], T], undone: Callable[[], None]) -> T:
        """Do `act` in one durable transaction, or not at all; then `undone` is called."""
        with self._lock:
            if self._failed is not None:
                raise StoreError(
                    f"the telemetry in {self.path} is not written any more: a write failed earlier ({self._failed}); "
                    "mend the disk and start again; what was acknowledged before is safe"
                )
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                came = act()
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(error)
                undone()
                if isinstance(error, sqlite3.Error):
                    raise StoreError(
                        f"the telemetry in {self.path} could not be written ({error}); nothing of this write was kept; "
                        "free space or mend the disk and start again; what was acknowledged before is safe"
                    ) from error
                raise
            self._carry_over()
            return came

    @contextmanager
    def looking(self) -> Iterator[None]:
        """The file as it is at one moment; FindingError when it is damaged."""
        with self._lock:
            inside = self._connection.in_transaction
            try:
                if not inside:
                    self._connection.execute("BEGIN")
                yield
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise self._damaged(error) from error
            finally:
                if not inside:
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")

    def run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._connection.execute(query, values).fetchall()

    def insert(self, query: str, *values: object) -> int:
        """Insert one row, and give its number."""
        self._to_carry += sum(len(value) for value in values if isinstance(value, bytes))
        return self._connection.execute(query, values).lastrowid or 0

    def written_by_others(self) -> int:
        """A number that changes whenever another connection wrote."""
        return int(self.run("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._connection.close()

    def _damaged(self, error: Exception) -> FindingError:
        return FindingError(f"the telemetry in {self.path} is damaged ({error}); restore it from a copy and verify")

    def _carry_over(self) -> None:
        """Carry the write-ahead log over now and then; SQLite by itself passes over a failing disk in silence."""
        if self._to_carry < CARRY_OVER_AFTER:
            return
        self._to_carry = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            self._failed = None if _may_be_tried_again(error) else str(error)

    def _roll_back(self, error: BaseException) -> None:
        if isinstance(error, sqlite3.Error) and not _may_be_tried_again(error):
            self._failed = str(error)
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as second:
            self._failed = str(second)


def open_file(path: Path, *, create: bool, read_only: bool) -> TelemetryFile:
    """The file at `path`. UserError when it is not there, is something else, or of a later format; StoreError when it
    cannot be made.
    """
    if not path.exists() and not create:
        raise UserError(f"there is no telemetry at {path}; name the data folder of a record that has some")
    try:
        if not path.exists():
            _make(path)
        return TelemetryFile(_connected(path, "ro" if read_only else "rw"), path)
    except (sqlite3.OperationalError, OSError) as error:
        raise StoreError(f"the telemetry at {path} cannot be opened ({error}); check folder and disk") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite may quote what it cannot read
        raise UserError(f"{path} is no telemetry of Cytoloop ({error}); name another folder") from error


def copy_telemetry(path: Path, to: Path) -> None:
    """Write a copy of the file at `path` as it is now, also while another process writes it; durable on return.

    UserError when there is no telemetry at `path`, StoreError when the copy cannot be written; then nothing is left.
    """
    beside = to.with_name(f".{to.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with closing(_connected(path, "ro")) as original, closing(sqlite3.connect(beside)) as copy:
            original.backup(copy)
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute("PRAGMA journal_mode = DELETE")
        beside.replace(to)
        promise_names(to.parent)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StoreError(f"the telemetry could not be copied to {to} ({error}); name another folder") from error


def _make(path: Path) -> None:
    """An empty file: made beside, then it takes its name, so that nobody ever sees a half-made one."""
    beside = path.with_suffix(".new")
    for left_over in path.parent.glob(f"{beside.name}*"):
        left_over.unlink()
    with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
    beside.replace(path)
    promise_names(path.parent)


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        sqlite_address(path, mode), uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT
    )
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, found) != (APPLICATION, FORMAT):
        connection.close()
        what = f"has format {found} and this version reads format {FORMAT}"
        raise UserError(
            f"{path} {what if application == APPLICATION else 'is no telemetry of Cytoloop'}; use the version that "
            "wrote it, or name another folder"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _may_be_tried_again(error: sqlite3.Error) -> bool:
    """Whether the disk was merely full or the file busy: then nothing was written and the next try is a fresh one."""
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY}
