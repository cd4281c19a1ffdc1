"""Checks of what stands in a bundle beside the proofs: places, signatures, recipe, rules, readings, schemas."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cytoloop.app.bundle_parts import rules_of, segment_file
from cytoloop.app.bundle_schema import schema_file
from cytoloop.app.report.quality import signatures_in
from cytoloop.core.entry import Recorded, document
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.people import CredentialSet
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.json import canonical, parse
from cytoloop.core.signature import PasskeyAssertion, Signature
from cytoloop.core.store import Row
from cytoloop.record import bundle
from cytoloop.record.bundle import Manifest
from cytoloop.record.checkpoint import KEYS
from cytoloop.record.codec import ALL_FACTS, Codec
from cytoloop.record.merkle import leaf_hash
from cytoloop.record.passkey import check_passkey
from cytoloop.record.rows import entry_of


@dataclass(frozen=True, slots=True)
class Contents:
    """What was checked."""

    passkeys: int
    segments: int


def read_entries(content: bytes) -> tuple[Recorded, ...]:
    """The entries in `entries.jsonl`; FindingError when one is not in its canonical form, or not in order."""
    bodies = bundle.bodies(content)
    entries = [entry_of(Row(number, "", 0, "", body, leaf_hash(body))) for number, body in enumerate(bodies)]
    names = {entry.name for entry in entries}
    codec, read = Codec(fact for fact in ALL_FACTS if fact.NAME in names), list[Recorded]()
    for entry, body in zip(entries, bodies, strict=True):
        if canonical(document(entry)) != body:
            raise FindingError(f"entry {entry.sequence} is not written in its canonical form")
        if read and entry.sequence <= read[-1].entry.sequence:
            raise FindingError(f"entry {entry.sequence} follows entry {read[-1].entry.sequence}: out of order")
        read.append(codec.decode(entry))
    return tuple(read)


def check_contents(manifest: Manifest, entries: tuple[Recorded, ...], files: Mapping[str, bytes]) -> Contents:
    """Check all of it; FindingError with the first thing that does not fit."""
    _check_places(manifest, entries)
    _check_recipe(manifest.batch, entries, files)
    _check_rules(entries, files)
    _check_schemas(manifest, entries, files)
    return Contents(passkeys=_check_passkeys(entries), segments=_check_segments(entries, files))


def _check_places(manifest: Manifest, entries: tuple[Recorded, ...]) -> None:
    """The batch's own stream and that of the keys are whole; in every stream, positions follow the sequence."""
    positions: dict[str, list[int]] = {}
    for each in entries:
        positions.setdefault(each.entry.stream, []).append(each.entry.position)
    for stream, found in positions.items():
        if found != sorted(set(found)):
            raise FindingError(f"the entries of {stream} are not in the order of their positions")
    own = positions.get(f"batch/{manifest.batch}", [])
    for stream, found in ((f"batch/{manifest.batch}", own), (KEYS, positions.get(KEYS, []))):
        missing = next((place for place, position in enumerate(found) if place != position), None)
        if missing is not None:
            raise FindingError(f"{stream} has a gap: its entry at position {missing} is missing")
    if (len(own), len(entries)) != (manifest.batch_entries, manifest.entries) or not own:
        raise FindingError(f"the manifest names {manifest.batch_entries} entries of the batch, {len(own)} are there")


def _check_recipe(batch: str, entries: tuple[Recorded, ...], files: Mapping[str, bytes]) -> None:
    first = next(each for each in entries if each.entry.stream == f"batch/{batch}")
    created = first.fact
    if not isinstance(created, BatchCreated) or created.batch != batch:
        raise FindingError(f"entry {first.entry.sequence} begins batch {batch} and is not its creation")
    if sha256(files[bundle.RECIPE]).hexdigest() != created.recipe_sha256:
        raise FindingError(
            f"{bundle.RECIPE} is not the recipe that the batch is pinned to in entry {first.entry.sequence}"
        )


def _check_rules(entries: tuple[Recorded, ...], files: Mapping[str, bytes]) -> None:
    try:
        said = parse(files[bundle.RULES])
        found = [(rule["locus"], rule["text_sha256"]) for rule in said]  # type: ignore[union-attr, index, call-overload]
    except (ValueError, KeyError, TypeError) as error:
        raise FindingError(f"{bundle.RULES} of the bundle cannot be read ({error}); it was changed") from error
    if found != [(rule["locus"], rule["text_sha256"]) for rule in rules_of(entries)]:
        raise FindingError(f"{bundle.RULES} does not name the rules that the findings in the entries are of")


def _check_schemas(manifest: Manifest, entries: tuple[Recorded, ...], files: Mapping[str, bytes]) -> None:
    """Every fact has its schema, but for those whose absence the manifest tells."""
    told = {each.name for each in manifest.absent}
    for each in entries:
        name = schema_file(each.entry.name)
        if name not in files and name not in told:
            raise FindingError(f"{name} is missing: entry {each.entry.sequence} has that form")


def _check_passkeys(entries: tuple[Recorded, ...]) -> int:
    """Every signature by a passkey is by one that its signer had enrolled before."""
    enrolled: dict[str, set[str]] = {}
    count = 0
    for each in entries:
        if isinstance(fact := each.fact, CredentialSet):
            enrolled.setdefault(fact.user, set()).add(fact.fingerprint)
        for signature in signatures_in(each):
            if signature.passkey is not None:
                _check_passkey(each, signature, signature.passkey, enrolled.get(signature.signer, set()))
                count += 1
    return count


def _check_passkey(recorded: Recorded, signature: Signature, passkey: PasskeyAssertion, enrolled: set[str]) -> None:
    what = f"the passkey under entry {recorded.entry.sequence} ({signature.signer}, {signature.meaning}) does not hold"
    try:
        check_passkey(signature, passkey)
    except FindingError as error:
        raise FindingError(f"{what}: {error}") from error
    if sha256(passkey.public_key.encode()).hexdigest() not in enrolled:
        raise FindingError(f"{what}: {signature.signer} had not enrolled it")


def _check_segments(entries: tuple[Recorded, ...], files: Mapping[str, bytes]) -> int:
    """Every sealed segment is there with the bytes that its entry names, and no other is."""
    sealed = {segment_file(each.fact.segment): each for each in entries if isinstance(each.fact, TelemetrySealed)}
    extra = {name for name in files if name.startswith(bundle.TELEMETRY)} - sealed.keys()
    if extra:
        raise FindingError(f"{min(extra)} is in the bundle and no entry sealed it")
    for name, each in sealed.items():
        fact = each.fact
        assert isinstance(fact, TelemetrySealed), "chosen above"
        if sha256(files.get(name, b"")).hexdigest() != fact.sha256:
            raise FindingError(f"{name} is not the segment that entry {each.entry.sequence} sealed, or is missing")
    return len(sealed)
