"""Pseudonyms, chain of identity numbers, and the folds of study, subject and order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.clinic.order import check_character, coi_is_sound, coi_number, order
from cytoloop.clinic.study import study
from cytoloop.clinic.subject import keyed_hash, pseudonym, subject
from cytoloop.clinic.timeline import timeline
from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.facts.clinic import (
    ClinicalObservationRecorded,
    ConsentSigned,
    MaterialCollected,
    OrderPlaced,
    OutcomeRecorded,
    ProductAdministered,
    ReviewDecided,
    StudyEnded,
    StudyFiled,
    StudyRegistered,
    SubjectEnrolled,
)

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
KEY = b"sixteen bytes or more"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def told(*facts: Fact) -> list[Recorded]:
    """The facts as entries, one day apart."""
    return [
        Recorded(
            Entry(
                sequence=day,
                stream="any",
                position=day,
                name=fact.NAME,
                actor="person:test",
                happened_at=BEGIN + timedelta(days=day),
                recorded_at=BEGIN + timedelta(days=day),
                data={},
            ),
            fact,
        )
        for day, fact in enumerate(facts)
    ]


def weight(value: float | str, code: str = "29463-7", unit: str = "kg") -> ClinicalObservationRecorded:
    return ClinicalObservationRecorded(
        code=code, system="http://loinc.org", value=value, unit=unit, comparator=None, source="test"
    )


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_pseudonym_is_stable_and_tells_people_apart(one: str, other: str) -> None:
    name = pseudonym(one, KEY)
    assert name == pseudonym(one, KEY)
    assert len(name) == 12
    assert name.startswith("S-")
    assert (name == pseudonym(other, KEY)) == (one == other)
    assert name != pseudonym(one, KEY + b"!")
    assert name[2:] not in keyed_hash(one, KEY)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        pseudonym("Patient/1", b"short")


def test_the_check_character_is_that_of_a_published_number() -> None:
    """The GRid standard's own example, A12425GABC1234002M, uses ISO/IEC 7064 MOD 37,36."""
    assert check_character("A12425GABC1234002") == "M"


@given(st.integers(0, 999_999), st.integers(0, 10), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_found(serial: int, place: int, wrong: str) -> None:
    code = coi_number("CYT", 2026, serial)
    assert coi_is_sound(code)
    changed = code[:place] + wrong + code[place + 1 :]
    assert coi_is_sound(changed) == (changed == code)


@pytest.mark.parametrize("code", ["", "A", "cyt26000001A", "CYT-26000001", "细胞"])
def test_what_is_no_number_is_not_sound(code: str) -> None:
    assert not coi_is_sound(code)


@pytest.mark.parametrize(("facility", "serial"), [("", 1), ("TOOLONG", 1), ("cyt", 1), ("CYT", -1), ("CYT", 10**6)])
def test_a_part_that_does_not_fit_is_refused(facility: str, serial: int) -> None:
    with pytest.raises(ValueError, match="facility code"):
        coi_number(facility, 2026, serial)


def test_an_order_goes_from_vein_to_vein() -> None:
    facts: list[Fact] = [
        OrderPlaced(order="O-1", subject="S-1", study="ST-1", product="car_t_cd19", weight=70.0),
        MaterialCollected(order="O-1", coi="COI-1", collection_site="SITE"),
        ProductAdministered(order="O-1", batch="B-1", coi="COI-1", viable_car_cells=300.0),
        OutcomeRecorded(order="O-1", batch="B-1", visit_day=28, response="complete", cytokine_release_grade=1),
    ]
    found = order(told(*facts))
    assert found is not None
    assert (found.coi, len(found.outcomes)) == ("COI-1", 1)
    days = timeline(found, BEGIN + timedelta(days=1, hours=12))
    assert (days.order_to_collection, days.collection_to_release) == (1.0, 0.5)
    assert (days.release_to_administration, days.vein_to_vein) == (0.5, 1.0)
    placed = order(told(facts[0]))
    assert placed is not None
    assert placed.coi is None
    assert timeline(placed, None).vein_to_vein is None
    assert order(told(*facts[1:])) is None


def test_a_study_shows_how_far_it_has_come() -> None:
    registered = StudyRegistered(
        study="ST-1",
        title="A study",
        product="car_t_cd19",
        pathway=None,
        pathway_basis=None,
        site="SITE",
        involves_offspring=False,
        filed_scope="none",
    )
    facts: list[Fact] = [
        registered,
        ReviewDecided(review="ethics", board="B", protocol_version="1", result="pass"),
        StudyFiled(receipt="R", protocol_version="1"),
        StudyEnded(reason="done"),
    ]
    found = study(told(*facts))
    assert found is not None
    assert (len(found.reviews), found.filed_at, found.open) == (1, BEGIN + timedelta(days=2), False)
    begun = study(told(registered))
    assert begun is not None
    assert begun.open
    assert study([]) is None


def test_the_newest_weight_counts_and_nothing_else_is_a_weight() -> None:
    enrolled = SubjectEnrolled(subject="S-1", study="ST-1", source="simulated", weight=60.0)
    consented = ConsentSigned(
        study="ST-1", protocol_version="1", signer_role="subject", form_sha256="0", disclosures=()
    )
    found = subject(
        told(
            enrolled,
            consented,
            weight(65.0),
            weight(66.0),
            weight(180.0, code="8302-2"),
            weight("x"),
            weight(1.0, unit="g"),
        )
    )
    assert found is not None
    assert found.weight == 66.0
    assert found.consented_at == BEGIN + timedelta(days=1)
    assert len(found.observations) == 5
    unmeasured = subject(told(enrolled))
    assert unmeasured is not None
    assert unmeasured.weight == 60.0
    assert subject([]) is None


def test_a_weight_entered_late_does_not_replace_a_newer_one() -> None:
    enrolled = SubjectEnrolled(subject="S-1", study="ST-1", source="simulated")
    entries = told(enrolled, weight(65.0), weight(70.0))
    found = subject([entries[0], entries[2], entries[1]])
    assert found is not None
    assert found.weight == 70.0
