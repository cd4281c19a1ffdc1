"""Container: the one byte form of a bundle's files, so that not one bit of the whole file can change unseen.

It is a plain ZIP archive (APPNOTE.TXT 6.3.3) that any tool opens, written in exactly one way: `manifest.json` first,
then the files by name, each stored as it is, without compression, extra fields, comments or times. Compressed forms
differ from library to library; stored ones are the same in thirty years, and `unpack` can ask for every byte. A name
that is not ASCII, as of a batch numbered in Chinese, is in UTF-8 and says so in its flags (APPNOTE.TXT, appendix D).
"""

import struct
from collections.abc import Mapping
from zlib import crc32

from cytoloop.core.errors import FindingError, UserError

FIRST = "manifest.json"
LARGEST = 0xFFFF_FFFF
"""Bytes that a ZIP archive without 64-bit fields can hold."""

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _EARLIEST_DATE = 20, 0x0021
"""ZIP 2.0; 1 January 1980, the earliest date of the format: a file's own time says nothing here."""
_UTF8 = 0x0800
"""Flag of a name in UTF-8."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive that holds `files`; UserError when they are too many or too large for one."""
    local, central, offset = list[bytes](), list[bytes](), 0
    for name in sorted(files, key=_order):
        content = files[name]
        if offset + len(content) >= LARGEST or len(files) >= 0xFFFF:
            raise UserError(f"a bundle holds up to 4 GiB in 65,534 files, not {name}; export fewer readings")
        head = _local(name, crc32(content), len(content))
        central.append(_central(name, crc32(content), len(content), offset))
        local += [head, content]
        offset += len(head) + len(content)
    return b"".join([*local, *central, _end(len(files), sum(map(len, central)), offset)])


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files in `archive`.

    UserError when it is no ZIP archive at all; FindingError with the first byte that `pack` would have written
    otherwise.
    """
    files, offset = dict[str, bytes](), 0
    while archive[offset : offset + 4] == b"PK\x03\x04":
        name, content, offset = _member(archive, offset)
        if name in files:
            raise FindingError(f"the bundle holds {name} twice; it was changed after it was exported")
        files[name] = content
    if not files:
        raise UserError("this is no bundle: it does not begin as a ZIP archive does; name a file that was exported")
    packed = pack(files)
    if packed != archive:
        raise FindingError(_changed(_first_difference(packed, archive)))
    return files


def _member(archive: bytes, offset: int) -> tuple[str, bytes, int]:
    """Name and content of the member that begins at `offset`, and where the next one begins."""
    start = offset + _LOCAL.size
    if start > len(archive):
        raise FindingError(_changed(offset))
    *_, stored, size, name_length, _extra = _LOCAL.unpack_from(archive, offset)
    body = start + name_length
    if stored != size or body + size > len(archive):
        raise FindingError(_changed(offset))
    try:
        return archive[start:body].decode(), archive[body : body + size], body + size
    except UnicodeDecodeError:
        raise FindingError(_changed(start)) from None


def _first_difference(one: bytes, two: bytes) -> int:
    """Length of what both begin with."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _order(name: str) -> tuple[bool, str]:
    return name != FIRST, name


def _local(name: str, crc: int, size: int) -> bytes:
    encoded = name.encode()
    fixed = (b"PK\x03\x04", _VERSION, _flags(name), 0, 0, _EARLIEST_DATE, crc, size, size, len(encoded), 0)
    return _LOCAL.pack(*fixed) + encoded


def _central(name: str, crc: int, size: int, offset: int) -> bytes:
    encoded, flags = name.encode(), _flags(name)
    fixed = (
        b"PK\x01\x02", _VERSION, _VERSION, flags, 0, 0, _EARLIEST_DATE, crc, size, size, len(encoded), 0, 0, 0, 0, 0,
        offset,
    )  # fmt: skip
    return _CENTRAL.pack(*fixed) + encoded


def _flags(name: str) -> int:
    return 0 if name.isascii() else _UTF8


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)


def _changed(at: int) -> str:
    return (
        f"the bundle's container is not as it was exported, from byte {at}: a tool packed it anew or it was changed; "
        "ask for the file as it was exported"
    )
