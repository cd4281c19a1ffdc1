"""Propose: between batches, one recipe target whose move would serve the coming donors better.

Candidates come from virtual donors (`virtual.py`); what batches really showed at other values of a parameter corrects
what the twin expects of it (`correct.py`). A proposal changes nothing until it is signed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.core.facts.feedback import Interval, ParameterMove
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.control.controller import Lever
from cytoloop.feedback.forecast import Limits
from cytoloop.feedback.predict import on_scale
from cytoloop.feedback.proposal.check import LEAST_BATCHES, problem_with_figures, too_few
from cytoloop.feedback.proposal.virtual import Outcome, World, changes, outcome_of, world_of

RESOLUTION: dict[str, float] = {
    "activation.seeding_density": 0.1,
    "transduction.moi": 0.25,
    "expansion.culture_duration": 6.0,
    "expansion.perfusion_rate": 0.1,
    "expansion.il2": 10.0,
}
"""Parameter whose effect the twin knows -> smallest difference that is proposed."""

REACH = (0.25, 0.5)
"""Shares of the way to the end of the proven acceptable range that are tried: safe steps, not leaps."""

_OUTER, _INNER, _SCREEN = 40, 48, 128
_FINALISTS = 6
_NEAR = 0.5
"""Share of the best gain that a move must have to be as good."""
_LEAST_GAIN = 0.01
_LEAST_DOSE_GAIN = 0.10

Correct = Callable[[ParameterMove, Mapping[str, Interval]], Mapping[str, float] | Words]
"""What batches showed beyond the twin's predicted changes: a shift on each attribute's scale; or why they speak
against the move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be better, with the evidence."""

    moves: tuple[ParameterMove, ...]
    predicted: Mapping[str, Interval] = field(hash=False)
    """Attribute -> change of its median over donors, with the 90 % interval; "in_specification" likewise."""
    before: float
    """Probability in specification as the recipe stands."""
    after: float
    risk: Words
    twin: str
    batches: tuple[str, ...]
    quantiles_before: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    """Attribute -> virtual.QUANTILES over donors as the recipe stands."""
    quantiles_after: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    medians: Mapping[str, float] = field(default_factory=dict, hash=False)
    spread: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attribute -> standard deviation between donors on its scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProposal:
    """Why nothing is proposed."""

    reason: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A move that improves, with what it would give."""

    move: ParameterMove
    found: Outcome
    predicted: Mapping[str, Interval]


def propose(
    fit: PopulationFit,
    *,
    parameters: Mapping[str, float],
    levers: Mapping[str, Lever],
    patients: Sequence[Limits],
    generator: np.random.Generator,
    refuted: Collection[tuple[str, float]] = (),
    correct: Correct | None = None,
) -> Proposal | NoProposal:
    """One target to move, or why none.

    `parameters` are all targets in force; `levers` those that may be moved, with their proven acceptable range;
    `patients` the release limits of the patients treated so far (their weights are in them); `refuted` moves
    (parameter, new value) whose claim was refuted; `correct` holds the prediction against what batches showed.
    """
    if len(fit.donors) < LEAST_BATCHES or not patients:
        return NoProposal(reason=too_few(len(fit.donors)))
    alternatives = [(name, value) for name, lever in levers.items() for value in _reachable(name, lever)]
    alternatives = [move for move in alternatives if move not in refuted]
    if not alternatives:
        return NoProposal(reason=_NO_LEVER)
    screen = world_of(fit, patients, _SCREEN, 1, generator)
    ranked = sorted(alternatives, key=lambda move: -_score(screen, parameters, move))
    world = world_of(fit, patients, _OUTER, _INNER, generator)
    base = outcome_of(world, parameters)
    against: Words | None = None
    better: list[_Candidate] = []
    for name, value in ranked[:_FINALISTS]:
        move = ParameterMove(parameter=name, old=levers[name].value, new=value, unit=levers[name].unit)
        candidate = _tried(world, base, parameters, move, correct)
        if isinstance(candidate, Words):
            against = against or candidate
        elif _better(candidate.predicted, base):
            better.append(candidate)
    if not better:
        return NoProposal(reason=against or _NOTHING_BETTER)
    return _proposal(fit, base, _chosen(better, base))


def _chosen(better: Sequence[_Candidate], base: Outcome) -> _Candidate:
    """Of moves about as good as the best, the one whose improvement batches can tell soonest."""
    most = max(each.predicted["in_specification"].median for each in better)
    near = [each for each in better if each.predicted["in_specification"].median >= _NEAR * most]
    return max(near or better, key=lambda each: _tellable(each.predicted, base))


