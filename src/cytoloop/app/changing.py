"""Changing: from a drafted proposal to the next master recipe, every condition looked at on the way.

One pure path that the learning line and the fuzz walk alike: draft -> verdict of the gate -> signed change -> master
recipe. Whatever is missing, stale, out of range or signed over something else raises RefusedError with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cytoloop.app.permissions import check
from cytoloop.app.production import unsafe_target
from cytoloop.compliance.gate import GateAnswer, GateQuestion, judge
from cytoloop.compliance.gate import Move as GateMove
from cytoloop.compliance.view import StudyView
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.claim import ChangeClaimed
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, ParameterMove, ProposalDrafted
from cytoloop.core.json import JSON, digest
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Operation, Parameter, Recipe, UnitProcedure, operation_of
from cytoloop.core.signature import answered
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.feedback.proposal.check import problem_with_figures, problem_with_moves
from cytoloop.feedback.proposal.claim import check_rule, rule_document, rule_sha256

OPTIONS = ("no", "yes", "decline")
"""What the signer of a change may answer to the question of Decree 818 Art. 18."""

CARRIED = frozenset({"open-a-change", "ask-a-person"})
"""Verdicts of the gate that a proposal may go on with: to a person, never past one."""


def draft_problem(draft: ProposalDrafted, master: MasterRecipe) -> Words | None:
    """Why this draft may go nowhere; None when it moves what the recipe in force lets it move."""
    recipe = master.recipe
    if draft.recipe != recipe.recipe:
        return Words(
            en=f"the proposal is for recipe {draft.recipe}, in force is {recipe.recipe}",
            zh=f"提案针对配方 {draft.recipe}，现行配方为 {recipe.recipe}",
        )
    if draft.from_version != recipe.version:
        return Words(
            en=f"the proposal departs from version {draft.from_version}; version {recipe.version} is in force",
            zh=f"提案基于第 {draft.from_version} 版，现行为第 {recipe.version} 版",
        )
    problem = problem_with_moves(draft.moves, recipe.parameters())
    return problem or problem_with_figures(draft.predicted)


def gate_verdict(draft: ProposalDrafted, master: MasterRecipe, study: StudyView, now: Instant) -> GateAnswer:
    """What the change gate answers to the draft."""
    return judge(
        GateQuestion(
            kind="recipe",
            moves=_gate_moves(draft.moves, master.recipe.parameters()),
            by="controller",
            decree_818=study.pathway == "newtech",
            filed_scope=study.filed_scope,
            asked_at=now,
            reason=draft.risk,
        )
    )


def change_shown(draft: ProposalDrafted, claimed: ChangeClaimed | None) -> dict[str, JSON]:
    """Everything that the signer of a change is shown; the claim's rule stands in it whole, with its digest.

    Targets are written to their last digit: what is rounded could be changed behind the signature.
    """
    return {
        "proposal": draft.proposal,
        "undoes": draft.undoes,
        "recipe": draft.recipe,
        "from_version": draft.from_version,
        "moves": [f"{m.parameter} {m.old!r} -> {m.new!r} {m.unit}" for m in draft.moves],
        "predicted": {n: [i.low, i.median, i.high, i.unit] for n, i in draft.predicted.items()},
        "risk": draft.risk,
        "filing": draft.filing,
        "twin": draft.twin,
        "evidence": [[each.batch, each.entries, each.sha256] for each in draft.lineage],
        "claim": rule_document(claimed.rule) if claimed else None,
        "claim_sha256": claimed.rule_sha256 if claimed else "",
        "question": "Does this touch purpose, methods, primary endpoint, statistics or subjects?",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the record says of a draft: all that may carry it further."""

    verdict: GateJudged | None = None
    claimed: ChangeClaimed | None = None
    change: ChangeSigned | None = None


def next_master(
    draft: ProposalDrafted, decided: Decided, master: MasterRecipe, former: MasterRecipe | None = None
) -> MasterRecipe:
    """The master recipe that the signed change makes of `master`, the one in force; RefusedError when it makes none.

    `former`: the version that a roll-back goes back to, whose normal operating ranges come back as they were.
    """
    problem = draft_problem(draft, master)
    if problem is not None:
        raise RefusedError(problem)
    _demand_verdict(draft, decided.verdict)
    _demand_change(draft, decided.change, decided.claimed)
    made = with_targets(master, draft.moves, draft.from_version + 1, former)
    unsafe = unsafe_target(made)
    if unsafe is not None:
        raise RefusedError(unsafe)
    return made


