"""The view the rules read is a fold of entries, with their happened times."""

from datetime import UTC, datetime, timedelta

import pytest

from cytoloop.compliance.view import study_view, subject_view
from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.facts.clinic import (
    ConsentSigned,
    ReviewDecided,
    StudyEnded,
    StudyFiled,
    StudyRegistered,
    SubjectEnrolled,
)

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)


def told(stream: str, *facts: Fact) -> list[Recorded]:
    """The facts as entries, one day apart, recorded a day after they happened."""
    return [
        Recorded(
            Entry(
                sequence=number,
                stream=stream,
                position=number,
                name=fact.NAME,
                actor="person:test",
                happened_at=BEGIN + timedelta(days=number),
                recorded_at=BEGIN + timedelta(days=number + 1),
                data={},
            ),
            fact,
        )
        for number, fact in enumerate(facts)
    ]


REGISTERED = StudyRegistered(
    study="ST-1",
    title="A study",
    product="car_t_cd19",
    pathway="newtech",
    pathway_basis="opinion",
    site="SITE",
    involves_offspring=True,
    filed_scope="ranges",
)


def test_a_study_adds_up_with_its_happened_times() -> None:
    view = study_view(
        "ST-1",
        told(
            "study/ST-1",
            REGISTERED,
            ReviewDecided(review="academic", board="B", protocol_version="1.0", result="pass"),
            ReviewDecided(review="ethics", board="B", protocol_version="1.0", result="fail"),
            StudyFiled(receipt="R", protocol_version="1.0"),
            StudyEnded(reason="done"),
        ),
    )
    assert (view.pathway, view.pathway_basis, view.involves_offspring, view.filed_scope) == (
        "newtech",
        "opinion",
        True,
        "ranges",
    )
    assert [(each.review, each.passed, each.decided_at) for each in view.reviews] == [
        ("academic", True, BEGIN + timedelta(days=1)),
        ("ethics", False, BEGIN + timedelta(days=2)),
    ]
    assert [each.filed_at for each in view.filings] == [BEGIN + timedelta(days=3)]
    assert view.ended_at == BEGIN + timedelta(days=4)


def test_a_subject_adds_up_and_consents_to_other_studies_do_not_count() -> None:
    here = ConsentSigned(
        study="ST-1", protocol_version="1.0", signer_role="subject", form_sha256="0", disclosures=("purpose",)
    )
    there = ConsentSigned(study="ST-2", protocol_version="1.0", signer_role="subject", form_sha256="0", disclosures=())
    enrolled = SubjectEnrolled(subject="S-1", study="ST-1", source="simulated", capacity="limited")
    view = subject_view("S-1", "ST-1", told("subject/S-1", enrolled, there, here))
    assert view.capacity == "limited"
    assert [(each.signed_at, each.disclosures) for each in view.consents] == [(BEGIN + timedelta(days=2), ("purpose",))]


def test_a_capacity_nobody_recorded_stays_unknown() -> None:
    enrolled = SubjectEnrolled(subject="S-1", study="ST-1", source="simulated")
    assert subject_view("S-1", "ST-1", told("subject/S-1", enrolled)).capacity is None


def test_a_stream_of_somebody_else_is_refused() -> None:
    enrolled = SubjectEnrolled(subject="S-2", study="ST-1", source="simulated")
    with pytest.raises(ValueError, match="enrols S-2"):
        subject_view("S-1", "ST-1", told("subject/S-1", enrolled))
