"""The files of a bundle, made from entries, proofs and signatures; nothing here reads a disk or asks a clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files

from cytoloop.adapters.documents.html import render_html
from cytoloop.app.bundle_entries import Held
from cytoloop.app.bundle_schema import schema_file, schemas
from cytoloop.app.report import Standing, batch_report
from cytoloop.app.views_shelf import Shelf
from cytoloop.compliance.cn_sc818 import CLAUSES
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import UserError
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.facts.production import BatchCreated, RecipeApproved
from cytoloop.core.json import JSON, canonical
from cytoloop.core.report import Report
from cytoloop.core.rule import Clause
from cytoloop.core.store import TreeHead
from cytoloop.core.words import LANGUAGES, Language, Words
from cytoloop.record import bundle
from cytoloop.record.bundle import Absent, Continued, Keys, Manifest, Proofs, Proven, RecordKey
from cytoloop.record.checkpoint import LogKey
from cytoloop.record.note import Note, Signer, sign_text
from cytoloop.record.proof import Levels

Typeset = Callable[[Report], bytes]
"""Makes a PDF of a report; UserError when it cannot here."""

TEXTS = ("README.en.md", "README.zh.md", "verify.py")
"""What stands in every bundle as it is shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What one bundle is made of."""

    batch: str
    entries: tuple[Recorded, ...]
    bodies: tuple[bytes, ...]
    """The bytes of each entry as they were hashed, in the same order."""
    standing: Standing
    checkpoint: str
    """The signed note over the tree head, with the signatures of witnesses."""
    keys: tuple[LogKey, ...]
    witnesses: tuple[str, ...]
    handovers: Mapping[str, str]
    """Retired key -> the last checkpoint that it signed."""
    older: tuple[int, ...]
    """Sizes of checkpoints that were handed out before."""
    segments: tuple[tuple[str, bytes], ...]
    """Sealed readings: name of the segment, bytes."""
    unsealed: int
    """Readings of the batch that are in no segment yet: they are not in the bundle."""
    stamps: tuple[tuple[bytes, bytes], ...]
    """Time stamps over the checkpoint: what was stamped, the token."""


def assemble(material: Material, levels: Levels, signer: Signer, typeset: Typeset | None) -> dict[str, bytes]:
    """Every file of the bundle, the signed manifest too."""
    files, absent = _files(material, levels), list[Absent]()
    reports = render(material.batch, material.entries, material.standing, rules_of(material.entries))
    files |= {f"report.{language}.html": render_html(report) for language, report in reports.items()}
    for language, report in reports.items():
        try:
            if typeset is None:
                raise UserError("it was not asked for")
            files[f"report.{language}.pdf"] = typeset(report)
        except UserError as why:
            absent.append(Absent(name=f"report.{language}.pdf", why=str(why)))
    names = sorted({each.entry.name for each in material.entries})
    unknown = [name for name in map(schema_file, names) if name not in files]
    absent += [Absent(name=name, why="this version does not know the name of the fact") for name in unknown]
    if material.unsealed:
        absent.append(Absent(name=bundle.TELEMETRY, why=f"{material.unsealed} readings were not sealed yet"))
    if not material.stamps:
        absent.append(Absent(name=bundle.TIME_STAMPS, why="no time stamp was taken over this checkpoint"))
    return _sealed(material, files, tuple(absent), signer)


def render(
    batch: str, entries: Sequence[Recorded], standing: Standing, rules: Iterable[Mapping[str, JSON]]
) -> dict[Language, Report]:
    """The report in each language: what an export writes, and what a check compares it with."""
    shelf = Shelf(Held(tuple(entries), standing.head))
    duties = {str(rule["locus"]): Words(en=str(rule["duty"]), zh=str(rule["duty_zh"])) for rule in rules}
    return {
        language: batch_report(shelf, batch, standing=standing, duties=duties, language=language)
        for language in LANGUAGES
    }


def rules_of(entries: Iterable[Recorded]) -> list[dict[str, JSON]]:
    """The rules of law that were read, with the duty in our words and the hash of the text each was written against."""
    known = {clause.locus: clause for clause in CLAUSES}
    found = {(each.fact.locus, each.fact.text_sha256) for each in entries if isinstance(each.fact, FindingRecorded)}
    return [_rule(locus, text, known.get(locus)) for locus, text in sorted(found)]


def recipe_of(entries: Iterable[Recorded], batch: str) -> bytes:
    """Canonical JSON of the master recipe the batch is pinned to; its SHA-256 stands in the batch's first entry."""
    facts = [each.fact for each in entries]
    created = next(fact for fact in facts if isinstance(fact, BatchCreated) and fact.batch == batch)
    approved = (fact for fact in facts if isinstance(fact, RecipeApproved))
    return canonical(dict(next(fact for fact in approved if fact.content_sha256 == created.recipe_sha256).content))


