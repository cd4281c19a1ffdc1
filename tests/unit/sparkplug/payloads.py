"""Payloads of every shape, for properties that hold for all of them."""

import struct
from typing import Any

from hypothesis import strategies as st

from cytoloop.adapters.sparkplug.payload import (
    DataSet,
    DataSetValue,
    DataType,
    MetaData,
    Metric,
    Parameter,
    Payload,
    PropertySet,
    PropertySetList,
    PropertyValue,
    Row,
    Template,
)
from cytoloop.adapters.sparkplug.values import INTEGERS, PACKED, held

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOAT = st.floats(width=32, allow_nan=False)
DOUBLE = st.floats(allow_nan=False)
TYPES = st.sampled_from([int(each) for each in DataType])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def many(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


SIMPLE: tuple[st.SearchStrategy[tuple[str, Any]], ...] = (
    st.tuples(st.just("int_value"), U32),
    st.tuples(st.just("long_value"), U64),
    st.tuples(st.just("float_value"), FLOAT),
    st.tuples(st.just("double_value"), DOUBLE),
    st.tuples(st.just("boolean_value"), st.booleans()),
    st.tuples(st.just("string_value"), TEXT),
)


def _properties(values: st.SearchStrategy[PropertyValue]) -> st.SearchStrategy[PropertySet]:
    pairs = st.lists(st.tuples(TEXT, values), max_size=3)
    return pairs.map(lambda each: PropertySet(keys=tuple(k for k, _ in each), values=tuple(v for _, v in each)))


def _value(*held_: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[PropertyValue]:
    return st.builds(PropertyValue, type=maybe(TYPES), is_null=maybe(st.booleans()), held=maybe(st.one_of(*held_)))


flat = _properties(_value(*SIMPLE))
properties = _properties(
    _value(
        *SIMPLE,
        st.tuples(st.just("propertyset_value"), flat),
        st.tuples(st.just("propertysets_value"), st.builds(PropertySetList, propertyset=many(flat))),
    )
)
cells = st.builds(DataSetValue, held=maybe(st.one_of(*SIMPLE)))
data_sets = st.builds(
    DataSet,
    num_of_columns=maybe(U64),
    columns=many(TEXT),
    types=many(TYPES),
    rows=many(st.builds(Row, elements=many(cells))),
)
metadata = st.builds(
    MetaData,
    is_multi_part=maybe(st.booleans()), content_type=maybe(TEXT), size=maybe(U64), seq=maybe(U64),
    file_name=maybe(TEXT), file_type=maybe(TEXT), md5=maybe(TEXT), description=maybe(TEXT),
)  # fmt: skip


def _metrics(*held_: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[Metric]:
    return st.builds(
        Metric,
        name=maybe(TEXT), alias=maybe(U64), timestamp=maybe(U64), datatype=maybe(TYPES),
        is_historical=maybe(st.booleans()), is_transient=maybe(st.booleans()), is_null=maybe(st.booleans()),
        metadata=maybe(metadata), properties=maybe(properties), held=maybe(st.one_of(*held_)),
    )  # fmt: skip


BINARY = st.tuples(st.just("bytes_value"), st.binary(max_size=20))
parameters = st.builds(Parameter, name=maybe(TEXT), type=maybe(TYPES), held=maybe(st.one_of(*SIMPLE)))
templates = st.builds(
    Template,
    version=maybe(TEXT), metrics=many(_metrics(*SIMPLE)), parameters=many(parameters), template_ref=maybe(TEXT),
    is_definition=maybe(st.booleans()),
)  # fmt: skip
metrics = _metrics(
    *SIMPLE,
    BINARY,
    st.tuples(st.just("dataset_value"), data_sets),
    st.tuples(st.just("template_value"), templates),
)
payloads = st.builds(
    Payload, timestamp=maybe(U64), metrics=many(metrics), seq=maybe(U64), uuid=maybe(TEXT), body=maybe(st.binary())
)


def _of(datatype: DataType) -> st.SearchStrategy[Any]:
    """Values of a type."""
    if datatype in INTEGERS:
        bits, signed = INTEGERS[datatype]
        return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)
    if datatype in PACKED:
        form = PACKED[datatype]
        if form in "fd":
            return many(FLOAT if form == "f" else DOUBLE)
        bits = 8 * struct.calcsize(f"<{form}")
        return many(
            st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if form.islower() else st.integers(0, 2**bits - 1)
        )
    simple: dict[DataType, st.SearchStrategy[Any]] = {
        DataType.FLOAT: FLOAT, DataType.DOUBLE: DOUBLE, DataType.BOOLEAN: st.booleans(), DataType.STRING: TEXT,
        DataType.TEXT: TEXT, DataType.UUID: st.uuids().map(str), DataType.BYTES: st.binary(max_size=20),
        DataType.FILE: st.binary(max_size=20), DataType.BOOLEAN_ARRAY: st.lists(st.booleans(), max_size=20).map(tuple),
        DataType.STRING_ARRAY: many(TEXT.filter(lambda text: "\0" not in text)), DataType.DATASET: data_sets,
        DataType.TEMPLATE: templates, DataType.PROPERTY_SET: flat,
        DataType.PROPERTY_SET_LIST: st.builds(PropertySetList, propertyset=many(flat)),
    }  # fmt: skip
    return simple[datatype]


typed_values = st.sampled_from(list(DataType)).flatmap(lambda kind: st.tuples(st.just(kind), _of(kind)))
"""(data type, value of it)."""
PEERS = tuple(
    each
    for each in DataType
    if each not in (DataType.DATASET, DataType.TEMPLATE, DataType.PROPERTY_SET, DataType.PROPERTY_SET_LIST)
)
"""The types that pysparkplug knows."""


SECONDS = st.integers(0, 10**11).map(lambda second: second * 1000)
FOR_PEER: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.DATETIME: SECONDS,
    DataType.DATETIME_ARRAY: many(SECONDS),
    DataType.STRING_ARRAY: st.lists(TEXT.filter(lambda text: "\0" not in text), min_size=1, max_size=3).map(tuple),
}
"""Where pysparkplug holds less: dates it rounds through floats, up to the year 9999, and it writes no empty array."""


def typed_metrics() -> st.SearchStrategy[list[tuple[DataType, Any, Metric]]]:
    """Named metrics with a value of each type that pysparkplug knows."""

    def metric(at: int, kind: DataType, value: Any) -> tuple[DataType, Any, Metric]:
        return kind, value, Metric(name=f"m{at}", datatype=int(kind), timestamp=1000 + at, held=held(kind, value))

    values = st.tuples(*[FOR_PEER.get(kind, _of(kind)) for kind in PEERS])
    return values.map(lambda each: [metric(at, kind, each[at]) for at, kind in enumerate(PEERS)])
