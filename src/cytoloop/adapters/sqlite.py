"""The embedded store: one SQLite file, durable at every append (WAL, synchronous=FULL).

Triggers refuse to change or remove what is kept, so that a slip of a tool shows at once; tampering that goes round
them is found by the tree. SQLite: https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from cytoloop.core.errors import ConflictError, FindingError, StoreError, UserError
from cytoloop.core.store import Attestation, Row, TreeHead

FORMAT = 2
"""Number of the file's format, kept in `PRAGMA user_version`."""

SCHEMA = """
CREATE TABLE entry (
  sequence  INTEGER PRIMARY KEY,
  stream    TEXT NOT NULL,
  position  INTEGER NOT NULL,
  name      TEXT NOT NULL,
  body      BLOB NOT NULL,
  leaf_hash BLOB NOT NULL,
  UNIQUE (stream, position)
) STRICT;
CREATE TABLE tree_head (size INTEGER PRIMARY KEY, root BLOB NOT NULL) STRICT;
CREATE TABLE attestation (
  number INTEGER PRIMARY KEY,
  size   INTEGER NOT NULL,
  kind   TEXT NOT NULL,
  body   BLOB NOT NULL,
  UNIQUE (size, kind, body)
) STRICT;
CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry
  BEGIN SELECT RAISE(ABORT, 'an entry is never changed'); END;
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'an entry is never removed'); END;
CREATE TRIGGER tree_head_is_final BEFORE UPDATE ON tree_head
  BEGIN SELECT RAISE(ABORT, 'a tree head is never changed'); END;
CREATE TRIGGER tree_head_is_kept BEFORE DELETE ON tree_head
  BEGIN SELECT RAISE(ABORT, 'a tree head is never removed'); END;
CREATE TRIGGER attestation_is_final BEFORE UPDATE ON attestation
  BEGIN SELECT RAISE(ABORT, 'an attestation is never changed'); END;
CREATE TRIGGER attestation_is_kept BEFORE DELETE ON attestation
  BEGIN SELECT RAISE(ABORT, 'an attestation is never removed'); END;
"""

_COLUMNS = "sequence, stream, position, name, body, leaf_hash"


class SqliteStore:
    """A Store in one file. One writer; any number of readers, also while it writes."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check_follows(rows)
            self._connection.executemany(f"INSERT INTO entry ({_COLUMNS}) VALUES (?,?,?,?,?,?)", map(_values, rows))
            self._connection.execute("INSERT INTO tree_head VALUES (?, ?)", (head.size, head.root))
            self._connection.execute("COMMIT")
        except (sqlite3.Error, ConflictError) as error:
            self._roll_back()
            if isinstance(error, ConflictError | sqlite3.IntegrityError):
                raise ConflictError(f"the record was appended to meanwhile ({error}); read again") from error
            raise StoreError(
                f"the record in {self._path} could not be written ({error}); nothing of this append was kept; "
                "free space or mend the disk and start again; what was acknowledged before is safe"
            ) from error

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        limit = -1 if stop is None else max(stop - start, 0)
        return self._select("WHERE sequence >= ? ORDER BY sequence LIMIT ?", (start, limit))

    def stream(self, stream: str, start: int = 0) -> Iterator[Row]:
        return self._select("WHERE stream = ? AND position >= ? ORDER BY position", (stream, start))

    def streams(self, prefix: str = "") -> list[str]:
        query = "SELECT stream FROM entry WHERE position = 0 ORDER BY sequence"
        return [name for (name,) in self._connection.execute(query) if name.startswith(prefix)]

    def heads(self) -> Iterator[TreeHead]:
        for size, root in self._connection.execute("SELECT size, root FROM tree_head ORDER BY size"):
            yield TreeHead(size, root)

    def head(self) -> TreeHead | None:
        query = "SELECT size, root FROM tree_head ORDER BY size DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        return TreeHead(*row) if row else None

    def leaf_hashes(self) -> Iterator[bytes]:
        for (leaf,) in self._connection.execute("SELECT leaf_hash FROM entry ORDER BY sequence"):
            yield leaf

    def attest(self, attestation: Attestation) -> None:
        values = (attestation.size, attestation.kind, attestation.body)
        try:
            self._connection.execute("INSERT OR IGNORE INTO attestation (size, kind, body) VALUES (?, ?, ?)", values)
        except sqlite3.Error as error:
            raise StoreError(
                f"the {attestation.kind} could not be kept in {self._path} ({error}); nothing of it was kept; "
                "free space or mend the disk and try again"
            ) from error

    def attestations(self) -> Iterator[Attestation]:
        for size, kind, body in self._connection.execute("SELECT size, kind, body FROM attestation ORDER BY number"):
            yield Attestation(size, kind, body)

    def close(self) -> None:
        self._connection.close()

    def _select(self, where: str, values: tuple[object, ...]) -> Iterator[Row]:
        try:
            with closing(self._connection.execute(f"SELECT {_COLUMNS} FROM entry {where}", values)) as cursor:
                for columns in cursor:
                    yield Row(*columns)
        except sqlite3.DatabaseError as error:
            raise FindingError(
                f"the record in {self._path} is damaged ({error}); restore it from a copy and verify that"
            ) from error

    def _check_follows(self, rows: Sequence[Row]) -> None:
        ends: dict[str, int] = {}
        (size,) = self._connection.execute("SELECT coalesce(max(sequence) + 1, 0) FROM entry").fetchone()
        for offset, row in enumerate(rows):
            end = ends.get(row.stream)
            end = self._end(row.stream) if end is None else end
            if row.sequence != size + offset or row.position != end:
                raise ConflictError(f"{row.stream} ends at {end}, the store at {size + offset}")
            ends[row.stream] = end + 1

    def _end(self, stream: str) -> int:
        query = "SELECT coalesce(max(position) + 1, 0) FROM entry WHERE stream = ?"
        (end,) = self._connection.execute(query, (stream,)).fetchone()
        return int(end)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _values(row: Row) -> tuple[int, str, int, str, bytes, bytes]:
    return (row.sequence, row.stream, row.position, row.name, row.body, row.leaf_hash)


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
        mode = "ro" if read_only else "rw"
        connection = sqlite3.connect(
            f"file:{path}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10.0
        )
        return SqliteStore(_prepared(connection, path), path)
    except (sqlite3.OperationalError, OSError) as error:
        raise StoreError(f"the record at {path} cannot be opened ({error}); check the folder and the disk") from error
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is not a record of Cytoloop ({error}); name another folder") from error


def _make(path: Path) -> None:
    """An empty record at `path`. It is made beside and then takes its name: nobody ever sees a half-made one."""
    beside = path.with_suffix(".new")
    for left_over in path.parent.glob(f"{beside.name}*"):
        left_over.unlink()
    with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
    beside.replace(path)


def _prepared(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found != FORMAT:
        connection.close()
        raise UserError(
            f"{path} has format {found} and this version reads format {FORMAT}; use the version that wrote it, "
            "or name another folder"
        )
    connection.execute("PRAGMA synchronous = FULL")
    return connection
