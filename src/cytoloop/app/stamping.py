"""Time stamps: an authority outside says when a checkpoint was there already (RFC 3161), and says it again in time.

The first stamp is over the checkpoint's note. A later one is over the stamp before it followed by everything that one
was over, with a newer hash: so the proof of time outlives the algorithms it began with. That is the idea of the
renewals of RFC 4998 (ERS) and not its format: the tokens stay plain RFC 3161 and are checked one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cytoloop.core.errors import UserError
from cytoloop.core.store import Attestation, Store

Authority = Callable[[bytes], bytes]
"""Asks a time-stamping authority for a token over this content; UserError when it cannot be had or does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """A token that was kept."""

    size: int
    """Entries under the checkpoint."""
    number: int
    """From 1; each later one renews the one before."""


def stamps_of(store: Store, size: int) -> tuple[tuple[bytes, bytes], ...]:
    """The stamps over the checkpoint of `size` entries, in order: what was stamped, the token."""
    kept = [each for each in store.attestations() if each.size == size]
    notes = [each.body for each in kept if each.kind == "checkpoint"]
    stamps, content = list[tuple[bytes, bytes]](), notes[0] if notes else b""
    for token in (each.body for each in kept if each.kind == "time-stamp"):
        stamps.append((content, token))
        content = token + content
    return tuple(stamps)


def stamp(store: Store, authority: Authority, *, again: bool = False) -> Stamped:
    """Have the newest checkpoint stamped and keep the token; `again` renews the newest stamp of it.

    UserError when nothing is published yet, when it is stamped already, or, `again`, when it is not.
    """
    sizes = {kind: _newest(store, kind) for kind in ("checkpoint", "time-stamp")}
    size = sizes["time-stamp"] if again else sizes["checkpoint"]
    if size is None:
        missing = "has no time stamp to renew; stamp it first" if again else "was never published; publish it first"
        raise UserError(f"the record {missing} (`cytoloop checkpoint {'stamp' if again else 'publish'}`)")
    stamps = stamps_of(store, size)
    if stamps and not again:
        raise UserError(
            f"the checkpoint over {size} entries is stamped already; publish a newer one, or renew with --again"
        )
    token = authority(to_stamp(store, size))
    store.attest(Attestation(size, "time-stamp", token))
    return Stamped(size=size, number=len(stamps) + 1)


def to_stamp(store: Store, size: int) -> bytes:
    """What the next stamp over the checkpoint of `size` entries is over."""
    stamps = stamps_of(store, size)
    if stamps:
        content, token = stamps[-1]
        return token + content
    return next(each.body for each in store.attestations() if each.size == size and each.kind == "checkpoint")


def _newest(store: Store, kind: str) -> int | None:
    return max((each.size for each in store.attestations() if each.kind == kind), default=None)
