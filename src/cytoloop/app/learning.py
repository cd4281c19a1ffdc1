"""Learning: feedback between batches. Fit the twin, have a person release it, draft a proposal, have it signed.

A proposal changes nothing. Signed, it is a change; the change makes the next recipe version, for batches that start
afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cytoloop.app.dataset import history_of
from cytoloop.app.production import approve, in_force, recipe_stream
from cytoloop.app.registrar import Registrar
from cytoloop.app.shadowing import controller_released, controller_shown, mode_for, shadows_compared
from cytoloop.app.signing import signed_for
from cytoloop.app.steering import release_limits
from cytoloop.compliance.gate import GateQuestion, judge
from cytoloop.compliance.gate import Move as GateMove
from cytoloop.compliance.view import StudyView
from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Door
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import (
    ChangeSigned,
    ParameterMove,
    ProposalDeclined,
    ProposalDrafted,
    TwinFitted,
    TwinReleased,
)
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.facts.shadow import ControllerMode
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Operation, Recipe, UnitProcedure, operation_of
from cytoloop.core.time import Instant
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.control import Lever
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.evaluate import fit_and_check
from cytoloop.feedback.propose import LEAST_BATCHES, RESOLUTION, NoProposal, Proposal, propose
from cytoloop.feedback.twin import Twin
from cytoloop.production.recipe_text import content_sha256, from_content

LEARNING = "system:feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedTwin:
    """A twin version and when it was released."""

    twin: Twin
    at: Instant
    mode: ControllerMode = "moves"
    """What the controller was released for with it."""


@dataclass(frozen=True, slots=True)
class Learner:
    """Learns on one production line."""

    registrar: Registrar
    door: Door
    line: str
    prior: Twin
    """The pack's twin: every fit begins from it, so that no batch is counted twice."""
    seed: int

    @property
    def twin_stream(self) -> str:
        """Where this line's twin versions stand."""
        return f"twin/{self.line}/{self.prior.twin}"

    async def release(
        self, twin: Twin, ground: str, error: float | None = None, mode: ControllerMode = "moves"
    ) -> ReleasedTwin:
        """Keep a twin version with its `error` on batches left out, and have it released by signature, with the
        controller that decides by it."""
        fitted = TwinFitted(
            twin=twin.twin,
            version=twin.version,
            sha256=twin.sha256,
            population=twin.figures(),
            batches=twin.batches,
            error=error,
        )
        self.registrar.say(self.twin_stream, fitted, actor=LEARNING)
        controller = controller_shown(mode, twin, self.registrar.ledger, self.twin_stream)
        shown: dict[str, JSON] = {"twin": twin.document(), "ground": ground, "error": error, "controller": controller}
        key = f"{self.line}/{twin.twin}/release/{twin.version}"
        what = f"release twin version {twin.version}"
        answer = await signed_for(
            "release-model",
            self.registrar,
            self.door,
            subject=self.twin_stream,
            key=key,
            role="qa",
            meaning="approved",
            what=what,
            shown=shown,
        )
        released = TwinReleased(
            twin=twin.twin, version=twin.version, sha256=twin.sha256, ground=ground, signature=answer.signature
        )
        self.registrar.say(self.twin_stream, released, actor=f"person:{answer.signature.signer}")
        told = controller_released(twin, mode, controller, answer.signature)
        self.registrar.say(self.twin_stream, told, actor=f"person:{answer.signature.signer}")
        return ReleasedTwin(twin=twin, at=self.registrar.clock.now(), mode=mode)

    async def learn(self, batches: Sequence[Batch], study: StudyView, version: int) -> ReleasedTwin | None:
        """Fit on finished batches, release the fit, and bring a proposal to its decision; None with too few."""
        pairs = [(batch, history) for batch in batches if (history := finished_history(batch)) is not None]
        if len(pairs) < LEAST_BATCHES:
            return None
        dice = np.random.default_rng([self.seed, version, len(pairs)])
        fit = fit_and_check(self.prior, [history for _, history in pairs], dice)
        names = tuple(batch.number for batch, _ in pairs)
        fit = replace(fit, twin=replace(fit.twin, version=version, batches=names))
        for told in shadows_compared(fit.twin, pairs, self.registrar.ledger, self.twin_stream, self.seed):
            self.registrar.say(self.twin_stream, told, actor=LEARNING)
        mode = mode_for(self.registrar.ledger, self.twin_stream)
        released = await self.release(fit.twin, _ground(fit, self.line), fit.error, mode)
        await self._propose(fit, [batch for batch, _ in pairs], study)
        return released

    async def _propose(self, fit: PopulationFit, batches: Sequence[Batch], study: StudyView) -> None:
        recipe = batches[-1].created.recipe
        current = in_force(self.registrar.ledger, self.line, recipe)
        master = from_content(current.content)
        parameters = master.recipe.parameters()
        found = propose(
            fit,
            parameters={name: parameter.target for name, parameter in parameters.items()},
            levers=proposal_levers(master),
            patients=[release_limits(master.product, batch.created.weight) for batch in batches],
            generator=np.random.default_rng([self.seed, current.version, len(batches)]),
        )
        if isinstance(found, NoProposal):
            return
        question = _question(found, master, study, self.registrar.clock.now())
        answer = judge(question)
        draft = _drafted(found, current, answer.row, study)
        stream = f"recipe/{self.line}/{recipe}"
        verdict = GateJudged(row=answer.row, answer=answer.answer, subject=draft.proposal, reason=answer.reason)
        self.registrar.say(stream, draft, verdict, actor=LEARNING)
        if answer.answer == "refuse":
            declined = ProposalDeclined(proposal=draft.proposal, reason=answer.reason)
            self.registrar.say(stream, declined, actor=LEARNING)
            return
        await self._decide(draft, master, stream)

    async def _decide(self, draft: ProposalDrafted, master: MasterRecipe, stream: str) -> None:
        """The principal investigator answers the question of Decree 818 Art. 18 and signs; then the recipe changes."""
        version = draft.from_version + 1
        shown: dict[str, JSON] = {
            "proposal": draft.proposal,
            "moves": [f"{m.parameter} {m.old:g} -> {m.new:g} {m.unit}" for m in draft.moves],
            "predicted": {n: [i.low, i.median, i.high, i.unit] for n, i in draft.predicted.items()},
            "risk": draft.risk,
            "filing": draft.filing,
            "question": "Does this touch purpose, methods, primary endpoint, statistics or subjects?",
        }
        answer = await signed_for(
            "sign-change",
            self.registrar,
            self.door,
            subject=stream,
            key=f"{self.line}/{draft.proposal}",
            role="principal_investigator",
            meaning="approved",
            what="sign the change",
            shown=shown,
            options=("no", "yes", "decline"),
        )
        actor = f"person:{answer.signature.signer}"
        if answer.decision != "no":
            reason = answer.reason or "it is substantive: both reviews and a change filing come first"
            self.registrar.say(stream, ProposalDeclined(proposal=draft.proposal, reason=reason), actor=actor)
            return
        change = ChangeSigned(
            change=draft.proposal.replace("PROP", "CHG"),
            proposal=draft.proposal,
            recipe=draft.recipe,
            to_version=version,
            substantive=False,
            signature=answer.signature,
        )
        self.registrar.say(stream, change, actor=actor)
        await approve_version(self.registrar, self.door, self.line, with_targets(master, draft.moves, version), change)


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


