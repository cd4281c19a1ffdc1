"""The loop as a whole, on a demonstration of eight patients: what must hold of every record it leaves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.app.bootstrap import readable_record, readable_store, writable_record
from cytoloop.app.claims import claims_of
from cytoloop.app.demo import START, Demonstration, demonstrate, drawn_patients
from cytoloop.app.packs import read_pack
from cytoloop.app.steering import Steering
from cytoloop.app.story import story_of
from cytoloop.app.telling import tell
from cytoloop.app.views import Shelf
from cytoloop.compliance.workdays import local_day
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.facts.clinic import MaterialCollected, OutcomeRecorded, ProductAdministered
from cytoloop.core.facts.compliance import FindingRecorded, GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, ForecastMade, ProposalDrafted, TwinFitted, TwinReleased
from cytoloop.core.facts.production import RecipeApproved, SetPointMoved
from cytoloop.core.facts.shadow import ControllerReleased, ShadowCompared, ShadowMove
from cytoloop.core.rule import Verdict
from cytoloop.feedback.twin import Twin
from cytoloop.production.recipe_text import from_content
from cytoloop.quality.release import review
from cytoloop.record.verify import verify

SEED = 25


def run_demo(folder: Path, seed: int, patients: int) -> Demonstration:
    clock = SimulatedClock(START)
    with writable_record(folder, clock) as ledger:
        return asyncio.run(
            demonstrate(
                ledger, clock, read_pack("car_t_cd19"), folder,
                seed=seed, patients=drawn_patients(seed, patients), progress=lambda _: lambda _: None,
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("loop")
    run_demo(folder, SEED, 8)
    with readable_record(folder) as ledger:
        yield Shelf(ledger)


def line(shelf: Shelf, name: str) -> list[Batch]:
    return [batch for batch in shelf.batches() if batch.created.line == name]


def test_the_same_seed_leaves_the_same_record_to_the_last_byte(tmp_path: Path) -> None:
    asked = (("a", 7, 2), ("b", 7, 2), ("c", 8, 1))
    one, two, other = (run_demo(tmp_path / name, seed, patients) for name, seed, patients in asked)
    assert one.tree_head == two.tree_head
    assert one.tree_head != other.tree_head


def test_every_batch_comes_to_a_signed_disposition_over_what_was_shown(shelf: Shelf) -> None:
    assert len(shelf.batches()) == 16
    for batch in shelf.batches():
        assert batch.disposition is not None
        fact = batch.disposition.fact
        signature = fact.signature
        assert signature.role == "qualified_person"
        assert signature.components == ("user-id", "password")
        assert signature.signer not in {each.entry.actor.removeprefix("person:") for each in production(shelf, batch)}
        assert signature.digest == review(unsigned(shelf, batch)).digest(fact.disposition, fact.reason)


def production(shelf: Shelf, batch: Batch) -> tuple[Recorded, ...]:
    """The batch's entries before its disposition."""
    return shelf.stream(f"batch/{batch.number}")[:-1]


def unsigned(shelf: Shelf, batch: Batch) -> Batch:
    """The batch as the qualified person was shown it."""
    return fold(production(shelf, batch), batch.master)


def test_nobody_receives_what_was_not_released(shelf: Shelf) -> None:
    released = {b.number for b in shelf.batches() if b.disposition and b.disposition.fact.disposition == "released"}
    given = {kept.fact.batch for kept in shelf.facts(ProductAdministered)}
    assert given == released
    assert {kept.fact.batch for kept in shelf.facts(OutcomeRecorded)} == given


def test_nothing_is_released_with_an_open_deviation_or_out_of_specification(shelf: Shelf) -> None:
    for batch in shelf.batches():
        assert not batch.open_deviations
        out = any(each.judgement == "out" for each in review(batch).results if each.result.stage == "release")
        assert batch.disposition is not None
        assert (batch.disposition.fact.disposition == "released") is not (out or batch.aborted is not None)


def test_the_law_is_read_before_every_act_on_a_subject(shelf: Shelf) -> None:
    for stream in shelf.streams("order/"):
        entries = shelf.stream(stream)
        for place, recorded in enumerate(entries):
            if isinstance(recorded.fact, MaterialCollected | ProductAdministered):
                before = [each.fact for each in entries[max(0, place - 5) : place]]
                loci = [fact.locus for fact in before if isinstance(fact, FindingRecorded)]
                assert loci == ["CN-SC818:55", "CN-SC818:14", "CN-SC818:15.1", "CN-SC818:19.1", "CN-SC818:19.2"]


def test_retention_runs_thirty_years_from_the_studys_end(shelf: Shelf) -> None:
    last = shelf.stream("study/ST-DEMO-1")[-1].fact
    assert isinstance(last, FindingRecorded)
    assert (last.locus, last.verdict) == ("CN-SC818:22.1", Verdict.PASS)
    # The law's day is the day in China: a study that ends in the evening of New Year's Eve (UTC) ends a year later.
    ended = local_day(shelf.stream("study/ST-DEMO-1")[-2].entry.happened_at)
    assert str(last.evidence["retained_until"]).startswith(str(ended.year + 30))


