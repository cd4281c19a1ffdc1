"""From a draft to the next master recipe: a fuzz, judged by an oracle that knows nothing of the code under test."""

from dataclasses import replace
from datetime import UTC, datetime
from math import nan

import numpy as np
import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.changing import Decided, next_master, with_targets
from cytoloop.app.packs import read_pack
from cytoloop.app.production import create_batch
from cytoloop.app.registrar import Registrar
from cytoloop.bench.claim_fuzz import Case, carried, fuzzed, signed, signed_case, unsafe
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.facts.feedback import ParameterMove
from cytoloop.core.master import MasterRecipe
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import approved


@pytest.fixture(scope="module")
def master() -> MasterRecipe:
    return read_pack("car_t_cd19").master


@pytest.fixture(scope="module")
def right(master: MasterRecipe) -> Case:
    case = signed_case(master, np.random.default_rng(3))
    assert case.claimed is not None
    return case


def test_no_fuzzed_proposal_runs_without_an_approved_change_or_outside_its_ranges(
    master: MasterRecipe, long: bool
) -> None:
    cases = 1_000_000 if long else 20_000
    ran, wrong = fuzzed(master, cases, seed=5)
    assert wrong == []
    assert ran > 0.05 * cases, "a fuzz in which nothing gets through proves nothing"


def test_the_oracle_finds_what_must_not_run(master: MasterRecipe, right: Case) -> None:
    made = carried(right)
    assert made is not None
    assert unsafe(right, made, master) == ""
    assert unsafe(replace(right, truth=None), made, master) == "no approved change"
    assert unsafe(right, master, master) == "other targets than were signed"
    name = right.draft.moves[0].parameter
    beyond = with_targets(made, [ParameterMove(parameter=name, old=1.0, new=1e6, unit="1")], made.recipe.version)
    assert unsafe(right, beyond, master)


def refusal(case: Case) -> str:
    decided = Decided(verdict=case.verdict, claimed=case.claimed, change=case.change)
    with pytest.raises(RefusedError) as raised:
        next_master(case.draft, decided, case.master)
    return str(raised.value)


def test_each_refusal_says_why(right: Case) -> None:
    draft, move = right.draft, right.draft.moves[0]
    assert "nobody signed" in refusal(replace(right, change=None))
    assert "has not judged" in refusal(replace(right, verdict=None))
    assert "no finite number" in refusal(replace(right, draft=replace(draft, moves=(replace(move, new=nan),))))
    assert "outside its proven acceptable range" in refusal(
        signed(replace(right, draft=replace(draft, moves=(replace(move, new=1e6),))))
    )
    assert "is in force" in refusal(signed(replace(right, draft=replace(draft, from_version=7))))
    assert "signed something else" in refusal(replace(right, draft=replace(draft, risk="harmless")))
    nearly = replace(move, new=move.new * (1 - 1e-12))
    assert nearly.new != move.new
    assert "signed something else" in refusal(replace(right, draft=replace(draft, moves=(nearly, *draft.moves[1:]))))
    assert right.claimed is not None
    easier = replace(right.claimed, rule=replace(right.claimed.rule, error_kept=0.9))
    assert "is not the one that was signed" in refusal(replace(right, claimed=easier))


def test_a_roll_back_brings_the_former_ranges_back(master: MasterRecipe) -> None:
    there = ParameterMove(parameter="expansion.perfusion_rate", old=0.5, new=2.0, unit="1/d")
    moved = with_targets(master, [there], 2)
    assert moved.recipe.parameters()[there.parameter].nor[1] == 2.0  # cut off by the range
    back = replace(there, old=2.0, new=0.5)
    restored = with_targets(moved, [back], 3, master)
    assert restored.recipe.parameters() == master.recipe.parameters()


def test_no_batch_is_created_on_a_version_with_a_target_out_of_its_range(master: MasterRecipe) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    clock = SimulatedClock(start)
    registrar = Registrar(Ledger(MemoryStore(), clock), clock)
    wrong = with_targets(master, [ParameterMove(parameter="expansion.il2", old=100.0, new=4000.0, unit="IU/mL")], 2)
    order = OrderPlaced(order="O-1", subject="S-1", study="ST", product="car_t_cd19", weight=70.0)
    collected = MaterialCollected(order="O-1", coi="COI-1", collection_site="site")
    with pytest.raises(RefusedError, match=r"expansion\.il2 4000 .* outside its approved range"):
        create_batch(
            registrar, number="B-1", order=order, collected=collected, recipe=approved(wrong, line="one"), equipment={}
        )
    assert registrar.ledger.streams() == []