def _tellable(predicted: Mapping[str, Interval], base: Outcome) -> float:
    """Largest improvement of one attribute, in standard deviations between donors."""
    sizes = [0.0]
    for name in _MORE_IS_BETTER:
        median, change = float(np.median(base.medians[name])), predicted[name].median
        ends = on_scale(name, np.array([median, median + change]))
        sizes.append(float(ends[1] - ends[0]) / base.spread[name])
    return max(sizes)


def _tried(
    world: World, base: Outcome, parameters: Mapping[str, float], move: ParameterMove, correct: Correct | None
) -> _Candidate | Words:
    """What the move would give, corrected by what batches showed; or what stands against it."""
    wanted = {**parameters, move.parameter: move.new}
    found = outcome_of(world, wanted)
    predicted = changes(base, found)
    problem = problem_with_figures(predicted)
    if problem is not None:
        return problem
    shifts = correct(move, predicted) if correct else {}
    if isinstance(shifts, Words):
        return shifts
    if shifts:
        found = outcome_of(world, wanted, shifts)
        predicted = changes(base, found)
    return problem_with_figures(predicted) or _Candidate(move=move, found=found, predicted=predicted)


def _reachable(name: str, lever: Lever) -> list[float]:
    if name not in RESOLUTION:
        return []
    grain = RESOLUTION[name]
    raw = [lever.value + share * (end - lever.value) for end in (lever.low, lever.high) for share in REACH]
    rounded = {round(round(value / grain) * grain, 6) for value in raw}
    return sorted(value for value in rounded if lever.low <= value <= lever.high and value != lever.value)


def _score(screen: World, parameters: Mapping[str, float], move: tuple[str, float]) -> float:
    """For ranking: probability in specification first, dose between equals."""
    found = outcome_of(screen, {**parameters, move[0]: move[1]})
    return float(found.chance.mean() + 0.02 * np.log(found.medians["viable_car_cells"]).mean())


def _better(predicted: Mapping[str, Interval], base: Outcome) -> bool:
    """More in specification for certain, or as much with a clearly higher dose; intervals must exclude zero."""
    chance, dose = predicted["in_specification"], predicted["viable_car_cells"]
    if chance.low > 0 and chance.median >= _LEAST_GAIN:
        return True
    least = _LEAST_DOSE_GAIN * float(np.median(base.medians["viable_car_cells"]))
    return chance.low >= -_LEAST_GAIN and dose.low > 0 and dose.median >= least


def _proposal(fit: PopulationFit, base: Outcome, chosen: _Candidate) -> Proposal:
    move, found, predicted = chosen.move, chosen.found, chosen.predicted
    return Proposal(
        moves=(move,),
        predicted=predicted,
        before=float(base.chance.mean()),
        after=float(found.chance.mean()),
        risk=_risk(move.parameter, predicted, len(fit.donors)),
        twin=fit.twin.key,
        batches=fit.twin.batches,
        quantiles_before=base.quantiles,
        quantiles_after=found.quantiles,
        medians={name: float(np.median(values)) for name, values in base.medians.items()},
        spread=base.spread,
    )


def _risk(name: str, predicted: Mapping[str, Interval], batches: int) -> Words:
    """What may go wrong: attributes whose change is for the worse, and what the evidence rests on."""
    worse = [attribute for attribute in _MORE_IS_BETTER if predicted[attribute].high < 0]
    fall_en = f"expected to fall: {', '.join(worse)}; " if worse else "no attribute is expected to fall for certain; "
    fall_zh = f"预计下降：{'、'.join(worse)}；" if worse else "无属性确定下降；"
    return Words(
        en=f"{fall_en}the effect of {name} is inferred by the twin from {batches} batches, not tried",
        zh=f"{fall_zh}{name} 的效果为孪生模型由 {batches} 批数据推断，新值尚未实际验证",
    )


_MORE_IS_BETTER = ("viability", "viable_car_cells", "car_fraction", "memory_fraction")
_NO_LEVER = Words(en="no target may be moved whose effect the twin knows", zh="无可调整且孪生模型已知其效果的参数")
_NOTHING_BETTER = Words(
    en="no move inside the proven ranges improves for certain: every interval of improvement holds zero",
    zh="在已证实范围内无确定改进：各改进区间均包含零",
)
