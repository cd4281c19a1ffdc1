"""Check of a bundle: everything it claims, from the file alone: no network, no database, no configuration.

The first thing that does not fit ends the check and is named. What a bundle cannot prove is said in the result.
"""

from dataclasses import dataclass

from cytoloop.adapters.documents.html import render_html
from cytoloop.app.bundle import MADE_BY
from cytoloop.app.bundle_bound import Bound, check_bound
from cytoloop.app.bundle_contents import check_contents, read_entries
from cytoloop.app.bundle_parts import TEXTS, render, rules_of, shipped
from cytoloop.app.bundle_stamps import Stamp, check_stamps
from cytoloop.app.bundle_trust import Trust, check_key, check_noted, hashes_of
from cytoloop.app.report import Standing
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.store import TreeHead
from cytoloop.record import bundle
from cytoloop.record.bundle import Keys, Manifest, Proofs
from cytoloop.record.checkpoint import KEYS, Checkpoint, LogKey, check_own, key_history
from cytoloop.record.container import unpack
from cytoloop.record.merkle import leaf_hash
from cytoloop.record.note import Verified, VerifierKey, check_note, parse_key, parse_note
from cytoloop.record.proof import verify_inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A bundle in which everything fits."""

    batch: str
    entries: int
    origin: str
    head: TreeHead
    made_by: str
    keys: tuple[str, ...]
    """Keys of the record that signed the checkpoint."""
    trusted: bool
    """Whether one of them was handed over by another way, or vouched for by such a one."""
    witnesses: tuple[str, ...]
    """Names of the witnesses whose cosignatures hold."""
    bound: Bound
    """Signatures of the batch that were found to be over exactly what was shown."""
    passkeys: int
    """Signatures in the entries that a passkey made, each checked."""
    segments: int
    stamps: tuple[Stamp, ...]
    reports_compared: bool
    """Whether the HTML reports were rendered anew and found the same; only the version that made them can."""


def check_bundle(archive: bytes, trust: Trust | None = None) -> Checked:
    """Check a bundle. FindingError with the first thing that does not fit; UserError for what is no bundle at all."""
    trust = trust or Trust()
    files = _unpacked(archive)
    content = files[bundle.MANIFEST]
    manifest = bundle.read_manifest(content)
    bundle.check_members(manifest, files)
    _check_present(files)
    entries, proofs = read_entries(files[bundle.ENTRIES]), bundle.read_proofs(files[bundle.PROOFS])
    keys = _keys(entries, files)
    checkpoint, by = _checkpoint(files, manifest, proofs, keys)
    _check_manifest_note(manifest, content, files, keys)
    _check_inclusion(files, entries, proofs)
    witnesses = _witnesses(files)
    trusted = check_key(trust, _read_keys(files), proofs, keys, by)
    check_noted(trust, checkpoint, proofs, keys)
    contents = check_contents(manifest, entries, files)
    return Checked(
        batch=manifest.batch,
        entries=len(entries),
        origin=checkpoint.origin,
        head=checkpoint.head,
        made_by=manifest.made_by,
        keys=tuple(each.text for each in by),
        trusted=trusted,
        witnesses=tuple(each.key.name for each in witnesses),
        bound=check_bound(entries, manifest.batch),
        passkeys=contents.passkeys,
        segments=contents.segments,
        stamps=check_stamps(files, trust.authority),
        reports_compared=_compared(manifest, entries, checkpoint, keys, files),
    )


def _unpacked(archive: bytes) -> dict[str, bytes]:
    try:
        files = unpack(archive)
    except FindingError as error:
        if bundle.MANIFEST.encode() not in archive:
            raise UserError(
                f"this is no bundle of Cytoloop but another archive ({error}); name another file"
            ) from error
        raise
    except UserError as error:
        if bundle.FAMILY.encode() in archive:
            raise FindingError("the bundle's container was changed at its beginning; ask for the file again") from error
        raise
    if bundle.MANIFEST not in files:
        raise UserError(f"this is no bundle of Cytoloop: there is no {bundle.MANIFEST} in it; name another file")
    return files


def _check_present(files: dict[str, bytes]) -> None:
    """What no bundle can be without, whatever its manifest says."""
    needed = (bundle.MANIFEST_NOTE, bundle.ENTRIES, bundle.PROOFS, bundle.CHECKPOINT, bundle.KEYS)
    reports = ("report.en.html", "report.zh.html")
    for name in (*needed, bundle.RECIPE, bundle.RULES, *reports, *TEXTS):
        if name not in files:
            raise FindingError(f"{name} is missing from the bundle")


def _keys(entries: tuple[Recorded, ...], files: dict[str, bytes]) -> tuple[LogKey, ...]:
    """The record's keys as its entries tell them; keys.json must say the same."""
    history = key_history(each for each in entries if each.entry.stream == KEYS)
    said = [(each.key, each.introduced, each.retired) for each in _read_keys(files).record]
    if said != [(each.key.text, each.introduced, each.retired) for each in history]:
        raise FindingError(f"{bundle.KEYS} does not say what the entries of {KEYS} say of the record's keys")
    return history


