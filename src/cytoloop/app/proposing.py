"""Proposing: a draft with its evidence and its claim, the gate's verdict, a person's signature, the next version.

A proposal changes nothing. Signed, it is a change; the change makes the next recipe version, for batches that start
afterwards. Its claim is tested on them (`claiming.py`); while it is open nothing else is proposed for the recipe, or
nobody could tell which change did what.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cytoloop.app.changing import (
    CARRIED,
    OPTIONS,
    Decided,
    change_shown,
    draft_problem,
    gate_verdict,
    next_master,
)
from cytoloop.app.claiming import (
    ClaimRecord,
    Knows,
    claim_of,
    claims_of,
    lineage_of,
    observed_changes,
    results_of,
    tests_due,
)
from cytoloop.app.production import approve, approved_version, in_force, recipe_stream
from cytoloop.app.registrar import Registrar
from cytoloop.app.signing import Signed, signed_for
from cytoloop.app.steering import release_limits
from cytoloop.compliance.view import StudyView
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Door
from cytoloop.core.facts.claim import ChangeClaimed, ProposalWithheld
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, Lineage, ParameterMove, ProposalDeclined, ProposalDrafted
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.claim_draft import Versions
from cytoloop.feedback.control import Lever
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.forecast import Limits
from cytoloop.feedback.propose import RESOLUTION, Correct, NoProposal, Proposal, propose
from cytoloop.feedback.propose_check import Executed, problem_with_batches, problem_with_model, problem_with_sign
from cytoloop.production.recipe_text import content_sha256, from_content

LEARNING = "system:feedback"

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
class Proposer:
    """Drafts proposals on one production line and brings them to their decision."""

    registrar: Registrar
    door: Door
    line: str
    knows: Knows

    async def propose(self, fit: PopulationFit, pairs: Pairs, study: StudyView, *, seed: int) -> None:
        """Draft what finished batches speak for and have it decided; or enter why nothing is proposed."""
        ground, batches = self.ground(pairs[-1][0].created.recipe), [batch for batch, _ in pairs]
        problem = self._problem(ground, fit, pairs)
        found = NoProposal(reason=problem) if problem else self._found(ground, fit, pairs, seed)
        if isinstance(found, NoProposal):
            self._withhold(ground, batches, found.reason)
            return
        drafted = self._drafted(found, ground, batches, study)
        dice = np.random.default_rng([seed, ground.current.version, len(batches), 1])
        claimed = claim_of(
            found,
            drafted.proposal,
            Versions(
                line=self.line,
                recipe=drafted.recipe,
                from_version=drafted.from_version,
                references=tuple(b.number for b in batches if b.created.recipe_version == drafted.from_version),
            ),
            batches,
            twin=fit.twin,
            limits=_limits(ground, batches),
            targets=ground.targets,
            generator=dice,
        )
        if claimed is None:
            self._withhold(ground, batches, _NOTHING_TO_CLAIM)
            return
        await self._carried(drafted, claimed, ground, study)

    def test_claims(self, recipe: str, batches: Sequence[Batch]) -> None:
        """Enter what the ended batches say of each open claim."""
        stream = recipe_stream(self.line, recipe)
        for claim in self._claims(recipe).values():
            if claim.state != "open":
                continue
            before = approved_version(self.registrar.ledger, self.line, recipe, claim.claimed.rule.from_version)
            targets = {n: p.target for n, p in from_content(before.content).recipe.parameters().items()}
            for fact in tests_due(claim, batches, self.knows, targets):
                self.registrar.say(stream, fact, actor=LEARNING)

    async def roll_back(self, recipe: str, batches: Sequence[Batch], study: StudyView, *, seed: int) -> None:
        """Draft the way back from a refuted change, once, and have it decided: nothing rolls back by itself."""
        for claim in self._claims(recipe).values():
            ground, rule = self.ground(recipe), claim.claimed.rule
            if claim.state != "refuted" or claim.roll_back or ground.current.version != rule.to_version:
                continue
            former = from_content(approved_version(self.registrar.ledger, self.line, recipe, rule.from_version).content)
            drafted = self._way_back(claim, ground, batches, study, np.random.default_rng([seed, rule.to_version, 2]))
            await self._carried(drafted, None, ground, study, former)

    def ground(self, recipe: str) -> Ground:
        """The version in force now, and what was decided so far."""
        ledger = self.registrar.ledger
        current = in_force(ledger, self.line, recipe)
        facts = tuple(each.fact for each in ledger.stream(recipe_stream(self.line, recipe)))
        return Ground(current=current, master=from_content(current.content), facts=facts)

    def _problem(self, ground: Ground, fit: PopulationFit, pairs: Pairs) -> Words | None:
        waits = [claim for claim in claims_of(ground.facts).values() if claim.state in ("open", "proposed")]
        if waits:
            return _waits(waits[0])
        unread = [claim for claim in claims_of(ground.facts).values() if claim.state == "refuted"]
        if any(claim.claimed.rule.to_version == ground.current.version and not claim.roll_back for claim in unread):
            return _REFUTED_IN_FORCE
        stranger = next((batch for batch, _ in pairs if not self._own(batch, ground)), None)
        if stranger is not None:
            return _stranger(stranger)
        histories = [history for _, history in pairs]
        return problem_with_batches(histories) or problem_with_model(fit, histories)

    def _own(self, batch: Batch, ground: Ground) -> bool:
        created, product = batch.created, ground.master.product.product
        return (created.line, created.recipe, created.product) == (self.line, ground.current.recipe, product)

    def _found(self, ground: Ground, fit: PopulationFit, pairs: Pairs, seed: int) -> Proposal | NoProposal:
        batches = [batch for batch, _ in pairs]
        return propose(
            fit,
            parameters=ground.targets,
            levers=proposal_levers(ground.master),
            patients=[release_limits(ground.master.product, batch.created.weight) for batch in batches],
            generator=np.random.default_rng([seed, ground.current.version, len(batches)]),
            refuted=_refuted(ground.facts),
            correct=_correction(batches),
        )

    def _drafted(self, found: Proposal, ground: Ground, batches: Sequence[Batch], study: StudyView) -> ProposalDrafted:
        drafted = ProposalDrafted(
            proposal=self._name(ground, batches),
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
            lineage=self._lineage(batches),
        )
        return self._judged(drafted, ground, study)

    def _way_back(
        self,
        claim: ClaimRecord,
        ground: Ground,
        batches: Sequence[Batch],
        study: StudyView,
        generator: np.random.Generator,
    ) -> ProposalDrafted:
        first = next(
            fact
            for fact in ground.facts
            if isinstance(fact, ProposalDrafted) and fact.proposal == claim.claimed.proposal
        )
        compared = [batch for batch in batches if batch.ended]
        risk = _back_risk(claim)
        drafted = ProposalDrafted(
            proposal=f"{self._name(ground, compared)}-BACK",
            recipe=ground.current.recipe,
            from_version=ground.current.version,
            moves=tuple(ParameterMove(parameter=m.parameter, old=m.new, new=m.old, unit=m.unit) for m in first.moves),
            twin=first.twin,
            batches=tuple(batch.number for batch in compared),
            predicted=observed_changes(claim.claimed.rule, compared, generator),
            risk=risk.en,
            gate_row=0,
            filing=_filing(study).en,
            kind="roll-back",
            risk_zh=risk.zh,
            filing_zh=_filing(study).zh,
            lineage=self._lineage(compared),
            undoes=claim.claimed.claim,
        )
        return self._judged(drafted, ground, study)

    def _judged(self, drafted: ProposalDrafted, ground: Ground, study: StudyView) -> ProposalDrafted:
        """The draft with the row of the gate that will answer it."""
        answer = gate_verdict(drafted, ground.master, study, self.registrar.clock.now())
        return replace(drafted, gate_row=answer.row)

    def _name(self, ground: Ground, batches: Sequence[Batch]) -> str:
        line = self.line.upper().replace("_", "-")
        return f"PROP-{line}-{ground.current.version:03d}-{len(batches):03d}"

    def _lineage(self, batches: Sequence[Batch]) -> tuple[Lineage, ...]:
        ledger = self.registrar.ledger
        return tuple(lineage_of(batch, list(ledger.stream(f"batch/{batch.number}"))) for batch in batches)

    def _claims(self, recipe: str) -> Mapping[str, ClaimRecord]:
        stream = self.registrar.ledger.stream(recipe_stream(self.line, recipe))
        return claims_of(each.fact for each in stream)

    def _withhold(self, ground: Ground, batches: Sequence[Batch], reason: Words) -> None:
        withheld = ProposalWithheld(
            recipe=ground.current.recipe,
            from_version=ground.current.version,
            batches=tuple(batch.number for batch in batches),
            reason=reason.en,
            reason_zh=reason.zh,
        )
        self.registrar.say(recipe_stream(self.line, ground.current.recipe), withheld, actor=LEARNING)

    async def _carried(
        self,
        drafted: ProposalDrafted,
        claimed: ChangeClaimed | None,
        ground: Ground,
        study: StudyView,
        former: MasterRecipe | None = None,
    ) -> None:
        """Enter the draft with its claim and the gate's verdict; unless refused, bring it to a person."""
        stream = recipe_stream(self.line, drafted.recipe)
        problem = draft_problem(drafted, ground.master)
        if problem is not None:
            self._withhold(ground, (), problem)
            return
        answer = gate_verdict(drafted, ground.master, study, self.registrar.clock.now())
        verdict = GateJudged(row=answer.row, answer=answer.answer, subject=drafted.proposal, reason=answer.reason)
        stated: tuple[Fact, ...] = (drafted, claimed) if claimed else (drafted,)
        self.registrar.say(stream, *stated, verdict, actor=LEARNING)
        if answer.answer not in CARRIED:
            declined = ProposalDeclined(proposal=drafted.proposal, reason=answer.reason)
            self.registrar.say(stream, declined, actor=LEARNING)
            return
        change = await self._signed(drafted, claimed, stream)
        if change is not None:
            decided = Decided(verdict=verdict, claimed=claimed, change=change)
            master = next_master(drafted, decided, self.ground(drafted.recipe).master, former)
            await approve_version(self.registrar, self.door, self.line, master, change)

    async def _signed(
        self, drafted: ProposalDrafted, claimed: ChangeClaimed | None, stream: str
    ) -> ChangeSigned | None:
        """The principal investigator answers the question of Decree 818 Art. 18 and signs; None when declined."""
        answer: Signed = await signed_for(
            "sign-change",
            self.registrar,
            self.door,
            subject=stream,
            key=f"{self.line}/{drafted.proposal}",
            role="principal_investigator",
            meaning="approved",
            what="sign the change",
            shown=change_shown(drafted, claimed),
            options=OPTIONS,
        )
        actor = f"person:{answer.signature.signer}"
        if answer.decision != "no":
            reason = answer.reason or "it is substantive: both reviews and a change filing come first"
            self.registrar.say(stream, ProposalDeclined(proposal=drafted.proposal, reason=reason), actor=actor)
            return None
        change = ChangeSigned(
            change=drafted.proposal.replace("PROP", "CHG"),
            proposal=drafted.proposal,
            recipe=drafted.recipe,
            to_version=drafted.from_version + 1,
            substantive=False,
            signature=answer.signature,
            reason=answer.reason,
            claim_sha256=claimed.rule_sha256 if claimed else "",
        )
        self.registrar.say(stream, change, actor=actor)
        return change


