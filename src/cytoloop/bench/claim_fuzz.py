"""Proposals made up at random, right and wrong, and an oracle that knows which may run.

A case begins right: drafted, judged, claimed, signed and approved. Then some of it is changed, before the signature
or behind it. The oracle knows nothing of the code under test: it keeps what a person really signed and compares that,
and the ranges as filed, with what would run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf, isfinite, nan

import numpy as np

from cytoloop.app.changing import OPTIONS, Decided, change_shown, next_master
from cytoloop.app.permissions import check
from cytoloop.app.production import unsafe_target
from cytoloop.core.errors import CytoloopError, RefusedError
from cytoloop.core.facts.claim import ChangeClaimed, ClaimedAttribute, ClaimRule
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, Interval, ParameterMove, ProposalDrafted
from cytoloop.core.json import digest
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Parameter
from cytoloop.core.signature import Signature, answered
from cytoloop.feedback.proposal.claim import TEST, rule_sha256

AT = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a person who may sign changes really signed."""

    moves: tuple[ParameterMove, ...]
    from_version: int
    recipe: str
    rule: ClaimRule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A proposal with everything that may carry it, and the truth of its signature."""

    master: MasterRecipe
    draft: ProposalDrafted
    verdict: GateJudged | None
    claimed: ChangeClaimed | None
    change: ChangeSigned | None
    approval: Signature | None
    truth: Truth | None
    """None when nobody who may signed anything."""


Dice = np.random.Generator
Mutation = Callable[[Case, Dice], Case]


def carried(case: Case) -> MasterRecipe | None:
    """The master recipe that batches would run on; None when the case was refused on the way."""
    try:
        made = next_master(
            case.draft, Decided(verdict=case.verdict, claimed=case.claimed, change=case.change), case.master
        )
        if case.approval is None or case.approval.meaning != "approved":
            raise RefusedError("nobody approved the recipe version")
        check("approve-recipe", case.approval)
    except CytoloopError:
        return None
    return None if unsafe_target(made) else made


def unsafe(case: Case, made: MasterRecipe, filed: MasterRecipe) -> str:
    """Why this must not have run; empty when it may. `filed` holds the ranges as they were filed."""
    truth, approval, verdict = case.truth, case.approval, case.verdict
    if truth is None or approval is None or approval.role != "qualified_person":
        return "no approved change"
    if verdict is None or verdict.answer not in ("open-a-change", "ask-a-person"):
        return "the gate did not let it go on"
    rule = case.claimed.rule if case.claimed else None
    if repr(rule) != repr(truth.rule):
        return "another rule than was signed"
    if (truth.from_version, truth.recipe) != (case.master.recipe.version, case.master.recipe.recipe):
        return "signed for another version"
    before, after = case.master.recipe.parameters(), made.recipe.parameters()
    moved = {name: each.target for name, each in after.items() if repr(each.target) != repr(before[name].target)}
    if moved != {move.parameter: move.new for move in truth.moves}:
        return "other targets than were signed"
    return _out_of_range(after, filed.recipe.parameters()) or _together(moved, before)


def _out_of_range(after: dict[str, Parameter], filed: dict[str, Parameter]) -> str:
    for name, each in after.items():
        low, high = filed[name].par
        if not isfinite(each.target) or each.target < low or each.target > high:
            return f"{name} outside its filed range"
    return ""


def _together(moved: dict[str, float], before: dict[str, Parameter]) -> str:
    operations = [name.split(".")[0] for name in moved]
    if len(set(operations)) < len(operations):
        return "two parameters of one unit operation"
    return "no provenance" if any(not before[name].dossier_ref for name in moved) else ""


def fuzzed(master: MasterRecipe, cases: int, seed: int) -> tuple[int, list[tuple[Case, str]]]:
    """How many of the cases ran, and those that ran and must not have, each with why."""
    dice = np.random.default_rng(seed)
    right = [signed_case(master, dice) for _ in range(64)]
    ran, found = 0, []
    for _ in range(cases):
        case = drawn(right, dice)
        made = carried(case)
        if made is not None:
            ran += 1
            why = unsafe(case, made, master)
            if why:
                found.append((case, why))
    return ran, found


def drawn(right: Sequence[Case], dice: Dice) -> Case:
    """A case with up to three things changed; a third of those changed before the signature are signed as they are."""
    case = right[int(dice.integers(len(right)))]
    for _ in range(int(dice.integers(4))):
        case = MUTATIONS[int(dice.integers(len(MUTATIONS)))](case, dice)
    return signed(case) if dice.random() < 1 / 3 else case


def signed_case(master: MasterRecipe, dice: Dice) -> Case:
    """A right case: one or two moves inside their ranges in different unit operations, with or without a claim."""
    parameters = {name: each for name, each in master.recipe.parameters().items() if each.dossier_ref}
    operations = sorted({name.split(".")[0] for name in parameters})
    chosen = dice.choice(operations, size=int(dice.integers(1, 3)), replace=False)
    names = [str(dice.choice([name for name in parameters if name.split(".")[0] == each])) for each in chosen]
    moves = tuple(_inside(name, parameters[name], dice) for name in names)
    draft = ProposalDrafted(
        proposal=f"PROP-{int(dice.integers(10**6)):06d}", recipe=master.recipe.recipe,
        from_version=master.recipe.version, moves=moves, twin="t@1", batches=("B-1", "B-2", "B-3"),
        predicted={"viability": Interval(median=0.02, low=0.01, high=0.03, unit="fraction")},
        risk="made up", gate_row=9, filing="made up",
    )  # fmt: skip
    verdict = GateJudged(row=9, answer="open-a-change", subject=draft.proposal, reason="made up")
    claimed = _claim(draft) if dice.random() < 0.5 else None
    case = Case(
        master=master, draft=draft, verdict=verdict, claimed=claimed, change=None,
        approval=_signature("qualified_person", "0" * 64), truth=None,
    )  # fmt: skip
    return signed(case)


def signed(case: Case) -> Case:
    """The case as it stands, signed by a principal investigator over exactly what is shown."""
    draft, claimed = case.draft, case.claimed
    try:
        bound = answered(digest({**change_shown(draft, claimed), "options": list(OPTIONS)}), "no", "")
    except ValueError:  # not a number: it has no canonical form, so it can be neither shown nor signed
        return case
    change = ChangeSigned(
        change=draft.proposal.replace("PROP", "CHG"), proposal=draft.proposal, recipe=draft.recipe,
        to_version=draft.from_version + 1, substantive=False,
        signature=_signature("principal_investigator", bound),
        claim_sha256=claimed.rule_sha256 if claimed else "",
    )  # fmt: skip
    truth = Truth(
        moves=draft.moves, from_version=draft.from_version, recipe=draft.recipe, rule=claimed.rule if claimed else None
    )
    return replace(case, change=change, truth=truth)


def _inside(name: str, parameter: Parameter, dice: Dice) -> ParameterMove:
    low, high = parameter.par
    new = parameter.target
    while new == parameter.target:
        new = round(float(dice.uniform(low, high)), 6)
    return ParameterMove(parameter=name, old=parameter.target, new=new, unit=parameter.unit)


def _claim(draft: ProposalDrafted) -> ChangeClaimed:
    claimed = ClaimedAttribute(
        attribute="viability", unit="fraction", better="more", scale="linear", effect=0.01,
        predicted=draft.predicted["viability"],
    )  # fmt: skip
    rule = ClaimRule(
        test=TEST, line="one", recipe=draft.recipe, from_version=draft.from_version,
        to_version=draft.from_version + 1, claimed=claimed, guarded=(), odds=(2.0, 6.0), error_kept=0.1,
        error_refuted=0.1, most_batches=12, references=draft.batches, twin="", expected_from=0.0, power={},
    )  # fmt: skip
    return ChangeClaimed(
        claim=draft.proposal.replace("PROP", "CLAIM"), proposal=draft.proposal, rule=rule,
        rule_sha256=rule_sha256(rule),
    )  # fmt: skip


def _signature(role: str, bound: str) -> Signature:
    return Signature(
        signer="x.y", printed_name="X Y", role=role, meaning="approved", signed_at=AT, zone="UTC", digest=bound,
        components=("user-id", "password"),
    )  # fmt: skip


def _move(case: Case, dice: Dice) -> Case:
    """One move's new value becomes something else, most of it impossible."""
    moves = list(case.draft.moves)
    if not moves:
        return case
    place = int(dice.integers(len(moves)))
    parameter = case.master.recipe.parameters().get(moves[place].parameter)
    low, high = parameter.par if parameter else (0.0, 1.0)
    width = high - low
    values = (nan, inf, -inf, high + 1e-9 * (1 + width), low - 1e-9 * (1 + width), high + width, -high - 1, 1e300, low,
              high, moves[place].old, float(dice.uniform(low, high)), float(dice.normal(high, width + 1)))  # fmt: skip
    moves[place] = replace(moves[place], new=values[int(dice.integers(len(values)))])
    return replace(case, draft=replace(case.draft, moves=tuple(moves)))


