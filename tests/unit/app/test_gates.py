"""Acts on a subject stop at the law, and say which clause stopped them."""

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.clinic import Clinic
from cytoloop.app.demo import START
from cytoloop.app.registrar import Registrar
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.clinic import OrderPlaced, ReviewDecided, StudyFiled, StudyRegistered, SubjectEnrolled
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.time import after
from cytoloop.record.ledger import Ledger

ORDER = OrderPlaced(order="O-1", subject="S-1", study="ST", product="car_t_cd19", weight=70.0)
SUBJECT = SubjectEnrolled(subject="S-1", study="ST", source="test", capacity="full")


def clinic(pathway: str | None = "newtech") -> tuple[Clinic, SimulatedClock]:
    clock = SimulatedClock(START)
    made = Clinic(
        registrar=Registrar(Ledger(MemoryStore(), clock), clock), study="ST", protocol="1.0", consent_form="form"
    )
    registered = StudyRegistered(
        study="ST", title="test", product="car_t_cd19", pathway=pathway,  # type: ignore[arg-type]  # as a test says it
        pathway_basis="document 1", site="site", involves_offspring=False, filed_scope="ranges",
    )  # fmt: skip
    made.registrar.say("study/ST", registered, actor="person:pi.wang")
    return made, clock


def review(made: Clinic, kind: str, result: str = "pass") -> None:
    decided = ReviewDecided(review=kind, board=kind, protocol_version="1.0", result=result)  # type: ignore[arg-type]  # ditto
    made.registrar.say("study/ST", decided, actor="person:board")


def file(made: Clinic) -> None:
    made.registrar.say("study/ST", StudyFiled(receipt="R", protocol_version="1.0"), actor="person:pi.wang")


async def later(clock: SimulatedClock, hours: float = 1.0) -> None:
    await clock.together(clock.until(after(clock.now(), hours)))


async def ready(made: Clinic, clock: SimulatedClock) -> None:
    review(made, "academic")
    review(made, "ethics")
    await later(clock)
    file(made)
    made.enroll(SUBJECT)
    await later(clock)


async def test_collection_goes_on_when_reviews_filing_and_consent_stand() -> None:
    made, clock = clinic()
    await ready(made, clock)
    collected = made.collect(ORDER, 1)
    assert collected.coi.startswith("DEMO26")
    assert collected.collection_site == "site"


async def test_no_order_is_placed_in_a_study_that_has_ended() -> None:
    made, _ = clinic()
    made.order(ORDER)
    made.end("tested")
    with pytest.raises(RefusedError, match="study ST has ended"):
        made.order(ORDER)


async def test_one_missing_review_stops_the_collection_and_the_finding_is_kept() -> None:
    made, clock = clinic()
    review(made, "academic")
    made.enroll(SUBJECT)
    await later(clock)
    with pytest.raises(RefusedError, match="CN-SC818:14: no ethics review is recorded"):
        made.collect(ORDER, 1)
    facts = [each.fact for each in made.registrar.ledger.stream("order/O-1")]
    assert facts
    assert all(isinstance(fact, FindingRecorded) for fact in facts), "nothing but findings may stand there"


async def test_a_failed_review_stops_the_collection() -> None:
    made, clock = clinic()
    review(made, "academic")
    review(made, "ethics", "fail")
    made.enroll(SUBJECT)
    await later(clock)
    with pytest.raises(RefusedError, match="CN-SC818:14"):
        made.collect(ORDER, 1)


async def test_no_consent_stops_the_collection() -> None:
    made, clock = clinic()
    await ready(made, clock)
    other = OrderPlaced(order="O-2", subject="S-2", study="ST", product="car_t_cd19", weight=70.0)
    with pytest.raises(RefusedError, match=r"CN-SC818:19\.1: no written consent of S-2"):
        made.collect(other, 2)


async def test_a_child_needs_the_guardians_consent() -> None:
    made, clock = clinic()
    await ready(made, clock)
    child = SubjectEnrolled(subject="S-3", study="ST", source="test", capacity="none")
    made.enroll(child)
    await later(clock)
    other = OrderPlaced(order="O-3", subject="S-3", study="ST", product="car_t_cd19", weight=20.0)
    with pytest.raises(RefusedError, match="the guardian must"):
        made.collect(other, 3)


async def test_filing_too_late_stops_the_collection() -> None:
    made, clock = clinic()
    review(made, "academic")
    review(made, "ethics")
    await later(clock, 24.0 * 10)
    file(made)
    made.enroll(SUBJECT)
    await later(clock)
    with pytest.raises(RefusedError, match=r"CN-SC818:15\.1: protocol 1\.0 was filed on .*, the last day was"):
        made.collect(ORDER, 1)


async def test_a_drug_trial_is_not_judged_by_the_decree() -> None:
    made, _ = clinic("drug")
    made.enroll(SUBJECT)
    assert made.collect(ORDER, 1).order == "O-1"


async def test_a_study_without_a_pathway_goes_nowhere() -> None:
    made, _ = clinic(None)
    made.enroll(SUBJECT)
    with pytest.raises(RefusedError, match="CN-SC818:55: the study names no pathway"):
        made.collect(ORDER, 1)


async def test_records_may_not_be_removed_before_thirty_years() -> None:
    made, clock = clinic()
    await ready(made, clock)
    made.end("tested")
    early, late = (after(clock.now(), 24.0 * 365.25 * years) for years in (29.9, 30.1))
    assert made.removal(early).verdict == "FAIL"
    assert made.removal(late).verdict == "PASS"
