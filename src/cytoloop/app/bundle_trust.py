"""What a checker brings along from elsewhere than the bundle, and what it says of the bundle's key and checkpoint."""

from dataclasses import dataclass

from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.store import TreeHead
from cytoloop.record import bundle
from cytoloop.record.bundle import Keys, Proofs
from cytoloop.record.checkpoint import Checkpoint, LogKey, check_own, parse_checkpoint
from cytoloop.record.note import VerifierKey, check_note, parse_note
from cytoloop.record.proof import verify_consistency


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the checker brings along, from elsewhere than the bundle."""

    key: VerifierKey | None = None
    """The record's key as it was handed over by another way."""
    checkpoint: str | None = None
    """A checkpoint of the record that was noted before."""
    authority: bytes | None = None
    """Certificates (PEM) of the time-stamping authority."""


def check_key(trust: Trust, said: Keys, proofs: Proofs, keys: tuple[LogKey, ...], by: tuple[VerifierKey, ...]) -> bool:
    """Whether the key that was handed over signed the checkpoint, or vouched for one that did, key after key."""
    if trust.key is None:
        return False
    handovers = {each.key: each.handover for each in said.record}
    vouched = {trust.key}
    for each in keys:
        if each.key in vouched and handovers.get(each.key.text):
            size = _handed_over(handovers[each.key.text], each, proofs)
            vouched |= {other.key for other in keys if each.introduced < other.introduced < size}
    if not vouched & set(by):
        raise FindingError(
            f"the checkpoint is signed by {', '.join(key.text for key in by)}, and neither is that the key you named "
            f"({trust.key.text}) nor did that key vouch for it: the bundle is of another record, or the key is wrong"
        )
    return True


def _handed_over(document: str, key: LogKey, proofs: Proofs) -> int:
    """Number of entries that a retired key vouched for last, proven to be the beginning of this record."""
    note = parse_note(document)
    check_note(note, [key.key])
    last = parse_checkpoint(note.text).head
    _check_continues(last, proofs)
    return last.size


def check_noted(trust: Trust, checkpoint: Checkpoint, proofs: Proofs, keys: tuple[LogKey, ...]) -> None:
    """The checkpoint that was noted outside is of this record, and this record continues it."""
    if trust.checkpoint is None:
        return
    noted = check_own(parse_note(trust.checkpoint), keys)
    if noted.origin != checkpoint.origin:
        raise FindingError(f"the checkpoint you named is of {noted.origin}, the bundle of {checkpoint.origin}")
    if noted.head.size > checkpoint.head.size:
        raise UserError(
            f"the checkpoint you named is over {noted.head.size} entries, newer than the bundle's over "
            f"{checkpoint.head.size}; ask for `cytoloop checkpoint consistency {checkpoint.head.size} "
            f"{noted.head.size}`"
        )
    _check_continues(noted.head, proofs)


def _check_continues(older: TreeHead, proofs: Proofs) -> None:
    proof = next((each.hashes for each in proofs.consistency if each.size == older.size), None)
    if proof is None and older.size != proofs.size:
        raise UserError(
            f"the bundle holds no proof from a checkpoint over {older.size} entries; ask for `cytoloop checkpoint "
            f"consistency {older.size} {proofs.size}`"
        )
    verify_consistency(older.size, proofs.size, older.root, proofs.head.root, hashes_of(proof or ()))


def hashes_of(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    """Hashes as `proofs.json` writes them."""
    try:
        return tuple(bytes.fromhex(each) for each in texts)
    except ValueError as error:
        raise FindingError(f"{bundle.PROOFS} of the bundle cannot be read ({error}); it was changed") from error
