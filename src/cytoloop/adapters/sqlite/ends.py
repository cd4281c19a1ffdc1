"""Where the store and its streams end, so that an append need not look it up each time."""

import sqlite3
from collections.abc import Sequence

from cytoloop.core.errors import ConflictError
from cytoloop.core.store import Row

END = "SELECT coalesce(max(position) + 1, 0) FROM entry WHERE stream = ?"
"""The position that the stream's next row takes."""


class Ends:
    """Where the store and its streams end, remembered while nobody else writes (asked inside a transaction only)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seen: int | None = None
        self._size = 0
        self._ends: dict[str, int] = {}

    def check(self, rows: Sequence[Row]) -> None:
        """ConflictError when a row does not follow what is there or the row before it."""
        (seen,) = self._connection.execute("PRAGMA data_version").fetchone()
        if seen != self._seen:
            (self._size,) = self._connection.execute("SELECT coalesce(max(sequence) + 1, 0) FROM entry").fetchone()
            self._seen, self._ends = seen, {}
        new: dict[str, int] = {}
        for offset, row in enumerate(rows):
            end = new.get(row.stream)
            end = self._end(row.stream) if end is None else end
            if row.sequence != self._size + offset or row.position != end:
                raise ConflictError(f"{row.stream} ends at {end}, the store at {self._size + offset}")
            new[row.stream] = end + 1

    def follow(self, rows: Sequence[Row]) -> None:
        """These rows were kept."""
        self._size += len(rows)
        for row in rows:
            self._ends[row.stream] = row.position + 1

    def _end(self, stream: str) -> int:
        if stream not in self._ends:
            (self._ends[stream],) = self._connection.execute(END, (stream,)).fetchone()
        return self._ends[stream]
