"""The FHIR door: what comes in, what never does, and what is refused with a sentence."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cytoloop.adapters.fhir import Imported, import_resources, read_folder
from cytoloop.core.errors import UserError

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "gender": "female",
    "name": [{"family": "Doe"}],
    "birthDate": "1970-01-02",
    "identifier": [{"system": "urn:mrn", "value": "MRN-77"}],
}
WEIGHT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "w1",
    "status": "final",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "effectiveDateTime": "2026-06-01T08:00:00+08:00",
    "valueQuantity": {"system": "http://unitsofmeasure.org", "code": "kg", "value": 70},
}


def observation(**changes: Any) -> dict[str, Any]:
    return {**WEIGHT, **changes}


def quantity(value: Any, code: str, **more: Any) -> dict[str, Any]:
    return {"system": "http://unitsofmeasure.org", "code": code, "value": value, **more}


def other(**changes: Any) -> dict[str, Any]:
    """An Observation that is no weight and has no value yet."""
    body = {key: value for key, value in WEIGHT.items() if key != "valueQuantity"}
    return {**body, "id": "o1", "code": {"coding": [{"system": "http://loinc.org", "code": "1-1"}]}, **changes}


def imported(*resources: dict[str, Any]) -> Imported:
    files = {f"{number}.json": json.dumps(each).encode() for number, each in enumerate(resources)}
    return import_resources(files, pseudonym=lambda reference: f"S-{reference[8:]}", keyed=lambda _: "KEYED")


def values(*resources: dict[str, Any]) -> list[tuple[float | str | None, str | None, str | None]]:
    """Value, unit and comparator of every fact."""
    found = imported(PATIENT, *resources)
    return [(o.fact.value, o.fact.unit, o.fact.comparator) for each in found.resources for o in each.observed]


def test_all_real_shaped_resources_come_in(shared: Path) -> None:
    files = read_folder(shared / "data" / "fhir_examples" / "cibmtr_r4")
    found = import_resources(files, pseudonym=lambda reference: f"S-{reference}", keyed=lambda text: f"K-{text}")
    assert len(found.resources) == 37
    assert found.counts == {
        "Medication": 8,
        "MedicationAdministration": 2,
        "MedicationRequest": 1,
        "Observation": 20,
        "Patient": 6,
    }
    assert [each.weight for each in found.subjects if each.weight is not None] == [50.09414]
    assert sum(len(each.observed) for each in found.resources) == 21
    assert len(found.warnings) == 3
    crid = next(each for each in found.warnings if "CRID" in each and "3 subjects" in each)
    assert "PatientExample1" in crid
    assert "123456" not in crid


def test_nothing_that_names_the_person_is_in_a_fact() -> None:
    found = imported(PATIENT, WEIGHT)
    facts = json.dumps([asdict(each) for each in found.resources] + [asdict(s) for s in found.subjects], default=str)
    for secret in ("Doe", "1970", "MRN-77", "Patient/p1"):
        assert secret not in facts
    assert [(each.subject, each.reference) for each in found.identities] == [("S-p1", "Patient/p1")]


def test_a_weight_is_in_kilograms_with_its_time() -> None:
    found = imported(PATIENT, observation(valueQuantity=quantity(154, "[lb_av]")))
    (subject,) = found.subjects
    assert subject.weight == pytest.approx(69.853, abs=1e-3)
    assert found.resources[1].observed[0].at == datetime(2026, 6, 1, tzinfo=UTC)
    assert (subject.subject, subject.sex, subject.source) == ("S-p1", "female", "fhir:KEYED")


@pytest.mark.parametrize(
    ("dates", "weight"),
    [(("2026-06-01", "2026-05-01"), 70.0), (("2026-05-01", "2026-06-01"), 71.0), (("2026", "2026-06"), 71.0)],
)
def test_the_newest_weight_counts(dates: tuple[str, str], weight: float) -> None:
    first = observation(effectiveDateTime=dates[0])
    second = observation(id="w2", effectiveDateTime=dates[1], valueQuantity=quantity(71, "kg"))
    assert imported(PATIENT, first, second).subjects[0].weight == weight


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"valueQuantity": quantity(5.2, "10*9/L")}, (5.2, "1e6 cells/mL", None)),
        ({"valueQuantity": quantity(1, "%")}, (0.01, "fraction", None)),
        ({"valueQuantity": quantity(65.9, "[in_i]")}, (65.9, "[in_i]", None)),
        ({"valueQuantity": quantity(13700, "[IU]/mL", comparator="<")}, (13700.0, "IU/mL", "<")),
        ({"valueQuantity": {"value": 3, "unit": "drops"}}, (3.0, "drops", None)),
        ({"valueCodeableConcept": {"coding": [{"system": "u", "code": "pos"}]}}, ("u|pos", None, None)),
        ({"valueBoolean": True}, ("true", None, None)),
        ({"valueInteger": 4}, (4.0, None, None)),
        (
            {"dataAbsentReason": {"coding": [{"system": "u", "code": "not-asked"}]}},
            ("data-absent:not-asked", None, None),
        ),
        ({"valueString": "Mrs Doe feels fine"}, (None, None, None)),
    ],
)
def test_each_kind_of_value(body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = values(other(**body))
    assert len(found) == 1
    assert found[0][1:] == expected[1:]
    assert found[0][0] == (pytest.approx(expected[0]) if isinstance(expected[0], float) else expected[0])


def test_components_are_facts_of_their_own() -> None:
    part = {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueInteger": 120}
    silent = {"code": {"text": "only text"}, "valueInteger": 80}
    found = imported(PATIENT, other(component=[part, silent]))
    assert [o.fact.code for o in found.resources[1].observed] == ["8480-6"]
    assert "no coded meaning" in found.warnings[0]


@pytest.mark.parametrize("status", ["preliminary", "entered-in-error", "cancelled", "registered", "unknown"])
def test_a_value_that_does_not_count_is_kept_out_and_told(status: str) -> None:
    found = imported(PATIENT, observation(status=status))
    assert found.subjects[0].weight is None
    assert found.resources[1].observed == ()
    assert status in found.warnings[0]


def test_two_patients_who_share_an_identifier_stay_two_and_a_person_is_told() -> None:
    found = imported(PATIENT, {**PATIENT, "id": "p2"})
    assert [each.subject for each in found.subjects] == ["S-p1", "S-p2"]
    assert "share an identifier of urn:mrn" in found.warnings[0]
    assert "MRN-77" not in found.warnings[0]


def test_other_resources_are_kept_by_reference_with_their_subject() -> None:
    request = {"resourceType": "MedicationRequest", "id": "m", "subject": {"reference": "http://h/fhir/Patient/p1"}}
    stray = {"resourceType": "Procedure", "id": "x", "subject": {"reference": "Patient/unknown"}}
    found = imported(PATIENT, request, stray)
    assert [each.fact.subject for each in found.resources] == ["S-p1", "S-p1", None]
    assert "2.json" in found.warnings[0]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ((PATIENT, PATIENT), r"0\.json and 1\.json are both Patient/p1"),
        ((PATIENT, WEIGHT, WEIGHT), r"1\.json and 2\.json are both Observation/w1"),
        ((WEIGHT,), "no file holds a Patient"),
        ((PATIENT, observation(subject={"reference": "Patient/p9"})), r"1\.json: refers to Patient/p9"),
        ((PATIENT, observation(status="finished")), "status 'finished' is unknown"),
        ((PATIENT, observation(valueQuantity=quantity(70, "stone"))), r"1\.json: body weight in the unknown unit"),
        ((PATIENT, observation(valueQuantity={"value": 70, "unit": "kg"})), "body weight in the unknown unit None"),
        ((PATIENT, observation(valueQuantity=quantity(70, "mmol/L"))), "body weight in the unknown unit"),
        ((PATIENT, observation(valueQuantity=quantity(70, "kg", comparator="<"))), "only known as < 70"),
        ((PATIENT, observation(valueQuantity=quantity(0, "kg"))), "cannot be"),
        ((PATIENT, observation(valueQuantity=quantity(7000, "kg"))), "cannot be"),
        ((PATIENT, observation(valueQuantity=quantity("70", "kg"))), "holds no number"),
        ((PATIENT, observation(valueQuantity=quantity(7, "kg", comparator="~"))), "comparator '~' is unknown"),
        ((PATIENT, observation(effectiveDateTime="yesterday")), "'yesterday' is no FHIR date"),
        (({**PATIENT, "gender": "f"},), "gender 'f' is unknown"),
        (({**PATIENT, "id": ""},), "has no id"),
        (({"resourceType": "Bundle", "id": "b"},), "is a Bundle"),
        (({"id": "b"},), "names no resourceType"),
    ],
)
def test_bad_input_is_refused_with_file_and_what_to_do(resources: tuple[dict[str, Any], ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        imported(*resources)


@pytest.mark.parametrize("content", [b"", b'{"resourceType": "Pat', b"\xff\xfe", b"[1]", b'{"a": NaN}', b"[" * 100_000])
def test_broken_json_names_the_file(content: bytes) -> None:
    with pytest.raises(UserError, match=r"broken\.json: "):
        import_resources({"broken.json": content}, pseudonym=str, keyed=str)


def test_two_patients_under_one_pseudonym_are_refused() -> None:
    files = {f"{name}.json": json.dumps({**PATIENT, "id": name}).encode() for name in ("a", "b")}
    with pytest.raises(UserError, match="one pseudonym"):
        import_resources(files, pseudonym=lambda _: "S-1", keyed=str)


def test_a_folder_that_is_not_there_or_holds_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "a.xml").write_text("<Patient/>")
    with pytest.raises(UserError, match=r"no \.json file"):
        read_folder(tmp_path)


def test_a_folder_is_read_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b.json", "a.json"):
        (tmp_path / name).write_text(json.dumps({**PATIENT, "id": name}))
    assert list(read_folder(tmp_path)) == ["a.json", "b.json"]
