"""A request is answered once, by somebody who may, with what was typed read by the field it was typed into."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.asking import INSPECT, TYPED, ask, begun, deviate, say, settle
from tests.staff import Staff, again, founded, pack

from cytoloop.app.answering import Answering, shown_for
from cytoloop.app.answers import find_in, qualified_in, stands_in
from cytoloop.app.asked import Typed, asked_under, check, contents_of
from cytoloop.app.bundle_entries import select
from cytoloop.app.people import Signer
from cytoloop.app.story import story_of
from cytoloop.app.views import Shelf
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.answer import AnswerGiven
from cytoloop.core.facts.equipment import PersonQualified
from cytoloop.core.facts.production import StepInDoubt, StepStarted
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Password
from cytoloop.core.time import Instant
from cytoloop.production.asking import answer_stream, outcome_of
from cytoloop.production.settle import settle_decision
from cytoloop.production.signed import read_signature
from cytoloop.production.steps import instruction
from cytoloop.testing.builders import signature

FINE = Typed(texts={"transport_temperature": "5.2", "bags_damaged": "0"})


@pytest.fixture(scope="module")
def founders(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    staff = founded(tmp_path_factory.mktemp("house"))
    for user, role in (("op.sun", "operator"), ("op.li", "operator"), ("qa.li", "qa")):
        staff.enrolled(user, role)
    return staff


@pytest.fixture
def staff(founders: Staff, tmp_path: Path) -> Staff:
    made = again(founders, tmp_path)
    begun(made.ledger)
    return made


@pytest.fixture
def answering(staff: Staff) -> Answering:
    return Answering(people=staff.people, clock=staff.clock)


def the_answer(staff: Staff, key: str) -> AnswerGiven:
    (recorded,) = staff.ledger.stream(answer_stream(key))
    assert isinstance(recorded.fact, AnswerGiven)
    return recorded.fact


def test_a_plain_answer_is_attributed_by_who_is_signed_in(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    heard: list[str] = []
    replace(answering, told=heard.append).give("op.sun", key, FINE)
    answer = the_answer(staff, key)
    assert answer.values == {"transport_temperature": 5.2, "bags_damaged": 0.0}
    assert (answer.role, answer.signature, answer.reason, answer.done) == ("operator", None, "", True)
    assert answer.asked == asked_under(staff.ledger, key, staff.clock.now()).request.asked
    (recorded,) = staff.ledger.stream(answer_stream(key))
    assert recorded.entry.actor == "person:op.sun"
    assert heard == [key], "who waits in this process hears of it"


def test_the_second_answer_is_told_who_was_first(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    answering.give("op.sun", key, FINE)
    with pytest.raises(ConflictError) as told:
        answering.give("op.li", key, Typed(texts={"transport_temperature": "6", "bags_damaged": "0"}))
    at = f"{staff.clock.now():%Y-%m-%d %H:%M} UTC"
    assert (told.value.words.en, told.value.words.zh) == (
        f"already answered by Op.Sun at {at}", f"已由 Op.Sun 于 {at} 作答",
    )  # fmt: skip
    assert the_answer(staff, key).values["transport_temperature"] == 5.2


def test_two_who_look_at_once_are_told_apart_by_the_record(staff: Staff, answering: Answering) -> None:
    """Both have read that nobody answered; the append decides."""
    key = ask(staff.ledger)
    stream = answer_stream(key)
    first = Answering(people=staff.people, clock=staff.clock)
    opened = first.open

    class Late(Answering):
        def open(self, key: str):  # type: ignore[no-untyped-def]  # as its base
            asked = opened(key)
            first.give("op.li", key, FINE)
            return asked

    with pytest.raises(ConflictError, match=r"already answered by Op\.Li"):
        Late(people=staff.people, clock=staff.clock).give("op.sun", key, FINE)
    assert staff.ledger.position(stream) == 1


def test_only_the_role_that_is_asked_may_answer_and_a_refusal_is_an_entry(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    with pytest.raises(RefusedError, match=r"qa\.li is no operator"):
        answering.give("qa.li", key, FINE)
    with pytest.raises(RefusedError, match=r"ad\.min .* may not answer"):
        answering.give("ad.min", key, FINE)
    assert [each.act for each in staff.refusals()[-2:]] == ["answer", "answer"]
    assert staff.ledger.position(answer_stream(key)) == 0


def test_who_is_not_qualified_is_turned_away_with_the_reason(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)

    asked: list[str] = []

    def qualified(user: str, what: str, now: Instant) -> str | None:
        asked.append(what)
        return f"{user} was not trained for {what}" if (user, what) == ("op.sun", "receipt/inspect") else None

    gated = replace(answering, qualified=qualified)
    with pytest.raises(RefusedError, match=r"op\.sun was not trained for receipt/inspect"):
        gated.give("op.sun", key, FINE)
    assert staff.refusals()[-1].reason == "op.sun was not trained for receipt/inspect"
    assert asked == ["receiving_station", "receipt", "receipt/inspect"]
    gated.give("op.li", key, FINE)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("transport_temperature", "", "this is not answered yet"),
        ("transport_temperature", "5,2", "write a number with a point"),
        ("transport_temperature", "5.2 °F", "write a number with a point"),
        ("transport_temperature", "nan", "write a number with a point"),
        ("seal", "perhaps", "choose one of those shown"),
        ("colour", "blue", "choose one of those shown"),
        ("remarks", "x" * 501, "at most 500 characters"),
        ("remarks", "a\x07b", "none that cannot be printed"),
    ],
)
def test_what_cannot_be_read_is_a_problem_of_its_field(
    staff: Staff, answering: Answering, name: str, text: str, said: str
) -> None:
    key = ask(staff.ledger, arguments={"answers": TYPED})
    texts = {"transport_temperature": "5", "bags_damaged": "0", "seal": "yes", "colour": "straw", "remarks": "none"}
    asked = answering.open(key)
    assert check(asked, Typed(texts=texts), staff.clock.now()).problems == {}
    found = check(asked, Typed(texts={**texts, name: text}), staff.clock.now())
    assert list(found.problems) == [name]
    assert said in found.problems[name].en
    with pytest.raises(UserError, match=re.escape(said)):
        answering.give("op.sun", key, Typed(texts={**texts, name: text}))
    assert staff.ledger.position(answer_stream(key)) == 0


def test_numbers_of_a_chinese_keyboard_are_numbers(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    answering.give("op.sun", key, Typed(texts={"transport_temperature": "５．２", "bags_damaged": "０"}))
    assert the_answer(staff, key).values == {"transport_temperature": 5.2, "bags_damaged": 0.0}


def test_out_of_range_needs_a_reason_and_then_the_step_fails(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    warm = Typed(texts={"transport_temperature": "9.5", "bags_damaged": "0"})
    with pytest.raises(UserError) as told:
        answering.give("op.sun", key, warm)
    assert told.value.words.en.startswith("Highest transport temperature: 9.5 °C is outside 2 – 8 °C: say why")
    assert told.value.words.zh.startswith("运输最高温度：9.5 °C 超出范围 2 – 8 °C：")
    answering.give("op.sun", key, replace(warm, reason="read twice on the logger"))
    outcome = outcome_of(staff.ledger.stream(answer_stream(key)))
    assert outcome is not None
    assert outcome.values["reason"] == "read twice on the logger"
    phase = pack().master.recipe.procedure[0].operations[0].steps[1]
    assert "9.5" in str(instruction.unfit(phase, outcome))  # type: ignore[arg-type]  # the recipe's inspection


def test_a_wrong_label_is_warned_of_and_kept_as_a_near_miss(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger, step="receipt/scan_leukapheresis", verb="scan", arguments={"label": "leukapheresis_bag"})
    asked = answering.open(key)
    found = check(asked, Typed(texts={"code": "COI-B-3"}), staff.clock.now())
    (said,) = found.mixed_up
    assert said.en == "Code on the label: it reads COI-B-3, and this batch needs COI-B-2"
    answering.keep_mix_up(asked, found, "op.sun")
    assert staff.refusals()[-1].reason == said.en
    answering.give("op.sun", key, Typed(texts={"code": "COI-B-2"}))


def test_a_material_is_told_by_lot_expiry_and_quantity(staff: Staff, answering: Answering) -> None:
    arguments: dict[str, JSON] = {"material": "vector", "quantity": 10.0, "unit": "mL", "tolerance": 0.05}
    key = ask(staff.ledger, step="activation/add_vector", verb="add", arguments=arguments)
    texts = {"lot": "LV-77", "expiry": "2026-05-31", "quantity": "10.2", "left": "3"}
    found = check(answering.open(key), Typed(texts=texts), staff.clock.now())
    assert [said.en for said in found.warnings] == ["Expiry date: 2026-05-31 has passed"]
    answering.give("op.sun", key, Typed(texts={**texts, "expiry": "2026-12-31"}))
    assert the_answer(staff, key).values == {
        "material": "vector", "lot": "LV-77", "expiry": "2026-12-31", "quantity": 10.2, "left": 3.0,
    }  # fmt: skip


def test_what_cannot_be_done_is_said_with_a_reason(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger, arguments={"answers": TYPED, "verified": True})
    with pytest.raises(UserError, match="it cannot be done: say why"):
        answering.give("op.sun", key, Typed(texts={}, done=False))
    answering.give("op.sun", key, Typed(texts={}, done=False, reason="the bag leaks"))
    assert the_answer(staff, key).verifier == "", "nobody confirms what was not done"
    outcome = outcome_of(staff.ledger.stream(answer_stream(key)))
    assert outcome is not None
    assert (outcome.ok, outcome.note) == (False, "the bag leaks")


def test_when_it_was_done_lies_between_the_request_and_now(staff: Staff, answering: Answering) -> None:
    begun_at = staff.clock.now()
    key = ask(staff.ledger, at=begun_at)
    staff.clock.moment += timedelta(minutes=30)
    for wrong in (begun_at - timedelta(minutes=5), staff.clock.now() + timedelta(minutes=5)):
        with pytest.raises(UserError, match="between the request and now"):
            answering.give("op.sun", key, replace(FINE, happened_at=wrong))
    answering.give("op.sun", key, replace(FINE, happened_at=begun_at + timedelta(minutes=10)))
    (recorded,) = staff.ledger.stream(answer_stream(key))
    assert recorded.entry.happened_at == begun_at + timedelta(minutes=10)
    assert recorded.entry.recorded_at == begun_at + timedelta(minutes=30)


def test_a_second_person_confirms_and_it_is_another_one(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger, arguments={"answers": TYPED[:2], "verified": True})
    answering.give("op.sun", key, FINE)
    with pytest.raises(RefusedError, match=r"op\.sun gave this answer and may not verify-answer; ask somebody else"):
        answering.verify(staff.signer("op.sun"), key, confirmed=True)
    with pytest.raises(RefusedError, match=r"qa\.li is no operator"):
        answering.verify(staff.signer("qa.li"), key, confirmed=True)
    with pytest.raises(UserError, match="say what does not match"):
        answering.verify(staff.signer("op.li"), key, confirmed=False)
    assert outcome_of(staff.ledger.stream(answer_stream(key))) is None
    answering.verify(staff.signer("op.li"), key, confirmed=True)
    with pytest.raises(ConflictError, match=r"already answered by Op\.Li"):
        answering.verify(staff.signer("op.li"), key, confirmed=True)
    outcome = outcome_of(staff.ledger.stream(answer_stream(key)))
    assert outcome is not None
    assert (outcome.by, outcome.values["verified_by"]) == ("person:op.sun", "op.li")


def test_there_is_nothing_to_confirm_before_the_answer(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger, arguments={"answers": TYPED[:2], "verified": True})
    with pytest.raises(UserError, match="no answer to confirm"):
        answering.verify(staff.signer("op.li"), key, confirmed=True)


def test_a_decision_is_signed_over_exactly_what_the_runner_asks(staff: Staff, answering: Answering) -> None:
    key = deviate(staff.ledger)
    typed = Typed(texts={"decision": "repeat", "reason": "the logger was misread"})
    with pytest.raises(RefusedError, match="has to be signed"):
        answering.give("qa.li", key, typed)
    answering.give(staff.signer("qa.li"), key, typed)
    batch = answering.look(key).batch
    outcome = outcome_of(staff.ledger.stream(answer_stream(key)))
    assert outcome is not None
    drafts = settle_decision(batch, batch.steps["deviation/D-1"], outcome)
    assert [draft.fact.NAME for draft in drafts] == ["step-completed/1", "deviation-closed/1"]
    assert {draft.actor for draft in drafts} == {"person:qa.li"}


def test_a_signature_is_what_was_asked_for(staff: Staff, answering: Answering) -> None:
    shown: dict[str, JSON] = {"batch": "B-2", "operation": "receipt", "steps": ["receipt/inspect"]}
    arguments: dict[str, JSON] = {**shown, "what": "receipt was done", "digest": digest(shown), "meaning": "performed"}
    key = ask(staff.ledger, step="receipt/sign", verb="sign", arguments=arguments)
    assert contents_of(answering.open(key).request) == shown
    answering.give(staff.signer("op.sun"), key, Typed(texts={}))
    outcome = outcome_of(staff.ledger.stream(answer_stream(key)))
    assert outcome is not None
    assert read_signature(outcome.values, digest(shown), "performed").signer == "op.sun"


def test_nobody_signs_what_they_are_not_shown(staff: Staff, answering: Answering) -> None:
    arguments: dict[str, JSON] = {"what": "this", "digest": digest({"what": "that"}), "meaning": "performed"}
    key = ask(staff.ledger, step="receipt/sign", verb="sign", arguments=arguments)
    with pytest.raises(RefusedError, match="is not what its digest is of"):
        answering.give(staff.signer("op.sun"), key, Typed(texts={}))


def test_a_step_in_doubt_is_resolved_by_a_signed_word(staff: Staff, answering: Answering) -> None:
    key = "B-2/selection/select#1"
    started = StepStarted(
        step="selection/select", attempt=1, key=key, target="closed-processor-01", verb="program", arguments={}
    )
    doubt = StepInDoubt(step="selection/select", attempt=1, key=key)
    say(staff.ledger, "batch/B-2", started, doubt, at=staff.clock.now())
    asked = f"{key}/what-happened"
    typed = Typed(texts={"decision": "done", "reason": "seen on its display"})
    with pytest.raises(UserError, match="nobody is asked anything"):
        answering.open(asked)
    staff.clock.moment += timedelta(hours=1)
    assert contents_of(answering.open(asked).request)["key"] == key
    answering.give(staff.signer("op.sun"), asked, typed)
    assert the_answer(staff, asked).values == {"decision": "done", "reason": "seen on its display"}


def test_at_a_console_a_plain_answer_is_signed(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    asked = answering.open(key)
    values = check(asked, FINE, staff.clock.now()).values
    answering.give(staff.signer("op.sun"), key, FINE)
    signed = the_answer(staff, key).signature
    assert signed is not None
    assert (signed.meaning, signed.digest) == ("performed", digest(shown_for(asked, values, FINE)))
    with pytest.raises(RefusedError, match="do not match"):
        answering.give(
            Signer(user="op.sun", proof=Password(secret="wrong", code="0")), ask(staff.ledger, attempt=2), FINE
        )


def test_a_request_that_is_over_is_not_answered(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    settle(staff.ledger, "B-2", INSPECT, {}, "system:test")
    with pytest.raises(ConflictError, match="not asked any more"):
        answering.give("op.sun", key, FINE)
    with pytest.raises(UserError, match="nobody is asked anything under 'B-9/x#1'"):
        answering.give("op.sun", "B-9/x#1", FINE)


def test_the_door_reads_answers_and_requests_from_the_record(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    find, stands = find_in(staff.ledger), stands_in(staff.ledger)
    assert (find(key), stands(key), stands("B-2/never#1"), stands("B-9/x#1")) == (None, True, False, False)
    assert not stands_in(staff.ledger, "person:qa")(key), "another role's door knows nothing of it"
    answering.give("op.sun", key, FINE)
    found = find(key)
    assert found is not None
    assert found.by == "person:op.sun"


def test_a_batchs_bundle_and_story_hold_its_answers(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    answering.give("op.sun", key, FINE)
    selected = select(staff.ledger, "B-2", staff.ledger.head())
    assert "answer-given/1" in [each.entry.name for each in selected]
    told = story_of(Shelf(staff.ledger), "B-2", whole=False)
    assert "answer-given/1" not in [each.entry.name for each in told], "every single answer is no turning point"


def test_the_records_own_register_turns_away_who_is_not_qualified(staff: Staff, answering: Answering) -> None:
    key = ask(staff.ledger)
    qualification = PersonQualified(
        user="op.li", subject="receipt", valid_until=staff.clock.now() + timedelta(days=30), evidence="course 7",
        signature=signature(),
    )  # fmt: skip
    say(staff.ledger, "qualification/op.li", qualification)
    gated = replace(answering, qualified=qualified_in(staff.ledger))
    with pytest.raises(RefusedError, match=r"op\.sun.*receipt") as told:
        gated.give("op.sun", key, FINE)
    assert told.value.words.zh, "in both languages"
    gated.give("op.li", key, FINE)