async def approve_version(
    registrar: Registrar, door: Door, line: str, master: MasterRecipe, change: ChangeSigned | None
) -> RecipeApproved:
    """Have the qualified person approve a master recipe and put it in force."""
    shown: dict[str, JSON] = {
        "recipe": master.recipe.recipe,
        "version": master.recipe.version,
        "content_sha256": content_sha256(master),
        "targets": {name: parameter.target for name, parameter in master.recipe.parameters().items()},
        "change": change.change if change else None,
    }
    key = f"{line}/{master.recipe.recipe}/approve/{master.recipe.version}"
    what = f"approve recipe {master.recipe.recipe} version {master.recipe.version} for line {line}"
    answer = await signed_for(
        "approve-recipe",
        registrar,
        door,
        subject=recipe_stream(line, master.recipe.recipe),
        key=key,
        role="qualified_person",
        meaning="approved",
        what=what,
        shown=shown,
    )
    return approve(registrar, line, master, answer.signature, change=change.change if change else None)


def proposal_levers(master: MasterRecipe) -> dict[str, Lever]:
    """Targets a proposal may move: those the twin knows the effect of, whose range has a provenance."""
    return {
        name: Lever(value=p.target, low=p.par[0], high=p.par[1], unit=p.unit)
        for name, p in master.recipe.parameters().items()
        if name in RESOLUTION and p.dossier_ref
    }


