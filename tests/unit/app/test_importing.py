"""Imported patients: all resources come in, nobody is named, and nothing comes in twice."""

import json
from pathlib import Path

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.app.bootstrap import writable_record
from cytoloop.app.demo import START, patients_of
from cytoloop.app.identities import open_vault
from cytoloop.app.importing import ImportReport, import_fhir, subjects_of
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import ResourceImported


def bring(folder: Path, source: Path) -> ImportReport:
    clock = SimulatedClock(START)
    with writable_record(folder, clock) as ledger:
        return import_fhir(ledger, clock, folder, source)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "fhir"
    folder.mkdir()
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "gender": "female",
        "birthDate": "1970-02-03",
        "name": [{"family": "Secretname", "given": ["Ann"]}],
        "identifier": [{"system": "mrn", "value": "MRN77"}],
    }
    weight = {"resourceType": "Observation", "id": "w1", "status": "final", "subject": {"reference": "Patient/p1"},
              "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
              "effectiveDateTime": "2026-05-01T08:00:00Z",
              "valueQuantity": {"value": 61.5, "code": "kg", "system": "http://unitsofmeasure.org"}}  # fmt: skip
    (folder / "patient.json").write_text(json.dumps(patient))
    (folder / "weight.json").write_text(json.dumps(weight))
    return folder


def test_a_patient_comes_in_under_a_pseudonym_with_the_weight(tmp_path: Path, source: Path) -> None:
    report = bring(tmp_path / "data", source)
    assert (report.new, report.subjects, report.observations) == (2, 1, 1)
    (subject,) = subjects_of(tmp_path / "data")
    assert subject.weight == 61.5
    (patient,) = patients_of([subject], seed=1, count=None)
    assert patient.weight == 61.5


def test_no_name_birth_date_or_number_is_anywhere_in_the_record(tmp_path: Path, source: Path) -> None:
    bring(tmp_path / "data", source)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("record.db*"))
    for secret in (b"Secretname", b"1970-02-03", b"MRN77", b"Patient/p1"):
        assert secret not in kept
    vault = open_vault(tmp_path / "data")
    (subject,) = vault.subjects()
    assert vault.identity(subject) == {
        "reference": "Patient/p1",
        "file": "patient.json",
        "names": ["Ann Secretname"],
        "birth_date": "1970-02-03",
        "identifiers": ["mrn MRN77"],
    }


def test_importing_again_changes_nothing(tmp_path: Path, source: Path) -> None:
    bring(tmp_path / "data", source)
    again = bring(tmp_path / "data", source)
    assert again.new == 0
    with writable_record(tmp_path / "data", SimulatedClock(START)) as ledger:
        facts = [each.fact for each in ledger.entries()]
    assert sum(isinstance(fact, ResourceImported) for fact in facts) == 2


def test_the_same_resource_with_other_content_is_refused(tmp_path: Path, source: Path) -> None:
    bring(tmp_path / "data", source)
    text = (source / "weight.json").read_text().replace("61.5", "161.5")
    (source / "weight.json").write_text(text)
    with pytest.raises(UserError, match=r"weight\.json was imported before with other content"):
        bring(tmp_path / "data", source)


def test_more_patients_than_were_imported_cannot_be_had(tmp_path: Path, source: Path) -> None:
    bring(tmp_path / "data", source)
    with pytest.raises(UserError, match="2 patients were asked for and 1 were imported"):
        patients_of(subjects_of(tmp_path / "data"), seed=1, count=2)


def test_the_real_shaped_resources_all_come_in(tmp_path: Path, shared: Path) -> None:
    report = bring(tmp_path / "data", shared / "data" / "fhir_examples" / "cibmtr_r4")
    assert sum(report.counts.values()) == report.new == 37
    assert report.subjects == len(subjects_of(tmp_path / "data")) == 6
    assert any("share an identifier" in warning for warning in report.warnings)
