"""Telemetry: the readings of a batch's equipment, far too many for entries, kept as columns beside the record.

A *tag* is one signal of one unit, "<equipment id>/<signal>". Readings of a batch gather in a store; from time to
time they are sealed into a *segment*, whose SHA-256 becomes an entry of the record (`telemetry-sealed/1`). Columns
are buffers, not numpy arrays, so that core stays free of numpy: `array.array`, `bytes` and numpy arrays all fit.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from typing_extensions import Buffer

from cytoloop.core.reading import Quality
from cytoloop.core.time import Instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS = (-(2**62), 2**62)
"""From before to after any time a reading can have."""
STATUS: Mapping[Quality, int] = {"good": 0, "uncertain": 0x4000_0000, "bad": 0x8000_0000}
"""Quality -> OPC UA status code of that severity (OPC 10000-4 §7.39)."""


def microseconds(moment: Instant) -> int:
    """Whole microseconds since 1970-01-01T00:00:00Z."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> Instant:
    """The instant that lies `at` microseconds after 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(microseconds=at)


def quality(status: int) -> Quality:
    """The severity of an OPC UA status code: its two highest bits."""
    return "good" if status < 0x4000_0000 else "uncertain" if status < 0x8000_0000 else "bad"


@dataclass(frozen=True, slots=True)
class Tag:
    """One signal of one unit."""

    name: str
    """ "<equipment id>/<signal>"."""
    unit: str
    """A house unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Readings of one batch as columns of equal length, native byte order, in any order."""

    batch: str
    tags: tuple[Tag, ...]
    tag: Buffer
    """uint16: index into `tags`."""
    at: Buffer
    """int64: source time, microseconds since 1970 UTC."""
    received: Buffer
    """int64: when the platform took it in, microseconds since 1970 UTC."""
    value: Buffer
    """float64, in the tag's unit; NaN where there is none."""
    status: Buffer
    """uint32: OPC UA status code; 0 is good."""
    server: Buffer = b""
    """int64: time of the server that handed it on; empty where none is known. Checked as it comes in, not stored."""
    sequence: Buffer = b""
    """int64: running number that the source gives the readings of a tag; empty where it gives none. Not stored."""

    def __len__(self) -> int:
        return memoryview(self.at).nbytes // 8

    def rows(self) -> Iterator[tuple[Tag, int, int, float, int]]:
        """(tag, at, received, value, status) of each reading. For looking, not for speed."""
        if not len(self):
            return
        tag = memoryview(self.tag).cast("B").cast("H").tolist()
        at, received = (memoryview(column).cast("B").cast("q").tolist() for column in (self.at, self.received))
        value = memoryview(self.value).cast("B").cast("d").tolist()
        status = memoryview(self.status).cast("B").cast("I").tolist()
        names = (self.tags[index] for index in tag)
        yield from zip(names, at, received, value, status, strict=True)


def readings(batch: str, rows: Sequence[tuple[Tag, int, int, float, int]]) -> Readings:
    """The readings of `batch` that `rows` list: (tag, at, received, value, status)."""
    tags = tuple(dict.fromkeys(row[0] for row in rows))
    index = {tag: number for number, tag in enumerate(tags)}
    return Readings(
        batch=batch,
        tags=tags,
        tag=array("H", [index[row[0]] for row in rows]),
        at=array("q", [row[1] for row in rows]),
        received=array("q", [row[2] for row in rows]),
        value=array("d", [row[3] for row in rows]),
        status=array("I", [row[4] for row in rows]),
    )


@dataclass(frozen=True, slots=True)
class Written:
    """What became of readings that were written."""

    kept: int
    repeated: int = 0
    """Came before with the same value and status; dropped."""
    conflicting: int = 0
    """Came before with another value or status for the same tag and source time; the first is kept, this dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Readings of a batch that were closed for good."""

    name: str
    """ "<batch>/<number>", numbers from 1."""
    batch: str
    first: int
    last: int
    """Source times of the earliest and the latest reading, microseconds since 1970 UTC."""
    readings: int
    tags: tuple[str, ...]
    """Names, sorted."""
    sha256: str
    """Of its bytes, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Form:
    """A byte form of segments, handed to a store, which does not need to know it."""

    name: str
    """For example "cytoloop-segment/1"."""
    encode: Callable[[str, Readings], bytes]
    """Bytes of the segment of that name; the readings are sorted by (tag name, at)."""
    decode: Callable[[bytes], Readings]
    """The readings again; FindingError when the bytes are not a segment."""


NO_STATES: Mapping[str, bytes] = {}


class TelemetryStore(Protocol):
    """Keeps readings. Contract, proven by `cytoloop.testing.telemetry_contract`.

    A reading is named by batch, tag and source time, and is kept once: the first that arrives. What `write` and
    `seal` returned is durable; what they raised did not happen at all. A segment is never changed or removed.
    """

    def write(self, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES) -> Written:
        """Keep all blocks durably, and of each batch in `states` what its intake must know to go on; all or nothing.

        UserError when a tag's unit is not the one it had before in the batch, StoreError when it cannot write.
        """
        ...

    def state(self, batch: str) -> bytes | None:
        """What was kept last of the batch's intake; None when nothing was. FindingError when it is damaged."""
        ...

    def read(self, batch: str, start: int = ALWAYS[0], stop: int = ALWAYS[1], tags: Sequence[str] = ()) -> Readings:
        """Readings with start <= at < stop of the tags named (all when none is), sorted by (tag name, at)."""
        ...

    def seal(self, batch: str, upto: int) -> tuple[Segment, ...]:
        """Close the readings with at < `upto` that are in no segment yet; none when there are none.

        Late readings go into a further segment. Long stretches become several segments of a million readings.
        """
        ...

    def batches(self) -> list[str]:
        """Batches with readings, sorted."""
        ...

    def segments(self, batch: str) -> list[Segment]:
        """The segments of a batch, in order of number."""
        ...

    def segment(self, name: str) -> bytes:
        """A segment's bytes. FindingError when it is not there or its stored form cannot be read."""
        ...

    def unsealed(self, batch: str) -> int:
        """Number of readings that are in no segment yet: what the record does not protect."""
        ...

    def close(self) -> None:
        """Let go of the store. Safe to call twice."""
        ...


@runtime_checkable
class Source(Protocol):
    """Where readings come from: a unit that measures by itself and remembers what it measured."""

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """What `unit` measured from `since` up to but not including `until`, in source time; None when nothing.

        Asking changes nothing: the same stretch may be asked for again. `received` is the moment of asking.
        Raises UnreachableError when the unit cannot be asked, or cannot give this stretch yet; who asks comes back
        with the same `since`, so that what was measured meanwhile is filled in.
        """
        ...
