"""What people are asked follows from the batch alone, and what their answers come to from the answer's stream alone."""

from datetime import timedelta

import pytest
from tests.asking import INSPECT, TYPED, ask, begun, say, settle

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.asked import TRIED
from cytoloop.app.production import read_batch
from cytoloop.core.facts.answer import AnswerGiven, AnswerVerified
from cytoloop.core.facts.production import BatchFinished, StepInDoubt, StepStarted
from cytoloop.core.json import digest
from cytoloop.core.time import Instant
from cytoloop.production.asking import Request, answer_stream, outcome_of, requests
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import signature

KEY = f"B-2/{INSPECT}#1"


@pytest.fixture
def ledger(start: Instant) -> Ledger:
    return Ledger(MemoryStore(), SimulatedClock(start))


def standing(ledger: Ledger) -> tuple[Request, ...]:
    return requests(read_batch(ledger, "B-2"), list(ledger.stream("batch/B-2")), TRIED)


def given(values: dict[str, object] | None = None, **changes: object) -> AnswerGiven:
    whole = {
        "key": KEY, "batch": "B-2", "step": INSPECT, "verb": "ask", "asked": "0" * 64, "role": "operator", "done": True,
        "values": {"transport_temperature": 5.0} if values is None else values, "reason": "", "verifier": "",
        "signature": None,
    }  # fmt: skip
    return AnswerGiven(**{**whole, **changes})  # type: ignore[arg-type]  # a test's shorthand


def test_a_running_step_that_names_a_person_is_a_request(ledger: Ledger, start: Instant) -> None:
    begun(ledger)
    assert standing(ledger) == ()
    key = ask(ledger, arguments={"answers": TYPED, "latest": "2026-06-01T09:00:00+00:00"}, at=start)
    (request,) = standing(ledger)
    assert (request.command.key, request.role, request.since) == (key, "operator", start)
    assert request.latest == start + timedelta(hours=1)
    command = request.command
    assert request.asked == digest({"target": "person:operator", "verb": "ask", "arguments": dict(command.arguments)})


def test_a_settled_step_asks_nobody(ledger: Ledger) -> None:
    begun(ledger)
    ask(ledger)
    settle(ledger, "B-2", INSPECT, {"transport_temperature": 5.0}, "person:op.sun")
    assert standing(ledger) == ()


def test_a_batch_that_ended_asks_nobody(ledger: Ledger) -> None:
    begun(ledger)
    ask(ledger)
    say(ledger, "batch/B-2", BatchFinished())
    assert standing(ledger) == ()


def test_a_request_stands_through_a_restart_of_the_line(ledger: Ledger, start: Instant) -> None:
    """The runner that comes back says that the step is in doubt; the person is asked the same thing."""
    begun(ledger)
    key = ask(ledger)
    say(ledger, "batch/B-2", StepInDoubt(step=INSPECT, attempt=1, key=key))
    (request,) = standing(ledger)
    assert (request.command.key, request.command.verb, request.since) == (key, "ask", start)


def test_a_person_is_asked_about_equipment_once_it_was_asked_in_vain(ledger: Ledger, start: Instant) -> None:
    begun(ledger)
    step, key = "selection/select", "B-2/selection/select#1"
    started = StepStarted(step=step, attempt=1, key=key, target="closed-processor-01", verb="program", arguments={})
    say(ledger, "batch/B-2", started)
    assert standing(ledger) == ()
    say(ledger, "batch/B-2", StepInDoubt(step=step, attempt=1, key=key))
    (request,) = standing(ledger)
    assert request.command.key == f"{key}/what-happened"
    assert request.since == start + timedelta(hours=TRIED)
    say(ledger, "batch/B-2", StepInDoubt(step=step, attempt=1, key=key))
    (again,) = standing(ledger)
    assert again.command.key == f"{key}/what-happened#2", "the answer before was refused: it is asked anew"


@pytest.mark.parametrize(
    ("said", "role"), [({"verified": True}, "operator"), ({"verified_by": "qa"}, "qa"), ({"verified": False}, "")]
)
def test_who_confirms_is_said_by_the_request(ledger: Ledger, said: dict[str, bool | str], role: str) -> None:
    begun(ledger)
    ask(ledger, arguments={"answers": TYPED, **said})
    assert standing(ledger)[0].verifier == role


def test_an_answer_is_an_outcome(ledger: Ledger, start: Instant) -> None:
    assert outcome_of(ledger.stream(answer_stream(KEY))) is None
    say(ledger, answer_stream(KEY), given(reason="read twice"), actor="person:op.sun", at=start)
    outcome = outcome_of(ledger.stream(answer_stream(KEY)))
    assert outcome is not None
    assert (outcome.ok, outcome.by, outcome.at, outcome.key) == (True, "person:op.sun", start, KEY)
    assert outcome.values == {"transport_temperature": 5.0, "reason": "read twice"}


def test_what_cannot_be_done_is_an_outcome_that_is_not_ok(ledger: Ledger) -> None:
    say(ledger, answer_stream(KEY), given({}, done=False, reason="the bag leaks", verifier="operator"))
    outcome = outcome_of(ledger.stream(answer_stream(KEY)))
    assert outcome is not None
    assert (outcome.ok, outcome.note) == (False, "the bag leaks")


@pytest.mark.parametrize("confirmed", [True, False])
def test_an_answer_waits_for_its_second_person(ledger: Ledger, confirmed: bool) -> None:
    say(ledger, answer_stream(KEY), given(verifier="operator"), actor="person:op.sun")
    assert outcome_of(ledger.stream(answer_stream(KEY))) is None
    word = AnswerVerified(
        key=KEY, batch="B-2", step=INSPECT, confirmed=confirmed, reason="" if confirmed else "the logger says 9.5",
        signature=signature(signer="op.li", role="operator", meaning="verified"),
    )  # fmt: skip
    say(ledger, answer_stream(KEY), word, actor="person:op.li")
    outcome = outcome_of(ledger.stream(answer_stream(KEY)))
    assert outcome is not None
    assert (outcome.ok, outcome.by) == (confirmed, "person:op.sun")
    assert outcome.values["verified_by"] == "op.li"
    assert outcome.note == ("" if confirmed else "op.li did not confirm the answer: the logger says 9.5")


def test_a_signed_decision_carries_its_signature(ledger: Ledger) -> None:
    signed = signature(signer="qa.li", role="qa", meaning="reviewed")
    say(ledger, answer_stream(KEY), given({"decision": "repeat"}, verb="decide", role="qa", signature=signed))
    outcome = outcome_of(ledger.stream(answer_stream(KEY)))
    assert outcome is not None
    found = outcome.values["signature"]
    assert isinstance(found, dict)
    assert (found["signer"], found["meaning"]) == ("qa.li", "reviewed")
