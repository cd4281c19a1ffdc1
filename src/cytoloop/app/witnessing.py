"""Witnessing: a second site, or an inspector, signs that a record only ever grew (C2SP tlog-witness, tlog-cosignature).

A witness keeps the newest checkpoint it signed of each record and signs a newer one only with the proof that it
continues that one. It needs neither the record nor our server.
"""

from pathlib import Path

from cytoloop.adapters.files import keep
from cytoloop.adapters.keys import SigningKey, new_key, save_new
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.store import TreeHead
from cytoloop.core.time import Clock
from cytoloop.record.checkpoint import open_checkpoint, parse_checkpoint, parse_continuation
from cytoloop.record.note import COSIGNATURE, Note, VerifierKey, check_name, cosign_text, parse_note, verifier_of
from cytoloop.record.proof import verify_consistency


def new_witness(name: str, path: Path) -> VerifierKey:
    """Make a witness's key in the file `path`; its public half is for the record's `witnesses.txt`."""
    key = new_key(check_name(name))
    save_new(key, path)
    return verifier_of(key, COSIGNATURE)


def cosign(document: str, *, key: SigningKey, log: VerifierKey, seen: Path, clock: Clock, first: bool = False) -> Note:
    """The checkpoint with the witness's cosignature added, once it was found to continue the one in `seen`.

    `document`: a checkpoint with the proof of consistency in front (`checkpoint consistency`), or alone when it is the
    same size as the one seen, or the `first`. FindingError, and nothing signed or remembered, when the log's key did
    not sign it, when it is older than the one seen, or when it does not continue it (a fork).
    """
    old, proof, note = parse_continuation(document)
    checkpoint = open_checkpoint(note, [log])
    if checkpoint.origin != log.name:
        raise FindingError(f"the checkpoint is of {checkpoint.origin}, signed by {log.name}: it is of another record")
    if seen.exists():
        last = _seen(seen, log.name)
        if checkpoint.head.size < last.size:
            raise FindingError(
                f"the checkpoint is over {checkpoint.head.size} entries and one over {last.size} was signed before: "
                "the record was rolled back; nothing was signed"
            )
        if checkpoint.head.size > last.size and old != last.size:
            raise UserError(
                f"the proof starts at {old} entries and the last checkpoint signed here is over {last.size}; "
                f"ask for `cytoloop checkpoint consistency {last.size} {checkpoint.head.size}`"
            )
        if checkpoint.head.size == last.size:
            proof = ()
        verify_consistency(last.size, checkpoint.head.size, last.root, checkpoint.head.root, proof)
    elif not first:
        raise UserError(f"there is no checkpoint in {seen} to compare with; say --first if this is the first one ever")
    own = Note(note.text, tuple(line for line in note.lines if (line.name, line.key_id) == (log.name, log.key_id)))
    keep(seen, own.document.encode())
    return Note(note.text, (*note.lines, cosign_text(note.text, key, clock.now())))


def _seen(path: Path, origin: str) -> TreeHead:
    """The head signed last. Its own signature is not asked for: the log may have changed its key since."""
    try:
        last = parse_checkpoint(parse_note(path.read_text(encoding="utf-8")).text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); restore it from a copy") from error
    if last.origin != origin:
        raise UserError(f"{path} is of {last.origin}, not of {origin}; keep one file for each record")
    return last.head
