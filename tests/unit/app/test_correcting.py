"""Corrections and reviews: signed by who may, over what was shown, on the batch as read; refusals are entries."""

from pathlib import Path

import pytest
from tests.staff import STEP, Staff, again, entry_of, founded, typed_batch

from cytoloop.app.acts import refusing
from cytoloop.app.correcting import Correction, correct, propose, sign_correction
from cytoloop.app.production import read_batch
from cytoloop.app.reviewing import (
    deviation_to_decide,
    record_to_review,
    sign_decision,
    sign_off_record,
)
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.production import BatchAborted, ValueCorrected
from cytoloop.core.facts.quality import DeviationClosed, DispositionKind, DispositionSigned
from cytoloop.quality.release import allowed, review
from cytoloop.testing.builders import START, signature


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    """A batch B-1 and three more people: an operator, a second of quality assurance, a clinician."""
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("op.zhou", "operator")
    made.enrolled("qa.two", "qa")
    made.enrolled("dr.who", "clinician")
    typed_batch(made.ledger)
    return made


@pytest.fixture
def staff(house: Staff, tmp_path: Path) -> Staff:
    return again(house, tmp_path)


def proposed(
    staff: Staff, to: str = "6.5", *, field: str = "transport_temperature", why: str = "misread"
) -> Correction:
    return propose(staff.ledger, "B-1", entry=entry_of(staff.ledger), field=field, to=to, reason=why)


def batch(staff: Staff) -> Batch:
    return read_batch(staff.ledger, "B-1")


def disposed(staff: Staff, kind: DispositionKind) -> None:
    fact = DispositionSigned(disposition=kind, reason="tested", signature=signature())
    draft = Draft(fact=fact, actor="person:qp", happened_at=START)
    staff.ledger.append("batch/B-1", [draft], expected=staff.ledger.position("batch/B-1"))


def test_a_correction_is_signed_and_takes_the_old_value_from_the_record(staff: Staff) -> None:
    (written,) = sign_correction(staff.people, staff.signer("op.zhou"), proposed(staff, "6.5 °C"))
    fact = written.fact
    assert isinstance(fact, ValueCorrected)
    assert (fact.old, fact.new, fact.reason, fact.field) == (5.0, 6.5, "misread", "transport_temperature")
    assert (fact.signature.signer, fact.signature.role, fact.signature.meaning) == ("op.zhou", "operator", "answered")
    assert fact.signature.components == ("user-id", "password", "one-time-code")
    assert written.entry.actor == "person:op.zhou"
    assert batch(staff).steps[STEP].values["transport_temperature"] == 6.5
    assert batch(staff).corrections[0].fact == fact


def test_a_second_correction_takes_the_first_as_its_old_value(staff: Staff) -> None:
    sign_correction(staff.people, staff.signer("op.zhou"), proposed(staff, "6.5"))
    second = proposed(staff, "7")
    assert (second.old, second.new) == (6.5, 7.0)
    sign_correction(staff.people, staff.signer("op.zhou"), second)
    assert batch(staff).steps[STEP].values["transport_temperature"] == 7.0


def test_the_signature_is_over_everything_shown(staff: Staff) -> None:
    shown = proposed(staff).shown
    assert {"batch", "position", "entry", "field", "unit", "low", "high", "old", "new", "reason"} <= set(shown)
    assert proposed(staff).digest != proposed(staff, "6.6").digest
    assert proposed(staff).digest != proposed(staff, why="another reason").digest


def test_a_value_out_of_range_opens_a_deviation_in_the_same_append(staff: Staff) -> None:
    first, second = sign_correction(staff.people, staff.signer("op.zhou"), proposed(staff, "12"))
    assert (first.entry.name, second.entry.name) == ("value-corrected/1", "deviation-opened/1")
    assert first.entry.recorded_at == second.entry.recorded_at
    (opened,) = batch(staff).open_deviations
    assert "transport_temperature is 12 °C, outside 2.0 to 8.0 °C" in opened.opened.fact.what


