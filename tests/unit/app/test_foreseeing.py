"""What is foretold of orders, and the report of outcomes, on a demonstration's record. Neither decides."""

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cytoloop.app.bootstrap import readable_record
from cytoloop.app.foreseeing import Asked, Foresight
from cytoloop.app.foreseen import collected_t_cells, failed, observed, shares_of
from cytoloop.app.orders import released_twin, risk_of_order
from cytoloop.app.outcomes import document, outcome_report
from cytoloop.app.packs import read_pack
from cytoloop.app.telling import tell
from cytoloop.app.views import Shelf, loop_view
from cytoloop.app.views_foresight import foretold_view
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import ClinicalObservationRecorded, MaterialCollected, OrderPlaced
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.facts.foresight import RiskAssessed
from cytoloop.core.time import after
from cytoloop.feedback.twin import Twin
from cytoloop.testing.builders import START, Book, approved, created, written_batch

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def shelf(demo_folder: Path) -> Iterator[Shelf]:
    with readable_record(demo_folder) as ledger:
        yield Shelf(ledger)


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin.from_data(dict(read_pack("car_t_cd19").twin))


def test_each_order_of_the_learning_line_is_assessed_before_anything_is_collected(shelf: Shelf) -> None:
    for batch in shelf.batches():
        facts = [each.fact for each in shelf.stream(f"order/{batch.created.order}")]
        kinds = [type(fact) for fact in facts]
        if batch.created.line == "fixed":
            assert RiskAssessed not in kinds
            continue
        assert kinds[:2] == [OrderPlaced, RiskAssessed]
        assert kinds.index(RiskAssessed) < kinds.index(FindingRecorded) < kinds.index(MaterialCollected)
        told = next(fact for fact in facts if isinstance(fact, RiskAssessed))
        assert (told.known, told.factors) == ("before-collection", {"weight": batch.created.weight})
        assert told.twin is not None
        assert told.twin_failure is not None
        assert batch.number not in told.batches


def test_three_batches_are_not_enough_and_nothing_is_suggested(shelf: Shelf) -> None:
    told = foretold_view(shelf)
    assert [each.order for each in told] == ["O-C003", "O-C002", "O-C001"]
    for each in told:
        assert (each.probability, each.interval, each.plan_b) == (None, None, ())
        assert each.reason.en.startswith("not enough")
        assert each.failed is not None
    assert loop_view(shelf).foretold == told
    fact = next(kept.fact for kept in shelf.facts(RiskAssessed))
    assert "not enough" in tell(fact).en
    assert "数据不足" in tell(fact).zh


def test_more_batches_and_counts_give_a_risk_with_a_plan(shelf: Shelf, demo_folder: Path, twin: Twin) -> None:
    placed = shelf.facts(OrderPlaced)[0].fact
    batches = list(shelf.batches())
    asked = Asked(placed=placed, master=batches[0].master, ended=batches * 6, twin=twin)
    with readable_record(demo_folder) as ledger:
        told = Foresight().assess(ledger, asked, START)
        again = Foresight().assess(ledger, asked, START)
    assert told == again
    assert told.probability is not None
    assert told.interval is not None
    assert told.interval.low < told.probability < told.interval.high
    assert len(told.batches) == 36
    assert told.failed == 6 * sum(map(failed, batches))
    assert {plan.plan for plan in told.plan_b} <= {"timing", "second-collection", "reserved-slot"}
    assert ("reserved-slot" in {plan.plan for plan in told.plan_b}) is (told.probability >= 0.15)
    assert f"{told.probability:.0%}" in tell(told).zh


