"""Importing patients: FHIR resources into the record under pseudonyms, and back out as patients of a demonstration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cytoloop.adapters.fhir import Imported, ImportedResource, ImportedSubject, import_resources, read_folder
from cytoloop.app.bootstrap import pseudonym_key, readable_record
from cytoloop.app.identities import keep_imported, open_vault
from cytoloop.app.records import holds_record
from cytoloop.app.registrar import Registrar
from cytoloop.clinic.subject import Subject, keyed_hash, pseudonym, subject
from cytoloop.core.entry import Draft
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import ResourceImported, SubjectEnrolled
from cytoloop.core.time import Clock
from cytoloop.record.ledger import Ledger

IMPORTER = "system:import"
IMPORT_STREAM = "import/fhir"
NO_STUDY = "none yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did."""

    counts: Mapping[str, int] = field(hash=False)
    """Resource type -> how many the folder holds."""
    new: int
    """Resources that were not in the record before."""
    subjects: int
    observations: int
    warnings: tuple[str, ...]


def import_fhir(ledger: Ledger, clock: Clock, folder: Path, source: Path) -> ImportReport:
    """Bring the FHIR files of `source` into the record of `folder`; what is there already is left as it is.

    Raises UserError for anything the reader refuses, and for a resource that came in before with other content.
    """
    key = pseudonym_key(folder)
    found = import_resources(read_folder(source), lambda text: pseudonym(text, key), lambda text: keyed_hash(text, key))
    fresh = _fresh(ledger, found)
    registrar = Registrar(ledger, clock)
    gone = keep_imported(ledger, open_vault(folder), found.identities)
    names = {each.fact.subject for each in fresh if each.fact.resource_type == "Patient"}
    for person in found.subjects:
        _write_subject(registrar, person, [each for each in fresh if each.fact.subject == person.subject], names)
    registrar.say(IMPORT_STREAM, *(each.fact for each in fresh), actor=IMPORTER)
    return ImportReport(
        counts=found.counts,
        new=len(fresh),
        subjects=len(found.subjects),
        observations=sum(len(each.observed) for each in fresh),
        warnings=(*found.warnings, *(f"who {each} is was erased before, and is not kept again" for each in gone)),
    )


def imported_subjects(ledger: Ledger) -> list[Subject]:
    """The subjects that imports brought in, in order."""
    found = [subject(ledger.stream(stream)) for stream in ledger.streams("subject/")]
    return [each for each in found if each is not None and each.enrolled.source.startswith("fhir:")]


def subjects_of(path: Path) -> list[Subject]:
    """The subjects of an import made before into the folder `path`; UserError when it holds none."""
    if not holds_record(path):
        raise UserError(f"{path} holds no import; run `cytoloop import fhir SOURCE --data {path}` first")
    with readable_record(path) as ledger:
        subjects = imported_subjects(ledger)
    if not subjects:
        raise UserError(f"the record in {path} holds no imported patient; run `cytoloop import fhir` into it first")
    return subjects


def _fresh(ledger: Ledger, found: Imported) -> list[ImportedResource]:
    """Resources that are not in the record yet."""
    facts = [recorded.fact for recorded in ledger.stream(IMPORT_STREAM)]
    known = {fact.reference: fact.sha256 for fact in facts if isinstance(fact, ResourceImported)}
    for each in found.resources:
        if known.get(each.fact.reference, each.fact.sha256) != each.fact.sha256:
            raise UserError(
                f"{each.file} was imported before with other content; nothing was imported: compare the two, and give "
                "a corrected resource a new id"
            )
    return [each for each in found.resources if each.fact.reference not in known]


def _write_subject(
    registrar: Registrar, person: ImportedSubject, resources: Sequence[ImportedResource], new: set[str | None]
) -> None:
    stream, now = f"subject/{person.subject}", registrar.clock.now()
    if person.subject in new and registrar.ledger.position(stream) == 0:
        enrolled = SubjectEnrolled(
            subject=person.subject, study=NO_STUDY, source=person.source, sex=person.sex, weight=person.weight
        )
        registrar.say(stream, enrolled, actor=IMPORTER)
    drafts = [
        Draft(fact=observed.fact, actor=IMPORTER, happened_at=min(observed.at or now, now))
        for resource in resources
        for observed in resource.observed
    ]
    registrar.ledger.append(stream, drafts, expected=registrar.ledger.position(stream))
