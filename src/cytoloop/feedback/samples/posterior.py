"""Posterior: draws of a logistic regression's coefficients under normal priors, by importance from a t at its mode."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytoloop.feedback.culture import Floats

_ROUNDS = 60
_FREEDOM = 5.0
"""Degrees of freedom of the t: heavier tails than any log-concave posterior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """Outcomes of 0 and 1 with normal priors on the coefficients, each its own."""

    design: Floats
    """Shape (n, coefficients); n may be 0."""
    outcome: Floats
    """Shape (n,)."""
    means: Floats
    precisions: Floats
    """One over the prior's variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Weighted draws."""

    values: Floats
    """Shape (draws, coefficients)."""
    weights: Floats
    """Add up to 1; shape (draws,)."""

    @property
    def effective(self) -> float:
        """Effective number of draws (Kish)."""
        return float(1.0 / np.sum(self.weights**2))


def mode(of: Regression) -> tuple[Floats, Floats]:
    """Mode and covariance (inverse information there) of the posterior; Newton with halving, it is log-concave."""
    beta = of.means.astype(np.float64).copy()
    value = log_posterior(of, beta[None, :])[0]
    for _ in range(_ROUNDS):
        chance = _chance(of.design @ beta)
        gradient = of.design.T @ (of.outcome - chance) - of.precisions * (beta - of.means)
        step = np.asarray(np.linalg.solve(_information(of, beta), gradient), dtype=np.float64)
        beta, tried = _climbed(of, beta, step, value)
        if tried - value < 1e-12:
            break
        value = tried
    return beta, np.asarray(np.linalg.inv(_information(of, beta)))


def _climbed(of: Regression, beta: Floats, step: Floats, value: float) -> tuple[Floats, float]:
    """As far along the step as the density does not fall, and the density there."""
    for _ in range(40):
        tried = log_posterior(of, (beta + step)[None, :])[0]
        if tried >= value:
            return np.asarray(beta + step), float(tried)
        step = step * 0.5
    return beta, value


def _information(of: Regression, beta: Floats) -> Floats:
    chance = _chance(of.design @ beta)
    return np.asarray((of.design.T * (chance * (1 - chance))) @ of.design + np.diag(of.precisions))


def sampled(of: Regression, generator: np.random.Generator, draws: int) -> Draws:
    """Draws of the posterior; without any data, of the prior."""
    beta, covariance = mode(of)
    standard = generator.standard_normal((draws, len(beta)))
    standard *= np.sqrt(_FREEDOM / generator.chisquare(_FREEDOM, draws))[:, None]
    values = beta + standard @ np.linalg.cholesky(covariance).T
    proposal = -0.5 * (_FREEDOM + len(beta)) * np.log1p(np.sum(standard**2, axis=1) / _FREEDOM)
    logs = log_posterior(of, values) - proposal
    weights = np.exp(logs - logs.max())
    return Draws(values=values, weights=weights / weights.sum())


def log_posterior(of: Regression, values: Floats) -> Floats:
    """Log posterior density of each row of `values`, up to a constant; shape (draws,)."""
    linear = values @ of.design.T
    likelihood = np.sum(of.outcome * linear - np.logaddexp(0.0, linear), axis=1)
    return np.asarray(likelihood - 0.5 * np.sum(of.precisions * (values - of.means) ** 2, axis=1))


def quantiles(values: Floats, weights: Floats, at: Sequence[float]) -> tuple[float, ...]:
    """Weighted quantiles, between draws by their middle weights."""
    order = np.argsort(values, kind="stable")
    ranked, share = values[order], weights[order]
    return tuple(float(each) for each in np.interp(at, np.cumsum(share) - 0.5 * share, ranked))


def _chance(linear: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(linear, -30.0, 30.0))))
