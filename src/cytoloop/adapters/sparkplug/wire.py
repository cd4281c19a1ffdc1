"""The wire form of Protocol Buffers, read strictly: as much of it as a Sparkplug B payload needs.

A message is a row of fields: a tag (number and wire type), then a whole number of variable length, 4 or 8 bytes, or a
length and so many bytes (Protocol Buffers, "Encoding"). Whatever the bytes are, reading ends, takes no more memory than
they are long, and says where they stop making sense.
"""

from collections.abc import Iterator
from typing import TypeAlias

from cytoloop.core.errors import UserError

NUMBER, EIGHT, BYTES, FOUR = 0, 1, 2, 5
"""Wire types."""
SAID = {NUMBER: "a whole number", EIGHT: "8 bytes", BYTES: "a length and bytes", FOUR: "4 bytes"}
HIGHEST_FIELD = 2**29 - 1

Path: TypeAlias = tuple[str, ...]
"""Where in a payload: ("metrics[3]", "properties", "keys")."""
Span: TypeAlias = tuple[int, int]
"""First byte, and the byte after the last."""


class PayloadError(UserError):
    """Bytes that are no Sparkplug payload, or values that none can carry: one sentence with place and remedy."""


def refused(path: Path, at: int, what: str, remedy: str = "see what its sender put there") -> PayloadError:
    """The error of bytes that cannot be read."""
    return PayloadError(
        f"the Sparkplug payload cannot be read at byte {at}, in {'.'.join(path) or 'its beginning'}: {what}; {remedy}"
    )


def cut_short(path: Path, at: int, what: str) -> PayloadError:
    """The error of bytes that end too early."""
    return refused(path, at, f"it is cut short, {what}", "see whether a limit on message size cuts it off on its way")


def number(value: int) -> bytes:
    """A whole number from 0 to 2^64-1, seven bits a byte, lowest first."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def tag(field: int, wire_type: int) -> bytes:
    """What stands before a field's value."""
    return number(field << 3 | wire_type)


def read_number(data: bytes, at: int, end: int, path: Path) -> tuple[int, int]:
    """The whole number at `at`, and where the bytes after it begin."""
    value = 0
    for count in range(10):
        if at + count >= end:
            raise cut_short(path, at, "a number has no end")
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at + count + 1
    raise refused(path, at, "a number does not fit into 64 bits")


def read_fields(data: bytes, span: Span, path: Path) -> Iterator[tuple[int, int, int | Span, int]]:
    """(field number, wire type, number or span of its bytes, where it began) of each field in `span`, in order."""
    at, end = span
    while at < end:
        began = at
        head, at = read_number(data, at, end, path)
        field, wire_type = head >> 3, head & 7
        if not 1 <= field <= HIGHEST_FIELD:
            raise refused(path, began, f"there is no field number {field}")
        if wire_type == NUMBER:
            value, at = read_number(data, at, end, path)
            yield field, wire_type, value, began
            continue
        length, at = _length(data, at, end, wire_type, path)
        yield field, wire_type, (at, at + length), began
        at += length


def _length(data: bytes, at: int, end: int, wire_type: int, path: Path) -> tuple[int, int]:
    """How many bytes the field's value has, and where they begin."""
    if wire_type in (EIGHT, FOUR):
        length = 8 if wire_type == EIGHT else 4
    elif wire_type == BYTES:
        length, at = read_number(data, at, end, path)
    else:
        raise refused(path, at, f"wire type {wire_type} is not used in Sparkplug")
    if length > end - at:
        raise cut_short(path, at, f"{length} bytes should follow and {end - at} do")
    return length, at
