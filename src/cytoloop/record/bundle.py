"""Bundle: one batch taken out of the record as one file that anybody can check without us ("cytoloop-bundle/1").

The manifest names every other file with its size and hash; the record's key signs the manifest's hash. What each file
is for stands in `README.en.md` of the bundle itself and in `docs/how-to/verify-a-bundle.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.store import TreeHead
from cytoloop.core.time import Instant

T = TypeVar("T")

FORMAT = "cytoloop-bundle/1"
FAMILY = "cytoloop-bundle/"

MANIFEST, MANIFEST_NOTE = "manifest.json", "manifest.note"
ENTRIES, PROOFS, CHECKPOINT, KEYS = "entries.jsonl", "proofs.json", "checkpoint.txt", "keys.json"
RECIPE, RULES = "recipe.json", "rules.json"
TELEMETRY, TIME_STAMPS, SCHEMA = "telemetry/", "timestamps/", "schema/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a bundle, as its manifest names it."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A file that this bundle could have held and does not."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle holds."""

    format: str
    batch: str
    made_by: str
    """Program and version, "cytoloop 0.1.0": the same version renders the same reports."""
    made_at: Instant
    zone: str
    """IANA name of the site's zone, in which the reports show times."""
    origin: str
    """Name of the record, as its checkpoints say it."""
    tree_size: int
    """Entries under the checkpoint."""
    entries: int
    """Entries in the bundle."""
    batch_entries: int
    """Length of the batch's own stream under the checkpoint: so none is left out at its end."""
    files: tuple[Member, ...]
    absent: tuple[Absent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Inclusion proof of one entry (RFC 9162 §2.1.3)."""

    sequence: int
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued:
    """Consistency proof from an older checkpoint of the record (RFC 9162 §2.1.4): for whoever noted that one."""

    size: int
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """Every proof of a bundle, hexadecimal hashes."""

    size: int
    root: str
    inclusion: tuple[Proven, ...]
    consistency: tuple[Continued, ...] = ()

    @property
    def head(self) -> TreeHead:
        """The tree head that they lead to."""
        return TreeHead(self.size, bytes.fromhex(self.root))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKey:
    """A key of the record, and the entries that say from where to where it was in use."""

    key: str
    """Verifier key as text (C2SP signed-note)."""
    introduced: int
    retired: int | None
    handover: str = ""
    """The last checkpoint that a retired key signed (C2SP signed note): over the entry that introduced the next one.
    Empty for the key in force, and for a key that was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys that a bundle's signatures are checked with."""

    record: tuple[RecordKey, ...]
    witnesses: tuple[str, ...] = ()
    """Verifier keys of the witnesses that the record trusts; compare them with what you know yourself."""


_MANIFEST, _PROOFS, _KEYS = TypeAdapter(Manifest), TypeAdapter(Proofs), TypeAdapter(Keys)


def members(files: Mapping[str, bytes]) -> tuple[Member, ...]:
    """The files as a manifest names them: all but the manifest and its note."""
    return tuple(
        Member(name=name, size=len(files[name]), sha256=sha256(files[name]).hexdigest())
        for name in sorted(files)
        if name not in {MANIFEST, MANIFEST_NOTE}
    )


def manifest_bytes(manifest: Manifest) -> bytes:
    """The one byte form of a manifest."""
    return canonical(_MANIFEST.dump_python(manifest, mode="json"))


def manifest_text(batch: str, manifest: bytes) -> str:
    """What the record's key signs: format, batch, hash of the manifest, a line each."""
    return f"{FORMAT}\n{batch}\n{sha256(manifest).hexdigest()}\n"


def proofs_bytes(proofs: Proofs) -> bytes:
    """The one byte form of the proofs."""
    return canonical(_PROOFS.dump_python(proofs, mode="json"))


def keys_bytes(keys: Keys) -> bytes:
    """The one byte form of the keys."""
    return canonical(_KEYS.dump_python(keys, mode="json"))


def read_manifest(content: bytes) -> Manifest:
    """The manifest; UserError for a format that this version does not know, FindingError when it does not fit."""
    plain = _plain(content, MANIFEST)
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        if isinstance(found, str) and found.startswith(FAMILY):
            raise UserError(f"the bundle has format {found} and this version reads {FORMAT}; use a newer version")
        raise UserError(f"this is no bundle of Cytoloop: its manifest does not say format {FORMAT}; name another file")
    return _read(_MANIFEST, content, MANIFEST)


def read_proofs(content: bytes) -> Proofs:
    """The proofs; FindingError when they do not fit."""
    return _read(_PROOFS, content, PROOFS)


def read_keys(content: bytes) -> Keys:
    """The keys; FindingError when they do not fit."""
    return _read(_KEYS, content, KEYS)


def check_members(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Every file is there, as the manifest names it, and no other is; FindingError names the first that is not."""
    named = {member.name: member for member in manifest.files}
    present = [name for name in files if name not in {MANIFEST, MANIFEST_NOTE}]
    for name in sorted(named.keys() - files.keys()):
        raise FindingError(f"{name} is missing from the bundle although its manifest names it")
    for name in sorted(set(present) - named.keys()):
        raise FindingError(f"{name} is in the bundle although its manifest does not name it")
    for found in members(files):
        if found != named[found.name]:
            raise FindingError(f"{found.name} was changed: the manifest names another content of it")


def lines(entries: Sequence[bytes]) -> bytes:
    """Entries as JSON lines, exactly the bytes that were hashed, in order of sequence."""
    return b"".join(body + b"\n" for body in entries)


def bodies(content: bytes) -> list[bytes]:
    """The bytes of each entry, as they were hashed."""
    return content.removesuffix(b"\n").split(b"\n") if content else []


def _plain(content: bytes, name: str) -> JSON:
    try:
        return parse(content)
    except ValueError as error:
        raise FindingError(f"{name} of the bundle cannot be read ({error}); it was changed") from error


def _read(adapter: TypeAdapter[T], content: bytes, name: str) -> T:
    try:
        value = adapter.validate_json(content, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FindingError(f"{name} of the bundle does not fit at {where}: {first['msg']}; it was changed") from error
    return value
