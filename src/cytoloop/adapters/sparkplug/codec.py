"""Payloads to bytes and back, by the table in `schema.py`. No protobuf library: this is all of it that is needed.

Reading is strict. What a protobuf parser would let pass (a field given twice, a truth value of 7, a number that does
not fit its field) is refused with its place, because no honest sender sends it. Fields that the schema leaves to
extensions are passed over. Bounds keep a hostile payload cheap: LARGEST, MOST and DEEPEST.
"""

import struct
from dataclasses import dataclass
from typing import Any, cast

from cytoloop.adapters.sparkplug.payload import DataType, Payload
from cytoloop.adapters.sparkplug.schema import PARTS, Field, Kind, Part
from cytoloop.adapters.sparkplug.wire import (
    BYTES,
    EIGHT,
    FOUR,
    NUMBER,
    SAID,
    Path,
    PayloadError,
    Span,
    number,
    read_fields,
    read_number,
    refused,
    tag,
)

LARGEST = 8 * 1024 * 1024
"""Bytes of a payload."""
MOST = 20_000
"""Metrics, rows, cells, properties and their like in one payload, counted together."""
DEEPEST = 16
"""Templates in templates, property sets in property sets."""
WIRE: dict[Kind, int] = {
    "uint32": NUMBER, "uint64": NUMBER, "bool": NUMBER, "float": FOUR, "double": EIGHT, "string": BYTES,
    "bytes": BYTES, "part": BYTES,
}  # fmt: skip
TOP = {"uint32": 2**32, "uint64": 2**64, "bool": 2}
KNOWN = frozenset(int(each) for each in DataType)
TYPED = {("Metric", "datatype"), ("PropertyValue", "type"), ("Parameter", "type"), ("DataSet", "types")}
"""Fields that hold the number of a data type."""


def encode(payload: Payload) -> bytes:
    """The payload's bytes. PayloadError when a number does not fit its field."""
    return _written(PARTS["Payload"], payload, ())


def decode(data: bytes) -> Payload:
    """The payload that the bytes are. PayloadError says what is wrong with them, where, and what to do."""
    if len(data) > LARGEST:
        raise refused((), LARGEST, f"it has {len(data)} bytes and {LARGEST} are allowed", "have it sent in parts")
    return cast(Payload, _Reading(data, MOST).part("Payload", (0, len(data)), (), 0))


# -- writing ----------------------------------------------------------------------------------------------------------


def _written(part: Part, made: Any, path: Path) -> bytes:
    held = getattr(made, "held", None)
    pieces: list[bytes] = []
    for field in part.fields:
        value = held[1] if field.held and held and held[0] == field.name else None
        value = value if field.held else getattr(made, field.name)
        if value is not None:
            values = value if field.many else (value,)
            pieces += [_field(field, each, (*path, field.name)) for each in values]
    return b"".join(pieces)


def _field(field: Field, value: Any, path: Path) -> bytes:
    head = tag(field.number, WIRE[field.kind])
    if field.kind in TOP:
        if not 0 <= value < TOP[field.kind]:
            raise PayloadError(f"{value} in {'.'.join(path)} does not fit a {field.kind}; send another data type")
        return head + number(int(value))
    if field.kind in ("float", "double"):
        return head + _floating(field.kind, value, path)
    raw = _written(PARTS[field.part], value, path) if field.kind == "part" else value
    raw = raw.encode() if isinstance(raw, str) else raw
    return head + number(len(raw)) + raw


def _floating(kind: Kind, value: float, path: Path) -> bytes:
    try:
        return struct.pack("<f" if kind == "float" else "<d", value)
    except OverflowError as error:
        raise PayloadError(f"{value} in {'.'.join(path)} does not fit 4 bytes; send it as Double") from error


