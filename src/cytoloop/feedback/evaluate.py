"""Evaluate: how well the twin foretells batches it has not seen, and what that teaches its intervals.

Each finished batch is left out of the population in turn, and what was measured later is forecast from 60, 84 and
108 h before its last count. The errors teach two things: the drift (a mean and a spread by days ahead, for whoever
knows nothing of the running batch) and the residual (`residual`), which looks at the running batch and is judged on
donors left out of it, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import stdtrit

from cytoloop.feedback.calibrate import (
    Donor,
    PopulationFit,
    draw,
    fit_donor,
    fit_population,
    updated_population,
    values_of,
)
from cytoloop.feedback.culture import STEP, Floats, begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.features import Standing, features, read
from cytoloop.feedback.hindsight import COUNT, looked, wander
from cytoloop.feedback.predict import culture_quantity, error, scaled
from cytoloop.feedback.residual import Residual
from cytoloop.feedback.residual_fit import Judged, Miss, fit_residual
from cytoloop.feedback.twin import DRIFT, Twin

HORIZONS = (60.0, 108.0)
"""h ahead that the drift is learned from. The first is the anchor of the published forecasts (2.5 days)."""
ORIGINS = (60.0, 84.0, 108.0)
"""h before the last count from which a batch left out is forecast."""
LEAST_AHEAD = 23.0
"""h ahead from which a forecast teaches anything."""

_DRAWS = 48
_PRIOR_COUNT = 4.0
"""Errors that the drift before counts for."""
_MEAN_PRIOR = 0.05
"""Standard deviation of the drift's mean per day before any batch."""
_LEAST_DRIFT = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """One forecast against what came."""

    attribute: str
    days: float
    middle: float
    """Expected, log or logit scale."""
    error: float
    """Observed less expected, same scale."""
    posterior: float
    """Standard deviation the twin expected of it, same scale."""
    noise: float
    """Of the measurement, same scale."""
    moment: float
    """h of the measurement."""
    hindsight: float
    """As `error`, of what later measurements together say came."""
    weights: Mapping[float, float] = field(hash=False)
    """Share of each hour's measurement in that."""
    last: bool
    """The attribute's last result, at a horizon that the drift is learned from."""
    features: Floats = field(hash=False)

    @property
    def variance(self) -> float:
        """Of the posterior and the measurement."""
        return self.posterior**2 + self.noise**2


def fit_and_check(twin: Twin, histories: Sequence[BatchHistory], generator: np.random.Generator) -> PopulationFit:
    """`fit_population`, then drift and residual learned from batches left out in turn.

    Error and coverage are of the last viable cell density 60 h ahead; population, drift, residual and reach are those
    of the other batches. With fewer than three batches there is nothing to leave out: no error, the drift of before.
    """
    fit = fit_population(twin, histories)
    if len(histories) < 3:
        return fit
    each = [left_out(fit, twin, histories, place, generator) for place in range(len(histories))]
    drift = _drifts([missed for found in each for missed in found], twin)
    taught = {name: found for name in DRIFT if (found := _residual(each, name, twin.drift[name][1])) is not None}
    relative, inside = _scored(each, taught, twin)
    return replace(
        fit,
        twin=replace(fit.twin, drift=drift, residual={name: found for name, (found, _) in taught.items()}),
        error=float(np.mean(relative)) if relative else None,
        coverage=float(np.mean(inside)) if inside else None,
    )


def left_out(
    fit: PopulationFit, prior: Twin, histories: Sequence[BatchHistory], place: int, generator: np.random.Generator
) -> list[Missed]:
    """The batch at `place` forecast by a population of the others."""
    others: list[Donor] = [donor for index, donor in enumerate(fit.donors) if index != place]
    twin = updated_population(fit.twin, prior, others)
    walk = wander(histories, error(twin, COUNT))
    return [missed for hours in ORIGINS for missed in foretold(twin, histories[place], hours, generator, walk)]


def foretold(
    twin: Twin, history: BatchHistory, hours: float, generator: np.random.Generator, walk: float
) -> list[Missed]:
    """Results of each drifting attribute against their forecast from `hours` before the last count; `walk` is the
    wander of the biomass signal's gain (`hindsight`)."""
    counts = history.observations.get("viable_cell_density")
    if not counts:
        return []
    at = counts[-1][0] - hours
    known = history.seen_until(at)
    if not known.observations.get("viable_cell_density"):
        return []
    later = {name: _after(history, name, at + LEAST_AHEAD) for name in DRIFT}
    donor = fit_donor(twin, known)
    values = values_of(twin, draw(donor, _DRAWS, generator))
    end = max(hour for pairs in later.values() for hour, _ in pairs)
    runs = simulate(twin, values, begin(values, known.start), schedule(known.controls, known.start.il2, end))
    standing = Standing(twin=twin, known=known, donor=donor, at=at, course=runs[0], read=read(known, at, runs[0]))
    found = [
        _missed(standing, name, pair, _expected(standing, name, values, runs[:, round(pair[0] / STEP)]),
                last=pair == pairs[-1] and hours in HORIZONS)
        for name, pairs in later.items()
        for pair in pairs
    ]  # fmt: skip
    return [_in_hindsight(missed, history, at, error(twin, COUNT), walk) for missed in found]