def _read_keys(files: dict[str, bytes]) -> Keys:
    return bundle.read_keys(files[bundle.KEYS])


def _checkpoint(
    files: dict[str, bytes], manifest: Manifest, proofs: Proofs, keys: tuple[LogKey, ...]
) -> tuple[Checkpoint, tuple[VerifierKey, ...]]:
    note = parse_note(_text(files, bundle.CHECKPOINT))
    checkpoint = check_own(note, keys)
    if (checkpoint.origin, checkpoint.head.size) != (manifest.origin, manifest.tree_size):
        raise FindingError(f"{bundle.CHECKPOINT} is of another record, or over another number of entries")
    if checkpoint.head != proofs.head:
        raise FindingError(f"{bundle.PROOFS} leads to another tree head than {bundle.CHECKPOINT}")
    signers = check_note(note, [each.key for each in keys if each.retired is None])
    return checkpoint, tuple(each.key for each in signers)


def _check_manifest_note(manifest: Manifest, content: bytes, files: dict[str, bytes], keys: tuple[LogKey, ...]) -> None:
    note = parse_note(_text(files, bundle.MANIFEST_NOTE))
    if note.text != bundle.manifest_text(manifest.batch, content):
        raise FindingError(f"{bundle.MANIFEST_NOTE} is over another manifest; the bundle was put together anew")
    check_note(note, [each.key for each in keys if each.retired is None])


def _check_inclusion(files: dict[str, bytes], entries: tuple[Recorded, ...], proofs: Proofs) -> None:
    sequences = [each.entry.sequence for each in entries]
    if sequences != [each.sequence for each in proofs.inclusion]:
        raise FindingError(f"{bundle.PROOFS} does not hold one proof for each entry")
    head = proofs.head
    for body, proven in zip(bundle.bodies(files[bundle.ENTRIES]), proofs.inclusion, strict=True):
        verify_inclusion(leaf_hash(body), proven.sequence, head.size, hashes_of(proven.hashes), head.root)


def _witnesses(files: dict[str, bytes]) -> tuple[Verified, ...]:
    """The cosignatures that hold, of the witnesses that the record trusts."""
    trusted = [parse_key(each) for each in _read_keys(files).witnesses]
    note = parse_note(_text(files, bundle.CHECKPOINT))
    known = {(each.name, each.key_id) for each in trusted}
    signed = any((line.name, line.key_id) in known for line in note.lines)
    return check_note(note, trusted) if signed else ()


def _compared(
    manifest: Manifest,
    entries: tuple[Recorded, ...],
    checkpoint: Checkpoint,
    keys: tuple[LogKey, ...],
    files: dict[str, bytes],
) -> bool:
    """The reports and texts are what this version makes of the entries. Another version's cannot be compared."""
    if manifest.made_by != MADE_BY:
        return False
    standing = Standing(
        origin=checkpoint.origin,
        head=checkpoint.head,
        keys=tuple(each.key.text for each in keys if each.retired is None),
        made_by=manifest.made_by,
        made_at=manifest.made_at,
        zone=manifest.zone,
    )
    for language, report in render(manifest.batch, entries, standing, rules_of(entries)).items():
        if files[f"report.{language}.html"] != render_html(report):
            raise FindingError(f"report.{language}.html does not say what the entries say")
    for name in TEXTS:
        if files[name] != shipped(name):
            raise FindingError(f"{name} is not the one that this version ships")
    return True


def _text(files: dict[str, bytes], name: str) -> str:
    try:
        return files[name].decode()
    except UnicodeDecodeError as error:
        raise FindingError(f"{name} of the bundle cannot be read ({error}); it was changed") from error
