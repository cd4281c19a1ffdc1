"""The qualified person decides on a batch: signed by who may, over all that is shown, on the batch as it was read."""

from pathlib import Path

import pytest
from tests.staff import Staff, again, entry_of, founded, typed_batch

from cytoloop.app.acts import refusing
from cytoloop.app.correcting import propose, sign_correction
from cytoloop.app.disposing import batch_to_dispose, sign_disposition
from cytoloop.app.production import read_batch
from cytoloop.app.reviewing import Shown, record_to_review, sign_off_record
from cytoloop.core.errors import ConflictError, RefusedError, UserError


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    """A batch B-1 that was reviewed, and two qualified persons, of whom one is an operator as well."""
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("qp.lan", "qualified_person")
    made.enrolled("op.both", "operator", "qualified_person")
    typed_batch(made.ledger)
    sign_off_record(made.people, made.signer("qa.founder"), record_to_review(made.ledger, "B-1", "in order"))
    return made


@pytest.fixture
def staff(house: Staff, tmp_path: Path) -> Staff:
    return again(house, tmp_path)


def shown(staff: Staff, disposition: str = "released", reason: str = "in specification, reviewed") -> Shown:
    return batch_to_dispose(staff.ledger, "B-1", disposition, reason)


@pytest.mark.parametrize(("disposition", "meaning"), [("released", "released"), ("rejected", "rejected")])
def test_a_reviewed_batch_in_specification_is_decided_on(staff: Staff, disposition: str, meaning: str) -> None:
    seen = shown(staff, disposition)
    (written,) = sign_disposition(staff.people, staff.signer("qp.lan"), seen)
    told = read_batch(staff.ledger, "B-1").disposition
    assert told is not None
    assert (told.fact.disposition, told.fact.reason) == (disposition, "in specification, reviewed")
    assert (told.fact.signature.meaning, told.fact.signature.role) == (meaning, "qualified_person")
    assert told.fact.signature.digest == seen.digest
    assert written.entry.actor == "person:qp.lan"


def test_what_is_signed_names_the_answer_and_everything_behind_it(staff: Staff) -> None:
    content = shown(staff).content
    assert (content["disposition"], content["reason"]) == ("released", "in specification, reviewed")
    assert {"results", "deviations", "corrections", "review", "obstacles", "recipe_sha256"} <= set(content)
    assert shown(staff).digest != shown(staff, reason="another reason").digest


def test_who_is_no_qualified_person_is_refused_and_the_refusal_is_an_entry(staff: Staff) -> None:
    with pytest.raises(RefusedError, match="may not dispose"):
        sign_disposition(staff.people, staff.signer("qa.founder"), shown(staff))
    assert (staff.refusals()[-1].act, staff.refusals()[-1].user) == ("dispose", "qa.founder")
    assert read_batch(staff.ledger, "B-1").disposition is None


def test_nobody_releases_a_batch_they_acted_in(staff: Staff) -> None:
    correction = propose(
        staff.ledger, "B-1", entry=entry_of(staff.ledger), field="transport_temperature", to="6", reason="misread"
    )
    sign_correction(staff.people, staff.signer("op.both"), correction)
    sign_off_record(staff.people, staff.signer("qa.founder"), record_to_review(staff.ledger, "B-1", "again"))
    with pytest.raises(RefusedError, match=r"op\.both took part in this batch"):
        sign_disposition(staff.people, staff.signer("op.both"), shown(staff))
    sign_disposition(staff.people, staff.signer("qp.lan"), shown(staff))


def test_without_a_review_it_can_only_be_rejected_and_both_languages_say_why(staff: Staff) -> None:
    typed_batch(staff.ledger, "B-2")
    with (
        pytest.raises(RefusedError, match="cannot be released: nobody has reviewed the record") as refused,
        refusing(staff.people.registrar, "dispose", "batch/B-2"),
    ):
        batch_to_dispose(staff.ledger, "B-2", "released", "why not")
    assert "批记录尚未审核" in refused.value.words.zh
    assert staff.refusals()[-1].subject == "batch/B-2"
    seen = batch_to_dispose(staff.ledger, "B-2", "rejected", "the subject withdrew")
    sign_disposition(staff.people, staff.signer("qp.lan"), seen)


def test_a_running_batch_is_not_decided_on(staff: Staff) -> None:
    typed_batch(staff.ledger, "B-3", finished=False)
    with pytest.raises(RefusedError, match="production is not finished"):
        batch_to_dispose(staff.ledger, "B-3", "rejected", "why")


def test_the_same_disposition_from_two_tabs_is_one_entry(staff: Staff) -> None:
    one, two = shown(staff), shown(staff)
    sign_disposition(staff.people, staff.signer("qp.lan"), one)
    with pytest.raises(ConflictError):
        sign_disposition(staff.people, staff.signer("qp.lan"), two)
    with pytest.raises(RefusedError, match="already released"):
        shown(staff)


@pytest.mark.parametrize(("disposition", "reason"), [("let go", "why"), ("released", "  ")])
def test_what_is_no_disposition_is_told(staff: Staff, disposition: str, reason: str) -> None:
    with pytest.raises(UserError, match="decide on batch B-1 with one of released"):
        shown(staff, disposition, reason)
