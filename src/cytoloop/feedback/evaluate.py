"""Evaluate: how well the twin foretells batches it has not seen, and what that teaches its intervals.

Each finished batch is left out of the population in turn and its last results are forecast from what was known 60 h
and 108 h before. The errors that the posterior does not explain become the drift of the forecasts, so that a wrong
structure shows as wider and better centred intervals instead of false confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

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
from cytoloop.feedback.predict import culture_quantity, error
from cytoloop.feedback.twin import DRIFT, Twin

HORIZONS = (60.0, 108.0)
"""h ahead. The first is the anchor of the published forecasts (2.5 days)."""

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
    error: float
    """Observed less expected, log or logit scale."""
    variance: float
    """Of the posterior and the measurement, same scale."""


def fit_and_check(twin: Twin, histories: Sequence[BatchHistory], generator: np.random.Generator) -> PopulationFit:
    """`fit_population`, then the drift learned from batches left out in turn.

    Error and coverage are of the last viable cell density 60 h ahead; population and drift are those of the other
    batches. With fewer than three batches there is nothing to leave out: no error, the drift of before.
    """
    fit = fit_population(twin, histories)
    if len(histories) < 3:
        return fit
    each = [left_out(fit, twin, histories, place, generator) for place in range(len(histories))]
    relative, inside = [], []
    for place, mine in enumerate(each):
        others = [missed for index, found in enumerate(each) if index != place for missed in found]
        judge = replace(fit.twin, drift=_drifts(others, twin))
        for missed in mine:
            if missed.attribute == "viable_cell_density" and missed.days == HORIZONS[0] / 24.0:
                left = missed.error - judge.drift[missed.attribute][0] * missed.days
                relative.append(abs(float(np.expm1(-left))))
                inside.append(abs(left) <= 1.645 * _width(judge, missed))
    return replace(
        fit,
        twin=replace(fit.twin, drift=_drifts([missed for found in each for missed in found], twin)),
        error=float(np.mean(relative)) if relative else None,
        coverage=float(np.mean(inside)) if inside else None,
    )


def left_out(
    fit: PopulationFit, prior: Twin, histories: Sequence[BatchHistory], place: int, generator: np.random.Generator
) -> list[Missed]:
    """The batch at `place` forecast by a population of the others."""
    others: list[Donor] = [donor for index, donor in enumerate(fit.donors) if index != place]
    twin = updated_population(fit.twin, prior, others)
    return [missed for hours in HORIZONS for missed in foretold(twin, histories[place], hours, generator)]


def foretold(twin: Twin, history: BatchHistory, hours: float, generator: np.random.Generator) -> list[Missed]:
    """The last result of each drifting attribute against its forecast from `hours` before."""
    lasts = {name: history.observations[name][-1] for name in DRIFT if history.observations.get(name)}
    if "viable_cell_density" not in lasts:
        return []
    known = history.seen_until(lasts["viable_cell_density"][0] - hours)
    if not known.observations.get("viable_cell_density"):
        return []
    values = values_of(twin, draw(fit_donor(twin, known), _DRAWS, generator))
    end = max(at for at, _ in lasts.values())
    runs = simulate(twin, values, begin(values, known.start), schedule(known.controls, known.start.il2, end))
    return [
        _missed(twin, name, value, culture_quantity(name, values, runs[:, round(at / STEP)], known.start), hours)
        for name, (at, value) in lasts.items()
    ]


def _missed(twin: Twin, name: str, value: float, expected: Floats, hours: float) -> Missed:
    middle = float(np.median(expected))
    spread = float(np.var(_scaled(name, expected)))
    slope = 1.0
    if name == "glucose":
        slope = 1.0 / max(middle, 1.0)
    elif name != "viable_cell_density":
        slope = 1.0 / max(middle * (1.0 - middle), 0.02)
    return Missed(
        attribute=name,
        days=hours / 24.0,
        error=float(_scaled(name, np.array(value)) - _scaled(name, np.array(middle))),
        variance=spread + (error(twin, name) * slope) ** 2,
    )


def _scaled(name: str, values: Floats) -> Floats:
    if name == "viable_cell_density":
        return np.log(np.maximum(values, 1e-6))
    if name == "glucose":
        return np.log(np.maximum(values, 0.3))
    inside = np.clip(values, 0.01, 0.99)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _drifts(missed: Sequence[Missed], before: Twin) -> dict[str, tuple[float, float]]:
    return {name: _drift([one for one in missed if one.attribute == name], before.drift[name]) for name in DRIFT}


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


def _width(twin: Twin, missed: Missed) -> float:
    return float(np.sqrt(missed.variance + twin.drift[missed.attribute][1] ** 2 * missed.days))