def executed_of(batch: Batch) -> Executed:
    """What the batch ran at, moves included, and what it came to."""
    return Executed(batch=batch.number, parameters=dict(batch.parameters), results=results_of(batch))


def _correction(batches: Sequence[Batch]) -> Correct:
    executed = [executed_of(batch) for batch in batches]
    return lambda move, predicted: problem_with_sign(move, predicted, executed) or predicted


def _refuted(facts: Sequence[Fact]) -> set[tuple[str, float]]:
    """Moves whose claim was refuted: they are not proposed again."""
    lost = {claim.claimed.proposal for claim in claims_of(facts).values() if claim.state == "refuted"}
    drafts = (fact for fact in facts if isinstance(fact, ProposalDrafted) and fact.proposal in lost)
    return {(move.parameter, move.new) for draft in drafts for move in draft.moves}


def _limits(ground: Ground, batches: Sequence[Batch]) -> Limits:
    return release_limits(ground.master.product, batches[-1].created.weight)


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
        zh=f"恢复 {claim.claimed.proposal} 之前的目标值，其变更声明已被否定：{decided.reason}",
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
_NOTHING_TO_CLAIM = Words(
    en="no single attribute is expected to improve for certain: there is nothing that batches could test",
    zh="没有任何单一属性确定改进：无可由批次检验的声明",
)
