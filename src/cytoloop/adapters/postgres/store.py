"""PostgresStore: rows in a schema of a PostgreSQL database, one durable statement for each append.

The order of entries needs no lock: an append inserts the sequence that it read as the next one, and the primary key
lets exactly one of two such appends through. A reader therefore never sees a gap.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cytoloop.adapters.postgres.address import Address
from cytoloop.adapters.postgres.session import LostError, Session, said
from cytoloop.core.errors import ConflictError, StoreError
from cytoloop.core.store import Attestation, Place, Row, TreeHead

PIECE = 5_000
"""Rows fetched at a time. Pieces instead of a cursor: a cursor would hold a transaction open while people read."""

_COLUMNS = "sequence, stream, position, name, body, leaf_hash"

_APPEND = """
WITH store AS MATERIALIZED (
  SELECT coalesce((SELECT max(sequence) + 1 FROM {schema}.entry), 0) AS size,
    NOT EXISTS (
      SELECT FROM unnest(%s::text[], %s::bigint[]) AS given (stream, ends)
      WHERE given.ends <> coalesce(
        (SELECT max(entry.position) + 1 FROM {schema}.entry WHERE entry.stream = given.stream), 0)
    ) AS ends_fit
), fits AS MATERIALIZED (SELECT size = %s AND ends_fit AS it FROM store),
kept AS (
  INSERT INTO {schema}.entry (sequence, stream, position, name, body, leaf_hash)
  SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %b::bytea[], %b::bytea[])
  WHERE (SELECT it FROM fits)
), headed AS (
  INSERT INTO {schema}.tree_head (size, root) SELECT %s, %b WHERE (SELECT it FROM fits)
)
SELECT size, it FROM store, fits
"""


class PostgresStore:
    """A Store in a database. Any number of writers and readers, on any number of machines."""

    def __init__(self, session: Session, where: Address) -> None:
        self._session = session
        self._where = where
        self._schema = where.schema
        self._append = _APPEND.format(schema=where.schema)

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        ends = _ends(rows)
        columns = [list(each) for each in zip(*map(_values, rows), strict=True)] or [[]] * 6
        first = rows[0].sequence if rows else head.size
        values = [list(ends), list(ends.values()), first, *columns, head.size, head.root]
        try:
            ((size, fits),) = self._write(self._append, values)
        except LostError as lost:
            self._settle(rows, head, lost)
        else:
            if not fits:
                raise ConflictError(f"the record was appended to meanwhile (it has {size} entries); read again")

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        most = "" if stop is None else f"AND sequence < {int(stop)}"
        query = f"SELECT {_COLUMNS} FROM {self._schema}.entry WHERE sequence >= %s {most} ORDER BY sequence"
        return (Row(*columns) for columns in self._pieces(query, (), start, 0))

    def stream(self, stream: str, start: int = 0) -> Iterator[Row]:
        query = f"SELECT {_COLUMNS} FROM {self._schema}.entry WHERE stream = %s AND position >= %s ORDER BY position"
        return (Row(*columns) for columns in self._pieces(query, (stream,), start, 2))

    def streams(self, prefix: str = "") -> list[str]:
        query = (
            f"SELECT stream FROM {self._schema}.entry WHERE position = 0 AND starts_with(stream, %s) ORDER BY sequence"
        )
        return [name for (name,) in self._session.ask(query, (prefix,))]

    def end(self, stream: str) -> int:
        query = f"SELECT coalesce(max(position) + 1, 0) FROM {self._schema}.entry WHERE stream = %s"
        ((end,),) = self._session.ask(query, (stream,))
        return int(end)

    def heads(self) -> Iterator[TreeHead]:
        query = f"SELECT size, root FROM {self._schema}.tree_head WHERE size >= %s ORDER BY size"
        return (TreeHead(*columns) for columns in self._pieces(query, (), 0, 0))

    def head(self) -> TreeHead | None:
        found = self._session.ask(f"SELECT size, root FROM {self._schema}.tree_head ORDER BY size DESC LIMIT 1")
        return TreeHead(*found[0]) if found else None

    def leaf_hashes(self) -> Iterator[bytes]:
        query = f"SELECT sequence, leaf_hash FROM {self._schema}.entry WHERE sequence >= %s ORDER BY sequence"
        return (leaf for _, leaf in self._pieces(query, (), 0, 0))

    def places(self) -> Iterator[Place]:
        query = f"SELECT sequence, stream, position, leaf_hash FROM {self._schema}.entry WHERE sequence >= %s "
        return (Place(*rest) for _, *rest in self._pieces(query + "ORDER BY sequence", (), 0, 0))

    def attest(self, attestation: Attestation) -> None:
        query = f"INSERT INTO {self._schema}.attestation (size, kind, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        values = (attestation.size, attestation.kind, attestation.body)
        try:
            self._write(query, values)
        except LostError:
            self._write(query, values)  # safe to say twice: it is kept once

    def attestations(self) -> Iterator[Attestation]:
        query = f"SELECT number, size, kind, body FROM {self._schema}.attestation WHERE number >= %s ORDER BY number"
        return (Attestation(size, kind, body) for _, size, kind, body in self._pieces(query, (), 0, 0))

    def problems(self) -> Iterator[str]:
        """Damage below the entries: what the table holds against what its indexes hold."""
        for setting in ("on", "off"):
            count, size = self._counted(setting)
            if count != size:
                yield f"the {'index' if setting == 'on' else 'table'} of entries holds {count} where {size} must be"

    def _counted(self, indexes: str) -> tuple[int, int]:
        """Entries counted, and how many there must be, with the indexes "on" or "off"."""
        import psycopg  # noqa: PLC0415  (extra `postgres`)

        try:
            with self._session.connection.transaction():
                for way in ("indexscan", "indexonlyscan", "bitmapscan"):
                    self._session.tell(f"SET LOCAL enable_{way} = {indexes}")
                self._session.tell(f"SET LOCAL enable_seqscan = {'off' if indexes == 'on' else 'on'}")
                query = f"SELECT count(*), coalesce(max(sequence) + 1, 0) FROM {self._schema}.entry"
                ((count, size),) = self._session.tell(query)
        except psycopg.Error as error:
            raise StoreError(
                f"the entries in {self._where.shown} could not be counted ({said(error)}); check the server and "
                "verify again"
            ) from error
        return int(count), int(size)

    def load(self, rows: Iterable[Row], heads: Iterable[TreeHead], attestations: Iterable[Attestation]) -> None:
        """Fill this empty store from another, all or nothing. For restoring: by the owner of the schema."""
        import psycopg  # noqa: PLC0415  (extra `postgres`)

        connection, schema = self._session.connection, self._schema
        try:
            with connection.transaction(), connection.cursor() as cursor:
                with cursor.copy(f"COPY {schema}.entry ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", "text", "int8", "text", "bytea", "bytea"])
                    for row in rows:
                        copy.write_row(_values(row))
                with cursor.copy(f"COPY {schema}.tree_head (size, root) FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(["int8", "bytea"])
                    for head in heads:
                        copy.write_row((head.size, head.root))
                cursor.executemany(
                    f"INSERT INTO {schema}.attestation (size, kind, body) VALUES (%s, %s, %s)",
                    [(each.size, each.kind, each.body) for each in attestations],
                )
        except psycopg.Error as error:
            raise self._refused(error) from error

    def close(self) -> None:
        self._session.close()

    def _write(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        import psycopg  # noqa: PLC0415  (extra `postgres`)

        try:
            return self._session.tell(query, values)
        except psycopg.errors.UniqueViolation as error:
            raise ConflictError(f"the record was appended to meanwhile ({said(error)}); read again") from error
        except psycopg.Error as error:
            raise self._refused(error) from error

    def _settle(self, rows: Sequence[Row], head: TreeHead, lost: LostError) -> None:
        """Find out what became of an append whose answer was lost: return when it was kept, StoreError when not."""
        try:
            self._session.connect_again()
            self._session.end_lost()
            kept = list(self.rows(head.size - len(rows), head.size)) == list(rows)
        except StoreError as error:
            raise StoreError(
                f"the {self._where.shown} was lost in the middle of an append ({_why(lost)}) and cannot be asked "
                "whether it was kept; read the record again before doing anything twice"
            ) from error
        if not kept:
            raise StoreError(
                f"the {self._where.shown} was lost in the middle of an append ({_why(lost)}); nothing of this append "
                "was kept; try again; what was acknowledged before is safe"
            ) from lost

    def _refused(self, error: Exception) -> StoreError:
        return StoreError(
            f"the record in {self._where.shown} could not be written ({said(error)}); nothing of this was kept; free "
            "space, or give the role its rights, and try again; what was acknowledged before is safe"
        )

    def _pieces(self, query: str, before: tuple[object, ...], start: int, key: int) -> Iterator[tuple[Any, ...]]:
        """Rows of a query over an ascending column (number `key`) from `start`, a piece at a time."""
        while True:
            piece = self._session.ask(f"{query} LIMIT {PIECE}", (*before, start))
            yield from piece
            if len(piece) < PIECE:
                return
            start = piece[-1][key] + 1


def _why(lost: LostError) -> str:
    """What the server or libpq said when the connection was lost."""
    return said(lost.__cause__) if isinstance(lost.__cause__, Exception) else str(lost)


def _ends(rows: Sequence[Row]) -> dict[str, int]:
    """Where each stream must end for `rows` to follow; ConflictError when they do not follow each other."""
    begins, ends = dict[str, int](), dict[str, int]()
    for offset, row in enumerate(rows):
        begins.setdefault(row.stream, row.position)
        if row.sequence != rows[0].sequence + offset or row.position != ends.get(row.stream, row.position):
            raise ConflictError(f"{row.stream} does not follow at {row.position}: nothing was kept; read again")
        ends[row.stream] = row.position + 1
    return begins


def _values(row: Row) -> tuple[int, str, int, str, bytes, bytes]:
    return (row.sequence, row.stream, row.position, row.name, row.body, row.leaf_hash)
