"""Decree 818 as rules: missing data never passes, and every clause still fits its text."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.compliance.cn_sc818 import (
    ART_14,
    ART_15,
    ART_19_1,
    ART_19_2,
    ART_22,
    ART_55,
    DISCLOSURES,
    Act,
    before_operation,
    consent,
    disclosure,
    filing,
    pathway,
    retained_until,
    retention,
    reviews,
)
from cytoloop.compliance.view import Consent, Filing, Review, StudyView, SubjectView
from cytoloop.compliance.workdays import deadline, local_day, workdays_after
from cytoloop.core.facts.clinic import Pathway
from cytoloop.core.rule import Verdict
from cytoloop.core.time import Instant

MONDAY = datetime(2026, 6, 1, 2, tzinfo=UTC)
"""Monday 1 June 2026, 10:00 in China. No holiday until the Dragon Boat Festival of 19 June."""
ACT = Act(what="collection of order O-1", at=MONDAY + timedelta(days=10))
ARTICLES = {"14": "十四", "15.1": "十五", "19.1": "十九", "19.2": "十九", "22.1": "二十二", "55": "五十五"}


def review(kind: Literal["academic", "ethics"], at: Instant = MONDAY, *, passed: bool = True) -> Review:
    return Review(review=kind, protocol_version="1.0", passed=passed, decided_at=at)


STUDY = StudyView(
    study="ST-1",
    pathway="newtech",
    pathway_basis="delimitation opinion",
    involves_offspring=False,
    filed_scope="ranges",
    reviews=(review("academic"), review("ethics")),
    filings=(Filing(receipt="R-1", protocol_version="1.0", filed_at=MONDAY + timedelta(days=2)),),
)
CONSENT = Consent(
    protocol_version="1.0",
    signer_role="subject",
    signed_at=MONDAY + timedelta(days=9),
    form_sha256="0" * 64,
    disclosures=DISCLOSURES,
)
SUBJECT = SubjectView(subject="S-1", study="ST-1", capacity="full", consents=(CONSENT,))


def study(**changes: object) -> StudyView:
    values: dict[str, Any] = changes
    return replace(STUDY, **values)


def test_a_study_in_order_lets_the_act_go_on() -> None:
    findings = before_operation(STUDY, SUBJECT, ACT)
    assert [each.verdict for each in findings] == [Verdict.PASS] * 4 + [Verdict.NEEDS_HUMAN]
    assert not any(each.blocks for each in findings)


def test_nothing_known_never_passes() -> None:
    findings = before_operation(StudyView(study="ST-1"), SubjectView(subject="S-1", study="ST-1"), ACT)
    assert {each.verdict for each in findings} == {Verdict.INSUFFICIENT_DATA}
    assert [each.clause.locus for each in findings if each.blocks] == [
        "CN-SC818:55",
        "CN-SC818:14",
        "CN-SC818:15.1",
        "CN-SC818:19.1",
    ]


@pytest.mark.parametrize("pathway_", ["drug", "device"])
def test_a_drug_or_device_trial_is_sent_to_its_own_law(pathway_: Pathway) -> None:
    elsewhere = StudyView(study="ST-1", pathway=pathway_, pathway_basis="trial approval")
    findings = (*before_operation(elsewhere, SUBJECT, ACT), retention(elsewhere))
    assert {each.verdict for each in findings} == {Verdict.NOT_APPLICABLE}


def test_the_router_never_guesses() -> None:
    assert pathway(study(pathway=None)).verdict is Verdict.INSUFFICIENT_DATA
    assert pathway(study(pathway="drug", pathway_basis=None)).verdict is Verdict.INSUFFICIENT_DATA
    assert pathway(study(pathway="other")).verdict is Verdict.NEEDS_HUMAN


def test_a_drug_trial_without_a_basis_is_still_judged_by_the_other_rules() -> None:
    unproven = study(pathway="drug", pathway_basis=None, reviews=())
    assert reviews(unproven, ACT).verdict is Verdict.INSUFFICIENT_DATA


@pytest.mark.parametrize(
    ("decided", "verdict"),
    [
        ((review("academic"), review("ethics")), Verdict.PASS),
        ((review("academic"), review("ethics", ACT.at - timedelta(hours=1))), Verdict.PASS),
        ((review("academic"), review("ethics", ACT.at)), Verdict.FAIL),
        ((review("academic"), review("ethics", ACT.at + timedelta(hours=1))), Verdict.FAIL),
        ((review("academic"), review("ethics", passed=False)), Verdict.FAIL),
        ((review("academic"), review("ethics"), review("ethics", ACT.at - timedelta(1), passed=False)), Verdict.FAIL),
        ((review("academic"), replace(review("ethics"), protocol_version="2.0")), Verdict.FAIL),
        ((review("academic"),), Verdict.INSUFFICIENT_DATA),
    ],
)
def test_both_reviews_of_one_version_pass_before_the_act(decided: tuple[Review, ...], verdict: Verdict) -> None:
    assert reviews(study(reviews=decided), ACT).verdict is verdict


@pytest.mark.parametrize(
    ("days", "verdict"), [(0, Verdict.PASS), (7, Verdict.PASS), (8, Verdict.FAIL), (-1, Verdict.NEEDS_HUMAN)]
)
def test_five_working_days_without_the_day_of_the_trigger(days: int, verdict: Verdict) -> None:
    """Passed on Monday 1 June: the fifth working day is Monday 8 June."""
    filed = Filing(receipt="R", protocol_version="1.0", filed_at=MONDAY + timedelta(days=days))
    found = filing(study(filings=(filed,)), ACT.at)
    assert found.verdict is verdict
    if verdict is Verdict.PASS:
        assert found.evidence["deadline"] == "2026-06-08"
        assert str(found.evidence["calendar"]).startswith("chinesecalendar 1.")
        assert found.evidence["assumption"] == "the day of the trigger is not counted"


def test_an_unfiled_study_waits_for_data_and_then_fails() -> None:
    unfiled = study(filings=())
    assert filing(unfiled, MONDAY + timedelta(days=7)).verdict is Verdict.INSUFFICIENT_DATA
    assert filing(unfiled, MONDAY + timedelta(days=8)).verdict is Verdict.FAIL
    assert filing(unfiled, MONDAY + timedelta(days=400)).verdict is Verdict.FAIL


def test_the_clock_runs_from_the_later_review_in_chinese_days() -> None:
    later = datetime(2026, 6, 2, 17, tzinfo=UTC)  # already 3 June in China
    found = filing(study(reviews=(review("academic"), review("ethics", later))), ACT.at)
    assert found.verdict is Verdict.PASS
    unfiled = filing(study(reviews=(review("academic"), review("ethics", later)), filings=()), ACT.at)
    assert unfiled.evidence["deadline"] == "2026-06-10"


def test_a_year_without_a_calendar_is_insufficient_data() -> None:
    passed = datetime(2030, 3, 1, tzinfo=UTC)
    decided = (review("academic", passed), review("ethics", passed))
    found = filing(study(reviews=decided, filings=()), passed + timedelta(days=30))
    assert found.verdict is Verdict.INSUFFICIENT_DATA
    assert deadline(date(2030, 3, 1), 5) is None
    assert workdays_after(date(2030, 3, 1), date(2030, 3, 2)) is None


def test_swapped_rest_days_count_as_the_calendar_says() -> None:
    """National Day 2026: 1 to 7 October off, Saturday 10 October worked."""
    assert workdays_after(date(2026, 9, 30), date(2026, 10, 7)) == 0
    assert workdays_after(date(2026, 9, 30), date(2026, 10, 10)) == 3
    assert deadline(date(2026, 9, 30), 5) == date(2026, 10, 13)


@given(st.dates(date(2026, 5, 1), date(2026, 11, 30)), st.integers(1, 15))
def test_the_deadline_is_the_day_on_which_the_count_is_full(trigger: date, workdays: int) -> None:
    last = deadline(trigger, workdays)
    assert last is not None
    assert workdays_after(trigger, last) == workdays
    assert workdays_after(trigger, last - timedelta(days=1)) == workdays - 1


@pytest.mark.parametrize(
    ("capacity", "signer", "verdict"),
    [
        ("full", "subject", Verdict.PASS),
        ("full", "guardian", Verdict.FAIL),
        ("limited", "guardian", Verdict.PASS),
        ("none", "guardian", Verdict.PASS),
        ("limited", "subject", Verdict.FAIL),
        (None, "subject", Verdict.INSUFFICIENT_DATA),
    ],
)
def test_the_capacity_decides_who_consents(capacity: Any, signer: Any, verdict: Verdict) -> None:
    subject = replace(SUBJECT, capacity=capacity, consents=(replace(CONSENT, signer_role=signer),))
    assert consent(STUDY, subject, ACT).verdict is verdict


def test_consent_comes_before_the_act_and_to_the_protocol_that_passed() -> None:
    late = replace(SUBJECT, consents=(replace(CONSENT, signed_at=ACT.at),))
    other = replace(SUBJECT, consents=(replace(CONSENT, protocol_version="0.9"),))
    assert consent(STUDY, late, ACT).verdict is Verdict.FAIL
    assert consent(STUDY, other, ACT).verdict is Verdict.NEEDS_HUMAN
    assert consent(STUDY, replace(SUBJECT, consents=()), ACT).verdict is Verdict.INSUFFICIENT_DATA


def test_what_was_told_is_checked_and_how_is_left_to_a_person() -> None:
    silent = replace(SUBJECT, consents=(replace(CONSENT, disclosures=("purpose", "protocol")),))
    assert disclosure(STUDY, SUBJECT, ACT).verdict is Verdict.NEEDS_HUMAN
    found = disclosure(STUDY, silent, ACT)
    assert found.verdict is Verdict.INSUFFICIENT_DATA
    assert "risks, rights" in found.reason


def test_records_are_kept_thirty_years_or_for_ever() -> None:
    ended = study(ended_at=datetime(2028, 2, 28, 20, tzinfo=UTC))  # 29 February in China
    assert retained_until(ended) == date(2058, 3, 1)
    assert retained_until(STUDY) == "open"
    assert retained_until(study(involves_offspring=True, ended_at=MONDAY)) == "permanent"
    assert retention(ended).verdict is Verdict.PASS
    assert retention(ended, datetime(2058, 3, 1, 12, tzinfo=UTC)).verdict is Verdict.FAIL
    assert retention(ended, datetime(2058, 3, 2, 12, tzinfo=UTC)).verdict is Verdict.PASS
    assert retention(STUDY, MONDAY).verdict is Verdict.FAIL
    assert retention(study(involves_offspring=True), MONDAY + timedelta(days=40_000)).verdict is Verdict.FAIL
    assert retention(study(involves_offspring=None)).verdict is Verdict.INSUFFICIENT_DATA


def test_before_the_decree_was_in_force_a_person_reads_the_transitional_rule() -> None:
    early = Act(what="collection", at=datetime(2026, 4, 30, 12, tzinfo=UTC))
    assert local_day(early.at) == date(2026, 4, 30)
    assert reviews(STUDY, early).verdict is Verdict.NEEDS_HUMAN


@pytest.mark.parametrize("clause", [ART_14, ART_15, ART_19_1, ART_19_2, ART_22, ART_55], ids=lambda each: each.locus)
def test_each_clause_was_written_against_the_text_that_is_there(clause: Any, shared: Path) -> None:
    number = ARTICLES[clause.locus.removeprefix("CN-SC818:")]
    lines = (shared / "regulation" / "decree818_zh.txt").read_bytes().split(b"\n")
    article = [line for line in lines if line.startswith(f"第{number}条 ".encode())]
    assert len(article) == 1
    assert sha256(article[0]).hexdigest() == clause.text_sha256
