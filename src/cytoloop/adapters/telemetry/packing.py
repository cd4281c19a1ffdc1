"""Packing: bytes made of 64-bit numbers, squeezed for keeping. Exactly reversible for any bytes at all.

Readings of one signal follow each other closely, so the numbers are kept as differences, their bytes sorted into lanes
(all lowest bytes first, ...), and then deflated. A block of decimal fractions (36.98, 37.01) is kept as whole numbers
of its smallest decimal place, if that gives back the very same bits: binary fractions hide how close they are.
Cf. Afroozeh, Kuffo and Boncz, "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2023.

Form: byte count (uint64), then one byte for each block of BLOCK words (its decimal places, or PLAIN), then deflate
of the blocks' lanes and of the last bytes that fill no word.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
BLOCK = 8192
PLAIN = 255
MOST_PLACES = 9
EXACT = 2.0**53
LEVEL = 3
"""Of zlib: beyond it a tenth is gained for several times the work."""


def pack(data: bytes) -> bytes:
    """The bytes squeezed."""
    count = len(data) // 8
    words = np.frombuffer(data, dtype="<u8", count=count)
    blocks = [_packed(words[start : start + BLOCK]) for start in range(0, count, BLOCK)]
    squeezer = zlib.compressobj(LEVEL)
    body = [squeezer.compress(lanes) for _, lanes in blocks]
    body += [squeezer.compress(data[8 * count :]), squeezer.flush()]
    return b"".join((struct.pack("<Q", len(data)), bytes(places for places, _ in blocks), *body))


def unpack(packed: bytes) -> bytes:
    """The bytes again. ValueError when they are damaged."""
    try:
        (size,) = struct.unpack_from("<Q", packed)
        count = size // 8
        places = packed[8 : 8 + -(-count // BLOCK)]
        plain = zlib.decompress(packed[8 + len(places) :])
    except (struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(plain) != size:
        raise ValueError(f"{size} bytes are announced and {len(plain)} came out")
    parts = [_unpacked(plain[8 * BLOCK * n : min(8 * BLOCK * (n + 1), 8 * count)], p) for n, p in enumerate(places)]
    return b"".join((*parts, plain[8 * count :]))


def _packed(words: Words) -> tuple[int, bytes]:
    """Decimal places and lanes of a block."""
    places, numbers = _decimals(words)
    steps = np.diff(numbers, prepend=np.uint64(0))
    return places, np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 8).T).tobytes()


def _unpacked(lanes: bytes, places: int) -> bytes:
    steps = np.ascontiguousarray(np.frombuffer(lanes, dtype=np.uint8).reshape(8, -1).T).view("<u8").ravel()
    numbers = np.cumsum(steps, dtype=np.uint64)
    if places == PLAIN:
        return numbers.tobytes()
    if places > MOST_PLACES:
        raise ValueError(f"{places} decimal places are more than a block has")
    return (numbers.view(np.int64) / 10.0**places).tobytes()


def _decimals(words: Words) -> tuple[int, Words]:
    """The block as whole numbers of a decimal place; as it is when that would not give back the same bits."""
    values = words.view(np.float64)
    for places in range(MOST_PLACES + 1):
        if _whole(values[:32], places) is not None:
            numbers = _whole(values, places)
            if numbers is not None:
                return places, numbers
    return PLAIN, words


def _whole(values: NDArray[np.float64], places: int) -> Words | None:
    scale = 10.0**places
    with np.errstate(all="ignore"):
        scaled = np.rint(values * scale)
        if not (np.abs(scaled) < EXACT).all():
            return None
    numbers = scaled.astype(np.int64)
    same = ((numbers / scale).view(np.uint64) == values.view(np.uint64)).all()
    return numbers.view(np.uint64) if same else None