@pytest.mark.parametrize(
    ("to", "why", "field", "said"),
    [
        ("warm", "misread", "transport_temperature", "'warm' is no number in °C"),
        ("nan", "misread", "transport_temperature", "is no number"),
        ("6.5 K", "misread", "transport_temperature", "is no number in °C"),
        ("5", "misread", "transport_temperature", "is 5 °C already"),
        ("6.5", "   ", "transport_temperature", "needs a reason"),
        ("6.5", "misread", "colour", "asked for transport_temperature, bags_damaged"),
    ],
)
def test_what_cannot_be_meant_is_said(staff: Staff, to: str, why: str, field: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        proposed(staff, to, field=field, why=why)


def test_only_what_a_person_typed_is_corrected(staff: Staff) -> None:
    result = next(e.entry.sequence for e in staff.ledger.stream("batch/B-1") if e.entry.name == "result-recorded/1")
    with pytest.raises(RefusedError, match="holds nothing that a person typed"):
        propose(staff.ledger, "B-1", entry=result, field="value", to="1", reason="better")
    with pytest.raises(UserError, match="is not of batch B-1"):
        propose(staff.ledger, "B-1", entry=0, field="value", to="1", reason="better")


@pytest.mark.parametrize("kind", ["released", "conditionally-released", "rejected"])
def test_a_batch_that_is_decided_on_is_closed_to_corrections(staff: Staff, kind: DispositionKind) -> None:
    disposed(staff, kind)
    with pytest.raises(RefusedError, match=f"batch B-1 is {kind}"):
        proposed(staff)


@pytest.mark.parametrize("user", ["dr.who", "ad.min"])
def test_who_may_not_correct_is_refused_and_the_refusal_is_an_entry(staff: Staff, user: str) -> None:
    before = staff.ledger.position("batch/B-1")
    with pytest.raises(RefusedError, match="may not correct-value"):
        sign_correction(staff.people, staff.signer(user), proposed(staff))
    assert staff.ledger.position("batch/B-1") == before
    refusal = staff.refusals()[-1]
    assert (refusal.act, refusal.subject, refusal.user) == ("correct-value", "batch/B-1", user)


def test_a_correction_of_a_batch_that_grew_meanwhile_writes_nothing(staff: Staff) -> None:
    """The same correction from two tabs at once, both signed: one is written, the other is told."""
    one, two = proposed(staff), proposed(staff)
    sign_correction(staff.people, staff.signer("op.zhou"), one)
    with pytest.raises(ConflictError):
        sign_correction(staff.people, staff.signer("op.zhou"), two)
    assert len(batch(staff).corrections) == 1


def test_a_signature_over_something_else_is_no_correction(staff: Staff) -> None:
    with pytest.raises(RefusedError, match="signed something else"):
        correct(staff.people.registrar, proposed(staff), signature(role="operator", meaning="answered"))


def test_a_record_is_reviewed_by_who_took_no_part(staff: Staff) -> None:
    assert allowed(review(batch(staff))) == ("rejected",)
    sign_off_record(staff.people, staff.signer("qa.two"), record_to_review(staff.ledger, "B-1", "in order"))
    assert allowed(review(batch(staff))) == ("released", "rejected")
    (told,) = batch(staff).reviews
    assert (told.fact.remarks, told.fact.signature.printed_name) == ("in order", "Qa.Two")


def test_who_corrected_a_value_does_not_review_the_record(staff: Staff) -> None:
    sign_correction(staff.people, staff.signer("qa.two"), proposed(staff))
    with pytest.raises(RefusedError, match=r"qa\.two took part in this batch"):
        sign_off_record(staff.people, staff.signer("qa.two"), record_to_review(staff.ledger, "B-1", "in order"))
    assert staff.refusals()[-1].act == "review-record"
    sign_off_record(staff.people, staff.signer("qa.founder"), record_to_review(staff.ledger, "B-1", "in order"))
    assert batch(staff).reviewed is not None


def test_a_correction_after_a_review_asks_for_another_by_the_same_person_if_need_be(staff: Staff) -> None:
    for to in ("6.5", "7.5"):
        sign_correction(staff.people, staff.signer("op.zhou"), proposed(staff, to))
        assert batch(staff).reviewed is None
        sign_off_record(staff.people, staff.signer("qa.two"), record_to_review(staff.ledger, "B-1", "in order"))
        assert batch(staff).reviewed is not None


def test_a_review_of_a_record_that_grew_meanwhile_writes_nothing(staff: Staff) -> None:
    seen = record_to_review(staff.ledger, "B-1", "in order")
    sign_correction(staff.people, staff.signer("op.zhou"), proposed(staff))
    with pytest.raises(ConflictError):
        sign_off_record(staff.people, staff.signer("qa.two"), seen)
    assert batch(staff).reviews == ()


def test_a_running_batch_is_not_reviewed_and_asking_is_an_entry(staff: Staff) -> None:
    typed_batch(staff.ledger, "B-2", finished=False)
    with (
        pytest.raises(RefusedError, match="is in production"),
        refusing(staff.people.registrar, "review-record", "batch/B-2"),
    ):
        record_to_review(staff.ledger, "B-2", "early")
    assert staff.refusals()[-1].subject == "batch/B-2"


@pytest.mark.parametrize(("decision", "aborted"), [("continue", False), ("terminate", True)])
def test_a_deviation_that_a_correction_showed_is_decided_on_by_quality(
    staff: Staff, decision: str, aborted: bool
) -> None:
    sign_correction(staff.people, staff.signer("qa.two"), proposed(staff, "12"))
    number = batch(staff).open_deviations[0].opened.fact.deviation
    seen = deviation_to_decide(staff.ledger, "B-1", number, decision, "the logger shows 7 °C")
    with pytest.raises(RefusedError, match=r"qa\.two made the correction"):
        sign_decision(staff.people, staff.signer("qa.two"), seen)
    with pytest.raises(RefusedError, match="may not close-deviation"):
        sign_decision(staff.people, staff.signer("op.zhou"), seen)
    assert [each.act for each in staff.refusals()] == ["close-deviation", "close-deviation"]
    written = sign_decision(staff.people, staff.signer("qa.founder"), seen)
    assert isinstance(written[0].fact, DeviationClosed)
    assert any(isinstance(each.fact, BatchAborted) for each in written) == aborted
    assert batch(staff).open_deviations == ()


def test_only_an_open_deviation_of_a_batch_out_of_production_is_decided_on_here(staff: Staff) -> None:
    with pytest.raises(UserError, match="has no deviation 'D-9'; it has none"):
        deviation_to_decide(staff.ledger, "B-1", "D-9", "continue", "why")
    sign_correction(staff.people, staff.signer("op.zhou"), proposed(staff, "12"))
    number = batch(staff).open_deviations[0].opened.fact.deviation
    with pytest.raises(UserError, match="continue, terminate"):
        deviation_to_decide(staff.ledger, "B-1", number, "repeat", "why")
    seen = deviation_to_decide(staff.ledger, "B-1", number, "continue", "why")
    sign_decision(staff.people, staff.signer("qa.two"), seen)
    with pytest.raises(RefusedError, match="is closed"):
        deviation_to_decide(staff.ledger, "B-1", number, "continue", "why")
