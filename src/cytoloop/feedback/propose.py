"""Propose: between batches, one recipe target whose move would serve the coming donors better.

Virtual donors are drawn from the population fitted on finished batches, and the population's own uncertainty is
drawn around them, so that the interval of an improvement knows how few batches it stands on. Every alternative
meets the same donors and shocks (common random numbers). A proposal changes nothing until it is signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.core.errors import UserError
from cytoloop.core.facts.feedback import Interval, ParameterMove
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit, scales
from cytoloop.feedback.control import Lever
from cytoloop.feedback.culture import Floats, begin, natural, schedule, simulate
from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.forecast import IN_PRODUCT, Bounds, Limits, probability, results_at
from cytoloop.feedback.twin import DRIFT, NAMES, Twin

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

LEAST_BATCHES = 3
_OUTER, _INNER, _SCREEN = 40, 48, 128
_FINALISTS = 3
_LEAST_GAIN = 0.01
_LEAST_DOSE_GAIN = 0.10


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NoProposal:
    """Why nothing is proposed."""

    reason: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """Virtual donors: `outer` populations of `inner` donors each, flat."""

    twin: Twin
    values: Floats
    shocks: Floats
    limits: Bounds
    outer: int


def plan_of(parameters: Mapping[str, float]) -> tuple[Start, tuple[Control, ...], float]:
    """Start, set-points and hour of harvest that a recipe's parameters ("<operation>.<parameter>") ask for."""
    wanted = (
        "activation.seeding_density", "activation.volume", "activation.il2", "activation.duration",
        "transduction.moi", "transduction.duration",
        "expansion.culture_duration", "expansion.perfusion_rate", "expansion.il2",
    )  # fmt: skip
    missing = [name for name in wanted if name not in parameters]
    if missing:
        raise UserError(f"the recipe names no {', '.join(missing)}; the twin of this pack needs them")
    expansion_at = parameters["activation.duration"] + parameters["transduction.duration"]
    start = Start(
        seeding_density=parameters["activation.seeding_density"],
        volume=parameters["activation.volume"],
        moi=parameters["transduction.moi"],
        il2=parameters["activation.il2"],
        expansion_at=expansion_at,
    )
    control = Control(
        at=expansion_at,
        perfusion_rate=parameters["expansion.perfusion_rate"],
        il2=parameters["expansion.il2"],
    )
    return start, (control,), expansion_at + parameters["expansion.culture_duration"]


def propose(
    fit: PopulationFit,
    *,
    parameters: Mapping[str, float],
    levers: Mapping[str, Lever],
    patients: Sequence[Limits],
    generator: np.random.Generator,
) -> Proposal | NoProposal:
    """One target to move, or why none.

    `parameters` are all targets in force; `levers` those that may be moved, with their proven acceptable range;
    `patients` the release limits of the patients treated so far (their weights are in them).
    """
    if len(fit.donors) < LEAST_BATCHES or not patients:
        return NoProposal(reason=_too_few(len(fit.donors)))
    screen = _world(fit, patients, _SCREEN, 1, generator)
    alternatives = [(name, value) for name, lever in levers.items() for value in _reachable(name, lever)]
    if not alternatives:
        return NoProposal(reason=_NO_LEVER)
    ranked = sorted(alternatives, key=lambda move: -_score(screen, parameters, move))
    world = _world(fit, patients, _OUTER, _INNER, generator)
    base = _outcome(world, parameters)
    for move in ranked[:_FINALISTS]:
        found = _outcome(world, {**parameters, move[0]: move[1]})
        predicted = _changes(base, found)
        if _better(predicted, base):
            return _proposal(fit, base, found, predicted, (move, levers[move[0]]))
    return NoProposal(reason=_NOTHING_BETTER)


def _reachable(name: str, lever: Lever) -> list[float]:
    if name not in RESOLUTION:
        return []
    grain = RESOLUTION[name]
    raw = [lever.value + share * (end - lever.value) for end in (lever.low, lever.high) for share in REACH]
    rounded = {round(round(value / grain) * grain, 6) for value in raw}
    return sorted(value for value in rounded if lever.low <= value <= lever.high and value != lever.value)