# -- reading ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reading:
    """One payload being read."""

    data: bytes
    left: int
    """How many more elements it may have."""

    def part(self, name: str, span: Span, path: Path, depth: int) -> Any:
        """The part whose fields are in `span`."""
        if depth > DEEPEST:
            raise refused(path, span[0], f"it is nested more than {DEEPEST} deep")
        part, found, held = PARTS[name], dict[str, Any](), None
        for given, wire_type, raw, at in read_fields(self.data, span, path):
            field = part.by_number.get(given)
            if field is None:
                continue
            if field.many:
                row = found.setdefault(field.name, [])
                row.extend(self._several(field, wire_type, raw, ((*path, f"{field.name}[{len(row)}]"), at, depth)))
            elif field.name in found or (field.held and held):
                raise refused((*path, field.name), at, "it is given twice")
            elif field.held:
                held = (field.name, self._one(field, wire_type, raw, (path, at, depth)))
            else:
                found[field.name] = self._one(field, wire_type, raw, (path, at, depth))
            if (name, field.name) in TYPED:
                _check_types(found[field.name], (*path, field.name), at)
        made = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
        return part.make(**made, held=held) if held else part.make(**made)

    def _several(self, field: Field, wire_type: int, raw: int | Span, place: tuple[Path, int, int]) -> list[Any]:
        """One more value of a field that has many; several when numbers are packed into one (proto2 allows it)."""
        path, at, depth = place
        if wire_type == BYTES and WIRE[field.kind] == NUMBER:
            values = [_fitting(field, each, path, at) for each in self._packed(cast(Span, raw), path)]
        else:
            values = [self._one(field, wire_type, raw, (path[:-1], at, depth), path[-1])]
        self.left -= len(values)
        if self.left < 0:
            raise refused(path, at, f"it has more than {MOST} elements", "have it sent in parts")
        return values

    def _one(self, field: Field, wire_type: int, raw: int | Span, place: tuple[Path, int, int], name: str = "") -> Any:
        """The value of one field; `name`: what it is called in a path, when not as the field."""
        path, at, depth = place
        if wire_type != WIRE[field.kind]:
            said = f"{SAID[WIRE[field.kind]]} should stand there and {SAID[wire_type]} does"
            raise refused((*path, name or field.name), at, said, "see whether its sender uses another schema")
        if field.kind == "part":
            return self._part(field, cast(Span, raw), (*path, name or field.name), depth)
        if isinstance(raw, int):
            return _fitting(field, raw, path, at)
        return self._value(field, raw, path)

    def _part(self, field: Field, span: Span, path: Path, depth: int) -> Any:
        made = self.part(field.part, span, path, depth + 1)
        if field.part == "PropertySet" and len(made.keys) != len(made.values):
            raise refused(path, span[0], f"{len(made.keys)} keys do not fit {len(made.values)} values")
        return made

    def _packed(self, span: Span, path: Path) -> list[int]:
        values, (at, end) = [], span
        while at < end:
            value, at = read_number(self.data, at, end, path)
            values.append(value)
            if len(values) > self.left:
                break
        return values

    def _value(self, field: Field, span: Span, path: Path) -> Any:
        begin, end = span
        if field.kind == "float":
            return struct.unpack_from("<f", self.data, begin)[0]
        if field.kind == "double":
            return struct.unpack_from("<d", self.data, begin)[0]
        taken = self.data[begin:end]
        if field.kind == "bytes":
            return taken
        try:
            return taken.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refused((*path, field.name), begin + error.start, "the text is not UTF-8") from error


def _fitting(field: Field, value: int, path: Path, at: int) -> int | bool:
    """The value, a truth value as one. PayloadError when a number does not fit its field."""
    if value >= TOP[field.kind]:
        raise refused((*path, field.name), at, f"{value} does not fit a {field.kind}")
    return bool(value) if field.kind == "bool" else value


def _check_types(found: Any, path: Path, at: int) -> None:
    for value in found if isinstance(found, list) else (found,):
        if value not in KNOWN:
            remedy = "see whether its sender uses a later specification than 3.0.0"
            raise refused(path, at, f"there is no data type {value}", remedy)
