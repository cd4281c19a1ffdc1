"""What the held value of a metric means by its data type (specification 3.0.0, §6.4.17), and the way back.

Whole numbers below 64 bits travel in an unsigned field of 32: a negative one as its two's complement. Senders differ in
how many bits they fill (a byte of -1 as 0xFF or 0xFFFFFFFF) and in the field they choose for UInt32; all are read.
A date is milliseconds since 1970 UTC. Arrays are packed little-endian; truth values eight to a byte, highest bit first,
behind their number in 4 bytes; texts end in a zero byte each.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cytoloop.adapters.sparkplug.payload import (
    DataSet,
    DataType,
    Held,
    Metric,
    PropertySet,
    PropertySetList,
    PropertyValue,
    Template,
)
from cytoloop.adapters.sparkplug.wire import PayloadError

Value: TypeAlias = (
    int | float | bool | str | bytes | tuple[int | float | bool | str, ...] | DataSet | Template | PropertySet
    | PropertySetList
)  # fmt: skip

INTEGERS: Mapping[DataType, tuple[int, bool]] = {
    DataType.INT8: (8, True), DataType.INT16: (16, True), DataType.INT32: (32, True), DataType.INT64: (64, True),
    DataType.UINT8: (8, False), DataType.UINT16: (16, False), DataType.UINT32: (32, False),
    DataType.UINT64: (64, False), DataType.DATETIME: (64, False),
}  # fmt: skip
"""Bits, and whether below zero is allowed."""
PLAIN: Mapping[DataType, tuple[str, type | tuple[type, ...]]] = {
    DataType.FLOAT: ("float_value", (int, float)), DataType.DOUBLE: ("double_value", (int, float)),
    DataType.BOOLEAN: ("boolean_value", bool), DataType.STRING: ("string_value", str),
    DataType.TEXT: ("string_value", str), DataType.UUID: ("string_value", str),
    DataType.BYTES: ("bytes_value", bytes), DataType.FILE: ("bytes_value", bytes),
    DataType.DATASET: ("dataset_value", DataSet), DataType.TEMPLATE: ("template_value", Template),
    DataType.PROPERTY_SET: ("propertyset_value", PropertySet),
    DataType.PROPERTY_SET_LIST: ("propertysets_value", PropertySetList),
}  # fmt: skip
"""Field, and what a value of it is."""
PACKED: Mapping[DataType, str] = {
    DataType.INT8_ARRAY: "b", DataType.INT16_ARRAY: "h", DataType.INT32_ARRAY: "i", DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B", DataType.UINT16_ARRAY: "H", DataType.UINT32_ARRAY: "I", DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f", DataType.DOUBLE_ARRAY: "d", DataType.DATETIME_ARRAY: "Q",
}  # fmt: skip
"""Form of one element, as `struct` writes it."""
QUALITY = "Quality"
"""The one property that the specification names (§6.4.9): 0 bad, 192 good, 500 stale."""


def held(datatype: DataType, value: Any) -> Held:
    """The value as it goes on the wire. PayloadError when it is none of that type."""
    try:
        return _held(datatype, value)
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise PayloadError(f"{value!r} is no {datatype.name}; send a value of that type, or another type") from error


def value_of(datatype: int, given: Held | None, name: str = "") -> Value:
    """What is held, by its type. PayloadError, with the metric's name, when it is none of that type."""
    if given is None:
        raise PayloadError(f"metric {name!r} has no value and does not say it is null; see what its sender put there")
    kind = DataType(datatype)
    try:
        return _value(kind, *given)
    except (TypeError, ValueError, struct.error) as error:
        said = f"metric {name!r} should hold {kind.name} and holds {given[0]} {str(given[1])[:60]!r} ({error})"
        raise PayloadError(f"{said}; see what its sender put there") from error


