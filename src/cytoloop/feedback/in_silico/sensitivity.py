"""Sensitivity: what a campaign says: share in specification, quantiles of the yield, and what each factor did.

Every figure has a 90 % interval, which is of the campaign's size alone: it says how exactly the campaign knows the
plant or twin it ran on, not how well that describes real cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = Mapping[str, Floats]
"""Name -> one value for each batch, all of one length."""

LEVEL = 0.90
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 16
"""Equally full bins of a factor for the first-order index."""
_LEAST_IN_BIN = 8
_RESAMPLES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one factor did to one attribute."""

    factor: str
    attribute: str
    correlation: Figure
    """Spearman's rank correlation: the direction, where the effect is monotone."""
    share: Figure
    """First-order Sobol index: the share of the variance that this factor explains alone, whatever its form."""


def share_of(good: NDArray[np.bool_]) -> Figure:
    """The share of `good` with the interval of Wilson (1927, J Am Stat Assoc 22:209)."""
    found = stats.binomtest(int(good.sum()), len(good)).proportion_ci(LEVEL, method="wilson")
    return Figure(value=float(good.mean()), low=float(found.low), high=float(found.high))


def quantile_of(values: Floats, share: float) -> Figure:
    """A quantile with the interval of order statistics (David & Nagaraja 2003, Order Statistics, 7.1)."""
    ordered = np.sort(values)
    count = len(ordered)
    low, high = stats.binom.ppf([(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], count, share)
    places = np.clip([int(low) - 1, int(high)], 0, count - 1)
    value = float(np.quantile(ordered, share))
    return Figure(value=value, low=min(float(ordered[places[0]]), value), high=max(float(ordered[places[1]]), value))


def effects(
    columns: Columns, factors: Sequence[str], attributes: Sequence[str], generator: np.random.Generator
) -> list[Effect]:
    """The effect of every factor on every attribute; an attribute that never varies is left out."""
    varied = [name for name in attributes if np.ptp(columns[name]) > 0.0]
    return [
        Effect(
            factor=factor, attribute=attribute,
            correlation=correlation(columns[factor], columns[attribute]),
            share=explained(columns[factor], columns[attribute], generator),
        )
        for factor in factors if np.ptp(columns[factor]) > 0.0
        for attribute in varied
    ]  # fmt: skip


def correlation(factor: Floats, values: Floats) -> Figure:
    """Rank correlation; interval by Fisher's z with the variance of Bonett & Wright (2000, Psychometrika 65:23)."""
    found = float(stats.spearmanr(factor, values).statistic)
    inside = float(np.clip(found, -0.999999, 0.999999))
    wide = stats.norm.ppf((1.0 + LEVEL) / 2.0) * np.sqrt((1.0 + inside**2 / 2.0) / max(len(values) - 3, 1))
    low, high = np.tanh(np.arctanh(inside) + np.array([-wide, wide]))
    return Figure(value=found, low=min(float(low), found), high=max(float(high), found))


def explained(factor: Floats, values: Floats, generator: np.random.Generator) -> Figure:
    """First-order Sobol index from given data, by bins of the factor (Plischke et al. 2013, Eur J Oper Res 226:536).

    The variance that bins show by chance is taken off (epsilon squared), so that a factor without effect comes to
    about 0. Interval by resampling batches.
    """
    bins = _bins(factor)
    resampled = [_first_order(bins[rows], values[rows]) for rows in _resamples(len(values), generator)]
    whole = _first_order(bins, values)
    low, high = np.quantile(np.array(resampled), [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    excess = float(np.mean(resampled)) - whole  # a resample repeats batches, which bins mistake for an effect
    return Figure(
        value=max(whole, 0.0), low=max(min(float(low) - excess, whole), 0.0),
        high=min(max(float(high) - excess, whole, 0.0), 1.0),
    )  # fmt: skip


def _resamples(count: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
    return [generator.integers(0, count, count) for _ in range(_RESAMPLES)]


def _bins(factor: Floats) -> NDArray[np.int64]:
    """The bin of each batch: a level of its own where there are few levels, else equally full bins."""
    levels, which = np.unique(factor, return_inverse=True)
    if len(levels) <= BINS:
        return which.astype(np.int64)
    count = int(np.clip(len(factor) // _LEAST_IN_BIN, 2, BINS))
    places: NDArray[np.int64] = np.argsort(np.argsort(factor, kind="stable"), kind="stable").astype(np.int64)
    return places * count // len(factor)


def _first_order(bins: NDArray[np.int64], values: Floats) -> float:
    counts = np.bincount(bins)
    used = counts > 0
    sums = np.bincount(bins, weights=values)[used]
    whole = float(((values - values.mean()) ** 2).sum())
    between = float((counts[used] * (sums / counts[used] - values.mean()) ** 2).sum())
    spare = len(values) - int(used.sum())
    if whole <= 0.0 or spare <= 0:
        return 0.0
    within = (whole - between) / spare
    return (between - (int(used.sum()) - 1) * within) / whole
