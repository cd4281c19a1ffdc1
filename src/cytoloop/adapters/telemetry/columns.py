"""Columns of readings as numpy arrays: sorted, joined, cleared of repetition, cut to a stretch of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytoloop.core.telemetry import ALWAYS, Readings, Tag, Written

ROW = 30
"""Bytes of one reading in a part's body."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Readings of one batch. `code` is the number of the tag in this batch. The widest columns stand first."""

    at: NDArray[np.int64]
    received: NDArray[np.int64]
    value: NDArray[np.float64]
    status: NDArray[np.uint32]
    code: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: Any) -> "Columns":
        return Columns(*(column[rows] for column in self.all()))

    def all(self) -> tuple[NDArray[Any], ...]:
        """The columns in order."""
        return (self.at, self.received, self.value, self.status, self.code)

    def body(self) -> bytes:
        """The columns as bytes, one after the other."""
        return b"".join(column.tobytes() for column in self.all())


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Columns sorted by (code, at), and between which source times they lie."""

    first: int
    last: int
    columns: Columns


DTYPES = dict(zip((field.name for field in fields(Columns)), ("<i8", "<i8", "<f8", "<u4", "<u2"), strict=True))
EMPTY = Columns(*(np.empty(0, dtype) for dtype in DTYPES.values()))


def from_body(body: bytes | memoryview) -> Columns:
    """The columns that lie in `body`; ValueError when its length is not that of whole readings."""
    count, left = divmod(len(body), ROW)
    if left:
        raise ValueError(f"{len(body)} bytes are no whole readings")
    columns, offset = [], 0
    for dtype in DTYPES.values():
        columns.append(np.frombuffer(body, dtype, count, offset))
        offset += count * columns[-1].itemsize
    return Columns(*columns)


def from_readings(readings: Readings, codes: NDArray[np.uint16]) -> Columns:
    """The readings as columns; `codes` gives the batch's number for each of their tags."""
    tag = np.frombuffer(memoryview(readings.tag), "u2")
    return Columns(
        at=np.frombuffer(memoryview(readings.at), "i8"),
        received=np.frombuffer(memoryview(readings.received), "i8"),
        value=np.frombuffer(memoryview(readings.value), "f8"),
        status=np.frombuffer(memoryview(readings.status), "u4"),
        code=codes[tag],
    )


def to_readings(batch: str, tags: Sequence[Tag], columns: Columns) -> Readings:
    """Columns sorted by (code, at) as readings sorted by (tag name, at). Tags without readings are left out."""
    return trend(batch, tags, range(len(tags)), [Part(*ALWAYS, columns)])


def trend(
    batch: str, tags: Sequence[Tag], wanted: Iterable[int], parts: Sequence[Part], within: tuple[int, int] = ALWAYS
) -> Readings:
    """Readings of the codes `wanted` with times `within`, sorted by (tag name, at). `parts` are consecutive."""
    ranges = [_ranges(part, len(tags), *within) for part in parts]
    counts = np.sum([np.zeros(len(tags), np.int64), *(ends - begins for begins, ends in ranges)], axis=0)
    codes = sorted((code for code in wanted if counts[code]), key=lambda code: tags[code].name)
    edges = [(begins.tolist(), ends.tolist()) for begins, ends in ranges]
    cuts = [[slice(begins[code], ends[code]) for begins, ends in edges] for code in codes]
    made = _room(int(sum(counts[code] for code in codes)))
    for name in () if not codes else ("at", "received", "value", "status"):
        columns = [getattr(part.columns, name) for part in parts]
        pieces = [column[cut] for row in cuts for column, cut in zip(columns, row, strict=True)]
        np.concatenate(pieces, out=getattr(made, name))
    made.code[:] = np.repeat(np.arange(len(codes), dtype=np.uint16), [counts[code] for code in codes])
    return Readings(
        batch=batch,
        tags=tuple(tags[code] for code in codes),
        tag=made.code.data,
        at=made.at.data,
        received=made.received.data,
        value=made.value.data,
        status=made.status.data,
    )


def _room(count: int) -> Columns:
    """Columns to be filled, all in one piece of memory: the system hands out one large piece faster than five."""
    return from_body(np.empty(ROW * count, np.uint8).data)


def _ranges(part: Part, tags: int, start: int, stop: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each code where its readings with start <= at < stop begin and end in the part."""
    begins, at = part.columns.code.searchsorted(np.arange(tags, dtype=np.uint16)), part.columns.at
    ends = np.append(begins[1:], len(at))
    from_start = _places(at, begins, ends, start) if part.first < start else begins
    return from_start, _places(at, begins, ends, stop) if part.last >= stop else ends


def _places(at: NDArray[np.int64], begins: NDArray[np.intp], ends: NDArray[np.intp], when: int) -> NDArray[np.intp]:
    """For each run from `begins` to `ends`, sorted by time, where its first reading at or after `when` is.

    Signals are mostly measured together: then all runs are cut at the place where the first of them is.
    """
    runs = list(zip(begins.tolist(), ends.tolist(), strict=True))
    offsets = next((at[begin:end].searchsorted(when) for begin, end in runs if begin < end), 0)
    guess: NDArray[np.intp] = np.minimum(begins + offsets, ends)
    before = (guess == begins) | (at[guess - 1] < when)
    if before.all() and ((guess == ends) | (at[np.minimum(guess, len(at) - 1)] >= when)).all():
        return guess
    return np.array([begin + int(at[begin:end].searchsorted(when)) for begin, end in runs], np.intp)


def joined(parts: Sequence[Columns]) -> Columns:
    """All readings of the parts, sorted by (code, at); those of one place in the order of the parts."""
    if len(parts) == 1 and _sorted(parts[0]):
        return parts[0]
    if not parts:
        return EMPTY
    together = Columns(*(np.concatenate(columns) for columns in zip(*(part.all() for part in parts), strict=True)))
    return together[_order(together)]


def between(columns: Columns, start: int, stop: int) -> Columns:
    """The readings with start <= at < stop, in the same order."""
    inside = (columns.at >= start) & (columns.at < stop)
    return columns if inside.all() else columns[inside]


def fresh(known: Columns, new: Columns) -> tuple[Columns, Written]:
    """Those of `new` that neither `known` nor `new` itself had before, sorted; and what became of the rest.

    `known` holds each place once.
    """
    both = Columns(*(np.concatenate(pair) for pair in zip(known.all(), new.all(), strict=True)))
    order = _order(both)
    both = both[order]
    again = np.zeros(len(both), bool)
    again[1:] = (both.code[1:] == both.code[:-1]) & (both.at[1:] == both.at[:-1])
    if not again.any() and not len(known):
        return both, Written(kept=len(both))
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(both))))
    bits = both.value.view(np.uint64)
    differs = again & ((bits != bits[first]) | (both.status != both.status[first]))
    kept = ~again & (order >= len(known))
    repeated, conflicting = int(again.sum() - differs.sum()), int(differs.sum())
    return both[kept], Written(int(kept.sum()), repeated, conflicting)


def _sorted(columns: Columns) -> bool:
    code, at = columns.code, columns.at
    return bool(((code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (at[1:] >= at[:-1]))).all())


def _order(columns: Columns) -> NDArray[np.intp]:
    """Places of the readings in order of (code, at). Mostly each tag's readings come in order of time already."""
    order = np.argsort(columns.code, kind="stable")
    code, at = columns.code[order], columns.at[order]
    if ((code[1:] != code[:-1]) | (at[1:] >= at[:-1])).all():
        return order
    return np.lexsort((columns.at, columns.code))
