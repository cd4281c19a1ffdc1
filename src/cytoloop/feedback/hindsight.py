"""Hindsight: what was true at a moment of a finished batch, as all its later counts and its biomass signal tell it.

A forecast of a batch left out is held against what came. One count errs by several percent; the biomass signal moves
with the cells precisely but has a gain of its own, which every count measures. For counts c and signal s at hours t,

    log c(t) - log s(t) = gain + wander(t) + error of the count,    wander a random walk

(a local level, Durbin & Koopman 2012, ch. 2), so that the true count at any later hour is the signal there times the
gain that later counts agree on. Only counts after the forecast was made are used: what explains and what is explained
share no measurement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytoloop.feedback.dataset import BatchHistory

Floats = NDArray[np.float64]
COUNT, SIGNAL = "viable_cell_density", "biomass_online"
_NEAR = 6.5
"""h around a count in which readings of the signal tell what it was then."""
_LEAST = 2
_WANDER, _BELIEVED = 0.02, 6.0
"""Standard deviation of the gain's wander per square root of a day believed beforehand, and batches it counts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One moment in hindsight."""

    value: float
    weights: Mapping[float, float]
    """h of a count -> its share in the value: the error of the value is that of these counts, so weighted."""


def wander(histories: Sequence[BatchHistory], noise: float) -> float:
    """Variance of the gain's wander per day, from how far ratios of count to signal differ at both ends of a batch
    beyond the counts' own error `noise` (log scale)."""
    found = []
    for history in histories:
        hours, ratios = _ratios(history, -np.inf)
        if len(hours) > 1:
            days = float(hours[-1] - hours[0]) / 24.0
            found.append((float(ratios[-1] - ratios[0]) ** 2 - 2.0 * noise**2) / days)
    seen = max(float(np.mean(found)), 0.0) if found else 0.0
    return (len(found) * seen + _BELIEVED * _WANDER**2) / (len(found) + _BELIEVED)


def looked(history: BatchHistory, after: float, at: float, noise: float, walk: float) -> Looked | None:
    """The log of the count at hour `at` by all counts after hour `after`; None where the signal cannot tell.

    `noise` is the standard deviation of one count (log), `walk` the variance of the gain's wander per day.
    """
    now = _signal(history, at)
    hours, ratios = _ratios(history, after)
    if now is None or not len(hours):
        return None
    days = (hours - after) / 24.0
    inverse = np.linalg.inv(noise**2 * np.eye(len(hours)) + walk * np.minimum.outer(days, days))
    mean = inverse.sum(axis=0) / inverse.sum()
    shared = walk * np.minimum(days, (at - after) / 24.0) @ inverse
    weights = mean + shared - shared.sum() * mean
    return Looked(value=now + float(weights @ ratios), weights=dict(zip(hours.tolist(), weights.tolist(), strict=True)))


def smoothed(known: BatchHistory) -> float | None:
    """The log of the count at the hour of the signal's newest reading: the signal with the gain that all counts agree
    on; None without a signal."""
    _, ratios = _ratios(known, -np.inf)
    pairs = known.observations.get(SIGNAL, ())
    now = _signal(known, pairs[-1][0]) if pairs else None
    return None if now is None or not len(ratios) else now + float(ratios.mean())


def _ratios(history: BatchHistory, after: float) -> tuple[Floats, Floats]:
    """Hours of counts after `after`, and the log of each over the signal then."""
    pairs = [
        (hour, float(np.log(value)) - signal)
        for hour, value in history.observations.get(COUNT, ())
        if hour > after and value > 0 and (signal := _signal(history, hour)) is not None
    ]
    return np.array([hour for hour, _ in pairs]), np.array([ratio for _, ratio in pairs])


def _signal(history: BatchHistory, at: float) -> float | None:
    """Log of the biomass signal at hour `at`: a straight line through the readings around it."""
    near = [(hour - at, value) for hour, value in history.observations.get(SIGNAL, ()) if abs(hour - at) <= _NEAR]
    near = [(hour, value) for hour, value in near if value > 0]
    if len(near) < _LEAST:
        return None
    hours, logs = np.array([hour for hour, _ in near]), np.log([value for _, value in near])
    off = hours - hours.mean()
    slope = float(off @ logs / max(float(off @ off), 1e-9))
    return float(logs.mean() - slope * hours.mean())
