"""The codec: whatever a payload is, it comes back; whatever bytes come, they are read or refused with a sentence."""

import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.sparkplug.payloads import payloads, typed_values

from cytoloop.adapters.sparkplug import codec
from cytoloop.adapters.sparkplug.codec import DEEPEST, LARGEST, decode, encode
from cytoloop.adapters.sparkplug.payload import (
    DataSet,
    DataType,
    Metric,
    Payload,
    PropertySet,
    PropertyValue,
    Template,
)
from cytoloop.adapters.sparkplug.values import held, metric, properties, property_of, value_of
from cytoloop.adapters.sparkplug.wire import PayloadError, number, tag
from cytoloop.core.errors import UserError


def read(data: bytes) -> Payload | str:
    """The payload, or the sentence that says why there is none."""
    try:
        return decode(data)
    except PayloadError as error:
        return str(error)


SMALL = Payload(timestamp=1, metrics=(metric("temperature", DataType.DOUBLE, 37.0, 2),), seq=3)


@given(payloads)
def test_any_payload_comes_back(payload: Payload) -> None:
    assert decode(encode(payload)) == payload


@given(typed_values)
def test_any_value_comes_back(typed: tuple[DataType, Any]) -> None:
    kind, value = typed
    assert value_of(kind, held(kind, value)) == value


@given(st.binary(max_size=200))
@example(b"\x12\xff\xff\xff\xff\x0f")
@example(b"\x80" * 11)
@example(b"\x0b")
def test_any_bytes_are_read_or_refused_with_a_sentence(data: bytes) -> None:
    found = read(data)
    if isinstance(found, Payload):
        assert decode(encode(found)) == found
    else:
        assert "at byte" in found
        assert ";" in found


@given(payloads, st.data())
def test_a_payload_with_one_byte_changed_or_cut_short_is_read_or_refused(payload: Payload, draw: st.DataObject) -> None:
    data = bytearray(encode(payload) or b"\x08\x01")
    at = draw.draw(st.integers(0, len(data) - 1))
    if draw.draw(st.booleans()):
        data[at] ^= draw.draw(st.integers(1, 255))
    else:
        del data[at:]
    try:
        found = decode(bytes(data))
        for each in found.metrics:
            if each.datatype is not None:
                value_of(each.datatype, each.held, each.name or "")
    except PayloadError:
        pass


