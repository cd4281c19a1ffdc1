"""The columnar store of telemetry in one file: small parts grow together into large ones, then into segments."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np

from cytoloop.adapters.telemetry.batches import FAN, LEVELS, BatchState, Remembered, Stored, groups, level_of
from cytoloop.adapters.telemetry.columns import (
    EMPTY,
    Columns,
    Part,
    between,
    fresh,
    from_body,
    from_readings,
    joined,
    to_readings,
    trend,
)
from cytoloop.adapters.telemetry.file import TelemetryFile, open_file
from cytoloop.adapters.telemetry.packing import pack, unpack
from cytoloop.adapters.telemetry.schema import STATES
from cytoloop.core.errors import FindingError
from cytoloop.core.telemetry import ALWAYS, NO_STATES, Form, Readings, Segment, Tag, Written

MOST = 1 << 20
"""Readings of the largest part and segment."""


class SqliteTelemetry:
    """A TelemetryStore in one file. One process writes; others may read meanwhile.

    Each `write` is one part; FAN parts of a level become one part of the next, so that what a trend needs lies in few
    places and a reading is rewritten at most three times before it is sealed.
    """

    def __init__(self, file: TelemetryFile, form: Form) -> None:
        self._file, self._form = file, form
        self._states: dict[str, BatchState] = {}
        self._remembered = Remembered()
        self._holds_states = False
        self._seen = file.written_by_others()

    def write(self, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES) -> Written:
        def act() -> Written:
            written = _sum([self._write(each) for each in blocks if len(each)])
            self._keep_states(states)
            return written

        return self._file.change(act, self._forget)

    def state(self, batch: str) -> bytes | None:
        with self._file.looking():
            if not self._file.run("SELECT 1 FROM sqlite_schema WHERE name = 'intake'"):
                return None
            rows = self._file.run("SELECT crc, body FROM intake WHERE batch = ?", batch)
        if rows and zlib.crc32(rows[0][1]) != rows[0][0]:
            raise self._damaged(f"the state of the intake of {batch}", ValueError("its checksum does not fit"))
        return bytes(rows[0][1]) if rows else None

    def read(self, batch: str, start: int = ALWAYS[0], stop: int = ALWAYS[1], tags: Sequence[str] = ()) -> Readings:
        with self._file.looking():
            known = self._tags(batch)
            parts = [self._together(batch, group) for group in groups(self._overlapping(batch, start, stop))]
        wanted = [code for code, tag in enumerate(known) if not tags or tag.name in tags]
        return trend(batch, known, wanted, parts, (start, max(start, stop)))

    def seal(self, batch: str, upto: int) -> tuple[Segment, ...]:
        return self._file.change(lambda: self._seal(batch, upto), self._forget)

    def batches(self) -> list[str]:
        with self._file.looking():
            return [name for (name,) in self._file.run("SELECT DISTINCT batch FROM tag ORDER BY batch")]

    def segments(self, batch: str) -> list[Segment]:
        query = "SELECT number, first, last, readings, tags, sha256 FROM segment WHERE batch = ? ORDER BY number"
        with self._file.looking():
            return [
                Segment(
                    name=f"{batch}/{number}", batch=batch, first=first, last=last, readings=count,
                    tags=tuple(tags.split("\n")), sha256=digest,
                )
                for number, first, last, count, tags, digest in self._file.run(query, batch)
            ]  # fmt: skip

    def segment(self, name: str) -> bytes:
        batch, _, number = name.rpartition("/")
        with self._file.looking():
            rows = self._file.run("SELECT packed FROM segment WHERE batch = ? AND number = ?", batch, number)
        if not rows:
            raise FindingError(f"segment {name} is not in {self._file.path}; restore the telemetry from a copy")
        try:
            return unpack(rows[0][0])
        except ValueError as error:
            raise self._damaged(f"segment {name}", error) from error

    def unsealed(self, batch: str) -> int:
        with self._file.looking():
            return int(self._file.run("SELECT coalesce(sum(readings), 0) FROM part WHERE batch = ?", batch)[0][0])

    def stored_bytes(self, batch: str) -> int:
        """Bytes that the sealed and the open readings of a batch take, without the file's own pages."""
        query = (
            "SELECT coalesce(sum(size), 0) FROM (SELECT length(packed) AS size FROM segment WHERE batch = ? UNION ALL "
            "SELECT length(body) FROM part WHERE batch = ?)"
        )
        with self._file.looking():
            return int(self._file.run(query, batch, batch)[0][0])

    def close(self) -> None:
        self._file.close()

    # -- writing --------------------------------------------------------------------------------------------------

    def _write(self, block: Readings) -> Written:
        state = self._state(block.batch)
        codes, new_tags = state.codes(block.tags)
        for tag in new_tags:
            self._file.run("INSERT INTO tag VALUES (?, ?, ?, ?)", state.batch, state.code_of[tag.name], *_pair(tag))
        new = from_readings(block, codes)
        kept, written = fresh(self._known(state, new), new)
        for piece in (kept[start : start + MOST] for start in range(0, len(kept), MOST)):
            self._add(state, piece)
        np.maximum.at(state.last, kept.code, kept.at)
        return written

    def _keep_states(self, states: Mapping[str, bytes]) -> None:
        if states and not self._holds_states:
            self._file.run(STATES)
            self._holds_states = True
        for batch, body in states.items():
            self._file.insert("INSERT OR REPLACE INTO intake VALUES (?, ?, ?)", batch, zlib.crc32(body), body)

    def _known(self, state: BatchState, new: Columns) -> Columns:
        """What is kept already where `new` may repeat it; nothing when all of it is later than what its tag had."""
        late = new.at[new.at <= state.last[new.code]]
        if not len(late):
            return EMPTY
        start, stop = int(late.min()), int(late.max()) + 1
        found = sorted(self._overlapping(state.batch, start, stop))
        return joined([between(self._columns(state.batch, each), start, stop) for each in found])

    def _add(self, state: BatchState, columns: Columns) -> None:
        """One more part; a full level becomes a part of the next."""
        level = level_of(len(columns))
        state.levels[level].append(self._insert(state.batch, level, columns))
        if len(state.levels[level]) == FAN and level < len(LEVELS):
            numbers, state.levels[level] = state.levels[level], []
            parts = [self._part(number) for number in numbers]
            self._delete(numbers)
            self._add(state, joined(sorted(parts, key=lambda part: int(part.at[0]))))

    def _insert(self, batch: str, level: int, columns: Columns) -> int:
        body = columns.body()
        number = self._file.insert(
            "INSERT INTO part (batch, level, first, last, readings, crc, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            batch, level, int(columns.at.min()), int(columns.at.max()), len(columns), zlib.crc32(body), body,
        )  # fmt: skip
        self._remembered.keep(number, columns)
        return number

    def _delete(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._file.run("DELETE FROM part WHERE number = ?", number)
            self._remembered.forget(number)

    def _seal(self, batch: str, upto: int) -> tuple[Segment, ...]:
        state = self._state(batch)
        rows = self._file.run("SELECT number FROM part WHERE batch = ? AND first < ? ORDER BY number", batch, upto)
        numbers = [number for (number,) in rows]
        open_still = joined([self._part(number) for number in numbers])
        closing = open_still.at < upto
        if not closing.any():
            return ()
        self._delete(numbers)
        state.levels = [[number for number in level if number not in set(numbers)] for level in state.levels]
        if not closing.all():
            self._add(state, open_still[~closing])
        return tuple(self._close(state, columns) for columns in _cut(open_still[closing]))

    def _close(self, state: BatchState, columns: Columns) -> Segment:
        (before,) = self._file.run("SELECT coalesce(max(number), 0) FROM segment WHERE batch = ?", state.batch)[0]
        readings = to_readings(state.batch, state.tags, columns)
        data = self._form.encode(f"{state.batch}/{before + 1}", readings)
        segment = Segment(
            name=f"{state.batch}/{before + 1}",
            batch=state.batch,
            first=int(columns.at.min()),
            last=int(columns.at.max()),
            readings=len(columns),
            tags=tuple(tag.name for tag in readings.tags),
            sha256=sha256(data).hexdigest(),
        )
        self._file.insert(
            "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            state.batch, before + 1, segment.first, segment.last, segment.readings, "\n".join(segment.tags),
            segment.sha256, pack(data),
        )  # fmt: skip
        return segment

    # -- reading --------------------------------------------------------------------------------------------------

    def _overlapping(self, batch: str, start: int, stop: int) -> list[Stored]:
        """Where readings of that time may be."""
        query = "SELECT first, last, readings, number, {} FROM {} WHERE batch = ? AND first < ? AND last >= ?"
        found = self._file.run(query.format(1, "segment"), batch, stop, start)
        found += self._file.run(query.format(0, "part"), batch, stop, start)
        return [Stored(*each) for each in found]

    def _together(self, batch: str, group: list[Stored]) -> Part:
        """The readings of a group as one part."""
        first, last = group[0].first, max(each.last for each in group)
        if len(group) == 1:
            return Part(first, last, self._columns(batch, group[0]))
        key = (batch, *((each.number, each.segment) for each in group))
        found = self._remembered.get(key)
        if found is None:
            found = joined([self._columns(batch, each) for each in group])
            if level_of(len(found) // FAN):
                self._remembered.keep(key, found)
        return Part(first, last, found)

    def _columns(self, batch: str, stored: Stored) -> Columns:
        return self._sealed(batch, stored.number) if stored.segment else self._part(stored.number)

    def _part(self, number: int) -> Columns:
        found = self._remembered.get(number)
        if found is None:
            crc, body = self._file.run("SELECT crc, body FROM part WHERE number = ?", number)[0]
            try:
                if zlib.crc32(body) != crc:
                    raise ValueError("its checksum does not fit")
                found = from_body(body)
            except ValueError as error:
                raise self._damaged(f"part {number} of unsealed readings", error) from error
            self._remembered.keep(number, found)
        return found

    def _sealed(self, batch: str, number: int) -> Columns:
        found = self._remembered.get((batch, number))
        if found is None:
            data = self.segment(f"{batch}/{number}")
            query = "SELECT sha256 FROM segment WHERE batch = ? AND number = ?"
            try:
                if sha256(data).hexdigest() != self._file.run(query, batch, number)[0][0]:
                    raise ValueError("its hash does not fit")
                readings = self._form.decode(data)
                code_of = {tag: code for code, tag in enumerate(self._tags(batch))}
                codes = np.array([code_of[tag] for tag in readings.tags], np.uint16)
            except (ValueError, KeyError) as error:
                raise self._damaged(f"segment {batch}/{number}", error) from error
            found = joined([from_readings(readings, codes)])
            self._remembered.keep((batch, number), found)
        return found

    def _tags(self, batch: str) -> list[Tag]:
        if batch in self._states and self._seen == self._file.written_by_others():
            return self._states[batch].tags
        return [
            Tag(*pair) for pair in self._file.run("SELECT name, unit FROM tag WHERE batch = ? ORDER BY code", batch)
        ]

    def _state(self, batch: str) -> BatchState:
        """What is known of the batch; from the file when another process wrote, or it was not asked for yet."""
        if self._seen != (seen := self._file.written_by_others()):
            self._forget()
            self._seen = seen
        if batch not in self._states:
            ends = "SELECT coalesce(max(last), ?) FROM (SELECT last FROM part WHERE batch = ? UNION ALL "
            query = f"{ends} SELECT last FROM segment WHERE batch = ?)"
            (last,) = self._file.run(query, ALWAYS[0], batch, batch)[0]
            tags = self._tags(batch)
            levels: list[list[int]] = [[] for _ in range(len(LEVELS) + 1)]
            for number, level in self._file.run("SELECT number, level FROM part WHERE batch = ?", batch):
                levels[level].append(number)
            self._states[batch] = BatchState(batch, tags, np.full(len(tags), last, np.int64), levels)
        return self._states[batch]

    def _forget(self) -> None:
        self._holds_states = False
        self._states.clear()
        self._remembered.clear()

    def _damaged(self, what: str, error: Exception) -> FindingError:
        return FindingError(f"{what} in {self._file.path} is damaged ({error}); restore the telemetry from a copy")


def open_telemetry(path: Path, form: Form, *, create: bool = False, read_only: bool = False) -> SqliteTelemetry:
    """The telemetry in the file `path`, its segments in `form`.

    Raises UserError when the file is not there (and `create` is False), is something else, or has a format that this
    version does not know; StoreError when it cannot be made.
    """
    return SqliteTelemetry(open_file(path, create=create, read_only=read_only), form)


def _cut(columns: Columns) -> list[Columns]:
    """The readings in pieces of about MOST, one after the other in time."""
    if len(columns) <= MOST:
        return [columns]
    times = np.sort(columns.at)
    cuts = [int(times[0]), *dict.fromkeys(int(each) for each in times[MOST::MOST]), int(times[-1]) + 1]
    pieces = [between(columns, start, stop) for start, stop in pairwise(cuts)]
    return [piece for piece in pieces if len(piece)]


def _sum(written: Iterable[Written]) -> Written:
    kept, repeated, conflicting = np.sum([(0, 0, 0), *((w.kept, w.repeated, w.conflicting) for w in written)], axis=0)
    return Written(int(kept), int(repeated), int(conflicting))


def _pair(tag: Tag) -> tuple[str, str]:
    return tag.name, tag.unit
