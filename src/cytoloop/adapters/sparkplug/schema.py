"""The fields of each part of a payload (specification 3.0.0, §6.4.1): the table that `codec.py` goes by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cytoloop.adapters.sparkplug.payload import (
    DataSet,
    DataSetValue,
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

Kind = Literal["uint32", "uint64", "bool", "float", "double", "string", "bytes", "part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a part."""

    number: int
    name: str
    kind: Kind
    many: bool = False
    held: bool = False
    """Whether it is one of the fields of which a part holds one."""
    part: str = ""
    """Name of the part it holds, when its kind is "part"."""


@dataclass(frozen=True, slots=True)
class Part:
    """How a part is made, and its fields in the order in which they are written."""

    make: Callable[..., Any]
    fields: tuple[Field, ...]
    by_number: dict[int, Field] = field(init=False, hash=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_number", {each.number: each for each in self.fields})


def _one(number: int, name: str, kind: Kind, *, held: bool = False) -> Field:
    return Field(number=number, name=name, kind=kind, held=held)


def _many(number: int, name: str, kind: Kind) -> Field:
    return Field(number=number, name=name, kind=kind, many=True)


def _part(number: int, name: str, part: str, *, many: bool = False, held: bool = False) -> Field:
    return Field(number=number, name=name, kind="part", many=many, held=held, part=part)


def _values(first: int) -> tuple[Field, ...]:
    """The fields for a simple value, numbered from `first` on."""
    kinds: tuple[tuple[str, Kind], ...] = (
        ("int_value", "uint32"),
        ("long_value", "uint64"),
        ("float_value", "float"),
        ("double_value", "double"),
        ("boolean_value", "bool"),
        ("string_value", "string"),
    )
    return tuple(_one(first + at, name, kind, held=True) for at, (name, kind) in enumerate(kinds))


PARTS: dict[str, Part] = {
    "Payload": Part(
        Payload,
        (
            _one(1, "timestamp", "uint64"),
            _part(2, "metrics", "Metric", many=True),
            _one(3, "seq", "uint64"),
            _one(4, "uuid", "string"),
            _one(5, "body", "bytes"),
        ),
    ),
    "Metric": Part(
        Metric,
        (
            _one(1, "name", "string"),
            _one(2, "alias", "uint64"),
            _one(3, "timestamp", "uint64"),
            _one(4, "datatype", "uint32"),
            _one(5, "is_historical", "bool"),
            _one(6, "is_transient", "bool"),
            _one(7, "is_null", "bool"),
            _part(8, "metadata", "MetaData"),
            _part(9, "properties", "PropertySet"),
            *_values(10),
            _one(16, "bytes_value", "bytes", held=True),
            _part(17, "dataset_value", "DataSet", held=True),
            _part(18, "template_value", "Template", held=True),
        ),
    ),
    "MetaData": Part(
        MetaData,
        (
            _one(1, "is_multi_part", "bool"),
            _one(2, "content_type", "string"),
            _one(3, "size", "uint64"),
            _one(4, "seq", "uint64"),
            _one(5, "file_name", "string"),
            _one(6, "file_type", "string"),
            _one(7, "md5", "string"),
            _one(8, "description", "string"),
        ),
    ),
    "PropertySet": Part(PropertySet, (_many(1, "keys", "string"), _part(2, "values", "PropertyValue", many=True))),
    "PropertyValue": Part(
        PropertyValue,
        (
            _one(1, "type", "uint32"),
            _one(2, "is_null", "bool"),
            *_values(3),
            _part(9, "propertyset_value", "PropertySet", held=True),
            _part(10, "propertysets_value", "PropertySetList", held=True),
        ),
    ),
    "PropertySetList": Part(PropertySetList, (_part(1, "propertyset", "PropertySet", many=True),)),
    "DataSet": Part(
        DataSet,
        (
            _one(1, "num_of_columns", "uint64"),
            _many(2, "columns", "string"),
            _many(3, "types", "uint32"),
            _part(4, "rows", "Row", many=True),
        ),
    ),
    "Row": Part(Row, (_part(1, "elements", "DataSetValue", many=True),)),
    "DataSetValue": Part(DataSetValue, _values(1)),
    "Template": Part(
        Template,
        (
            _one(1, "version", "string"),
            _part(2, "metrics", "Metric", many=True),
            _part(3, "parameters", "Parameter", many=True),
            _one(4, "template_ref", "string"),
            _one(5, "is_definition", "bool"),
        ),
    ),
    "Parameter": Part(Parameter, (_one(1, "name", "string"), _one(2, "type", "uint32"), *_values(3))),
}
