"""Checkpoints: the tree head as a signed note that anyone can hold against the record (C2SP tlog-checkpoint).

The text is three lines: the record's name (its origin), the number of entries, the root. Who keeps one outside finds a
record that was rolled back or made anew, without trusting who runs it.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cytoloop.core.entry import Recorded
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.record import KeyIntroduced, KeyRetired
from cytoloop.core.store import TreeHead
from cytoloop.record.note import Note, VerifierKey, check_note, parse_key, parse_note
from cytoloop.record.proof import HASH, Proof

KEYS = "record/keys"
"""The stream that keeps which keys sign for the record."""
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
"""First line of a proof that an entry is under a checkpoint (C2SP tlog-proof)."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head and the record it is of."""

    origin: str
    head: TreeHead
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that is signed."""
        return checkpoint_text(self.origin, self.head, self.extensions)


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key that signs, or signed, for the record."""

    key: VerifierKey
    introduced: int
    """Sequence of the entry that introduced it."""
    retired: int | None = None
    """Sequence of the entry that retired it."""

    def may_sign(self, size: int) -> bool:
        """Whether a checkpoint over `size` entries may be by this key: from its introduction to its retirement.

        The last one it may sign is over the entry that retires it, so that it vouches for its successor.
        """
        return self.introduced < size and (self.retired is None or size <= self.retired + 1)


def checkpoint_text(origin: str, head: TreeHead, extensions: Sequence[str] = ()) -> str:
    """The text of a checkpoint."""
    lines = (origin, str(head.size), b64encode(head.root).decode(), *extensions)
    if any(not line or "\n" in line for line in lines):
        raise UserError("a line of a checkpoint is never empty; name the record's origin")
    return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text writes; UserError when it is none."""
    origin, size, root, *extensions = [*text.removesuffix("\n").split("\n"), "", ""][: max(3, text.count("\n"))]
    try:
        digest = b64decode(root, validate=True)
    except binascii.Error:
        digest = b""
    if not text.endswith("\n") or not origin or not all(extensions) or len(digest) != HASH:
        raise UserError("this is not a checkpoint: its lines are origin, number of entries, root hash in base64")
    if b64encode(digest).decode() != root:
        raise UserError("this is not a checkpoint: its root hash is not in plain base64")
    return Checkpoint(origin, TreeHead(_number(size, "checkpoint"), digest), tuple(extensions))


def open_checkpoint(note: Note, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint of a note that one of `keys` signed. FindingError or UserError when it is not."""
    check_note(note, keys)
    return parse_checkpoint(note.text)


def key_history(entries: Iterable[Recorded]) -> tuple[LogKey, ...]:
    """The record's keys in the order they were introduced, from the entries of the stream `KEYS`."""
    keys: dict[str, LogKey] = {}
    for each in entries:
        match each.fact:
            case KeyIntroduced(key=text):
                keys[text] = LogKey(parse_key(text), each.entry.sequence)
            case KeyRetired(key=text) if text in keys:
                keys[text] = LogKey(keys[text].key, keys[text].introduced, each.entry.sequence)
            case _:
                pass
    return tuple(keys.values())


def check_own(note: Note, keys: Sequence[LogKey]) -> Checkpoint:
    """The checkpoint of a note that one of the record's own keys signed while it was in force.

    FindingError when none did, or when a key signed before it was introduced or after it was retired.
    """
    by = check_note(note, [each.key for each in keys])
    checkpoint = parse_checkpoint(note.text)
    signers = {verified.key for verified in by}
    if not any(each.key in signers and each.may_sign(checkpoint.head.size) for each in keys):
        raise FindingError(
            f"the checkpoint over {checkpoint.head.size} entries is signed by {by[0].key.name} "
            f"(key {by[0].key.key_id.hex()}), which was not in force then"
        )
    return checkpoint


def proof_text(index: int, proof: Proof, note: str) -> str:
    """Proof that entry `index` is under the checkpoint `note`, as one text (C2SP tlog-proof)."""
    return f"{PROOF_HEADER}\nindex {index}\n{_hashes(proof)}\n{note}"


def parse_proof(text: str) -> tuple[int, Proof, Note]:
    """Index, hashes and note of such a text; UserError when it is none."""
    top, _, note = text.partition("\n\n")
    header, *lines = top.split("\n")
    lines = [line for line in lines if not line.startswith("extra ")]
    if header != PROOF_HEADER or not lines or not lines[0].startswith("index "):
        raise UserError(f"this is not a proof of an entry: its first line must be {PROOF_HEADER}")
    return _number(lines[0].removeprefix("index "), "proof"), _parse_hashes(lines[1:]), parse_note(note)


def continuation_text(old: int, proof: Proof, note: str) -> str:
    """Proof that the checkpoint `note` continues the first `old` entries: what a witness asks (C2SP tlog-witness)."""
    return f"old {old}\n{_hashes(proof)}\n{note}"


def parse_continuation(text: str) -> tuple[int, Proof, Note]:
    """Old size, hashes and note of such a text; a checkpoint alone continues nothing (size 0)."""
    if not text.startswith("old "):
        return 0, (), parse_note(text)
    top, _, note = text.partition("\n\n")
    first, *lines = top.split("\n")
    return _number(first.removeprefix("old "), "proof"), _parse_hashes(lines), parse_note(note)


def _hashes(proof: Proof) -> str:
    return "".join(f"{b64encode(each).decode()}\n" for each in proof)


def _parse_hashes(lines: Iterable[str]) -> Proof:
    try:
        proof = tuple(b64decode(line, validate=True) for line in lines)
    except binascii.Error as error:
        raise UserError(f"this is not a proof: a line is not base64 ({error})") from error
    if any(len(each) != HASH for each in proof):
        raise UserError(f"this is not a proof: a hash of SHA-256 has {HASH} bytes")
    return proof


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise UserError(f"this is not a {what}: {text[:40]!r} is not a whole number")
    return int(text)