def test_the_fixed_line_never_moves_anything(shelf: Shelf) -> None:
    for batch in line(shelf, "fixed"):
        assert not batch.moves
        assert not batch.forecasts
        assert batch.created.recipe_version == 1


def test_every_move_is_one_parameter_inside_its_range_that_the_gate_let_through(shelf: Shelf) -> None:
    moved = 0
    for batch in line(shelf, "closed_loop"):
        entries = shelf.stream(f"batch/{batch.number}")
        for recorded in entries:
            if not isinstance(recorded.fact, SetPointMoved):
                continue
            moved += 1
            move, verdict = recorded.fact, entries[recorded.entry.position - 1].fact
            assert isinstance(verdict, GateJudged)
            assert (verdict.answer, verdict.row) == ("apply", move.gate_row)
            low, high = batch.master.recipe.parameters()[move.parameter].par
            assert low <= move.new <= high
            assert entries[move.triggered_by].entry.name == "result-recorded/1"
        assert len({told.fact.parameter for told in batch.moves}) <= 1
    assert moved > 0, "the closed loop of this seed moved nothing: choose another seed for this test"


def test_the_first_twin_is_shadowed_and_the_next_one_moves_on_its_record(shelf: Shelf) -> None:
    released = shelf.facts(ControllerReleased)
    assert released[0].fact.mode == "shadow"
    assert released[1].fact.mode == "moves"
    assert len({kept.fact.sha256 for kept in released}) == 1, "the figures that decide are the same"
    shadowed = {batch.number for batch in line(shelf, "closed_loop") if batch.shadow_moves}
    assert shadowed
    for batch in line(shelf, "closed_loop"):
        first = {told.fact.twin for told in batch.forecasts} <= {released[0].fact.twin}
        assert not (first and batch.moves), "nothing is moved in shadow mode"
        assert first or not batch.shadow_moves
    compared = shelf.facts(ShadowCompared)
    assert {kept.fact.batch for kept in compared} <= shadowed
    for kept in released:
        before = sum(each.entry.sequence < kept.entry.sequence for each in compared)
        told = f"shadow record of {before} batches" if before else "no shadow record yet"
        assert kept.fact.ground == told, "what was signed is the record as it stood"
    shadow_facts: list[Fact] = [kept.fact for kept in shelf.facts(ShadowMove)]
    shadow_facts += [kept.fact for kept in compared]
    shadow_facts += [kept.fact for kept in released]
    for fact in shadow_facts:
        assert tell(fact).zh != tell(fact).en


def before_first_move(shelf: Shelf) -> tuple[Batch, int]:
    """A batch of the closed loop as it stood when it was first moved, without the forecast and the move."""
    for batch in line(shelf, "closed_loop"):
        if batch.moves:
            entries = shelf.stream(f"batch/{batch.number}")
            forecast = max(told.position for told in batch.forecasts if told.position < batch.moves[0].position)
            return fold(entries[:forecast], batch.master), forecast
    raise AssertionError("the closed loop of this seed moved nothing: choose another seed for this test")


@pytest.mark.parametrize(
    ("released", "scope", "row"),
    [(True, "ranges", 9), (False, "ranges", 6), (True, "targets", 4)],
    ids=["let through", "a model that was not released", "a protocol that fixes the targets"],
)
def test_nothing_is_moved_that_the_gate_does_not_let_through(
    shelf: Shelf, released: bool, scope: Literal["ranges", "targets"], row: int
) -> None:
    batch, place = before_first_move(shelf)
    made = shelf.stream(f"batch/{batch.number}")[place]
    assert isinstance(made.fact, ForecastMade)
    fitted = next(kept for kept in shelf.facts(TwinFitted) if made.fact.twin.endswith(kept.fact.sha256))
    twin = Twin.from_data(dict(read_pack("car_t_cd19").twin)).with_figures(
        fitted.fact.population, version=fitted.fact.version, batches=fitted.fact.batches
    )
    assert twin.sha256 == fitted.fact.sha256, "the twin cannot be made again from what the record keeps of it"
    steering = Steering(
        twin=twin, released_at=fitted.entry.happened_at if released else None, decree_818=True, filed_scope=scope,
        seed=SEED,
    )  # fmt: skip
    facts = [draft.fact for draft in steering.observe(batch, made.entry.happened_at)]
    verdicts = [fact for fact in facts if isinstance(fact, GateJudged)]
    assert [fact.row for fact in verdicts] == [row]
    assert any(isinstance(fact, SetPointMoved) for fact in facts) is (row == 9)


