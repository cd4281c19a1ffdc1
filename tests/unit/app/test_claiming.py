"""A change's claim in the record: tested on the batches that follow, decided once, rolled back by a signature only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.claiming import observed_changes, what_is_due
from cytoloop.app.claims import claims_of, lineage_of
from cytoloop.app.demo import START
from cytoloop.app.drafting import found_on, problem_with
from cytoloop.app.learning import Learner
from cytoloop.app.packs import read_pack
from cytoloop.app.production import create_batch, in_force, recipe_stream
from cytoloop.app.proposing import Proposer, approve_version
from cytoloop.app.registrar import Registrar
from cytoloop.app.views import Shelf
from cytoloop.app.views_proposal import proposal_view, proposals_view
from cytoloop.compliance.view import StudyView
from cytoloop.core.batch import Batch, Told
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.claim import ChangeClaimed, ClaimDecided, ClaimTested, ProposalWithheld
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.facts.feedback import Interval, ParameterMove, ProposalDeclined, ProposalDrafted
from cytoloop.core.facts.production import BatchAborted, BatchCreated
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.signature import answered
from cytoloop.feedback.calibrate import fit_population
from cytoloop.feedback.dataset import BatchHistory, Control, Start
from cytoloop.feedback.proposal.claim import rule_sha256
from cytoloop.feedback.proposal.claim_draft import Expected, Versions, draft_rule
from cytoloop.feedback.proposal.propose import NoProposal
from cytoloop.feedback.twin import Twin
from cytoloop.production.recipe_text import from_content
from cytoloop.record.ledger import Ledger

LINE, RECIPE = "one", "car_t_cd19"
STREAM = recipe_stream(LINE, RECIPE)
MOVE = ParameterMove(parameter="transduction.moi", old=3.0, new=4.0, unit="TU/cell")
GOOD = {"viability": 0.85, "car_fraction": 0.3, "memory_fraction": 0.45, "viable_car_cells": 300.0}


@dataclass
class Door:
    """Behind it everybody signs what is shown; the principal investigator answers `decision`."""

    decision: str = "no"
    asked: list[Command] = field(default_factory=list)

    async def perform(self, command: Command) -> Outcome:
        self.asked.append(command)
        role = command.target.partition(":")[2]
        shown = str(command.arguments["digest"])
        signature: JSON = {
            "signer": f"{role}.x", "printed_name": "X", "role": role, "meaning": command.arguments["meaning"],
            "signed_at": START.isoformat(), "zone": "UTC", "components": ["user-id", "password"],
            "digest": answered(shown, self.decision, "") if command.verb == "decide" else shown,
        }  # fmt: skip
        values: dict[str, JSON] = {"signature": signature, "decision": self.decision}
        return Outcome(key=command.key, ok=True, at=START, by=f"person:{role}.x", values=values)

    async def recall(self, key: str) -> Outcome | None:
        return None


@pytest.fixture(scope="module")
def master() -> MasterRecipe:
    return read_pack(RECIPE).master


@pytest.fixture
def registrar() -> Registrar:
    clock = SimulatedClock(START)
    return Registrar(Ledger(MemoryStore(), clock), clock)


@pytest.fixture
def study() -> StudyView:
    return StudyView(study="ST", pathway="newtech", filed_scope="ranges")


def no_twin(key: str) -> Twin:
    raise AssertionError(f"the rule takes nothing off, yet the twin {key} was asked for")


def batch(
    master: MasterRecipe, number: str, version: int, results: Mapping[str, float] = GOOD, *, aborted: bool = False
) -> Batch:
    created = BatchCreated(
        batch=number, order="O", subject="S", study="ST", coi="C", product=RECIPE, line=LINE, recipe=RECIPE,
        recipe_version=version, recipe_sha256="0" * 64, weight=70.0, equipment={},
    )  # fmt: skip
    told = tuple(
        Told(
            ResultRecorded(
                sample="s", attribute=name, value=value, unit="1", method="m", stage="release", tested_by="q"
            ),
            3,
            START,
        )
        for name, value in results.items()
    )
    end = Told(BatchAborted(deviation="", reason="r"), 4, START) if aborted else None
    return Batch(
        number=number, created=created, created_at=START, master=master, position=5, parameters={}, results=told,
        finished_at=None if aborted else START, aborted=end,
    )  # fmt: skip


def around(master: MasterRecipe, letter: str, version: int, shift: float, count: int) -> list[Batch]:
    """Batches whose CAR share lies around 0.3 plus `shift`."""
    found = []
    for n in range(count):
        share = 0.3 + shift + 0.01 * (n - count / 2)
        found.append(batch(master, f"{letter}{n}", version, {**GOOD, "car_fraction": share}))
    return found


def claimed_for(draft: ProposalDrafted) -> ChangeClaimed:
    change = draft.predicted["car_fraction"]
    flat = Interval(median=0.0, low=0.0, high=0.0, unit="fraction")
    expected = Expected(
        predicted={"car_fraction": change, "memory_fraction": flat},
        medians={"car_fraction": 0.3, "memory_fraction": 0.45},
        spread={"car_fraction": 0.05, "memory_fraction": 0.1},
    )
    rule = draft_rule(
        expected, {"car_fraction": (0.15, None), "memory_fraction": (0.3, None)},
        Versions(line=LINE, recipe=RECIPE, from_version=1, references=("A0", "A1", "A2")),
        twin="", expected_from=24.0, generator=np.random.default_rng(1),
    )  # fmt: skip
    assert rule is not None
    return ChangeClaimed(claim="CLAIM-1", proposal=draft.proposal, rule=rule, rule_sha256=rule_sha256(rule))


async def changed(registrar: Registrar, master: MasterRecipe, door: Door, study: StudyView) -> Proposer:
    """Version 1 approved, a proposal with its claim drafted and signed, version 2 approved."""
    await approve_version(registrar, door, LINE, master, None)
    draft = ProposalDrafted(
        proposal="PROP-1", recipe=RECIPE, from_version=1, moves=(MOVE,), twin="t@1", batches=("A0", "A1", "A2"),
        predicted={"car_fraction": Interval(median=0.1, low=0.05, high=0.15, unit="fraction")}, risk="r", gate_row=9,
        filing="f",
    )  # fmt: skip
    proposer = Proposer(registrar=registrar, door=door, line=LINE, knows=no_twin)
    await proposer.carry(draft, claimed_for(draft), proposer.ground(RECIPE), study)
    return proposer


def facts(registrar: Registrar) -> list[Fact]:
    return [each.fact for each in registrar.ledger.stream(STREAM)]


def of(registrar: Registrar, kind: type) -> list[Fact]:
    return [fact for fact in facts(registrar) if isinstance(fact, kind)]


async def test_the_signer_is_shown_the_rule_and_its_digest_stands_in_the_signed_change(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    door = Door()
    await changed(registrar, master, door, study)
    asked = next(each for each in door.asked if each.verb == "decide")
    claim = next(iter(claims_of(facts(registrar)).values()))
    assert claim.change is not None
    assert asked.arguments["claim_sha256"] == claim.change.claim_sha256 == claim.claimed.rule_sha256
    assert asked.arguments["claim"] is not None
    assert claim.state == "open"
    assert in_force(registrar.ledger, LINE, RECIPE).version == 2


async def test_a_refuted_claim_proposes_the_way_back_and_a_signature_takes_it(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    proposer = await changed(registrar, master, Door(), study)
    batches = [*around(master, "A", 1, 0.0, 6), *around(master, "N", 2, -0.2, 8)]
    proposer.test_claims(RECIPE, batches)
    decided = of(registrar, ClaimDecided)
    assert [fact.verdict for fact in decided if isinstance(fact, ClaimDecided)] == ["refuted"]
    assert in_force(registrar.ledger, LINE, RECIPE).version == 2, "nothing rolls back by itself"
    await proposer.roll_back(RECIPE, batches, study, seed=1)
    newest = in_force(registrar.ledger, LINE, RECIPE)
    assert newest.version == 3
    assert from_content(newest.content).recipe.parameters() == master.recipe.parameters()
    back = of(registrar, ProposalDrafted)[-1]
    assert isinstance(back, ProposalDrafted)
    assert back.undoes == "CLAIM-1"
    assert back.predicted["car_fraction"].median == pytest.approx(0.2, abs=0.03)
    await proposer.roll_back(RECIPE, batches, study, seed=1)
    proposer.test_claims(RECIPE, [*batches, *around(master, "M", 2, -0.2, 3)])
    assert len(of(registrar, ClaimDecided)) == 1
    assert len(of(registrar, ProposalDrafted)) == 2


async def test_a_declined_way_back_is_asked_once(registrar: Registrar, master: MasterRecipe, study: StudyView) -> None:
    door = Door()
    proposer = await changed(registrar, master, door, study)
    batches = [*around(master, "A", 1, 0.0, 6), *around(master, "N", 2, -0.2, 8)]
    proposer.test_claims(RECIPE, batches)
    door.decision = "decline"
    await proposer.roll_back(RECIPE, batches, study, seed=1)
    await proposer.roll_back(RECIPE, batches, study, seed=1)
    assert len(of(registrar, ProposalDeclined)) == 1
    assert in_force(registrar.ledger, LINE, RECIPE).version == 2


async def test_a_claim_that_holds_is_kept_and_changes_nothing(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    proposer = await changed(registrar, master, Door(), study)
    batches = [*around(master, "A", 1, 0.0, 6), *around(master, "N", 2, 0.15, 8)]
    for count in range(1, len(batches) + 1):
        proposer.test_claims(RECIPE, batches[:count])
    verdicts = [fact.verdict for fact in of(registrar, ClaimDecided) if isinstance(fact, ClaimDecided)]
    assert verdicts == ["kept"]
    tested = [fact.batch for fact in of(registrar, ClaimTested) if isinstance(fact, ClaimTested)]
    assert len(tested) == len(set(tested))
    assert not {"A0", "A1", "A2"} & set(tested), "batches that had ended when the rule was written are references"
    await proposer.roll_back(RECIPE, batches, study, seed=1)
    assert in_force(registrar.ledger, LINE, RECIPE).version == 2


async def test_testing_at_once_or_batch_by_batch_comes_to_the_same(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    await changed(registrar, master, Door(), study)
    claim = claims_of(facts(registrar))["CLAIM-1"]
    batches = [*around(master, "A", 1, 0.0, 6), *around(master, "N", 2, 0.15, 8)]
    at_once = what_is_due(claim, batches, no_twin, {})
    one_by_one: list[Fact] = []
    for count in range(1, len(batches) + 1):
        seen = replace(claim, tested=tuple(each for each in one_by_one if isinstance(each, ClaimTested)))
        if not any(isinstance(each, ClaimDecided) for each in one_by_one):
            one_by_one += what_is_due(seen, batches[:count], no_twin, {})
    assert one_by_one == at_once


async def test_an_aborted_batch_counts_against_the_claim(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    await changed(registrar, master, Door(), study)
    claim = claims_of(facts(registrar))["CLAIM-1"]
    old = around(master, "A", 1, 0.0, 5)
    tested = what_is_due(claim, [*old, batch(master, "N0", 2, aborted=True)], no_twin, {})[-1]
    assert isinstance(tested, ClaimTested)
    assert tested.result is None
    assert tested.evidence_kept < 1.0
    assert tested.evidence_harm["memory_fraction"] > 1.0


async def test_a_rule_that_was_changed_after_the_signature_decides_nothing(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    await changed(registrar, master, Door(), study)
    claim = claims_of(facts(registrar))["CLAIM-1"]
    easier = replace(claim.claimed.rule, error_kept=0.9)
    for forged in (
        replace(claim.claimed, rule=easier),
        replace(claim.claimed, rule=easier, rule_sha256=rule_sha256(easier)),
    ):
        with pytest.raises(FindingError, match="is not the one that was signed"):
            what_is_due(replace(claim, claimed=forged), around(master, "N", 2, 0.1, 3), no_twin, {})


async def test_a_batch_that_runs_keeps_its_version_when_a_change_is_signed(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    door = Door()
    await approve_version(registrar, door, LINE, master, None)
    order = OrderPlaced(order="O-1", subject="S-1", study="ST", product=RECIPE, weight=70.0)
    collected = MaterialCollected(order="O-1", coi="COI-1", collection_site="site")

    def begun(number: str) -> Batch:
        recipe = in_force(registrar.ledger, LINE, RECIPE)
        return create_batch(
            registrar, number=number, order=order, collected=collected, recipe=recipe, equipment={}
        )  # fmt: skip

    before = begun("B-1")
    other = Registrar(registrar.ledger, registrar.clock)
    draft = ProposalDrafted(
        proposal="PROP-1", recipe=RECIPE, from_version=1, moves=(MOVE,), twin="t@1", batches=(), predicted={},
        risk="r", gate_row=9, filing="f",
    )  # fmt: skip
    proposer = Proposer(registrar=other, door=door, line=LINE, knows=no_twin)
    await proposer.carry(draft, None, proposer.ground(RECIPE), study)
    behind = begun("B-2")
    assert (before.created.recipe_version, behind.created.recipe_version) == (1, 2)
    again = Shelf(registrar.ledger).batch("B-1")
    assert again.parameters["transduction.moi"] == 3.0
    assert behind.parameters["transduction.moi"] == 4.0


def history(number: str, density: float = 5.0) -> BatchHistory:
    return BatchHistory(
        batch=number, start=Start(seeding_density=1.0, volume=200.0),
        controls=(Control(at=48.0, perfusion_rate=0.5, il2=100.0),),
        observations={"viable_cell_density": ((96.0, density),)}, harvest_at=240.0,
    )  # fmt: skip


async def test_nothing_is_proposed_while_a_claim_is_open_or_on_strange_or_few_batches(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    proposer = await changed(registrar, master, Door(), study)
    twin = Twin.from_data(dict(read_pack(RECIPE).twin))
    fit = fit_population(twin, [])
    pairs = [(each, history(each.number)) for each in around(master, "A", 1, 0.0, 3)]
    ground = proposer.ground(RECIPE)
    problem = problem_with(ground, fit, pairs)
    assert problem is not None
    assert "CLAIM-1 is not decided yet" in problem.en
    free = replace(ground, facts=())
    few = problem_with(free, fit, pairs[:2])
    assert few is not None
    assert "too few" in few.en
    created = replace(pairs[0][0].created, product="msc")
    stranger = problem_with(free, fit, [(replace(pairs[0][0], created=created), pairs[0][1]), *pairs[1:]])
    assert stranger is not None
    assert "of another line, recipe or product" in stranger.en
    stale = problem_with(free, fit, pairs)
    assert stale is not None
    assert "stale" in stale.en
    await proposer.propose(fit, pairs, study, seed=1)
    assert isinstance(facts(registrar)[-1], ProposalWithheld)
    assert isinstance(found_on(free, fit, [], 1), NoProposal)


async def test_a_batch_whose_values_cannot_be_teaches_nothing_and_the_reason_is_an_entry(
    registrar: Registrar, master: MasterRecipe, study: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    await approve_version(registrar, Door(), LINE, master, None)
    learner = Learner(registrar, Door(), LINE, Twin.from_data(dict(read_pack(RECIPE).twin)), 1)

    def percent(batch: Batch) -> BatchHistory | None:
        raise UserError(f"batch {batch.number}: viability is 83.0; expected a fraction from 0 to 1")

    monkeypatch.setattr("cytoloop.app.learning.finished_history", percent)
    assert await learner.learn(around(master, "A", 1, 0.0, 3), study, 2) is None
    withheld = facts(registrar)[-1]
    assert isinstance(withheld, ProposalWithheld)
    assert "viability is 83.0" in withheld.reason


async def test_the_views_tell_the_claim_and_whether_the_evidence_is_as_it_was_read(
    registrar: Registrar, master: MasterRecipe, study: StudyView
) -> None:
    proposer = await changed(registrar, master, Door(), study)
    proposer.test_claims(RECIPE, [*around(master, "A", 1, 0.0, 6), *around(master, "N", 2, 0.15, 2)])
    shelf = Shelf(registrar.ledger)
    (brief,) = proposals_view(shelf)
    assert (brief.state, brief.claim, brief.after) == ("signed", "open", 2)
    view = proposal_view(shelf, "PROP-1")
    assert view.attributes[0].role == "claimed"
    assert view.bound_kept == pytest.approx(10.0)
    with pytest.raises(UserError, match="there is no proposal"):
        proposal_view(shelf, "PROP-2")


def test_lineage_is_over_every_entry_that_was_read(registrar: Registrar, master: MasterRecipe) -> None:
    made = batch(master, "B-1", 1)
    registrar.say("batch/B-1", made.created, actor="system:test")
    registrar.say("batch/B-1", ResultRecorded(
        sample="s", attribute="viability", value=0.8, unit="fraction", method="m", stage="release", tested_by="q"
    ), actor="system:test")  # fmt: skip
    entries = list(registrar.ledger.stream("batch/B-1"))
    whole, first = lineage_of(made, entries), lineage_of(made, entries[:1])
    assert (whole.entries, first.entries) == (2, 1)
    assert whole.sha256 != first.sha256


def test_the_observed_difference_is_turned_round_for_the_way_back(master: MasterRecipe) -> None:
    draft = ProposalDrafted(
        proposal="P", recipe=RECIPE, from_version=1, moves=(MOVE,), twin="t", batches=(), gate_row=9, filing="",
        risk="",        predicted={"car_fraction": Interval(median=0.1, low=0.05, high=0.15, unit="fraction")},
    )  # fmt: skip
    rule = claimed_for(draft).rule
    found = observed_changes(
        rule, [*around(master, "A", 1, 0.0, 6), *around(master, "N", 2, -0.1, 6)], np.random.default_rng(1)
    )
    assert found["car_fraction"].low <= found["car_fraction"].median <= found["car_fraction"].high
    assert found["car_fraction"].median == pytest.approx(0.1, abs=0.02)
