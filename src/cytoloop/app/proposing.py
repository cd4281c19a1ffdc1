"""Proposing: a draft with its evidence and its claim, the gate's verdict, a person's signature, the next version.

A proposal changes nothing. Signed, it is a change; the change makes the next recipe version, for batches that start
afterwards. Its claim is tested on them (`claiming.py`); while it is open nothing else is proposed for the recipe, or
nobody could tell which change did what.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cytoloop.app.changing import CARRIED, OPTIONS, Decided, change_shown, draft_problem, gate_verdict, next_master
from cytoloop.app.claiming import Knows, claim_of, what_is_due
from cytoloop.app.claims import ClaimRecord, claims_of, lineage_of
from cytoloop.app.drafting import (
    NOTHING_TO_CLAIM,
    Ground,
    Pairs,
    Read,
    drafted_on,
    found_on,
    problem_with,
    way_back,
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
from cytoloop.core.facts.feedback import ChangeSigned, ProposalDeclined, ProposalDrafted
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.proposal.claim_draft import Versions
from cytoloop.feedback.proposal.propose import NoProposal
from cytoloop.production.recipe_text import content_sha256, from_content

LEARNING = "system:feedback"


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
        problem = problem_with(ground, fit, pairs)
        found = NoProposal(reason=problem) if problem else found_on(ground, fit, pairs, seed)
        if isinstance(found, NoProposal):
            self.withhold(ground.current.recipe, batches, found.reason)
            return
        drafted = drafted_on(ground, found, self._read(batches), study, self.registrar.clock.now())
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
            limits=release_limits(ground.master.product, batches[-1].created.weight),
            targets=ground.targets,
            generator=dice,
        )
        if claimed is None:
            self.withhold(ground.current.recipe, batches, NOTHING_TO_CLAIM)
            return
        await self.carry(drafted, claimed, ground, study)

    def test_claims(self, recipe: str, batches: Sequence[Batch]) -> None:
        """Enter what the ended batches say of each open claim."""
        stream = recipe_stream(self.line, recipe)
        for claim in self._claims(recipe).values():
            if claim.state != "open":
                continue
            before = approved_version(self.registrar.ledger, self.line, recipe, claim.claimed.rule.from_version)
            targets = {n: p.target for n, p in from_content(before.content).recipe.parameters().items()}
            for fact in what_is_due(claim, batches, self.knows, targets):
                self.registrar.say(stream, fact, actor=LEARNING)

    async def roll_back(self, recipe: str, batches: Sequence[Batch], study: StudyView, *, seed: int) -> None:
        """Draft the way back from a refuted change, once, and have it decided: nothing rolls back by itself."""
        for claim in self._claims(recipe).values():
            ground, rule = self.ground(recipe), claim.claimed.rule
            if claim.state != "refuted" or claim.roll_back or ground.current.version != rule.to_version:
                continue
            former = from_content(approved_version(self.registrar.ledger, self.line, recipe, rule.from_version).content)
            compared = self._read([batch for batch in batches if batch.ended])
            drafted = way_back(ground, claim, compared, study, self.registrar.clock.now(), seed=seed)
            await self.carry(drafted, None, ground, study, former)

    def ground(self, recipe: str) -> Ground:
        """The version in force now, and what was decided so far."""
        ledger = self.registrar.ledger
        current = in_force(ledger, self.line, recipe)
        facts = tuple(each.fact for each in ledger.stream(recipe_stream(self.line, recipe)))
        return Ground(current=current, master=from_content(current.content), facts=facts)

    def _read(self, batches: Sequence[Batch]) -> Read:
        ledger = self.registrar.ledger
        lineage = tuple(lineage_of(batch, list(ledger.stream(f"batch/{batch.number}"))) for batch in batches)
        return Read(batches=tuple(batches), lineage=lineage)

    def _claims(self, recipe: str) -> Mapping[str, ClaimRecord]:
        stream = self.registrar.ledger.stream(recipe_stream(self.line, recipe))
        return claims_of(each.fact for each in stream)

    def withhold(self, recipe: str, batches: Sequence[Batch], reason: Words) -> None:
        """Enter why nothing is proposed on these batches."""
        withheld = ProposalWithheld(
            recipe=recipe,
            from_version=in_force(self.registrar.ledger, self.line, recipe).version,
            batches=tuple(batch.number for batch in batches),
            reason=reason.en,
            reason_zh=reason.zh or reason.en,
        )
        self.registrar.say(recipe_stream(self.line, recipe), withheld, actor=LEARNING)

    async def carry(
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
            self.withhold(ground.current.recipe, (), problem)
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