def segment_file(segment: str) -> str:
    """Name, in a bundle, of the segment "<batch>/<number>"."""
    return f"{bundle.TELEMETRY}{segment.replace('/', '-')}.segment"


def _files(material: Material, levels: Levels) -> dict[str, bytes]:
    head = material.standing.head
    files = {
        bundle.ENTRIES: bundle.lines(material.bodies),
        bundle.PROOFS: bundle.proofs_bytes(_proofs(material, levels, head)),
        bundle.CHECKPOINT: material.checkpoint.encode(),
        bundle.KEYS: bundle.keys_bytes(_keys(material)),
        bundle.RECIPE: recipe_of(material.entries, material.batch),
        bundle.RULES: canonical(list(rules_of(material.entries))),
    }
    files |= {segment_file(name): content for name, content in material.segments}
    for number, (stamped, token) in enumerate(material.stamps, start=1):
        files |= {f"{bundle.TIME_STAMPS}{number}.data": stamped, f"{bundle.TIME_STAMPS}{number}.tsr": token}
    files |= {name: shipped(name) for name in TEXTS}
    return files | schemas({each.entry.name for each in material.entries})


def _proofs(material: Material, levels: Levels, head: TreeHead) -> Proofs:
    sequences = [each.entry.sequence for each in material.entries]
    proven = (Proven(sequence=each, hashes=_hexed(levels.inclusion(each, head.size))) for each in sequences)
    continued = (Continued(size=old, hashes=_hexed(levels.consistency(old, head.size))) for old in material.older)
    return Proofs(size=head.size, root=head.root.hex(), inclusion=tuple(proven), consistency=tuple(continued))


def _keys(material: Material) -> Keys:
    handed = material.handovers
    keys = (
        RecordKey(
            key=each.key.text,
            introduced=each.introduced,
            retired=each.retired,
            handover=handed.get(each.key.text, ""),
        )
        for each in material.keys
    )
    return Keys(record=tuple(keys), witnesses=material.witnesses)


def _sealed(
    material: Material, files: dict[str, bytes], absent: tuple[Absent, ...], signer: Signer
) -> dict[str, bytes]:
    """The files with the manifest that names them and the record's signature over it."""
    standing = material.standing
    manifest = Manifest(
        format=bundle.FORMAT,
        batch=material.batch,
        made_by=standing.made_by,
        made_at=standing.made_at,
        zone=standing.zone,
        origin=standing.origin,
        tree_size=standing.head.size,
        entries=len(material.entries),
        batch_entries=sum(each.entry.stream == f"batch/{material.batch}" for each in material.entries),
        files=bundle.members(files),
        absent=absent,
    )
    content = bundle.manifest_bytes(manifest)
    text = bundle.manifest_text(material.batch, content)
    note = Note(text, (sign_text(text, signer),))
    return {**files, bundle.MANIFEST: content, bundle.MANIFEST_NOTE: note.document.encode()}


def _rule(locus: str, text_sha256: str, clause: Clause | None) -> dict[str, JSON]:
    """A clause that was written against another text of the law than the finding's is not the finding's rule."""
    same = clause if clause is not None and clause.text_sha256 == text_sha256 else None
    return {
        "locus": locus,
        "text_sha256": text_sha256,
        "duty": same.duty if same else "",
        "duty_zh": same.duty_zh if same else "",
        "status": same.status if same else "",
        "severity": same.severity if same else "",
    }


def shipped(name: str) -> bytes:
    """A text that stands in every bundle as this version ships it."""
    return package_files("cytoloop.app").joinpath("bundle_texts", name).read_bytes()


def _hexed(hashes: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(each.hex() for each in hashes)