def finished_history(batch: Batch) -> BatchHistory | None:
    """The history of a batch whose culture was harvested; None for one that never came so far."""
    history = history_of(batch)
    return history if history is not None and history.harvest_at is not None else None


def proposal_levers(master: MasterRecipe) -> dict[str, Lever]:
    """Targets a proposal may move: those the twin knows the effect of, whose range has a provenance."""
    return {
        name: Lever(value=p.target, low=p.par[0], high=p.par[1], unit=p.unit)
        for name, p in master.recipe.parameters().items()
        if name in RESOLUTION and p.dossier_ref
    }


def with_targets(master: MasterRecipe, moves: Sequence[ParameterMove], version: int) -> MasterRecipe:
    """The master recipe of `version` with the moved targets; each normal operating range moves with its target."""
    wanted = {move.parameter: move.new for move in moves}
    procedure = tuple(_unit_procedure(each, wanted) for each in master.recipe.procedure)
    recipe: Recipe = replace(master.recipe, version=version, procedure=procedure)
    return replace(master, recipe=recipe)


def _unit_procedure(procedure: UnitProcedure, wanted: dict[str, float]) -> UnitProcedure:
    return replace(procedure, operations=tuple(_operation(each, wanted) for each in procedure.operations))


def _operation(operation: Operation, wanted: dict[str, float]) -> Operation:
    parameters = dict(operation.parameters)
    for name, target in wanted.items():
        short = name.removeprefix(f"{operation.operation}.")
        if operation_of(name) == operation.operation and short in parameters:
            old = parameters[short]
            low = max(old.par[0], target - (old.target - old.nor[0]))
            high = min(old.par[1], target + (old.nor[1] - old.target))
            parameters[short] = replace(old, target=target, nor=(low, high))
    return replace(operation, parameters=parameters)


def _ground(fit: PopulationFit, line: str) -> str:
    error = (
        "error not known" if fit.error is None else f"mean relative error {fit.error:.0%} on batches left out in turn"
    )
    return f"fitted on {len(fit.twin.batches)} finished batches of line {line}, {error}"


def _question(found: Proposal, master: MasterRecipe, study: StudyView, now: Instant) -> GateQuestion:
    parameters = master.recipe.parameters()
    moves = tuple(
        GateMove(name=m.parameter, parameter=parameters[m.parameter], old=m.old, new=m.new) for m in found.moves
    )
    return GateQuestion(
        kind="recipe",
        moves=moves,
        by="controller",
        decree_818=study.pathway == "newtech",
        filed_scope=study.filed_scope,
        asked_at=now,
        reason=found.risk.en,
    )


def _drafted(found: Proposal, current: RecipeApproved, row: int, study: StudyView) -> ProposalDrafted:
    filing = (
        "inside the filed ranges; a person says whether it is substantive (Decree 818 Art. 18)"
        if study.filed_scope == "ranges"
        else "the filed protocol holds the recipe: a person says whether it is substantive (Decree 818 Art. 18)"
    )
    return ProposalDrafted(
        proposal=f"PROP-{current.line.upper().replace('_', '-')}-{current.version:03d}-{len(found.batches):03d}",
        recipe=current.recipe,
        from_version=current.version,
        moves=found.moves,
        twin=found.twin,
        batches=found.batches,
        predicted=found.predicted,
        risk=found.risk.en,
        gate_row=row,
        filing=filing,
    )
