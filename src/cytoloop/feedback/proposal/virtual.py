"""Virtual donors: what a recipe's targets would give, over donors that were not there.

Donors are drawn from the population fitted on finished batches, and the population's own uncertainty is drawn around
them, so that the interval of an improvement knows how few batches it stands on. Every alternative meets the same
donors and shocks (common random numbers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cytoloop.core.errors import UserError
from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.calibrate import PopulationFit, scales
from cytoloop.feedback.culture import Floats, begin, natural, schedule, simulate
from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.forecast import Bounds, Limits, probability, results_at
from cytoloop.feedback.predict import RELATIVE, error, on_scale
from cytoloop.feedback.twin import DRIFT, NAMES, Twin

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of an attribute over donors, as a proposal keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Virtual donors: `outer` populations of `inner` donors each, flat."""

    twin: Twin
    values: Floats
    shocks: Floats
    limits: Bounds
    doubts: Floats
    """How far a shift that batches showed is doubted in each possible population, standard normal, shape (outer,)."""
    outer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a recipe gives."""

    chance: Floats
    """Probability in specification in each possible population, shape (outer,)."""
    medians: Mapping[str, Floats]
    """Attribute -> median over donors in each possible population, shape (outer,)."""
    quantiles: Mapping[str, tuple[float, ...]]
    """Attribute -> QUANTILES over all virtual donors."""
    spread: Mapping[str, float]
    """Attribute -> standard deviation of a release result between donors, measurement included, on its scale."""


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


def world_of(
    fit: PopulationFit, patients: Sequence[Limits], outer: int, inner: int, generator: np.random.Generator
) -> World:
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
    return World(
        twin=fit.twin,
        values=natural(theta.reshape(count, len(NAMES))),
        shocks=generator.standard_normal((len(DRIFT), count)),
        limits=_stacked(picked),
        doubts=generator.standard_normal(outer),
        outer=outer,
    )


def outcome_of(world: World, parameters: Mapping[str, float], shifts: Mapping[str, float] | None = None) -> Outcome:
    """What the targets `parameters` give in this world; `shifts` on the attributes' scales are what batches showed
    beyond the twin, each as doubtful as it is large."""
    start, controls, harvest_at = plan_of(parameters)
    plan = schedule(controls, start.il2, harvest_at)
    states = simulate(world.twin, world.values, begin(world.values, start), plan)[:, -1]
    ahead = harvest_at - start.expansion_at
    results = results_at(world.twin, world.values, states, start, ahead=ahead, shocks=world.shocks, centred=0.0)
    results |= {name: _shifted(world, name, results[name], shift) for name, shift in (shifts or {}).items()}
    chance = probability(world.twin, results, world.limits)
    return Outcome(
        chance=chance.reshape(world.outer, -1).mean(axis=1),
        medians={name: np.median(results[name].reshape(world.outer, -1), axis=1) for name in IN_PRODUCT},
        quantiles={name: tuple(np.quantile(results[name], QUANTILES).tolist()) for name in IN_PRODUCT},
        spread={name: float(np.hypot(_sd(name, results[name]), error(world.twin, name))) for name in IN_PRODUCT},
    )


def changes(base: Outcome, found: Outcome) -> dict[str, Interval]:
    """Change of each attribute's median and of the probability in specification, with 90 % intervals."""
    differences = {name: found.medians[name] - base.medians[name] for name in IN_PRODUCT}
    out = {name: interval_of(difference, IN_PRODUCT[name]) for name, difference in differences.items()}
    return {"in_specification": interval_of(found.chance - base.chance, "fraction"), **out}


def interval_of(draws: Floats, unit: str) -> Interval:
    """Median and 90 % interval of draws."""
    low, high = np.quantile(draws, (0.05, 0.95))
    return Interval(median=float(np.median(draws)), low=float(low), high=float(high), unit=unit)


def _shifted(world: World, name: str, values: Floats, shift: float) -> Floats:
    by = np.repeat(shift * (1.0 + world.doubts), len(values) // world.outer)
    if name in RELATIVE:
        return np.asarray(values * np.exp(by))
    return np.clip(values + by, 0.0, 1.0)


def _sd(name: str, values: Floats) -> float:
    return float(np.std(on_scale(name, values)))


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