def test_a_batch_is_steered_only_by_a_twin_that_was_released_before_it_began(shelf: Shelf) -> None:
    fitted = {kept.fact.sha256: kept.entry for kept in shelf.facts(TwinReleased)}
    for batch in line(shelf, "closed_loop"):
        began = shelf.stream(f"batch/{batch.number}")[0].entry.sequence
        versions = {told.fact.twin.rpartition("@")[2] for told in batch.forecasts}
        assert len(versions) <= 1, "the twin changed while the batch ran"
        assert all(fitted[version].sequence < began for version in versions)


def test_a_proposal_becomes_a_signed_change_and_the_next_recipe_version(shelf: Shelf) -> None:
    stream = shelf.stream("recipe/closed_loop/car_t_cd19")
    changes = [each for each in stream if isinstance(each.fact, ChangeSigned)]
    assert changes, "no change was signed"
    for recorded in changes:
        change = recorded.fact
        assert isinstance(change, ChangeSigned)
        approved = next(
            each for each in stream if isinstance(each.fact, RecipeApproved) and each.fact.change == change.change
        )
        assert isinstance(approved.fact, RecipeApproved)
        assert approved.fact.version == change.to_version
        assert approved.entry.sequence > recorded.entry.sequence
        assert change.signature.role == "principal_investigator"
        proposal = next(
            each.fact for each in stream
            if isinstance(each.fact, ProposalDrafted) and each.fact.proposal == change.proposal
        )  # fmt: skip
        after = from_content(approved.fact.content).recipe.parameters()
        for move in proposal.moves:
            low, high = after[move.parameter].par
            assert after[move.parameter].target == move.new
            assert low <= move.new <= high
    later = [batch.created.recipe_version for batch in line(shelf, "closed_loop")]
    assert later == sorted(later)
    assert later[-1] > 1


def test_every_change_states_a_claim_before_its_first_batch_that_later_batches_test_once(shelf: Shelf) -> None:
    stream = shelf.stream("recipe/closed_loop/car_t_cd19")
    claims = claims_of(each.fact for each in stream)
    assert claims
    for claim in claims.values():
        stated = next(each.entry.sequence for each in stream if each.fact == claim.claimed)
        assert claim.change is not None
        assert claim.change.claim_sha256 == claim.claimed.rule_sha256
        rule, tested = claim.claimed.rule, [each.batch for each in claim.tested]
        assert len(tested) == len(set(tested))
        assert not set(rule.references) & set(tested)
        after = [batch for batch in line(shelf, "closed_loop") if batch.created.recipe_version == rule.to_version]
        assert after, "no batch ran on the changed recipe: choose another seed for this test"
        assert all(shelf.stream(f"batch/{batch.number}")[0].entry.sequence > stated for batch in after)
        if claim.decided is None:
            compared = [b.number for b in line(shelf, "closed_loop") if b.ended and b.number not in rule.references]
            assert sorted(compared) == sorted(tested), "every ended batch of the two versions tests the claim"


def test_both_lines_meet_the_same_donors_until_something_was_learned(shelf: Shelf) -> None:
    for fixed, loop in zip(line(shelf, "fixed"), line(shelf, "closed_loop"), strict=True):
        assert fixed.created.subject == loop.created.subject
        if loop.created.recipe_version == 1 and not loop.moves:
            assert [told.fact.value for told in fixed.results] == [told.fact.value for told in loop.results]


def test_the_twin_learns_from_finished_batches_only(shelf: Shelf) -> None:
    for kept in shelf.facts(TwinFitted):
        for number in kept.fact.batches:
            assert shelf.stream(f"batch/{number}")[-1].entry.sequence < kept.entry.sequence
            assert number.startswith("B-C"), "the fixed line's batches must not teach the closed loop"


def test_a_batchs_story_is_told_in_order_in_both_languages(shelf: Shelf) -> None:
    number = line(shelf, "closed_loop")[-1].number
    story = story_of(shelf, number)
    names = [each.entry.name.partition("/")[0] for each in story]
    for wanted in (
        "study-registered", "review-decided", "study-filed", "consent-signed", "recipe-approved", "order-placed",
        "material-collected", "batch-created", "result-recorded", "forecast-made", "disposition-signed",
    ):  # fmt: skip
        assert wanted in names
    assert [each.entry.sequence for each in story] == sorted(each.entry.sequence for each in story)
    for each in story:
        words = tell(each.fact)
        assert words.en
        assert words.zh


def test_every_forecast_has_an_interval_around_its_median(shelf: Shelf) -> None:
    forecasts = [kept.fact for kept in shelf.facts(ForecastMade)]
    assert forecasts
    for made in forecasts:
        assert 0.0 <= made.in_specification <= 1.0
        for interval in made.quantities.values():
            assert interval.low <= interval.median <= interval.high


def test_verify_agrees_with_the_demonstration(tmp_path: Path) -> None:
    result = run_demo(tmp_path, 3, 1)
    with readable_store(tmp_path) as store:
        verified = verify(store, expected_root=result.tree_head)
    assert verified.entries == result.entries