def with_targets(
    master: MasterRecipe, moves: Sequence[ParameterMove], version: int, former: MasterRecipe | None = None
) -> MasterRecipe:
    """The master recipe of `version` with the moved targets; each normal operating range moves with its target."""
    wanted = {move.parameter: move.new for move in moves}
    back = former.recipe.parameters() if former else {}
    procedure = tuple(_unit_procedure(each, wanted, back) for each in master.recipe.procedure)
    recipe: Recipe = replace(master.recipe, version=version, procedure=procedure)
    return replace(master, recipe=recipe)


def _unit_procedure(
    procedure: UnitProcedure, wanted: Mapping[str, float], back: Mapping[str, Parameter]
) -> UnitProcedure:
    return replace(procedure, operations=tuple(_operation(each, wanted, back) for each in procedure.operations))


def _operation(operation: Operation, wanted: Mapping[str, float], back: Mapping[str, Parameter]) -> Operation:
    parameters = dict(operation.parameters)
    for name, target in wanted.items():
        short = name.removeprefix(f"{operation.operation}.")
        if operation_of(name) == operation.operation and short in parameters:
            parameters[short] = _moved(parameters[short], target, back.get(name))
    return replace(operation, parameters=parameters)


def _moved(old: Parameter, target: float, former: Parameter | None) -> Parameter:
    if former is not None and former.target == target:
        return replace(old, target=target, nor=former.nor)
    low = max(old.par[0], target - (old.target - old.nor[0]))
    high = min(old.par[1], target + (old.nor[1] - old.target))
    return replace(old, target=target, nor=(low, high))


def _gate_moves(moves: Sequence[ParameterMove], parameters: Mapping[str, Parameter]) -> tuple[GateMove, ...]:
    return tuple(GateMove(name=m.parameter, parameter=parameters[m.parameter], old=m.old, new=m.new) for m in moves)


def _demand_verdict(draft: ProposalDrafted, verdict: GateJudged | None) -> None:
    if verdict is None or verdict.subject != draft.proposal:
        raise RefusedError(f"the change gate has not judged {draft.proposal}")
    if verdict.answer not in CARRIED or verdict.row != draft.gate_row:
        raise RefusedError(f"the change gate answered {verdict.answer} (row {verdict.row}) to {draft.proposal}")


def _demand_change(draft: ProposalDrafted, change: ChangeSigned | None, claimed: ChangeClaimed | None) -> None:
    """The change is this proposal's, and what was signed is what is drafted and claimed."""
    if change is None or change.proposal != draft.proposal or change.recipe != draft.recipe:
        raise RefusedError(f"nobody signed a change for {draft.proposal}")
    if change.to_version != draft.from_version + 1:
        raise RefusedError(f"{change.change} is for version {change.to_version}, not {draft.from_version + 1}")
    if change.substantive:
        raise RefusedError(f"{change.change} is substantive: both reviews and a change filing come first")
    _demand_claim(draft, change, claimed)
    check("sign-change", change.signature)
    shown: dict[str, JSON] = {**change_shown(draft, claimed), "options": list(OPTIONS)}
    signed = answered(digest(shown), "no", change.reason)
    if change.signature.meaning != "approved" or change.signature.digest != signed:
        raise RefusedError(f"{change.signature.signer} signed something else than {draft.proposal} as it is drafted")


def _demand_claim(draft: ProposalDrafted, change: ChangeSigned, claimed: ChangeClaimed | None) -> None:
    """The claim's rule is the one that was written and signed: a rule that was changed since decides nothing."""
    if claimed is None:
        if change.claim_sha256:
            raise RefusedError(f"{change.change} was signed with a claim that is not there")
        return
    rule = claimed.rule
    if claimed.proposal != draft.proposal or rule.from_version != draft.from_version or rule.recipe != draft.recipe:
        raise RefusedError(f"{claimed.claim} is not the claim of {draft.proposal}")
    check_rule(rule)
    if not claimed.rule_sha256 == rule_sha256(rule) == change.claim_sha256:
        raise RefusedError(f"the rule of {claimed.claim} is not the one that was signed with {change.change}")