def _shape(case: Case, dice: Dice) -> Case:
    """The list of moves changes: another parameter, one more, one less, twice the same, another unit or old value."""
    moves, names = list(case.draft.moves), [*case.master.recipe.parameters(), "expansion.nothing", "", "expansion"]
    name = names[int(dice.integers(len(names)))]
    parameter = case.master.recipe.parameters().get(name)
    old, unit = (parameter.target, parameter.unit) if parameter else (1.0, "h")
    low, high = parameter.par if parameter else (0.0, 2.0)
    more = ParameterMove(parameter=name, old=old, new=float(dice.uniform(low, high)), unit=unit)
    first = moves[0] if moves else more
    options: tuple[list[ParameterMove], ...] = (
        [], [*moves, more], [more], [*moves, first], [replace(first, unit="g")], [replace(first, old=first.old + 1)],
        [replace(first, old=nan)], [replace(first, parameter=name)],
    )  # fmt: skip
    return replace(case, draft=replace(case.draft, moves=tuple(options[int(dice.integers(len(options)))])))


def _figures(case: Case, dice: Dice) -> Case:
    bad = ((nan, 0.0, 1.0), (0.0, inf, 1.0), (1.0, 0.0, -1.0), (-inf, 0.0, 1.0))[int(dice.integers(4))]
    interval = Interval(low=bad[0], median=bad[1], high=bad[2], unit="fraction")
    return replace(case, draft=replace(case.draft, predicted={"viability": interval}))


