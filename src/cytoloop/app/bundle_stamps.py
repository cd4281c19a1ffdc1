"""Checks of a bundle's time stamps: each is over the checkpoint, or over the stamp before it and all it was over."""

from collections.abc import Mapping
from dataclasses import dataclass

from cytoloop.adapters.timestamp import check_token
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.time import Instant
from cytoloop.record import bundle
from cytoloop.record.note import parse_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One time stamp."""

    number: int
    at: Instant | None
    """When its authority saw the checkpoint; None when it could not be read here."""
    trusted: bool
    """Whether the authority's signature was checked with certificates from outside the bundle."""
    remark: str = ""
    """Why it could not be read here."""


def check_stamps(files: Mapping[str, bytes], authority: bytes | None) -> tuple[Stamp, ...]:
    """Check every stamp, with the authority's certificates (PEM) when they are named.

    FindingError when one is not over what it must be over; without the extra `time-stamp` tokens are not opened.
    """
    names = [name for name in files if name.startswith(bundle.TIME_STAMPS)]
    stamps, before = list[Stamp](), b""
    for number in range(1, len(names) // 2 + 1):
        content, token = (files.get(f"{bundle.TIME_STAMPS}{number}.{kind}") for kind in ("data", "tsr"))
        if content is None or token is None:
            raise FindingError(f"{bundle.TIME_STAMPS} must hold one {number}.data and one {number}.tsr")
        _check_content(number, content, before, files)
        stamps.append(_check_token(number, token, content, authority))
        before = token + content
    if authority is not None and not stamps:
        raise FindingError("the bundle holds no time stamp, and you named the certificates of an authority")
    if len(names) != 2 * len(stamps):
        raise FindingError(f"{bundle.TIME_STAMPS} holds a file that belongs to no stamp")
    return tuple(stamps)


def _check_content(number: int, content: bytes, before: bytes, files: Mapping[str, bytes]) -> None:
    name = f"{bundle.TIME_STAMPS}{number}.data"
    if number > 1:
        if content != before:
            raise FindingError(f"{name} is not the stamp before it followed by what that one was over")
        return
    stamped, checkpoint = parse_note(content.decode()), parse_note(files[bundle.CHECKPOINT].decode())
    if stamped.text != checkpoint.text or not set(stamped.lines) <= set(checkpoint.lines):
        raise FindingError(f"{name} is not the checkpoint of the bundle")


def _check_token(number: int, token: bytes, content: bytes, authority: bytes | None) -> Stamp:
    try:
        found = check_token(token, content, authority)
    except FindingError as error:
        raise FindingError(f"the time stamp {bundle.TIME_STAMPS}{number}.tsr does not hold: {error}") from error
    except UserError as why:
        if authority is not None:
            raise
        return Stamp(number=number, at=None, trusted=False, remark=str(why))
    return Stamp(number=number, at=found.at, trusted=found.trusted)
