"""The container of a bundle: an ordinary ZIP archive with exactly one byte form."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.core.errors import FindingError, UserError
from cytoloop.record.container import pack, unpack

FILES = {"manifest.json": b'{"format":1}', "a/b.txt": b"hello", "empty": b"", "z.bin": bytes(range(256)), "批-1": b"x"}
NAMES = st.text("批éabcdefghijklmnopqrstuvwxyz/.-0123456789", min_size=1, max_size=20)


def test_any_tool_opens_it() -> None:
    archive = zipfile.ZipFile(io.BytesIO(pack(FILES)))
    assert archive.testzip() is None
    assert archive.namelist() == ["manifest.json", "a/b.txt", "empty", "z.bin", "批-1"]
    assert {name: archive.read(name) for name in archive.namelist()} == FILES


@given(st.dictionaries(NAMES, st.binary(max_size=40), min_size=1, max_size=6))
def test_what_is_packed_is_unpacked(files: dict[str, bytes]) -> None:
    packed = pack(files)
    assert unpack(packed) == files
    assert pack(dict(reversed(files.items()))) == packed


def test_every_flipped_bit_is_found() -> None:
    """Also those of dates, versions and sizes, which no ordinary tool looks at."""
    packed = pack(FILES)
    for bit in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises((FindingError, UserError)):
            unpack(bytes(changed))


def test_an_archive_that_was_cut_or_continued_is_found() -> None:
    packed = pack(FILES)
    for cut in range(5, len(packed), 7):
        with pytest.raises(FindingError):
            unpack(packed[:cut])
    with pytest.raises(FindingError, match=f"from byte {len(packed)}"):
        unpack(packed + b"\0")


def test_the_same_files_packed_by_another_tool_are_found() -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content * 3)
    with pytest.raises(FindingError, match="a tool packed it anew"):
        unpack(other.getvalue())


@pytest.mark.parametrize("foreign", [b"", b"PK", b"not an archive", b"%PDF-1.7"])
def test_a_foreign_file_is_no_bundle(foreign: bytes) -> None:
    with pytest.raises(UserError, match="no bundle"):
        unpack(foreign)
