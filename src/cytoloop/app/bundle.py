"""Export: one batch as one file that anybody can check for thirty years, without us."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cytoloop import __version__
from cytoloop.adapters.files import promise_names, remove, write
from cytoloop.app.acts import note
from cytoloop.app.bundle_entries import select
from cytoloop.app.bundle_parts import Material, Typeset, assemble
from cytoloop.app.keyring import Keyring, held, key_in_force
from cytoloop.app.people import People
from cytoloop.app.people import Signer as Signing
from cytoloop.app.publishing import publish, published, witnesses
from cytoloop.app.registrar import Registrar
from cytoloop.app.report import Standing
from cytoloop.app.stamping import stamps_of
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import ConflictError, FindingError, UserError
from cytoloop.core.facts.record import BundleExported, TelemetrySealed
from cytoloop.core.store import Store, TreeHead
from cytoloop.core.telemetry import TelemetryStore
from cytoloop.core.time import Clock
from cytoloop.record.bundle import MANIFEST
from cytoloop.record.checkpoint import KEYS, LogKey, key_history, parse_checkpoint
from cytoloop.record.container import pack
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import Note, Signer, VerifierKey, parse_note, verifier_of
from cytoloop.record.proof import Levels

STREAM = "record/bundles"
"""Stream that keeps what was exported: not the batch's own, whose state an export does not change."""
ACTOR = "system:record"
MADE_BY = f"cytoloop {__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A record to export from."""

    ledger: Ledger
    store: Store
    telemetry: TelemetryStore | None
    """None when no readings are kept beside the record."""
    folder: Path
    """Data folder: its keys, its witnesses."""
    clock: Clock
    zone: str
    """IANA name of the site's zone."""
    origin: str | None = None
    """Name of the record, when the settings give one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    entries: int
    size: int
    """Bytes."""
    tree_size: int
    unsealed: int
    """Readings of the batch that were not sealed yet, and so are not in it."""
    manifest_sha256: str


def export(source: Source, batch: str, to: Path, *, typeset: Typeset | None, actor: str = ACTOR) -> Exported:
    """Write the bundle of `batch` into the file `to`, and keep as an entry that it was exported.

    The file is written beside and takes its name last, so that there is a whole bundle or none. UserError when there
    is no such batch or the file cannot be written; FindingError when what the record says does not fit.
    """
    if not to.parent.is_dir() or to.is_dir():
        raise UserError(f"{to} cannot be written: its folder is not there or it is a folder; name another file")
    head = _covered(source, batch)
    with held(Keyring(ledger=source.ledger, store=source.store, folder=source.folder, clock=source.clock)) as ring:
        signer = key_in_force(ring, source.origin)
        material, levels = _material(source, batch, head, signer)
        files = assemble(material, levels, signer, typeset)
    archive, manifest = pack(files), sha256(files[MANIFEST]).hexdigest()
    with _beside(to, archive):
        fact = BundleExported(batch=batch, manifest_sha256=manifest, tree_size=head.size)
        note(Registrar(source.ledger, source.clock), STREAM, fact, actor=actor)
    return Exported(
        entries=len(material.entries),
        size=len(archive),
        tree_size=head.size,
        unsealed=material.unsealed,
        manifest_sha256=manifest,
    )


def exporter(people: People, batch: str, by: Signing | None) -> str:
    """The actor of an export: who asks, proven and with the right to it.

    In a record that nobody is enrolled in, whoever has its folder may. UserError when somebody has to say who they are;
    RefusedError when they may not, which is an entry too.
    """
    if by is None:
        if any(not person.scripted for person in people.everybody()):
            raise UserError("this record has people: say who takes the batch out with --as USER")
        return ACTOR
    subject = f"batch/{batch}"
    people.prove(by, "export-bundle", subject)
    return f"person:{people.allowed('export-bundle', by.user, subject).user}"


def _covered(source: Source, batch: str) -> TreeHead:
    """The tree head of a checkpoint over everything that the bundle holds, signed by the key that is in force.

    One that witnesses or a time-stamping authority attested goes before a newer one; a new one is published when there
    is none.
    """
    needed = 1 + max(each.entry.sequence for each in select(source.ledger, batch, source.ledger.head()))
    active = [each.key for each in key_history(source.ledger.stream(KEYS)) if each.retired is None]
    kept = list(source.store.attestations())
    attested = {each.size for each in kept if each.kind != "checkpoint"}
    sizes = {each.size for each in kept if each.kind == "checkpoint" and each.size >= needed}
    for size in sorted(sizes, key=lambda size: (size in attested, size), reverse=True):
        note = parse_note(published(source.store, size) or "")
        if any(_signed_by(note, key) for key in active):
            return parse_checkpoint(note.text).head
    text = publish(source.ledger, source.store, source.folder, source.clock, source.origin)
    return parse_checkpoint(parse_note(text).text).head


def _material(source: Source, batch: str, head: TreeHead, signer: Signer) -> tuple[Material, Levels]:
    entries = select(source.ledger, batch, head)
    keys = key_history([each for each in entries if each.entry.stream == KEYS])
    if verifier_of(signer) not in {each.key for each in keys if each.retired is None}:
        raise ConflictError("the record's key was changed while the batch was exported; export it again")
    levels = Levels(source.store.leaf_hashes())
    if levels.root(head.size) != head.root:
        raise FindingError(f"the checkpoint over {head.size} entries does not fit them; run `cytoloop verify`")
    checkpoint = published(source.store, head.size)
    assert checkpoint is not None, "the head was taken from a checkpoint that is kept"
    standing = Standing(
        origin=keys[0].key.name,
        head=head,
        keys=tuple(each.key.text for each in keys if each.retired is None),
        made_by=MADE_BY,
        made_at=source.clock.now(),
        zone=source.zone,
    )
    kept = {each.size for each in source.store.attestations() if each.kind == "checkpoint"}
    material = Material(
        batch=batch,
        entries=entries,
        bodies=tuple(_bodies(source.store, entries)),
        standing=standing,
        checkpoint=checkpoint,
        keys=keys,
        witnesses=tuple(each.text for each in witnesses(source.folder)),
        handovers=_handovers(source.store, keys),
        older=tuple(sorted(size for size in kept if size < head.size)),
        segments=tuple(_segments(source.telemetry, entries)),
        unsealed=source.telemetry.unsealed(batch) if source.telemetry else 0,
        stamps=stamps_of(source.store, head.size),
    )
    return material, levels


def _handovers(store: Store, keys: Sequence[LogKey]) -> dict[str, str]:
    """The last checkpoint of each retired key: over the entry that retired it, which introduced the next one before."""
    kept = [each for each in store.attestations() if each.kind == "checkpoint"]
    found: dict[str, str] = {}
    for key in keys:
        for each in kept:
            note = parse_note(each.body.decode())
            if key.retired is not None and each.size == key.retired + 1 and _signed_by(note, key.key):
                found[key.key.text] = note.document
    return found


def _signed_by(note: Note, key: VerifierKey) -> bool:
    return any((line.name, line.key_id) == (key.name, key.key_id) for line in note.lines)


def _bodies(store: Store, entries: Sequence[Recorded]) -> Iterator[bytes]:
    """The bytes of each entry as they were hashed: never written anew."""
    for each in entries:
        sequence = each.entry.sequence
        yield next(store.rows(sequence, sequence + 1)).body


def _segments(telemetry: TelemetryStore | None, entries: Sequence[Recorded]) -> Iterator[tuple[str, bytes]]:
    """The sealed readings that the entries speak of, each checked against its entry."""
    for each in entries:
        if isinstance(fact := each.fact, TelemetrySealed):
            content = b"" if telemetry is None else telemetry.segment(fact.segment)
            if sha256(content).hexdigest() != fact.sha256:
                raise FindingError(
                    f"segment {fact.segment} is not the one that entry {each.entry.sequence} sealed, or it is missing; "
                    "nothing was exported; run `cytoloop verify` and restore the readings from a copy"
                )
            yield fact.segment, content


@contextmanager
def _beside(to: Path, content: bytes) -> Iterator[None]:
    """The file, written beside and durable; it takes its name once what is done inside has succeeded."""
    beside = to.with_name(f".{to.name}.new")
    try:
        write(beside, content, mode=0o644)
        yield
        beside.replace(to)
        promise_names(to.parent)
    except OSError as error:
        raise UserError(f"{to} cannot be written ({error.strerror}); name another file") from error
    finally:
        with suppress(OSError):
            remove(beside)
