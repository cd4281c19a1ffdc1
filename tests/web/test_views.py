"""What the views say of a record whose every fact is known."""

import pytest

from cytoloop.app.views import (
    Shelf,
    batch_list_view,
    batch_view,
    entry_view,
    lines_view,
    loop_view,
    recipe_view,
    record_view,
)
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.production import BatchFinished
from cytoloop.core.facts.quality import DispositionSigned
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import after
from cytoloop.record.merkle import leaf_hash
from cytoloop.testing.builders import RELEASE_RESULTS, START, Book, approved, created, signature, written_batch


@pytest.fixture(scope="module")
def shelf(told: Book) -> Shelf:
    return Shelf(told.ledger)


def test_an_empty_record_has_an_empty_loop() -> None:
    view = loop_view(Shelf(Book().ledger))
    assert (view.entries, view.as_of, view.lines, view.running) == (0, None, (), ())
    assert view.production.batches == 0
    assert view.feedback.twin_version is None


def test_the_stages_are_counted(shelf: Shelf) -> None:
    view = loop_view(shelf)
    assert (view.clinic.studies, view.clinic.subjects, view.clinic.orders, view.clinic.collections) == (1, 2, 4, 4)
    assert (view.clinic.orders_open, view.clinic.administered, view.clinic.outcomes) == (2, 1, 1)
    assert (view.production.running, view.production.held, view.production.finished) == (1, 1, 2)
    assert (view.quality.released, view.quality.rejected, view.quality.awaiting_disposition) == (1, 1, 0)
    assert (view.quality.deviations, view.quality.deviations_open) == (2, 1)
    assert (view.quality.findings_not_passed, view.quality.findings_for_people) == (0, 1)
    assert (view.feedback.twin_version, view.feedback.forecasts, view.feedback.moves) == (2, 3, 1)
    assert (view.feedback.proposals, view.feedback.proposals_open, view.feedback.changes) == (1, 0, 1)
    assert [line.number for line in view.running] == ["FX-002", "CL-002"]
    assert view.steps_now == {"Expansion": 2}


def test_the_lines_are_compared(shelf: Shelf) -> None:
    fixed, closed = lines_view(shelf)
    assert (fixed.line, fixed.recipe_version, fixed.released, fixed.rejected) == ("fixed", 1, 0, 1)
    assert (closed.line, closed.recipe_version, closed.released, closed.changes) == ("closed_loop", 2, 1, 1)
    assert closed.viable_car_cells_median == RELEASE_RESULTS["viable_car_cells"]
    assert closed.vein_to_vein_days_median is not None
    assert 10 < closed.vein_to_vein_days_median < 16
    assert fixed.vein_to_vein_days_median is None


def test_a_list_can_be_of_one_line(shelf: Shelf) -> None:
    assert [line.number for line in batch_list_view(shelf)] == ["FX-001", "CL-001", "FX-002", "CL-002"]
    assert [line.number for line in batch_list_view(shelf, line="fixed")] == ["FX-001", "FX-002"]


def test_a_running_batch_shows_where_it_stands(shelf: Shelf) -> None:
    view = batch_view(shelf, "CL-002")
    assert (view.state, view.disposition, view.ended_at) == ("running", None, None)
    assert view.current is not None
    assert view.current.step.startswith("expansion/expand[")
    states = {operation.operation: operation.state for operation in view.operations}
    assert states["receipt"] == states["transduction"] == "done"
    assert states["expansion"] == "running"
    assert states["harvest"] == states["release_testing"] == "pending"
    assert view.operations[0].ended_at is not None
    assert view.operations[0].ended_at <= view.created_at + (view.as_of - view.created_at)


def test_curves_start_with_the_culture(shelf: Shelf) -> None:
    view = batch_view(shelf, "CL-002")
    assert view.culture_began is not None
    assert view.counts is not None
    assert all(hours > 48 for hours in view.counts.hours), "the first daily sample is in the expansion"
    temperature = next(curve for curve in view.readings if curve.name == "temperature")
    assert (temperature.low, temperature.high) == (35.5, 38.5)
    assert list(temperature.hours) == sorted(temperature.hours)
    assert "viable_cell_density" not in {curve.name for curve in view.metabolites}


def test_the_latest_forecast_and_every_move_are_there(shelf: Shelf) -> None:
    view = batch_view(shelf, "CL-002")
    assert [line.elapsed for line in view.forecasts] == [96.0, 120.0, 144.0]
    assert view.forecast is not None
    assert view.forecast.elapsed == 144.0
    (move,) = view.moves
    assert (move.parameter, move.old, move.new, move.gate_row) == ("expansion.perfusion_rate", 0.5, 0.8, 9)
    assert [gate.row for gate in view.gates] == [9]


