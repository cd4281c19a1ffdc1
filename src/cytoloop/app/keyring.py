"""The record's keys: the one in force, its introduction, and its change for another. Private halves stay in files.

Every key that ever signed stands in the stream "record/keys" for good; only the newest private half is kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cytoloop.adapters.files import keep, make_folder
from cytoloop.adapters.folder import writing
from cytoloop.adapters.keys import SigningKey, load_key, new_key, promote, save_key
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.errors import UserError
from cytoloop.core.facts.record import KeyIntroduced, KeyRetired
from cytoloop.core.store import Attestation, Store, TreeHead
from cytoloop.core.time import Clock
from cytoloop.record.checkpoint import KEYS, LogKey, checkpoint_text, key_history
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import Note, Signer, VerifierKey, sign_text, verifier_of
from cytoloop.record.proof import Levels

ACTOR = "system:record"
LATEST = Path("keys", "latest.txt")
"""In the data folder: the newest checkpoint that was signed. A record rolled back beside it is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """A record and the folder with its private key."""

    ledger: Ledger
    store: Store
    folder: Path
    """Data folder."""
    clock: Clock

    @property
    def key(self) -> Path:
        """File of the key in force."""
        return self.folder / "keys" / "record.pem"

    @property
    def next(self) -> Path:
        """File of its successor, while the key changes."""
        return self.folder / "keys" / "next.pem"

    @property
    def latest(self) -> Path:
        """File of the newest checkpoint that was signed."""
        return self.folder / LATEST

    def history(self) -> tuple[LogKey, ...]:
        """Every key of the record, in the order they were introduced."""
        return key_history(self.ledger.stream(KEYS))


@contextmanager
def held(ring: Keyring) -> Iterator[Keyring]:
    """Hold the keys for this process alone; another one that wants them waits."""
    make_folder(ring.key.parent, mode=0o700)
    with writing(ring.key.parent, wait=True):
        yield ring


def key_in_force(ring: Keyring, origin: str | None = None) -> SigningKey:
    """The key that signs now; the first time it is made and introduced under the name `origin`.

    A change of keys that was interrupted is finished. UserError when the key is not there or is another record's.
    """
    keys = ring.history()
    if not keys:
        return _introduce(ring, origin)
    name = keys[0].key.name
    if origin is not None and origin != name:
        raise UserError(f"the record is named {name} since its first key, not {origin}; put {name} into the settings")
    active = {each.key for each in keys if each.retired is None}
    key = load_key(ring.key) if ring.key.exists() else None
    if key is not None and verifier_of(key) in active:
        return key
    if ring.next.exists() and verifier_of(load_key(ring.next)) in active:
        return _finish(ring, key)
    trouble = f"the key in {ring.key} is not" if key else f"{ring.key} is not there, which must be"
    raise UserError(
        f"{trouble} the key that signs for this record ({', '.join(each.text for each in active)}); restore it from a "
        "copy, or give it up for good with `cytoloop checkpoint rotate-key --lost`"
    )


def rotate_key(ring: Keyring, reason: str, *, lost: bool = False) -> VerifierKey:
    """Put a new key in the place of the one in force; returns its public half.

    One append introduces the new key and retires the old one; the old key's last act is the checkpoint over that
    append; then its private half is destroyed (its file is; a disk may still hold the blocks). Interrupted anywhere,
    `key_in_force` finishes it. `lost`: the old key is gone, so nothing vouches for the new one but the record itself.
    """
    keys = ring.history()
    active = [each for each in keys if each.retired is None]
    if not active:
        raise UserError("this record has no key yet; `cytoloop checkpoint publish` gives it one")
    old = None if lost else key_in_force(ring)
    if lost:
        _refuse_if_there(ring, active)
    successor = new_key(keys[0].key.name)
    save_key(successor, ring.next)
    facts = [KeyRetired(key=each.key.text, reason=reason) for each in active]
    _say(ring, [_introduced(successor), *facts])
    return verifier_of(_finish(ring, old))


def sign_checkpoint(ring: Keyring, key: SigningKey, head: TreeHead) -> None:
    """Sign the head and keep the note. The folder remembers first, so that what was signed is never forgotten."""
    text = checkpoint_text(key.name, head)
    note = Note(text, (sign_text(text, key),)).document.encode()
    keep(ring.latest, note)
    ring.store.attest(Attestation(head.size, "checkpoint", note))


def _introduce(ring: Keyring, origin: str | None) -> SigningKey:
    if not ring.key.exists():
        made = new_key("new")
        save_key(made.named(origin or f"cytoloop.record/{sha256(made.public).hexdigest()[:16]}"), ring.key)
    key = load_key(ring.key)
    if origin is not None and key.name != origin:
        key = key.named(origin)
        save_key(key, ring.key)
    _say(ring, [_introduced(key)])
    return key


def _finish(ring: Keyring, old: SigningKey | None) -> SigningKey:
    """The end of a change of keys: the old key's last checkpoint, then the new key takes its place."""
    last = next((each.retired for each in ring.history() if old and each.key == verifier_of(old)), None)
    if old is not None and last is not None:
        sign_checkpoint(ring, old, TreeHead(last + 1, Levels(ring.store.leaf_hashes()).root(last + 1)))
    promote(ring.next, ring.key)
    return load_key(ring.key)


def _refuse_if_there(ring: Keyring, active: Sequence[LogKey]) -> None:
    if ring.key.exists() and verifier_of(load_key(ring.key)) in {each.key for each in active}:
        raise UserError(f"the key is not lost, it is in {ring.key}; without --lost it vouches for the new one")


def _say(ring: Keyring, facts: Sequence[Fact]) -> None:
    now = ring.clock.now()
    drafts = [Draft(fact=fact, actor=ACTOR, happened_at=now) for fact in facts]
    ring.ledger.append(KEYS, drafts, expected=ring.ledger.position(KEYS))


def _introduced(key: Signer) -> KeyIntroduced:
    return KeyIntroduced(key=verifier_of(key).text, algorithm="ed25519")
