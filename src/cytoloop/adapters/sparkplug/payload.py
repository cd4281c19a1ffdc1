"""A Sparkplug B payload as data (specification 3.0.0, §6.4): the parts and the names of its schema (§6.4.1).

What is None was not sent. `held` is the one value of a part that may hold one of several: (name of the field in the
schema, value as it is on the wire). What a held value means, its data type says: see `values.py`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias


class DataType(IntEnum):
    """Data types, with the numbers they have on the wire (§6.4.16)."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSetValue:
    """One cell of a data set."""

    held: "Held | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a data set."""

    elements: tuple[DataSetValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A table (§6.4.11)."""

    num_of_columns: int | None = None
    columns: tuple[str, ...] = ()
    types: tuple[int, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyValue:
    """The value of one property (§6.4.9)."""

    type: int | None = None
    is_null: bool | None = None
    held: "Held | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertySet:
    """Properties of a metric: as many keys as values (§6.4.8)."""

    keys: tuple[str, ...] = ()
    values: tuple[PropertyValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertySetList:
    """Several sets of properties (§6.4.10)."""

    propertyset: tuple[PropertySet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaData:
    """What describes a file or a part of one (§6.4.7)."""

    is_multi_part: bool | None = None
    content_type: str | None = None
    size: int | None = None
    seq: int | None = None
    file_name: str | None = None
    file_type: str | None = None
    md5: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a template (§6.4.15)."""

    name: str | None = None
    type: int | None = None
    held: "Held | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A type of the sender's own, or a value of one (§6.4.14)."""

    version: str | None = None
    metrics: "tuple[Metric, ...]" = ()
    parameters: tuple[Parameter, ...] = ()
    template_ref: str | None = None
    is_definition: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a signal, or a birth's definition of one (§6.4.6)."""

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    """When the value was taken, milliseconds since 1970 UTC."""
    datatype: int | None = None
    is_historical: bool | None = None
    is_transient: bool | None = None
    is_null: bool | None = None
    metadata: MetaData | None = None
    properties: PropertySet | None = None
    held: "Held | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A payload (§6.4.5)."""

    timestamp: int | None = None
    """When the message was sent, milliseconds since 1970 UTC."""
    metrics: tuple[Metric, ...] = ()
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None


Held: TypeAlias = tuple[str, int | float | bool | str | bytes | DataSet | Template | PropertySet | PropertySetList]
