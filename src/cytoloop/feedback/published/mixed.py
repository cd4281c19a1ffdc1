"""Mixed: linear mixed model of log counts with a few donors, and its forecast of a donor it has not seen.

log count = x . b(donor) + e,  b ~ normal(m, diag(s^2)),  e ~ normal(0, sigma^2)

fitted by EM with weak prior counts on the spreads (Laird & Ware 1982, Biometrics 38:963; Gelman et al., Bayesian
Data Analysis 3rd ed., ch. 15). With four to six donors the spreads are themselves uncertain: intervals are Student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtrit

from cytoloop.feedback.culture import Floats

PRIOR_DONORS = 2.0
"""Donors that the spreads assumed beforehand count for."""
_ROUNDS = 60
_SWEEPS = 150


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
    reach = float(stdtrit(model.donors + PRIOR_DONORS, 0.95)) * width
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedDraws:
    """Posterior draws of a model: what `Mixed` is, with all of its doubt. Shape (draws, coefficients) or (draws,)."""

    mean: Floats = field(hash=False)
    spread: Floats = field(hash=False)
    noise: Floats = field(hash=False)


def draw_mixed(
    groups: Sequence[Group], model: Mixed, assumed: Floats, generator: np.random.Generator, *, chains: int = 16
) -> MixedDraws:
    """Posterior draws by Gibbs sampling, begun at `model` (Gelman et al., ch. 15.3): flat mean, spreads and noise with
    the weight of PRIOR_DONORS, `chains` side by side, the first third of the sweeps thrown away."""
    size = len(model.mean)
    mean, spread = np.tile(model.mean, (chains, 1)), np.tile(model.spread, (chains, 1))
    noise = np.full(chains, model.noise)
    total, kept = sum(len(group.logs) for group in groups), []
    for sweep in range(_SWEEPS):
        points = np.stack([_drawn(group, mean, spread, noise, generator) for group in groups], axis=1)
        mean = points.mean(axis=1) + spread / np.sqrt(len(groups)) * generator.standard_normal((chains, size))
        scatter = ((points - mean[:, None]) ** 2).sum(axis=1) + PRIOR_DONORS * assumed**2
        spread = np.sqrt(scatter / generator.chisquare(PRIOR_DONORS + len(groups), (chains, size)))
        squares = PRIOR_DONORS * model.noise**2 + sum(
            ((group.logs - points[:, place] @ group.design.T) ** 2).sum(axis=1) for place, group in enumerate(groups)
        )
        noise = np.sqrt(squares / generator.chisquare(PRIOR_DONORS + total, chains))
        if sweep >= _SWEEPS // 3:
            kept.append((mean, spread, noise))
    means, spreads, noises = (np.concatenate([row[part] for row in kept]) for part in range(3))
    return MixedDraws(mean=means, spread=spreads, noise=noises)


def foretell_by_draws(
    draws: MixedDraws, design: Floats, generator: np.random.Generator, seen: Group | None = None
) -> tuple[Floats, Floats, Floats]:
    """As `foretell`, from posterior draws."""
    if seen is None:
        points = draws.mean + draws.spread * generator.standard_normal(draws.mean.shape)
    else:
        points = _drawn(seen, draws.mean, draws.spread, draws.noise, generator)
    told = points @ design.T + draws.noise[:, None] * generator.standard_normal((len(points), len(design)))
    low, middle, high = np.quantile(told, (0.05, 0.5, 0.95), axis=0)
    return np.asarray(middle), np.asarray(low), np.asarray(high)


def _drawn(group: Group, mean: Floats, spread: Floats, noise: Floats, generator: np.random.Generator) -> Floats:
    """Coefficients of the group's donor, one draw for each row of `mean`."""
    precision = (group.design.T @ group.design)[None] / noise[:, None, None] ** 2
    precision = precision + np.eye(mean.shape[1]) / (spread**2)[:, None, :]
    pull = (group.logs @ group.design)[None] / noise[:, None] ** 2 + mean / spread**2
    root = np.linalg.cholesky(precision)
    middle = np.linalg.solve(precision, pull[..., None])[..., 0]
    white = generator.standard_normal(mean.shape)
    return np.asarray(middle + np.linalg.solve(np.swapaxes(root, 1, 2), white[..., None])[..., 0])
