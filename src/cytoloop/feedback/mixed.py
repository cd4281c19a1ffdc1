"""Mixed: linear mixed model of log counts with a few donors, and its forecast of a donor it has not seen.

log count = x . b(donor) + e,  b ~ normal(m, diag(s^2)),  e ~ normal(0, sigma^2)

fitted by EM with weak prior counts on the spreads (Laird & Ware 1982, Biometrics 38:963; Gelman et al., Bayesian
Data Analysis 3rd ed., ch. 15). With four to six donors the spreads are themselves uncertain: intervals are Student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import t as student

from cytoloop.feedback.culture import Floats

PRIOR_DONORS = 2.0
"""Donors that the spreads assumed beforehand count for."""
_ROUNDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The counts of one donor."""

    donor: str
    design: Floats
    """Shape (counts, coefficients)."""
    logs: Floats
    """Natural logarithm of 1e6 cells/mL, shape (counts,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """A fitted model."""

    mean: Floats = field(hash=False)
    spread: Floats = field(hash=False)
    """Between donors, standard deviations."""
    noise: float
    """Standard deviation of one log count: technical repeat and replicate together."""
    donors: int


def fit_mixed(groups: Sequence[Group], assumed: Floats, noise: float = 0.15) -> Mixed:
    """The model of `groups`; `assumed` are the spreads believed beforehand, shape (coefficients,)."""
    mean = np.mean([np.linalg.lstsq(group.design, group.logs, rcond=None)[0] for group in groups], axis=0)
    spread, total = assumed.copy(), sum(len(group.logs) for group in groups)
    for _ in range(_ROUNDS):
        told = [_posterior(group, mean, spread, noise) for group in groups]
        points = np.array([point for point, _ in told])
        mean = points.mean(axis=0)
        scatter = sum((point - mean) ** 2 + np.diag(covariance) for point, covariance in told)
        spread = np.sqrt((scatter + PRIOR_DONORS * assumed**2) / (len(groups) + PRIOR_DONORS))
        squares = sum(
            float(np.sum((group.logs - group.design @ point) ** 2))
            + float(np.trace(group.design @ covariance @ group.design.T))
            for group, (point, covariance) in zip(groups, told, strict=True)
        )
        noise = float(np.sqrt(squares / total))
    return Mixed(mean=mean, spread=spread, noise=noise, donors=len(groups))


def foretell(model: Mixed, design: Floats, seen: Group | None = None) -> tuple[Floats, Floats, Floats]:
    """Median, low and high (90 %) of single counts of a new donor, on the log scale; after `seen`, if any."""
    mean = model.mean
    covariance = np.diag(model.spread**2 * (1.0 + 1.0 / model.donors))
    if seen is not None and len(seen.logs):
        marginal = seen.design @ covariance @ seen.design.T + model.noise**2 * np.eye(len(seen.logs))
        gain = np.linalg.solve(marginal, seen.design @ covariance).T
        mean = mean + gain @ (seen.logs - seen.design @ mean)
        covariance = covariance - gain @ seen.design @ covariance
    middle = design @ mean
    width = np.sqrt(np.einsum("ij,jk,ik->i", design, covariance, design) + model.noise**2)
    reach = float(student.ppf(0.95, model.donors + PRIOR_DONORS)) * width
    return middle, middle - reach, middle + reach


def log_evidence(groups: Sequence[Group], model: Mixed) -> float:
    """Log marginal likelihood of `groups` under `model`, to choose between designs."""
    total = 0.0
    for group in groups:
        residual = group.logs - group.design @ model.mean
        covariance = group.design @ np.diag(model.spread**2) @ group.design.T
        covariance += model.noise**2 * np.eye(len(residual))
        _, logdet = np.linalg.slogdet(covariance)
        total -= 0.5 * (float(logdet) + float(residual @ np.linalg.solve(covariance, residual)))
    return total


def _posterior(group: Group, mean: Floats, spread: Floats, noise: float) -> tuple[Floats, Floats]:
    covariance = np.linalg.inv(group.design.T @ group.design / noise**2 + np.diag(1.0 / spread**2))
    point = covariance @ (group.design.T @ group.logs / noise**2 + mean / spread**2)
    return np.asarray(point), np.asarray(covariance)
