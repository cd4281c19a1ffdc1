"""Canonical JSON: the one byte form of a fact, so that its hash means the same everywhere.

Keys sorted by code point, no white space, UTF-8, no NaN or infinity: the parts of RFC 8785 that hold for the
values the record keeps (text, whole numbers below 2^53, floats in Python's shortest form, booleans, null).
"""

import json
from hashlib import sha256
from typing import cast

from typing_extensions import TypeAliasType

JSON = TypeAliasType("JSON", "bool | int | float | str | list[JSON] | dict[str, JSON] | None")


def canonical(value: JSON) -> bytes:
    """Bytes of `value`; ValueError when it holds NaN or infinity."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def parse(text: bytes | str) -> JSON:
    """The value that `text` writes; ValueError when it is not JSON, or nested deeper than any fact is."""
    try:
        return cast(JSON, json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def digest(value: JSON) -> str:
    """SHA-256 of the canonical bytes, as 64 hexadecimal digits."""
    return sha256(canonical(value)).hexdigest()