@pytest.mark.parametrize("length", range(1, len(encode(SMALL))))
def test_a_payload_cut_short_says_where(length: int) -> None:
    whole = encode(SMALL)
    found = read(whole[:length])
    if isinstance(found, Payload):
        assert length in (2, len(whole) - 2), found  # cut between two fields it is a payload, with less in it
    else:
        assert "cut short" in found
        assert "limit on message size" in found


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x12\x7f\x00", "127 bytes should follow and 1 do"),
        (b"\x09" + bytes(8), "a whole number should stand there and 8 bytes does"),
        (b"\x0c", "wire type 4 is not used"),
        (b"\x08" + b"\xff" * 10, "does not fit into 64 bits"),
        (b"\x08" + b"\x80" * 9 + b"\x02", "does not fit into 64 bits"),
        (b"\x00\x00", "no field number 0"),
        (b"\x08\x01\x08\x02", "given twice"),
        (b"\x12\x02\x28\x07", "7 does not fit a bool"),
        (b"\x12\x06\x20\xff\xff\xff\xff\x1f", "does not fit a uint32"),
        (b"\x12\x02\x20\x23", "there is no data type 35"),
        (b"\x12\x02\x20\x00", "there is no data type 0"),
        (b"\x12\x04\x0a\x02\xc3\x28", "not UTF-8"),
        (b"\x12\x04\x50\x01\x58\x01", "given twice"),
        (b"\x12\x05\x4a\x03\x0a\x01a", "1 keys do not fit 0 values"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        decode(data)
    assert "at byte" in str(caught.value)


def test_the_place_names_the_metric_and_the_part() -> None:
    bad = encode(Payload(metrics=(Metric(), Metric(name="x")))).replace(b"\x01x", b"\x01\xff")
    with pytest.raises(PayloadError, match=r"at byte 6, in metrics\[1\]\.name: the text is not UTF-8"):
        decode(bad)


def test_packed_numbers_are_read_as_well() -> None:
    packed = tag(2, 2) + number(8) + tag(17, 2)[:2] + number(5) + b"\x1a\x03\x01\x02\x03"
    found = decode(packed).metrics[0].held
    assert found == ("dataset_value", DataSet(types=(1, 2, 3)))


def test_what_the_schema_leaves_to_extensions_is_passed_over() -> None:
    extended = encode(SMALL) + tag(100, 0) + number(7) + tag(101, 2) + number(3) + b"abc" + tag(102, 5) + bytes(4)
    assert decode(extended) == SMALL


def test_a_hostile_payload_costs_no_more_than_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MOST", 1000)
    packed = b"\x01" * 1001
    for field in (3, 17, 2):  # types of a data set of a metric
        packed = tag(field, 2) + number(len(packed)) + packed
    tracemalloc.start()
    for hostile in (b"\x12\x00" * 1_000_000, packed):
        with pytest.raises(PayloadError, match="more than 1000 elements"):
            decode(hostile)
    with pytest.raises(PayloadError, match="should follow"):
        decode(tag(5, 2) + number(2**63))
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()


def test_a_payload_has_an_end() -> None:
    with pytest.raises(PayloadError, match=f"{LARGEST} are allowed"):
        decode(bytes(LARGEST + 1))


def test_nesting_has_an_end() -> None:
    inner = Metric(name="leaf")
    for _ in range(DEEPEST):
        inner = Metric(held=("template_value", Template(metrics=(inner,))))
    with pytest.raises(PayloadError, match="nested more than"):
        decode(encode(Payload(metrics=(inner,))))


@pytest.mark.parametrize(
    ("kind", "given_", "means"),
    [
        (DataType.INT8, ("int_value", 0xFF), -1),
        (DataType.INT8, ("int_value", 0xFFFFFFFF), -1),
        (DataType.INT16, ("int_value", 0xFFFF8000), -(2**15)),
        (DataType.INT64, ("long_value", 2**64 - 1), -1),
        (DataType.UINT32, ("long_value", 2**32 - 1), 2**32 - 1),
        (
            DataType.BOOLEAN_ARRAY,
            ("bytes_value", b"\x0b\x00\x00\x00\x4d\xc0"),
            tuple(map(bool, (0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0))),
        ),
        (DataType.STRING_ARRAY, ("bytes_value", b"ABC\0hello\0"), ("ABC", "hello")),
    ],
)
def test_numbers_are_read_however_a_sender_fills_the_field(kind: DataType, given_: Any, means: Any) -> None:
    assert value_of(kind, given_) == means


@pytest.mark.parametrize(
    ("kind", "given_"),
    [
        (DataType.INT8, ("int_value", 0x80 + 0x100)),
        (DataType.UINT8, ("int_value", 256)),
        (DataType.UINT8, ("string_value", "1")),
        (DataType.BOOLEAN, ("int_value", 1)),
        (DataType.INT32_ARRAY, ("bytes_value", b"12345")),
        (DataType.INT32_ARRAY, ("string_value", "1234")),
        (DataType.BOOLEAN_ARRAY, ("bytes_value", b"\xff\xff\xff\xff\x00")),
        (DataType.STRING_ARRAY, ("bytes_value", b"no end")),
        (DataType.STRING_ARRAY, ("bytes_value", b"\xff\0")),
        (DataType.DOUBLE, None),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(kind: DataType, given_: Any) -> None:
    with pytest.raises(PayloadError, match="metric 'glucose'"):
        value_of(kind, given_, "glucose")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.INT8, 128), (DataType.UINT8, -1), (DataType.INT32, True), (DataType.INT32, 1.0),
        (DataType.DOUBLE, "1"), (DataType.DOUBLE, True), (DataType.STRING, b"x"),
        (DataType.STRING_ARRAY, ("a\0b",)), (DataType.BYTES, "x"),
        (DataType.UINT16_ARRAY, (65536,)), (DataType.BOOLEAN, 1),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_not_sent(kind: DataType, value: Any) -> None:
    with pytest.raises(PayloadError, match="is no"):
        held(kind, value)


def test_what_does_not_fit_is_not_sent() -> None:
    with pytest.raises(PayloadError, match="does not fit a uint64"):
        encode(Payload(seq=2**64))
    with pytest.raises(PayloadError, match="send it as Double"):
        encode(Payload(metrics=(Metric(held=("float_value", 1e300)),)))


def test_a_value_that_is_not_a_number_comes_back_as_one() -> None:
    (found,) = decode(encode(Payload(metrics=(metric("x", DataType.DOUBLE, math.nan, 0),)))).metrics
    assert math.isnan(value_of(DataType.DOUBLE, found.held))  # type: ignore[arg-type]


def test_properties_are_found_by_name() -> None:
    set_ = properties(engUnit="°C", engLow=4.0, Quality=192)
    each = metric("t", DataType.DOUBLE, None, 0, set_)
    assert [property_of(each, key) for key in ("engUnit", "engLow", "Quality", "other")] == ["°C", 4.0, 192, None]
    assert property_of(Metric(), "engUnit") is None
    null = PropertySet(keys=("a", "b"), values=(PropertyValue(type=12, is_null=True), PropertyValue()))
    assert property_of(Metric(properties=null), "a") is None
    assert property_of(Metric(properties=null), "b") is None
