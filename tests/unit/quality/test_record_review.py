"""A record is read by somebody who did not act before it is released, and a corrected value is judged again."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.quality.test_quality_judgement import batch_of, closed, finished, more, signature, unread

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.production import StepCompleted, StepStarted, ValueCorrected
from cytoloop.core.facts.quality import DeviationOpened, DispositionSigned, ResultRecorded
from cytoloop.core.facts.record import BundleExported
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Signature
from cytoloop.quality.answer import questions
from cytoloop.quality.deviation import needed
from cytoloop.quality.record_review import sign_review, to_review
from cytoloop.quality.release import allowed, review, shown

STEP = "receipt/inspect"
ASKED: dict[str, JSON] = {"answers": [{"name": "temperature", "unit": "°C", "low": 2, "high": 8}]}
STARTED = StepStarted(step=STEP, attempt=1, key="k", target="person:operator", verb="ask", arguments=ASKED)


def typed(value: float = 5.0) -> Batch:
    """A batch in which a temperature was typed; the answer stands at position 2."""
    return batch_of(STARTED, StepCompleted(step=STEP, attempt=1, values={"temperature": value, "other": "x"}))


def corrected(new: float, *, old: float = 5.0, at: int = 2) -> ValueCorrected:
    return ValueCorrected(
        corrects=at, field="temperature", old=old, new=new, reason="read off the wrong line", signature=signature()
    )


def stream_of(batch: Batch) -> list[Recorded]:
    """One entry, enough to be hashed: what the rest holds does not matter here."""
    at = batch.created_at
    entry = Entry(
        sequence=0, stream="batch/B-1", position=0, name="batch-created/1", actor="system:test", happened_at=at,
        recorded_at=at, data={},
    )  # fmt: skip
    return [Recorded(entry, batch.created)]


def by_quality(batch: Batch, **changes: Any) -> tuple[dict[str, JSON], Signature]:
    seen = to_review(batch, stream_of(batch), "read")
    return seen, signature(**{"digest": digest(seen), "meaning": "reviewed", "role": "qa", **changes})


def test_a_review_of_a_finished_batch_opens_its_release() -> None:
    batch = unread()
    assert [each.kind for each in review(batch).obstacles] == ["not-reviewed"]
    assert allowed(review(batch)) == ("rejected",)
    fact = sign_review(batch, *by_quality(batch))
    assert (fact.batch, fact.position, fact.remarks) == ("B-1", batch.position, "read")
    assert allowed(review(more(batch, fact))) == ("released", "rejected")


@pytest.mark.parametrize(
    "later",
    [
        ResultRecorded(
            sample="s", attribute="viability", stage="release", value=0.9, unit="fraction", method="t", tested_by="e"
        ),
        DeviationOpened(deviation="D", kind="excursion", what="warm", cause=1),
    ],
)
def test_a_later_entry_makes_a_review_stale(later: Fact) -> None:
    batch = more(finished(), later)
    assert batch.reviewed is None
    found = [each for each in review(batch).obstacles if each.kind == "not-reviewed"]
    assert "reviewed up to entry" in found[0].words.en


def test_taking_a_batch_out_and_deciding_on_it_leave_its_review_standing() -> None:
    exported = BundleExported(batch="B-1", manifest_sha256="0" * 64, tree_size=9)
    decided = DispositionSigned(disposition="released", reason="fine", signature=signature())
    assert more(finished(), exported).reviewed is not None
    assert more(finished(), exported, decided).reviewed is not None


def test_reviewing_is_no_act_in_the_batch() -> None:
    assert finished().people == unread().people


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"role": "operator"}, "reviewed by qa, not by a operator"),
        ({"digest": "1" * 64}, "changed after it was shown"),
        ({"meaning": "approved"}, "means 'approved'"),
    ],
)
def test_a_review_is_signed_as_shown_or_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        sign_review(unread(), *by_quality(unread(), **changes))


def test_nobody_reviews_a_record_they_acted_in() -> None:
    batch = unread()
    seen, signed = by_quality(batch)
    # Every entry of the test batch is by person:test.
    assert "test" in batch.people
    with pytest.raises(RefusedError, match="test took part in it and may not review its record"):
        sign_review(batch, seen, replace(signed, signer="test"))


def test_a_record_is_not_reviewed_while_production_runs_or_a_deviation_is_open() -> None:
    running, opened = typed(), DeviationOpened(deviation="D-7", kind="excursion", what="warm", cause=1)
    with pytest.raises(RefusedError, match="is in production"):
        sign_review(running, *by_quality(running))
    held = more(unread(), opened)
    with pytest.raises(RefusedError, match="deviation D-7 is open"):
        sign_review(held, *by_quality(held))
    settled = more(held, closed(opened))
    assert sign_review(settled, *by_quality(settled)).position == settled.position


def test_a_batch_that_is_decided_on_is_not_reviewed_again() -> None:
    batch = more(finished(), DispositionSigned(disposition="rejected", reason="low", signature=signature()))
    with pytest.raises(RefusedError, match="no review follows that"):
        sign_review(batch, *by_quality(batch))


def test_what_is_reviewed_binds_every_entry_and_the_remarks() -> None:
    batch = more(typed(), corrected(6.0))
    one = to_review(batch, stream_of(batch), "read")
    assert one["corrections"] == shown(review(batch))["corrections"] != []
    assert one["entries"] == 1
    assert digest(one) != digest(to_review(batch, stream_of(batch), "other"))
    changed = [Recorded(replace(each.entry, actor="person:x"), each.fact) for each in stream_of(batch)]
    assert digest(one) != digest(to_review(batch, changed, "read"))


def test_the_corrected_value_is_in_force_and_the_first_one_is_not_lost() -> None:
    batch = more(typed(), corrected(6.0), corrected(6.5, old=6.0))
    assert batch.steps[STEP].values == {"temperature": 6.5, "other": "x"}
    assert batch.steps[STEP].state == "done"
    assert [(told.fact.old, told.fact.new) for told in batch.corrections] == [(5.0, 6.0), (6.0, 6.5)]


def test_a_correction_of_an_attempt_that_was_repeated_changes_nothing_in_force() -> None:
    again = (STARTED, StepCompleted(step=STEP, attempt=2, values={"temperature": 4.0}))
    batch = more(typed(), *again, corrected(6.0))
    assert batch.steps[STEP].values == {"temperature": 4.0}
    assert needed(more(typed(), *again, corrected(60.0))) == ()


@pytest.mark.parametrize(("new", "count"), [(2.0, 0), (8.0, 0), (8.1, 1), (-3.0, 1)])
def test_a_corrected_value_out_of_the_questions_range_is_a_deviation(new: float, count: int) -> None:
    batch = more(typed(), corrected(new))
    found = needed(batch)
    assert [(each.kind, each.cause, each.step) for each in found] == [("step-failed", 3, None)] * count
    assert needed(more(batch, *found)) == ()


def test_questions_are_those_the_person_was_shown() -> None:
    (question,) = questions(typed().steps[STEP])
    assert (question.name, question.unit, question.low, question.high) == ("temperature", "°C", 2.0, 8.0)
    assert question.problem(9.0) == "temperature is 9 °C, outside 2.0 to 8.0 °C"
    scan = StepStarted(step="s", attempt=1, key="k", target="person:operator", verb="scan", arguments=ASKED)
    assert questions(batch_of(scan).steps["s"]) == ()
