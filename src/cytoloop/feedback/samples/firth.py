"""Firth: logistic regression for few outcomes, with intervals by profile of the penalised likelihood.

The likelihood is penalised by Jeffreys' prior, l*(b) = l(b) + log|I(b)| / 2 (Firth 1993, Biometrika 80:27): the first
term of the bias goes, and estimates stay finite when an attribute separates the outcomes. Intervals and tests come
from the profile of l*, not from a standard error (Heinze & Schemper 2002, Statistics in Medicine 21:2409).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import erfc, ndtri

from cytoloop.feedback.culture import Floats

_ROUNDS, _CLOSE = 60, 1e-8
_LONGEST = 5.0
"""Longest step of one coefficient in one round."""
_FARTHEST = 60.0
"""Distance from the estimate, in log odds for a standard deviation, at which a bound is given up as open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """The log odds ratio of one column."""

    estimate: float
    low: float
    """Of the interval; minus infinity where the profile never falls far enough."""
    high: float
    p: float
    """Of the penalised likelihood ratio test that it is 0."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen: design of shape (n, columns), outcomes of 0 and 1 of shape (n,)."""

    design: Floats
    outcome: Floats

    def at(self, beta: Floats) -> tuple[Floats, Floats]:
        """Chances and Fisher information at `beta`."""
        chance = 1.0 / (1.0 + np.exp(-np.clip(self.design @ beta, -30.0, 30.0)))
        return chance, (self.design.T * (chance * (1 - chance))) @ self.design

    def penalised(self, beta: Floats) -> float:
        """Penalised log likelihood l*(b)."""
        linear = self.design @ beta
        sign, determinant = np.linalg.slogdet(self.at(beta)[1])
        if sign <= 0:
            return -np.inf
        return float(np.sum(self.outcome * linear - np.logaddexp(0.0, linear)) + 0.5 * determinant)


def slope(design: Floats, outcome: Floats, column: int, level: float = 0.9) -> Slope:
    """The slope of one column of `design`, shape (n, columns), with its interval at `level`.

    Columns should be in standard deviations; the first is usually of ones.
    """
    seen = _Seen(design, outcome)
    places = np.arange(design.shape[1])
    best, top = _climb(seen, np.zeros(design.shape[1]), places)
    fall = float(ndtri((1.0 + level) / 2.0)) ** 2 / 2.0  # half the chi-square quantile, one degree of freedom

    def below(value: float) -> float:
        begin = best.copy()
        begin[column] = value
        return top - _climb(seen, begin, places[places != column])[1] - fall

    estimate = float(best[column])
    return Slope(
        estimate=estimate,
        low=_bound(below, estimate, -1.0),
        high=_bound(below, estimate, 1.0),
        p=float(erfc(np.sqrt(max(0.0, below(0.0) + fall)))),  # chi-square tail of twice the fall
    )


def _bound(below: Callable[[float], float], estimate: float, side: float) -> float:
    """Where the profile has fallen far enough on one side; infinity when it never does."""
    reach = 0.5
    while reach < _FARTHEST:
        if below(estimate + side * reach) > 0:
            return float(brentq(below, estimate, estimate + side * reach, xtol=1e-6))
        reach *= 2.0
    return side * np.inf


def _climb(seen: _Seen, beta: Floats, places: NDArray[np.intp]) -> tuple[Floats, float]:
    """Up the penalised likelihood in the coefficients at `places`, by Fisher scoring on the modified score."""
    value = seen.penalised(beta)
    for _ in range(_ROUNDS if len(places) else 0):
        chance, information = seen.at(beta)
        leverage = np.einsum("ij,ji->i", seen.design, np.linalg.solve(information, seen.design.T))
        leverage *= chance * (1 - chance)
        score = seen.design.T @ (seen.outcome - chance + leverage * (0.5 - chance))
        step = np.linalg.solve(information[np.ix_(places, places)], score[places])
        step *= min(1.0, _LONGEST / max(float(np.abs(step).max()), 1e-12))
        beta, higher = _higher(seen, beta, places, (step, value))
        if higher - value < _CLOSE:
            break
        value = higher
    return beta, seen.penalised(beta)


def _higher(
    seen: _Seen, beta: Floats, places: NDArray[np.intp], step_from: tuple[Floats, float]
) -> tuple[Floats, float]:
    """As far along the step as l* does not fall below where it was; there is nowhere higher when it never rises."""
    step, value = step_from
    for _ in range(25):
        tried = beta.copy()
        tried[places] += step
        found = seen.penalised(tried)
        if found >= value:
            return tried, found
        step = step * 0.5
    return beta, value
