"""Importing: a folder of resources as subjects, facts and warnings, ready for the app to write."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from cytoloop.adapters.fhir.observation import Observed, is_weight, read_observation
from cytoloop.adapters.fhir.resource import Resource, items, parse, patient_reference, text
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import ResourceImported
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant

Sex = Literal["female", "male", "other", "unknown"]
_SEXES = ("female", "male", "other", "unknown")
Keyed = Callable[[str], str]
"""A keyed hash of a reference, "Patient/abc" -> something that means nothing without the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSubject:
    """A patient, under a pseudonym."""

    subject: str
    sex: Sex
    weight: float | None
    """kg, the newest body weight; None when no Observation holds one."""
    source: str
    """ "fhir:<keyed hash>", for `SubjectEnrolled.source`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a subject is, for the identity map only. Never written to the record."""

    subject: str
    reference: str
    """ "Patient/abc"."""
    file: str
    names: tuple[str, ...] = field(default=(), repr=False)
    birth_date: str | None = field(default=None, repr=False)
    identifiers: tuple[str, ...] = field(default=(), repr=False)
    """Business identifiers, "<system> <value>"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedResource:
    """A resource with the facts it leaves in its subject's stream."""

    file: str
    fact: ResourceImported
    observed: tuple[Observed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Everything that came in, in the order of the file names."""

    subjects: tuple[ImportedSubject, ...]
    identities: tuple[Identity, ...]
    resources: tuple[ImportedResource, ...]
    counts: Mapping[str, int] = field(hash=False)
    """Resource type -> how many."""
    warnings: tuple[str, ...] = ()
    """Sentences for a person; none holds an identifier's value."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """The `.json` files of `folder`, by name in order; UserError when there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name a folder of FHIR R4 JSON files")
    try:
        files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.json")) if path.is_file()}
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error}; check the folder's permissions") from error
    if not files:
        raise UserError(f"{folder} holds no .json file; name a folder of FHIR R4 JSON files (XML is not read)")
    return files


def import_resources(files: Mapping[str, bytes], pseudonym: Keyed, keyed: Keyed) -> Imported:
    """Read `files` (name -> bytes). `pseudonym` and `keyed` turn a resource's reference into a name without one.

    Raises UserError naming the file for broken JSON, a resource given twice, an Observation of a patient who is
    not here, or a body weight that no dose can be computed from.
    """
    resources = [parse(name, content) for name, content in files.items()]
    _refuse_duplicates(resources)
    patients = [each for each in resources if each.resource_type == "Patient"]
    if not patients:
        raise UserError("no file holds a Patient; put the Patient resources beside the others")
    subject_of = {each.reference: pseudonym(each.reference) for each in patients}
    if len(set(subject_of.values())) < len(subject_of):
        raise UserError("two patients got one pseudonym; import with another key")
    warnings = _shared_identifiers(patients)
    imported = [_resource(each, subject_of, keyed, warnings) for each in resources]
    return Imported(
        subjects=tuple(_subject(each, subject_of[each.reference], keyed, imported) for each in patients),
        identities=tuple(_identity(each, subject_of[each.reference]) for each in patients),
        resources=tuple(imported),
        counts=dict(Counter(each.resource_type for each in resources)),
        warnings=tuple(warnings),
    )


def _identity(patient: Resource, subject: str) -> Identity:
    return Identity(
        subject=subject,
        reference=patient.reference,
        file=patient.file,
        names=tuple(name for each in items(patient.body.get("name")) if (name := _name(each))),
        birth_date=text(patient.body.get("birthDate")),
        identifiers=tuple(
            " ".join(part for part in (text(each.get("system")), text(each.get("value"))) if part)
            for each in items(patient.body.get("identifier"))
        ),
    )


def _name(name: Mapping[str, JSON]) -> str:
    """A HumanName as one text: as it was written out, else given names and family name (R4 §2.24.0.14)."""
    given = name.get("given")
    parts = [*(given if isinstance(given, list) else []), name.get("family")]
    return text(name.get("text")) or " ".join(part for part in parts if isinstance(part, str))


def _refuse_duplicates(resources: list[Resource]) -> None:
    seen: dict[str, str] = {}
    for each in resources:
        first = seen.setdefault(each.reference, each.file)
        if first != each.file:
            raise UserError(f"{first} and {each.file} are both {each.reference}; keep one of them and import again")


def _shared_identifiers(patients: list[Resource]) -> list[str]:
    """Business identifiers on more than one patient: a person decides whether they are one; nothing is merged."""
    holders: dict[tuple[str, str], list[str]] = {}
    for patient in patients:
        for each in items(patient.body.get("identifier")):
            value = text(each.get("value"))
            if value is not None:
                files = holders.setdefault((text(each.get("system")) or "no system", value), [])
                files += [] if patient.file in files else [patient.file]
    return [
        f"{', '.join(files)} share an identifier of {system}: they come in as {len(files)} subjects, "
        "a person must say whether they are one"
        for (system, _), files in holders.items()
        if len(files) > 1
    ]


def _resource(resource: Resource, subject_of: Mapping[str, str], keyed: Keyed, warnings: list[str]) -> ImportedResource:
    source = keyed(resource.reference)
    about = resource.reference if resource.resource_type == "Patient" else patient_reference(resource)
    subject = subject_of.get(about) if about else None
    if about is not None and subject is None and resource.resource_type == "Observation":
        raise UserError(f"{resource.file}: refers to {about}, which is in no file; add that Patient and import again")
    if about is not None and subject is None:
        warnings.append(f"{resource.file}: refers to a patient who is in no file; kept without a subject")
    observed: tuple[Observed, ...] = ()
    if resource.resource_type == "Observation":
        taken = read_observation(resource, source)
        warnings += taken.warnings
        observed = taken.observed if subject else ()
        if subject is None:
            warnings.append(f"{resource.file}: names no patient; its values are not taken")
    fact = ResourceImported(
        resource_type=resource.resource_type, reference=source, sha256=resource.sha256, subject=subject
    )
    return ImportedResource(file=resource.file, fact=fact, observed=observed)


def _subject(patient: Resource, subject: str, keyed: Keyed, imported: list[ImportedResource]) -> ImportedSubject:
    sex = text(patient.body.get("gender")) or "unknown"
    if sex not in _SEXES:
        raise UserError(f"{patient.file}: gender {sex!r} is unknown; expected one of {', '.join(_SEXES)}")
    source = f"fhir:{keyed(patient.reference)}"
    weight = _newest_weight([each for each in imported if each.fact.subject == subject])
    return ImportedSubject(subject=subject, sex=cast(Sex, sex), weight=weight, source=source)


def _newest_weight(imported: list[ImportedResource]) -> float | None:
    weights: list[tuple[Instant | None, float]] = [
        (each.at, each.fact.value)
        for resource in imported
        for each in resource.observed
        if is_weight(each.fact) and isinstance(each.fact.value, float)
    ]
    # A weight without a date counts only when there is no dated one.
    dated = [(at, value) for at, value in weights if at is not None]
    if dated:
        return max(dated, key=lambda each: each[0])[1]
    return weights[-1][1] if weights else None
