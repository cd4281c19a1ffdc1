"""The byte form of a segment of telemetry, "cytoloop-segment/1". Its SHA-256 stands in a `telemetry-sealed/1` entry.

A segment is one header line and four columns, nothing else:

1. The header: one line of JSON in UTF-8 (keys sorted, no white space between tokens), filled up with spaces so that
   it ends, with its line feed (0x0A), on a multiple of 8 bytes:
   {"batch": "B-F001", "first": -1, "format": "cytoloop-segment/1", "last": 5, "readings": 3, "segment": "B-F001/1",
    "tags": [{"readings": 3, "tag": "bioreactor-01/ph", "unit": "pH"}]}
   `first` and `last` are the earliest and latest source times.
2. Four columns, one after the other without gaps, each with one number for every reading, little-endian:
   source time  int64, microseconds since 1970-01-01T00:00:00Z (no leap seconds)
   received     int64, the same scale: when the platform took the reading in
   value        IEEE 754 binary64, in the tag's unit
   status       uint32, OPC UA status code; 0 is good

Readings are sorted by tag, in the order of `tags` (names in order of their code points), then by source time: the
first tag's `readings` come first. No tag has two readings of one source time.

To read one by hand:

    head, data = bytes_.split(b"\\n", 1)
    tags = json.loads(head)["tags"]; n = sum(t["readings"] for t in tags)
    at, received, value = (struct.unpack_from(f"<{n}{c}", data, 8 * n * i) for i, c in enumerate("qqd"))
    status = struct.unpack_from(f"<{n}I", data, 24 * n)
"""

import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, pairwise
from operator import lt
from typing import cast

from typing_extensions import Buffer

from cytoloop.core.errors import FindingError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.telemetry import Form, Readings, Tag

FORMAT = "cytoloop-segment/1"
COLUMNS = "qqdI"
"""Types of the columns, as `array` and `struct` write them."""
WIDTHS = (8, 8, 8, 4)
"""Bytes of one number of each column."""
LONGEST_HEADER = 1 << 24
"""Bytes that are looked at for the header's end."""


def encode(name: str, readings: Readings) -> bytes:
    """Bytes of the segment `name`. ValueError when `readings` are none, or not sorted by (tag name, at) without
    repetition.
    """
    if not len(readings):
        raise ValueError(f"segment {name} would hold no reading")
    at, counts = _native(readings.at, "q"), _sorted_counts(readings)
    line = canonical(
        {
            "format": FORMAT,
            "segment": name,
            "batch": readings.batch,
            "readings": len(at),
            "first": min(at),
            "last": max(at),
            "tags": [{"tag": tag.name, "unit": tag.unit, "readings": count} for tag, count in counts],
        }
    )
    line += b" " * (-(len(line) + 1) % 8) + b"\n"
    columns = zip((readings.at, readings.received, readings.value, readings.status), COLUMNS, strict=True)
    return b"".join((line, *(_little(column, form) for column, form in columns)))


def header(data: bytes) -> dict[str, JSON]:
    """The header of a segment; FindingError when `data` do not begin with one of this format."""
    line, found, _ = data[:LONGEST_HEADER].partition(b"\n")
    try:
        head = parse(line) if found else None
    except ValueError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise FindingError(f"these bytes are no segment of format {FORMAT}; restore them from a copy or a bundle")
    return head


def decode(data: bytes) -> Readings:
    """The readings of a segment; FindingError when the bytes are not exactly one."""
    head = header(data)
    try:
        counts = [(Tag(_text(each["tag"]), _text(each["unit"])), int(str(each["readings"]))) for each in _tags(head)]
        batch, total = _text(head["batch"]), sum(count for _, count in counts)
        body = memoryview(data)[data.index(b"\n") + 1 :]
        if total != head["readings"] or body.nbytes != total * sum(WIDTHS):
            raise ValueError(f"{total} readings are announced and {body.nbytes} bytes follow")
    except (KeyError, TypeError, ValueError) as error:
        raise FindingError(
            f"segment {head.get('segment')} cannot be read ({error}); restore it from a copy or a bundle"
        ) from error
    ends = list(accumulate((width * total for width in WIDTHS), initial=0))
    parts = (body[start:end] for start, end in pairwise(ends))
    at, received, value, status = (_column(part, form) for part, form in zip(parts, COLUMNS, strict=True))
    return Readings(
        batch=batch,
        tags=tuple(tag for tag, _ in counts),
        tag=_index(count for _, count in counts),
        at=at,
        received=received,
        value=value,
        status=status,
    )


FORM = Form(name=FORMAT, encode=encode, decode=decode)
"""What stores of telemetry are given."""


def _sorted_counts(readings: Readings) -> list[tuple[Tag, int]]:
    """How many readings each tag has; ValueError when they do not stand in the one order a segment has."""
    index, at = _native(readings.tag, "H"), _native(readings.at, "q")
    seen = Counter(index)
    counts = [seen[number] for number in range(len(readings.tags))]
    names = [tag.name for tag in readings.tags]
    if not all(counts) or names != sorted(set(names)) or bytes(index) != bytes(_index(counts)):
        raise ValueError(f"the readings of {readings.batch} are not sorted by the names of their tags")
    for start, end in pairwise(accumulate(counts, initial=0)):
        if not all(map(lt, at[start : end - 1], at[start + 1 : end])):
            raise ValueError(f"the readings of {index[start]} in {readings.batch} are not sorted by time")
    return list(zip(readings.tags, counts, strict=True))


def _tags(head: dict[str, JSON]) -> list[dict[str, JSON]]:
    return cast("list[dict[str, JSON]]", head["tags"])


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value} is no text")
    return value


def _index(counts: Iterable[int]) -> "array[int]":
    index = array("H")
    for number, count in enumerate(counts):
        index.extend(array("H", [number]) * count)
    return index


def _native(column: Buffer, form: str) -> memoryview:
    return memoryview(column).cast("B").cast(form)  # type: ignore[call-overload, no-any-return]


def _little(column: Buffer, form: str) -> bytes:
    """The column's bytes, little-endian."""
    return bytes(memoryview(column).cast("B")) if sys.byteorder == "little" else _swapped(column, form).tobytes()


def _column(part: memoryview, form: str) -> Buffer:
    """The column that little-endian bytes hold."""
    return part.cast(form) if sys.byteorder == "little" else _swapped(part, form)  # type: ignore[call-overload]


def _swapped(column: Buffer, form: str) -> "array[int] | array[float]":
    values: array[int] | array[float] = array(form)
    values.frombytes(memoryview(column).cast("B"))
    values.byteswap()
    return values