def test_observations_count_when_they_are_a_number_in_its_unit_and_known_by_then() -> None:
    book = Book()

    def seen(code: str, value: float | str, unit: str | None, comparator: str | None = None) -> None:
        fact = ClinicalObservationRecorded(
            code=code, system="http://loinc.org", value=value, unit=unit, comparator=comparator, source="x"
        )
        book.tell("subject/S-1", fact)

    seen("731-0", 1.4, "1e6 cells/mL")
    seen("731-0", 0.9, "1e6 cells/mL")
    seen("8122-4", 700.0, "/uL")
    seen("30525-0", 61.0, "a")
    seen("26474-7", 0.1, "1e6 cells/mL", "<")
    seen("4548-4", 5.0, "%")
    entries = list(book.ledger.stream("subject/S-1"))
    late = after(entries[-1].entry.happened_at, 1.0)
    assert observed(entries, late) == {"lymphocytes": 0.9, "age": 61.0}
    assert observed(entries, after(entries[0].entry.happened_at, -1.0)) == {}


def test_a_collection_that_was_tested_sharpens_what_may_be_seeded(shelf: Shelf) -> None:
    batches = list(shelf.batches())
    cells = collected_t_cells(batches[0])["collected_t_cells"]
    assert cells > 10
    assert all(0 < share <= 1 for share in shares_of(batches, 200.0, None))
    few, many = shares_of(batches, 200.0, 10.0), shares_of(batches, 200.0, 1e6)
    assert max(few) < min(many) == 1.0


def test_an_order_that_is_open_can_be_asked_for_until_its_culture_is_seeded() -> None:
    book, master = Book(), read_pack("car_t_cd19").master
    book.tell("recipe/fixed/car_t_cd19", approved(master, line="fixed"))
    for order in ("NEW", "HERE", "SEEDED"):
        placed = OrderPlaced(order=f"O-{order}", subject="S-9", study="ST-1", product="car_t_cd19", weight=80.0)
        book.tell(f"order/O-{order}", placed)
    written_batch(book, master, created(master, "HERE", line="fixed"), until=3.0)
    written_batch(book, master, created(master, "SEEDED", line="fixed"), until=20.0)

    def asked(order: str, **entered: float) -> RiskAssessed:
        now = after(START, 24.0)
        return risk_of_order(book.ledger, order, line=None, pack="car_t_cd19", entered=entered, now=now)

    told = asked("O-NEW", lymphocytes=0.3)
    assert (told.known, told.twin, told.probability) == ("before-collection", None, None)
    assert told.factors == {"weight": 80.0, "lymphocytes": 0.3}
    here = asked("O-HERE")
    assert here.known == "before-seeding"
    assert here.factors["collected_t_cells"] == 855.0
    with pytest.raises(UserError, match="is seeded; its forecasts tell more"):
        asked("O-SEEDED")
    with pytest.raises(UserError, match="there is no order 'O-NONE'"):
        asked("O-NONE")
    with pytest.raises(UserError, match="'colour' is no factor"):
        asked("O-NEW", colour=1.0)


def test_the_released_twin_of_a_line_is_read_from_the_record(shelf: Shelf, twin: Twin) -> None:
    found = released_twin(shelf, "closed_loop", "car_t_cd19")
    assert found is not None
    assert found.twin == twin.twin
    assert released_twin(shelf, "fixed", "car_t_cd19") is None


def test_the_outcome_report_keeps_one_outcome_for_a_patient_and_says_when_it_is_not_enough(shelf: Shelf) -> None:
    report = outcome_report(shelf)
    assert report.patients + report.again == sum(1 for row in shelf.batches() if not failed(row))
    assert report.again > 0, "the demonstration treats the same patients on both lines"
    assert {each.verdict for each in report.effects} == {"not-enough"}
    told = document(report)
    assert told["patients"] == report.patients
    with pytest.raises(UserError, match="no batch is of line 'third'"):
        outcome_report(shelf, line="third")


def test_a_risk_of_a_batch_that_has_ended_is_history(demo_folder: Path, cytoloop: Command) -> None:
    done = cytoloop("order", "risk", "O-C001", "--data", demo_folder)
    assert done.returncode == 2
    assert "its risk is history" in done.stderr
    wrong = cytoloop("order", "risk", "O-C001", "--known", "cd3:0.4", "--data", demo_folder)
    assert wrong.returncode == 2
    assert "expected FACTOR=NUMBER" in wrong.stderr