def _in_hindsight(missed: Missed, history: BatchHistory, at: float, noise: float, walk: float) -> Missed:
    """A count is held against what all counts after the forecast and the biomass signal say of its hour."""
    known = looked(history, at, missed.moment, noise, walk) if missed.attribute == COUNT else None
    if known is None:
        return missed
    return replace(missed, hindsight=known.value - missed.middle, weights=known.weights)


def _expected(standing: Standing, name: str, values: Floats, states: Floats) -> Floats:
    return culture_quantity(name, values, states, standing.known.start)


def _after(history: BatchHistory, name: str, hour: float) -> list[tuple[float, float]]:
    return [pair for pair in history.observations.get(name, ()) if pair[0] >= hour]


def _missed(standing: Standing, name: str, pair: tuple[float, float], expected: Floats, *, last: bool) -> Missed:
    at, value = pair
    middle = float(np.median(expected))
    slope = 1.0
    if name == "glucose":
        slope = 1.0 / max(middle, 1.0)
    elif name != "viable_cell_density":
        slope = 1.0 / max(middle * (1.0 - middle), 0.02)
    off = float(scaled(name, np.array(value)) - scaled(name, np.array(middle)))
    return Missed(
        attribute=name,
        days=(at - standing.at) / 24.0,
        middle=float(scaled(name, np.array(middle))),
        error=off,
        hindsight=off,
        weights={at: 1.0},
        posterior=float(np.std(scaled(name, expected))),
        noise=error(standing.twin, name) * slope,
        moment=at,
        last=last,
        features=features(standing, name, [at])[0],
    )


def _residual(
    each: Sequence[Sequence[Missed]], name: str, typical: float
) -> tuple[Residual, tuple[Judged, ...]] | None:
    return fit_residual(
        [
            Miss(
                donor=donor, days=m.days, error=m.hindsight, posterior=m.posterior, noise=m.noise, moment=m.moment,
                weights=m.weights, features=m.features,
            )
            for donor, found in enumerate(each)
            for m in found
            if m.attribute == name
        ],
        typical,
    )  # fmt: skip


def _scored(
    each: Sequence[Sequence[Missed]], taught: Mapping[str, tuple[Residual, tuple[Judged, ...]]], before: Twin
) -> tuple[list[float], list[bool]]:
    """Relative errors and hits of the last counts 60 h ahead, all that was learned being of the other donors."""
    counts = [missed for found in each for missed in found if missed.attribute == "viable_cell_density"]
    if "viable_cell_density" not in taught:
        return _scored_by_drift(each, before)
    relative, inside = [], []
    for missed, judged in zip(counts, taught["viable_cell_density"][1], strict=True):
        if missed.last and missed.days == HORIZONS[0] / 24.0:
            left = missed.error - judged.mean
            wide = float(np.hypot(judged.sd, missed.noise))
            relative.append(abs(float(np.expm1(-left))))
            inside.append(abs(left) <= float(stdtrit(judged.freedom, 0.95)) * wide)
    return relative, inside


def _scored_by_drift(each: Sequence[Sequence[Missed]], before: Twin) -> tuple[list[float], list[bool]]:
    relative, inside = [], []
    for place, mine in enumerate(each):
        others = [missed for index, found in enumerate(each) if index != place for missed in found]
        mean, sd = _drifts(others, before)["viable_cell_density"]
        for missed in mine:
            if missed.attribute == "viable_cell_density" and missed.last and missed.days == HORIZONS[0] / 24.0:
                left = missed.error - mean * missed.days
                relative.append(abs(float(np.expm1(-left))))
                inside.append(abs(left) <= 1.645 * float(np.sqrt(missed.variance + sd**2 * missed.days)))
    return relative, inside


def _drifts(missed: Sequence[Missed], before: Twin) -> dict[str, tuple[float, float]]:
    return {
        name: _drift([one for one in missed if one.attribute == name and one.last], before.drift[name])
        for name in DRIFT
    }


def _drift(missed: Sequence[Missed], before: tuple[float, float]) -> tuple[float, float]:
    """Mean per day and spread per square root of a day, by alternating weighted mean and moments, shrunken."""
    mean, sd = before
    if not missed:
        return before
    days, errors = np.array([m.days for m in missed]), np.array([m.error for m in missed])
    variances = np.array([m.variance for m in missed])
    for _ in range(5):
        weights = 1.0 / (variances + sd**2 * days)
        mean = float((weights * days * errors).sum() / ((weights * days**2).sum() + 1.0 / _MEAN_PRIOR**2))
        excess = float(np.sum(((errors - mean * days) ** 2 - variances) / days))
        spread = (max(excess, 0.0) + _PRIOR_COUNT * before[1] ** 2) / (len(missed) + _PRIOR_COUNT)
        sd = max(float(np.sqrt(spread)), _LEAST_DRIFT)
    return mean, sd
