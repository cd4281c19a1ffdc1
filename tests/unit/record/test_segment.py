"""The byte form of a segment: permanent, readable by hand, and refused when it is not exactly one."""

import json
import struct
import sys
from array import array
from dataclasses import replace
from hashlib import sha256

import pytest

from cytoloop.core.errors import FindingError
from cytoloop.core.telemetry import Readings, Tag, readings
from cytoloop.record import segment
from cytoloop.record.segment import decode, encode, header

PH, WARMTH = Tag("bioreactor-01/ph", "pH"), Tag("bioreactor-01/temperature", "°C")
ROWS = [
    (PH, -1, 0, 7.25, 0),
    (PH, 1_780_000_000_000_000, 1_780_000_000_000_500, float("nan"), 0x8000_0000),
    (WARMTH, 5, 9, 36.98, 0x4000_0000),
]


def a_segment() -> bytes:
    return encode("B-F001/1", readings("B-F001", ROWS))


def test_its_bytes_are_the_same_for_ever() -> None:
    assert sha256(a_segment()).hexdigest() == "5b67bacc7302a00d80acb5e3ecb211497cc877f7fd1b955437f0840ba46974d5"


def test_twenty_lines_read_it_by_hand_as_its_description_says() -> None:
    head, data = a_segment().split(b"\n", 1)
    tags = json.loads(head)["tags"]
    n = sum(tag["readings"] for tag in tags)
    at, received, value = (struct.unpack_from(f"<{n}{form}", data, 8 * n * place) for place, form in enumerate("qqd"))
    status = struct.unpack_from(f"<{n}I", data, 24 * n)
    names = [tag["tag"] for tag in tags for _ in range(tag["readings"])]
    found = list(zip(names, at, received, value, status, strict=True))
    assert repr(found) == repr([(tag.name, *rest) for tag, *rest in ROWS])
    assert len(data) == 28 * n
    assert (len(head) + 1) % 8 == 0


def test_its_header_says_what_is_in_it() -> None:
    assert header(a_segment()) == {
        "format": "cytoloop-segment/1",
        "segment": "B-F001/1",
        "batch": "B-F001",
        "readings": 3,
        "first": -1,
        "last": 1_780_000_000_000_000,
        "tags": [
            {"tag": "bioreactor-01/ph", "unit": "pH", "readings": 2},
            {"tag": "bioreactor-01/temperature", "unit": "°C", "readings": 1},
        ],
    }


def test_decoding_gives_the_readings_back_and_encoding_them_the_same_bytes() -> None:
    read = decode(a_segment())
    assert repr(list(read.rows())) == repr(ROWS)
    assert encode("B-F001/1", read) == a_segment()


def test_a_machine_of_the_other_byte_order_writes_and_reads_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As such a machine holds them: every number's bytes the other way round."""

    def swapped(column: object, form: str) -> "array[int] | array[float]":
        values: array[int] | array[float] = array(form)
        values.frombytes(bytes(memoryview(column)))  # type: ignore[arg-type]
        values.byteswap()
        return values

    own = readings("B-F001", ROWS)
    data = a_segment()[len(a_segment().split(b"\n", 1)[0]) + 1 :]
    monkeypatch.setattr(sys, "byteorder", "big")
    columns = zip((own.at, own.received, own.value, own.status), "qqdI", strict=True)
    assert b"".join(segment._little(swapped(column, form), form) for column, form in columns) == data
    assert bytes(memoryview(segment._column(memoryview(data)[:24], "q"))) == swapped(own.at, "q").tobytes()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param([], "would hold no reading", id="none"),
        pytest.param([ROWS[1], ROWS[0], ROWS[2]], "not sorted by time", id="times not in order"),
        pytest.param([ROWS[0], ROWS[0]], "not sorted by time", id="one place twice"),
        pytest.param([ROWS[2], ROWS[0]], "not sorted by the names", id="tags not in order"),
        pytest.param([ROWS[0], ROWS[2], ROWS[1]], "not sorted by the names", id="tags mixed"),
    ],
)
def test_only_sorted_readings_become_a_segment(rows: list[tuple[Tag, int, int, float, int]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode("B-F001/1", readings("B-F001", rows))


def test_a_tag_without_readings_is_no_part_of_a_segment() -> None:
    given = readings("B-F001", ROWS[:1])
    with pytest.raises(ValueError, match="not sorted by the names"):
        encode("B-F001/1", replace(given, tags=(PH, WARMTH)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda data: b"%PDF-1.7" + data, "no segment of format", id="something else"),
        pytest.param(lambda data: b"", "no segment of format", id="nothing"),
        pytest.param(lambda data: data.replace(b"segment/1", b"segment/2"), "no segment of format", id="later format"),
        pytest.param(lambda data: data[:-1], "3 readings are announced and 83 bytes follow", id="cut short"),
        pytest.param(lambda data: data + b"\0", "3 readings are announced and 85 bytes follow", id="something added"),
        pytest.param(lambda data: data.replace(b'"readings":2', b'"readings":9'), "10 readings", id="counts differ"),
        pytest.param(lambda data: data.replace(b'"tags"', b'"tage"'), "cannot be read", id="a field is missing"),
        pytest.param(lambda data: data.replace(b'"unit":"pH"', b'"unit":{}  '), "cannot be read", id="not a text"),
    ],
)
def test_bytes_that_are_not_exactly_a_segment_are_refused(change: object, said: str) -> None:
    assert callable(change)
    with pytest.raises(FindingError, match=said):
        decode(change(a_segment()))


def test_no_reading_is_lost_that_shares_its_time_with_another_tags() -> None:
    both: Readings = readings("B-1", [(PH, 5, 5, 7.0, 0), (WARMTH, 5, 5, 37.0, 0)])
    assert [row[0] for row in decode(encode("B-1/1", both)).rows()] == [PH, WARMTH]
