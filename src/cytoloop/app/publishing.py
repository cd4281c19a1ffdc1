"""Publishing: the tree head signed and handed out, and what witnesses say of it.

An entry is *sequenced* once its append returned (durable), *integrated* once a kept tree head covers it, *published*
once a signed checkpoint covers it: from then on nobody changes it unnoticed by whoever holds that checkpoint.
"""

from dataclasses import dataclass
from pathlib import Path

from cytoloop.app.keyring import Keyring, held, key_in_force, sign_checkpoint
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.store import Attestation, Store, TreeHead
from cytoloop.core.time import Clock
from cytoloop.record.checkpoint import KEYS, Checkpoint, LogKey, key_history, parse_checkpoint
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import COSIGNATURE, Note, Verified, VerifierKey, check_note, parse_key, parse_note
from cytoloop.record.proof import Levels

WITNESSES = "witnesses.txt"
"""File in the data folder: verifier keys of the witnesses that are trusted, one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """How far the record is safe from what (docs/decisions/0012-open-log.md)."""

    origin: str | None
    """The record's name on its checkpoints; None before the first."""
    sequenced: int
    """Entries that are durable."""
    integrated: int
    """Entries under the newest tree head."""
    published: int
    """Entries under the newest checkpoint."""
    witnessed: int
    """Entries under the newest checkpoint that a witness signed too."""
    keys: tuple[LogKey, ...]


def publish(ledger: Ledger, store: Store, folder: Path, clock: Clock, origin: str | None = None) -> str:
    """Sign the tree head as a checkpoint, keep it, and return the note (with the cosignatures kept so far).

    The first time, the record gets its key, and `origin` for good as its name (made from the key when left out).
    Called again with nothing appended it returns the same checkpoint. FindingError, and nothing signed, when the tree
    head does not fit the entries or does not continue the checkpoint that was signed last.
    """
    with held(Keyring(ledger=ledger, store=store, folder=folder, clock=clock)) as ring:
        key = key_in_force(ring, origin)
        head = ledger.head()
        _check(ring, head)
        sign_checkpoint(ring, key, head)
    note = published(store, head.size)
    assert note is not None
    return note


def published(store: Store, size: int | None = None) -> str | None:
    """The newest checkpoint kept (or the one over `size` entries) with its cosignatures; None when there is none."""
    kept = list(store.attestations())
    sizes = {each.size for each in kept if each.kind == "checkpoint" and size in {None, each.size}}
    if not sizes:
        return None
    newest = [each for each in kept if each.size == max(sizes)]
    notes = [parse_note(each.body.decode()) for each in newest if each.kind == "checkpoint"]
    text = notes[0].text
    own = [line for note in notes if note.text == text for line in note.lines]
    others = [line for each in newest if each.kind == "cosignature" for line in cosignature(each, text).lines]
    return Note(text, tuple(dict.fromkeys([*own, *others]))).document


def cosignature(kept: Attestation, text: str) -> Note:
    """A cosignature that was kept, under the checkpoint `text` it is of."""
    return parse_note(f"{text}\n{kept.body.decode()}")


def states(ledger: Ledger, store: Store) -> States:
    """How many entries are sequenced, integrated, published and witnessed."""
    keys = key_history(ledger.stream(KEYS))
    sizes: dict[str, int] = {}
    for each in store.attestations():
        sizes[each.kind] = max(each.size, sizes.get(each.kind, 0))
    integrated = ledger.head().size
    return States(
        origin=keys[0].key.name if keys else None,
        sequenced=integrated + sum(1 for _ in store.rows(integrated)),
        integrated=integrated,
        published=sizes.get("checkpoint", 0),
        witnessed=sizes.get("cosignature", 0),
        keys=keys,
    )


def accept_cosignature(store: Store, folder: Path, document: str) -> tuple[Verified, ...]:
    """Keep the cosignatures that witnesses put under a checkpoint of ours; returns whose they are.

    FindingError or UserError, and nothing kept, when the checkpoint is not one that this record published, its text
    was altered, or no line is by a witness of `witnesses.txt`.
    """
    note = parse_note(document)
    checkpoint = parse_checkpoint(note.text)
    _check_published(store, note, checkpoint)
    trusted = witnesses(folder)
    if not any((line.name, line.key_id) in {(key.name, key.key_id) for key in trusted} for line in note.lines):
        raise UserError(
            f"no line under the checkpoint is by a witness of {folder / WITNESSES}; write the witness's verifier key "
            "there, one a line, when you trust it; nothing was kept"
        )
    by = check_note(note, trusted)
    for each in by:
        store.attest(Attestation(checkpoint.head.size, "cosignature", f"{each.line.text}\n".encode()))
    return by


def witnesses(folder: Path) -> tuple[VerifierKey, ...]:
    """The witnesses that this site trusts; UserError with the line when the file has a mistake."""
    path = folder / WITNESSES
    if not path.exists():
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); save it as UTF-8 text") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    return tuple(_witness(path, number, line) for number, line in numbered)


def _witness(path: Path, number: int, line: str) -> VerifierKey:
    try:
        key = parse_key(line)
    except UserError as error:
        raise UserError(f"{path}, line {number}: {error}") from error
    if key.type != COSIGNATURE:
        raise UserError(f"{path}, line {number}: {key.name} is not a witness's key; its type must be {COSIGNATURE}")
    return key


def _check_published(store: Store, note: Note, checkpoint: Checkpoint) -> None:
    kept = [parse_note(each.body.decode()).text for each in store.attestations() if each.kind == "checkpoint"]
    if note.text in kept:
        return
    origins = {parse_checkpoint(text).origin for text in kept}
    if checkpoint.origin not in origins:
        raise UserError(
            f"the checkpoint is of {checkpoint.origin} and this record is {', '.join(origins) or 'not published yet'}; "
            "name the folder of the record it is of; nothing was kept"
        )
    raise FindingError(
        f"this record never published a checkpoint of {checkpoint.head.size} entries with the root "
        f"{checkpoint.head.root.hex()}: the text was altered, or this is a copy that was rolled back; nothing was kept"
    )


def _check(ring: Keyring, head: TreeHead) -> None:
    """The head is computed anew from the leaves, and must continue what was signed before."""
    levels = Levels(ring.store.leaf_hashes())
    if head.size > levels.size or levels.root(head.size) != head.root:
        raise FindingError(
            f"the tree head over {head.size} entries does not fit them; run `cytoloop verify {ring.folder}`"
        )
    if not ring.latest.exists():
        return
    last = parse_checkpoint(parse_note(ring.latest.read_text(encoding="utf-8")).text).head
    if last.size > head.size or levels.root(last.size) != last.root:
        raise FindingError(
            f"the record does not continue the checkpoint over {last.size} entries that was signed last "
            f"({ring.latest}): it was rolled back or changed; nothing was signed; verify it and compare it with a copy"
        )
