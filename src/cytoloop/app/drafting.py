"""Drafting: what a proposal is made of. Its ground, what stands against it, the draft itself, the way back.

Pure: reads what it is given and returns values; `proposing.py` enters them and asks people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from cytoloop.app.changing import gate_verdict
from cytoloop.app.claiming import observed_changes
from cytoloop.app.claims import ClaimRecord, claims_of, results_of
from cytoloop.app.steering import release_limits
from cytoloop.compliance.view import StudyView
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.facts.feedback import Lineage, ParameterMove, ProposalDrafted
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.control.controller import Lever
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.proposal.check import Executed, problem_with_batches, problem_with_model
from cytoloop.feedback.proposal.correct import Shown
from cytoloop.feedback.proposal.propose import RESOLUTION, Correct, NoProposal, Proposal, propose
from cytoloop.feedback.proposal.virtual import World, outcome_of, world_of

_OUTLOOK_DONORS = 16
"""Virtual donors by whose median the twin's outlook is told to a campaign."""

Pairs = Sequence[tuple[Batch, BatchHistory]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a proposal departs from: the version in force and what was decided about the recipe so far."""

    current: RecipeApproved
    master: MasterRecipe
    facts: tuple[Fact, ...]
    """Of the recipe's stream."""

    @property
    def targets(self) -> dict[str, float]:
        """Every parameter's target in force."""
        return {name: each.target for name, each in self.master.recipe.parameters().items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The batches that a draft rests on, as they were read."""

    batches: tuple[Batch, ...]
    lineage: tuple[Lineage, ...]


def problem_with(ground: Ground, fit: PopulationFit, pairs: Pairs) -> Words | None:
    """Why nothing may be proposed now, before anything is looked for; None when something may."""
    waits = [claim for claim in claims_of(ground.facts).values() if claim.state in ("open", "proposed")]
    if waits:
        return _waits(waits[0])
    unread = [claim for claim in claims_of(ground.facts).values() if claim.state == "refuted"]
    if any(claim.claimed.rule.to_version == ground.current.version and not claim.roll_back for claim in unread):
        return _REFUTED_IN_FORCE
    stranger = next((batch for batch, _ in pairs if not _own(batch, ground)), None)
    if stranger is not None:
        return _stranger(stranger)
    histories = [history for _, history in pairs]
    return problem_with_batches(histories) or problem_with_model(fit, histories)


def _own(batch: Batch, ground: Ground) -> bool:
    created, product = batch.created, ground.master.product.product
    return (created.line, created.recipe, created.product) == (ground.current.line, ground.current.recipe, product)


def found_on(ground: Ground, fit: PopulationFit, pairs: Pairs, seed: int) -> Proposal | NoProposal:
    """What the finished batches speak for, or why nothing."""
    batches = [batch for batch, _ in pairs]
    return propose(
        fit,
        parameters=ground.targets,
        levers=proposal_levers(ground.master),
        patients=[release_limits(ground.master.product, batch.created.weight) for batch in batches],
        generator=np.random.default_rng([seed, ground.current.version, len(batches)]),
        refuted=_refuted(ground.facts),
        correct=_correction(ground, fit, pairs, seed),
    )


def drafted_on(ground: Ground, found: Proposal, read: Read, study: StudyView, now: Instant) -> ProposalDrafted:
    """The draft of what was found, with the row of the gate that will answer it."""
    drafted = ProposalDrafted(
        proposal=_name(ground, len(read.batches)),
        recipe=ground.current.recipe,
        from_version=ground.current.version,
        moves=found.moves,
        twin=found.twin,
        batches=found.batches,
        predicted=found.predicted,
        risk=found.risk.en,
        gate_row=0,
        filing=_filing(study).en,
        risk_zh=found.risk.zh,
        filing_zh=_filing(study).zh,
        chance_before=found.before,
        chance_after=found.after,
        expected_before=found.quantiles_before,
        expected_after=found.quantiles_after,
        lineage=read.lineage,
    )
    return _judged(drafted, ground, study, now)


def way_back(
    ground: Ground, claim: ClaimRecord, read: Read, study: StudyView, now: Instant, *, seed: int
) -> ProposalDrafted:
    """The draft that takes a refuted change back: the former targets, on the batches that refuted it."""
    generator = np.random.default_rng([seed, claim.claimed.rule.to_version, 2])
    first = next(
        fact for fact in ground.facts if isinstance(fact, ProposalDrafted) and fact.proposal == claim.claimed.proposal
    )
    risk = _back_risk(claim)
    drafted = ProposalDrafted(
        proposal=f"{_name(ground, len(read.batches))}-BACK",
        recipe=ground.current.recipe,
        from_version=ground.current.version,
        moves=tuple(ParameterMove(parameter=m.parameter, old=m.new, new=m.old, unit=m.unit) for m in first.moves),
        twin=first.twin,
        batches=tuple(batch.number for batch in read.batches),
        predicted=observed_changes(claim.claimed.rule, read.batches, generator),
        risk=risk.en,
        gate_row=0,
        filing=_filing(study).en,
        risk_zh=risk.zh,
        filing_zh=_filing(study).zh,
        lineage=read.lineage,
        undoes=claim.claimed.claim,
    )
    return _judged(drafted, ground, study, now)


def _judged(drafted: ProposalDrafted, ground: Ground, study: StudyView, now: Instant) -> ProposalDrafted:
    """The draft with the row of the gate that will answer it."""
    answer = gate_verdict(drafted, ground.master, study, now)
    return replace(drafted, gate_row=answer.row)


def _name(ground: Ground, batches: int) -> str:
    line = ground.current.line.upper().replace("_", "-")
    return f"PROP-{line}-{ground.current.version:03d}-{batches:03d}"


def proposal_levers(master: MasterRecipe) -> dict[str, Lever]:
    """Targets a proposal may move: those the twin knows the effect of, whose range has a provenance."""
    return {
        name: Lever(value=p.target, low=p.par[0], high=p.par[1], unit=p.unit)
        for name, p in master.recipe.parameters().items()
        if name in RESOLUTION and p.dossier_ref
    }


def executed_of(batch: Batch, history: BatchHistory) -> Executed:
    """What the batch ran at, moves included, what it came to, and what its cells were like at the start."""
    return Executed(
        batch=batch.number,
        parameters=dict(batch.parameters),
        results=results_of(batch),
        context={"viability": history.start.viability},
    )


def _correction(ground: Ground, fit: PopulationFit, pairs: Pairs, seed: int) -> Correct:
    """What these batches showed, as a correction of the twin."""

    @cache
    def world() -> World:  # made when a parameter varied, which is seldom
        generator = np.random.default_rng([seed, ground.current.version, len(pairs), 3])
        return world_of(fit, [{}], _OUTLOOK_DONORS, 1, generator)

    def outlook(targets: Mapping[str, float]) -> dict[str, float]:
        return {name: each[2] for name, each in outcome_of(world(), targets).quantiles.items()}

    return Shown(
        executed=[executed_of(batch, history) for batch, history in pairs],
        levers=proposal_levers(ground.master),
        targets=ground.targets,
        outlook=outlook,
        seed=seed,
    ).shifts


def _refuted(facts: Sequence[Fact]) -> set[tuple[str, float]]:
    """Moves whose claim was refuted: they are not proposed again."""
    lost = {claim.claimed.proposal for claim in claims_of(facts).values() if claim.state == "refuted"}
    drafts = (fact for fact in facts if isinstance(fact, ProposalDrafted) and fact.proposal in lost)
    return {(move.parameter, move.new) for draft in drafts for move in draft.moves}


def _filing(study: StudyView) -> Words:
    if study.filed_scope == "ranges":
        return Words(
            en="inside the filed ranges; a person says whether it is substantive (Decree 818 Art. 18)",
            zh="在备案范围之内；是否属实质性变更由人判断（国务院令第 818 号第十八条）",
        )
    return Words(
        en="the filed protocol holds the recipe: a person says whether it is substantive (Decree 818 Art. 18)",
        zh="备案方案包含该配方：是否属实质性变更由人判断（国务院令第 818 号第十八条）",
    )


def _back_risk(claim: ClaimRecord) -> Words:
    decided = claim.decided
    assert decided is not None, "only a decided claim is rolled back"
    return Words(
        en=f"back to the targets before {claim.claimed.proposal}, whose claim was refuted: {decided.reason}",
        zh=f"恢复 {claim.claimed.proposal} 之前的目标值，其变更声明已被否定：{decided.reason_zh}",
    )


def _waits(claim: ClaimRecord) -> Words:
    name, most = claim.claimed.claim, claim.claimed.rule.most_batches
    return Words(
        en=f"{name} is not decided yet (at most {most} batches): a second change now would hide what the first did",
        zh=f"{name} 尚未判定（最多 {most} 批）：此时再作变更将无法区分各变更的效果",
    )


def _stranger(batch: Batch) -> Words:
    return Words(
        en=f"batch {batch.number} is of another line, recipe or product: it says nothing of this one",
        zh=f"批次 {batch.number} 属于其他产线、配方或产品，不能作为本配方的证据",
    )


_REFUTED_IN_FORCE = Words(
    en="the version in force rests on a refuted claim: the way back is decided first",
    zh="现行版本所依据的变更声明已被否定：须先决定是否回退",
)
NOTHING_TO_CLAIM = Words(
    en="no single attribute is expected to improve for certain: there is nothing that batches could test",
    zh="没有任何单一属性确定改进：无可由批次检验的声明",
)