def _world(
    fit: PopulationFit, patients: Sequence[Limits], outer: int, inner: int, generator: np.random.Generator
) -> _World:
    """Populations that the batches leave possible, and donors of each."""
    means, sds = scales(fit.twin)
    left = np.mean([np.diag(donor.covariance) for donor in fit.donors], axis=0)
    told = len(fit.donors) * (1.0 - np.clip(left, 0.0, 1.0))
    shifts = generator.standard_normal((outer, len(NAMES))) * sds / np.sqrt(told + 1.0)
    widths = np.exp(generator.standard_normal((outer, len(NAMES))) / np.sqrt(2.0 * (told + 4.0)))
    donors = generator.standard_normal((outer, inner, len(NAMES)))
    theta = (means + shifts)[:, None, :] + donors * (sds * widths)[:, None, :]
    count = outer * inner
    picked = [patients[index % len(patients)] for index in range(count)]
    return _World(
        twin=fit.twin,
        values=natural(theta.reshape(count, len(NAMES))),
        shocks=generator.standard_normal((len(DRIFT), count)),
        limits=_stacked(picked),
        outer=outer,
    )


def _stacked(patients: Sequence[Limits]) -> Bounds:
    """One limit for each virtual donor; an absent one does not bind."""
    names = sorted({name for limits in patients for name in limits})
    pairs = {name: [limits.get(name, (None, None)) for limits in patients] for name in names}
    return {
        name: (
            np.array([-np.inf if low is None else low for low, _ in rows]),
            np.array([np.inf if high is None else high for _, high in rows]),
        )
        for name, rows in pairs.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What a recipe gives: one figure for each possible population, shape (outer,)."""

    chance: Floats
    medians: Mapping[str, Floats]


def _outcome(world: _World, parameters: Mapping[str, float]) -> _Outcome:
    start, controls, harvest_at = plan_of(parameters)
    plan = schedule(controls, start.il2, harvest_at)
    states = simulate(world.twin, world.values, begin(world.values, start), plan)[:, -1]
    ahead = harvest_at - start.expansion_at
    results = results_at(world.twin, world.values, states, start, ahead=ahead, shocks=world.shocks, centred=0.0)
    chance = probability(world.twin, results, world.limits)
    return _Outcome(
        chance=chance.reshape(world.outer, -1).mean(axis=1),
        medians={name: np.median(results[name].reshape(world.outer, -1), axis=1) for name in IN_PRODUCT},
    )


def _score(world: _World, parameters: Mapping[str, float], move: tuple[str, float]) -> float:
    """For ranking: probability in specification first, dose between equals."""
    found = _outcome(world, {**parameters, move[0]: move[1]})
    return float(found.chance.mean() + 0.02 * np.log(found.medians["viable_car_cells"]).mean())


def _changes(base: _Outcome, found: _Outcome) -> dict[str, Interval]:
    changes = {name: found.medians[name] - base.medians[name] for name in IN_PRODUCT}
    out = {name: _interval(change, IN_PRODUCT[name]) for name, change in changes.items()}
    return {"in_specification": _interval(found.chance - base.chance, "fraction"), **out}


def _interval(draws: Floats, unit: str) -> Interval:
    low, high = np.quantile(draws, (0.05, 0.95))
    return Interval(median=float(np.median(draws)), low=float(low), high=float(high), unit=unit)


def _better(predicted: Mapping[str, Interval], base: _Outcome) -> bool:
    """More in specification for certain, or as much with a clearly higher dose; intervals must exclude zero."""
    chance, dose = predicted["in_specification"], predicted["viable_car_cells"]
    if chance.low > 0 and chance.median >= _LEAST_GAIN:
        return True
    least = _LEAST_DOSE_GAIN * float(np.median(base.medians["viable_car_cells"]))
    return chance.low >= -_LEAST_GAIN and dose.low > 0 and dose.median >= least


def _proposal(
    fit: PopulationFit,
    base: _Outcome,
    found: _Outcome,
    predicted: Mapping[str, Interval],
    move: tuple[tuple[str, float], Lever],
) -> Proposal:
    (name, value), lever = move
    return Proposal(
        moves=(ParameterMove(parameter=name, old=lever.value, new=value, unit=lever.unit),),
        predicted=predicted,
        before=float(base.chance.mean()),
        after=float(found.chance.mean()),
        risk=_risk(name, predicted, len(fit.donors)),
        twin=fit.twin.key,
        batches=fit.twin.batches,
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


def _too_few(count: int) -> Words:
    return Words(
        en=f"{count} finished batches are too few to propose anything; {LEAST_BATCHES} are needed",
        zh=f"已完成批次仅 {count} 批，至少需要 {LEAST_BATCHES} 批方可提出建议",
    )