def _draft(case: Case, dice: Dice) -> Case:
    draft = case.draft
    others = (
        replace(draft, from_version=draft.from_version + int(dice.integers(-2, 3))), replace(draft, recipe="other"),
        replace(draft, gate_row=int(dice.integers(1, 11))), replace(draft, proposal="PROP-OTHER"),
        replace(draft, risk="harmless"), replace(draft, twin="other@2"),
    )  # fmt: skip
    return replace(case, draft=others[int(dice.integers(len(others)))])


def _verdict(case: Case, dice: Dice) -> Case:
    old = case.verdict
    if old is None:
        return case
    others = (
        None, replace(old, answer="refuse"), replace(old, answer="apply"), replace(old, answer="trend"),
        replace(old, answer="ask-a-person"), replace(old, subject="PROP-OTHER"), replace(old, row=3),
    )  # fmt: skip
    return replace(case, verdict=others[int(dice.integers(len(others)))])


def _change(case: Case, dice: Dice) -> Case:
    """The change is not there, is another's, was signed by somebody who may not, or over something else."""
    old = case.change
    if old is None:
        return case
    unsigned: tuple[ChangeSigned | None, ...] = (
        None, replace(old, substantive=True), replace(old, signature=replace(old.signature, role="operator")),
        replace(old, signature=replace(old.signature, role="qa")),
        replace(old, signature=replace(old.signature, meaning="reviewed")),
        replace(old, signature=replace(old.signature, digest=digest(int(dice.integers(10**9))))),
        replace(old, reason="not what was said"),
    )  # fmt: skip
    others: tuple[ChangeSigned, ...] = (
        replace(old, proposal="PROP-OTHER"), replace(old, recipe="other"), replace(old, claim_sha256="0" * 64),
        replace(old, to_version=old.to_version + 1),
    )  # fmt: skip
    place = int(dice.integers(len(unsigned) + len(others)))
    if place < len(unsigned):
        return replace(case, change=unsigned[place], truth=None)
    return replace(case, change=others[place - len(unsigned)])


def _rule(case: Case, dice: Dice) -> Case:
    """The claim's rule is changed after the fact, with or without its digest; or the claim goes, or comes."""
    old = case.claimed
    if old is None:
        finite = all(isfinite(value) for value in _ends(case.draft.predicted["viability"]))
        return replace(case, claimed=_claim(case.draft)) if finite else case
    rule = replace(old.rule, error_kept=float(dice.uniform(0.11, 0.9)))
    effect = replace(old.rule, claimed=replace(old.rule.claimed, effect=float(dice.uniform(0.0, 0.009))))
    others = (
        None, replace(old, rule=rule), replace(old, rule=rule, rule_sha256=rule_sha256(rule)),
        replace(old, rule=effect), replace(old, proposal="PROP-OTHER"),
        replace(old, rule=replace(old.rule, from_version=old.rule.from_version + 1)),
    )  # fmt: skip
    return replace(case, claimed=others[int(dice.integers(len(others)))])


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.median, interval.high


def _approval(case: Case, dice: Dice) -> Case:
    others = (None, _signature("qa", "0" * 64), _signature("principal_investigator", "0" * 64), _signature("", "0"))
    return replace(case, approval=others[int(dice.integers(len(others)))])


def _master(case: Case, dice: Dice) -> Case:
    """The recipe in force went on, lost a range's provenance, or holds a target that no batch may run with."""
    recipe = case.master.recipe
    if dice.random() < 0.4:
        return replace(case, master=replace(case.master, recipe=replace(recipe, version=recipe.version + 1)))
    names = [move.parameter for move in case.draft.moves] or list(recipe.parameters())
    name = names[int(dice.integers(len(names)))] if dice.random() < 0.6 else str(dice.choice(list(recipe.parameters())))
    if dice.random() < 0.5:
        return replace(case, master=_with(case.master, name, dossier_ref=None))
    return replace(case, master=_with(case.master, name, target=float(dice.choice([nan, inf, 1e9, -1e9]))))


def _with(master: MasterRecipe, name: str, **changes: object) -> MasterRecipe:
    operation, _, short = name.partition(".")
    procedure = []
    for unit in master.recipe.procedure:
        operations = []
        for each in unit.operations:
            if each.operation == operation and short in each.parameters:
                moved = replace(each.parameters[short], **changes)  # type: ignore[arg-type]  # fields by their names
                operations.append(replace(each, parameters={**each.parameters, short: moved}))
            else:
                operations.append(each)
        procedure.append(replace(unit, operations=tuple(operations)))
    return replace(master, recipe=replace(master.recipe, procedure=tuple(procedure)))


MUTATIONS: tuple[Mutation, ...] = (
    _move, _move, _shape, _shape, _figures, _draft, _verdict, _change, _change, _rule, _approval, _master,
)  # fmt: skip