def test_limits_per_kilogram_are_for_this_patient(shelf: Shelf) -> None:
    rejected = {line.attribute: line for line in batch_view(shelf, "FX-001").specification}
    assert rejected["viable_car_cells"].low == pytest.approx(140.0)
    assert rejected["viable_car_cells"].within is False
    assert rejected["viability"].within is True
    assert rejected["cd4_fraction"].within is None, "followed without a limit"
    assert all(line.value is None for line in batch_view(shelf, "CL-002").specification)


def test_deviations_carry_their_decision_and_signature(shelf: Shelf) -> None:
    (closed,) = batch_view(shelf, "FX-001").deviations
    assert (closed.decision, closed.reason) == ("continue", "confirmed by a second test")
    assert closed.signature is not None
    (still_open,) = batch_view(shelf, "FX-002").deviations
    assert (still_open.closed_at, still_open.signature) == (None, None)
    assert batch_view(shelf, "FX-002").state == "held"


def test_a_batch_that_is_not_there_is_the_user_s_mistake(shelf: Shelf) -> None:
    with pytest.raises(UserError, match="no batch 'B-0'"):
        batch_view(shelf, "B-0")


def test_a_batch_without_its_recipe_is_a_finding(master: MasterRecipe) -> None:
    book = Book()
    book.tell("batch/B-1", created(master, "B-1", line="fixed"))
    with pytest.raises(FindingError, match="entry 0 begins batch/B-1"):
        Shelf(book.ledger)


def test_a_shelf_catches_up_with_what_was_appended(master: MasterRecipe) -> None:
    book = Book()
    shelf = Shelf(book.ledger)
    assert shelf.catch_up() is False
    book.tell("recipe/fixed/car_t_cd19", approved(master, line="fixed"))
    end = written_batch(book, master, created(master, "B-1", line="fixed"))
    assert shelf.catch_up() is True
    assert batch_view(shelf, "B-1").state == "running"
    book.tell("batch/B-1", BatchFinished(), end)
    assert shelf.catch_up() is True
    assert loop_view(shelf).quality.awaiting_disposition == 1
    signed = DispositionSigned(disposition="released", reason="all within", signature=signature(meaning="released"))
    book.tell("batch/B-1", signed, after(end, 1))
    shelf.catch_up()
    assert loop_view(shelf) == loop_view(Shelf(book.ledger)), "caught up or read at once: the same"
    assert batch_view(shelf, "B-1") == batch_view(Shelf(book.ledger), "B-1")
    assert end > START


def test_the_record_is_paged_newest_first(shelf: Shelf) -> None:
    first = record_view(shelf)
    assert first.entries[0].sequence == shelf.size - 1
    assert len(first.entries) == 50
    last = record_view(shelf, page=10**6)
    assert last.page == last.pages
    assert last.entries[-1].sequence == 0
    seen = [entry.sequence for page in range(1, first.pages + 1) for entry in record_view(shelf, page=page).entries]
    assert seen == list(range(shelf.size - 1, -1, -1))


def test_the_record_is_filtered_by_stream_and_name(shelf: Shelf) -> None:
    view = record_view(shelf, stream="recipe/closed_loop", name="recipe-approved/1")
    assert view.found == 2
    assert {entry.name for entry in view.entries} == {"recipe-approved/1"}
    assert record_view(shelf, stream="nothing").entries == ()


def test_an_entry_shows_the_bytes_that_were_hashed(shelf: Shelf, told: Book) -> None:
    view = entry_view(shelf, 7)
    stored = next(told.ledger.entries(7, 8))
    assert view.entry == stored.entry
    assert leaf_hash(view.body.encode()).hex() == view.leaf_hash
    with pytest.raises(UserError, match="no entry"):
        entry_view(shelf, shelf.size)


def test_neighbours_in_the_stream_lead_through_it(shelf: Shelf) -> None:
    sequence, passed = next(each.entry.sequence for each in shelf.stream("batch/CL-002")), 1
    while (found := entry_view(shelf, sequence).next_in_stream) is not None:
        assert entry_view(shelf, found).previous_in_stream == sequence
        sequence, passed = found, passed + 1
    assert passed == len(shelf.stream("batch/CL-002"))


def test_a_recipe_s_versions_say_what_changed_and_who_signed(shelf: Shelf) -> None:
    view = recipe_view(shelf, "closed_loop")
    newest, first = view.versions
    assert (newest.version, first.version) == (2, 1)
    assert ("expansion.il2 target", "100 IU/mL", "140 IU/mL") in [
        (each.where, each.old, each.new) for each in newest.differences
    ]
    assert newest.change is not None
    assert newest.proposal is not None
    assert (first.change, first.differences) == (None, ())
    assert view.parameters["expansion.il2"].target == 140.0
    assert [(each.proposal, each.answer) for each in view.proposals] == [("P-001", "signed")]


def test_a_line_without_a_recipe_is_the_user_s_mistake(shelf: Shelf) -> None:
    with pytest.raises(UserError, match="'nowhere'"):
        recipe_view(shelf, "nowhere")