def metric(name: str, datatype: DataType, value: Any, at: int, properties: PropertySet | None = None) -> Metric:
    """A metric by name; null when `value` is None. `at`: milliseconds since 1970 UTC."""
    if value is None:
        return Metric(name=name, datatype=datatype, timestamp=at, is_null=True, properties=properties)
    return Metric(name=name, datatype=datatype, timestamp=at, held=held(datatype, value), properties=properties)


def properties(**values: str | float | int) -> PropertySet:
    """Properties of a metric: text as String, floats as Double, whole numbers as Int32."""
    types = {str: DataType.STRING, float: DataType.DOUBLE, int: DataType.INT32}
    typed = [(types[type(value)], value) for value in values.values()]
    return PropertySet(
        keys=tuple(values), values=tuple(PropertyValue(type=kind, held=held(kind, value)) for kind, value in typed)
    )


def property_of(metric: Metric, key: str) -> object:
    """The value of a property; None when there is none."""
    found = metric.properties
    if found is None or key not in found.keys:
        return None
    given = found.values[found.keys.index(key)]
    if given.is_null or given.type is None:
        return None
    return value_of(given.type, given.held, key)


def _held(datatype: DataType, value: Any) -> Held:
    if datatype in INTEGERS:
        bits, signed = INTEGERS[datatype]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError("not a whole number")
        raw = int.from_bytes(value.to_bytes(bits // 8, "little", signed=signed), "little")
        return ("long_value" if bits == 64 else "int_value"), raw
    if datatype in PACKED:
        return "bytes_value", struct.pack(f"<{len(value)}{PACKED[datatype]}", *value)
    if datatype == DataType.BOOLEAN_ARRAY:
        return "bytes_value", _bits(value)
    if datatype == DataType.STRING_ARRAY:
        return "bytes_value", b"".join(_ended(each) for each in value)
    name, kind = PLAIN[datatype]
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise TypeError("of another type")
    return name, float(value) if kind == (int, float) else value


def _value(datatype: DataType, name: str, raw: Any) -> Value:
    if datatype in INTEGERS:
        if name not in ("int_value", "long_value"):
            raise TypeError("not a whole number")
        return _whole(raw, *INTEGERS[datatype])
    if datatype not in PLAIN:
        if name != "bytes_value":
            raise TypeError("not bytes")
        return _array(datatype, raw)
    if name != PLAIN[datatype][0]:
        raise TypeError("of another type")
    plain: Value = raw
    return plain


def _whole(raw: int, bits: int, signed: bool) -> int:
    """The number that fills `bits` of the field; one below zero may also fill all 32 or 64 of it."""
    if not signed:
        if raw >> bits:
            raise ValueError("too large")
        return raw
    for filled in (bits, 32, 64):
        if not raw >> filled:
            value = raw - (1 << filled) if raw >> (filled - 1) else raw
            if -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                return value
    raise ValueError("too large")


def _array(datatype: DataType, raw: bytes) -> tuple[int | float | bool | str, ...]:
    if datatype == DataType.BOOLEAN_ARRAY:
        return _truths(raw)
    if datatype == DataType.STRING_ARRAY:
        if raw and not raw.endswith(b"\0"):
            raise ValueError("its last text has no end")
        return tuple(each.decode("utf-8") for each in raw.split(b"\0")[:-1])
    form = PACKED[datatype]
    return struct.unpack(f"<{len(raw) // struct.calcsize(f'<{form}')}{form}", raw)


def _bits(values: Sequence[bool]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        if value:
            packed[at // 8] |= 0x80 >> at % 8
    return len(values).to_bytes(4, "little") + bytes(packed)


def _truths(raw: bytes) -> tuple[bool, ...]:
    count = int.from_bytes(raw[:4], "little")
    if len(raw) != 4 + (count + 7) // 8:
        raise ValueError(f"{len(raw)} bytes do not hold {count} truth values")
    return tuple(bool(raw[4 + at // 8] & (0x80 >> at % 8)) for at in range(count))


def _ended(text: str) -> bytes:
    if "\0" in text:
        raise ValueError("a text in an array cannot hold a zero byte")
    return text.encode() + b"\0"
