"""Surrogate: a Gaussian process over experiments, fitted in milliseconds without any tensor framework.

Length scales have the log-normal prior that grows with the square root of the dimension (Hvarfner, Hellsten & Nardi
2024, "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML), so that twelve factors are no harder
to begin with than two. Everything is in units of `Evidence.scale`, so that a titre in cells and a yield in percent
are the same problem. The noise is estimated.
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cytoloop.feedback.optimise.surrogate_kernel import evidence, inverted, predict

Floats: TypeAlias = NDArray[np.float64]

ROUNDS = 15
"""Most iterations of the fit of the hyperparameters."""

LENGTH = math.sqrt(2.0) - 3.0
"""Mode of the logarithm of a length scale in one dimension: of the log-normal density with mean sqrt 2 and variance 3
(Hvarfner et al. 2024, eq. 7)."""

NOISE = -5.0
"""Mode of the logarithm of the noise variance, in units of the scale: log-normal with mean -4, variance 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A linear trend in the covariance: features that share one variance."""

    name: str
    width: int
    """Number of features."""
    centre: float
    """Prior of the logarithm of the variance: its mean,"""
    spread: float
    """and its standard deviation; 0 fixes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiments:
    """What the surrogate learns from; n experiments, D coordinates, q features."""

    x: Floats = field(repr=False)
    """Coordinates (n, D): factors in the unit cube, then numeric context."""
    features: Floats = field(repr=False)
    """Values (n, q) of the blocks' features, block after block."""
    sites: NDArray[np.int64] = field(repr=False)
    """Site of each experiment (n,); 0 is this campaign."""
    y: Floats = field(repr=False)
    """Values (n,), in units of the scale, less what is believed already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A surrogate with its hyperparameters."""

    blocks: tuple[Block, ...]
    experiments: Experiments
    theta: Floats = field(repr=False)
    evidence: float
    """Log evidence, with the prior of the hyperparameters at their best value."""
    inverse: Floats = field(repr=False)
    alpha: Floats = field(repr=False)

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return int(self.experiments.x.shape[1])

    @property
    def noise(self) -> float:
        """Standard deviation of one observation, in units of the scale."""
        return math.exp(0.5 * self.theta[self.dimension + 1])

    def variance(self, name: str) -> float:
        """Variance that block `name` was found to have; 0 when there is none of that name."""
        for place, block in enumerate(self.blocks):
            if block.name == name:
                return math.exp(self.theta[self.dimension + 3 + place])
        return 0.0

    def at(self, u: Floats, features: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,) of the noiseless value at coordinates (m, D) with features (m, q)."""
        known = self.experiments
        scaled = features * np.exp(_per_feature(self.blocks, self.theta[self.dimension + 3 :]))
        own = (known.sites == 0).astype(float)
        trend, alone = scaled @ known.features.T, (scaled * features).sum(axis=1)
        mean, variance = predict(
            np.ascontiguousarray(u), known.x, self.theta, own, trend, alone, self.inverse, self.alpha
        )
        return mean, np.sqrt(variance)

    def and_believed(self, x: Floats, features: Floats, y: float) -> "Fitted":
        """With one more experiment at the same hyperparameters: what a batch of suggestions takes for granted."""
        known = self.experiments
        more = Experiments(
            x=np.vstack([known.x, x]),
            features=np.vstack([known.features, features]),
            sites=np.append(known.sites, 0),
            y=np.append(known.y, y),
        )
        return settled(self.blocks, more, self.theta, self.evidence)


def fit(
    blocks: tuple[Block, ...], experiments: Experiments, amplitude: float = 1.0, near: Fitted | None = None
) -> Fitted:
    """The surrogate at the most probable hyperparameters; the same experiments always give the same.

    `amplitude` is the expected standard deviation of what the trends leave, in units of the scale. `near` is a fit of
    the same coordinates to begin at.
    """
    centre, spread = _hyperprior(blocks, experiments, amplitude)
    products = _products(blocks, experiments.features)
    same = _same(experiments.sites)
    gradient = np.empty(len(centre))

    def falling(theta: Floats) -> tuple[float, Floats]:
        value = evidence(theta, experiments.x, products, same, experiments.y, centre, spread, gradient)
        return value, gradient

    free = [(at - 6.0 * sd, at + 6.0 * sd) for at, sd in zip(centre, spread, strict=True)]
    found = minimize(
        falling,
        _begun(centre, near),
        jac=True,
        method="L-BFGS-B",
        bounds=free,
        options={"maxiter": ROUNDS, "ftol": 2e-4},
    )
    return settled(blocks, experiments, np.asarray(found.x, dtype=float), -float(found.fun))


def _begun(centre: Floats, near: Fitted | None) -> Floats:
    """Where the fit begins: the mode of the prior, or the length scales of another fit."""
    begun = centre.copy()
    if near is not None:
        begun[: near.dimension] = near.theta[: near.dimension]
    return begun


def _hyperprior(blocks: tuple[Block, ...], experiments: Experiments, amplitude: float) -> tuple[Floats, Floats]:
    """Means and standard deviations of the hyperparameters' logarithms, in the kernel's order."""
    dimension = experiments.x.shape[1]
    several = len(np.unique(experiments.sites)) > 1
    length = LENGTH + 0.5 * math.log(max(1, dimension))
    fixed = [(2.0 * math.log(amplitude), 1.0), (NOISE, 1.0), (math.log(0.1) if several else -30.0, several)]
    rest = [(block.centre, block.spread) for block in blocks]
    pairs = [(length, math.sqrt(3.0))] * dimension + [(at, float(sd)) for at, sd in fixed] + rest
    both = np.array(pairs, dtype=float)
    return both[:, 0].copy(), both[:, 1].copy()


def _per_feature(blocks: tuple[Block, ...], values: Floats) -> Floats:
    """One value for each block -> one for each feature."""
    return np.repeat(values, [block.width for block in blocks])


def _products(blocks: tuple[Block, ...], features: Floats) -> Floats:
    """Inner products of the features, block by block; shape (C, n, n)."""
    ends = np.cumsum([block.width for block in blocks])
    parts = [features[:, end - block.width : end] for block, end in zip(blocks, ends, strict=True)]
    return np.array([part @ part.T for part in parts]).reshape(len(blocks), len(features), len(features))


def _same(sites: NDArray[np.int64]) -> Floats:
    return np.asarray(sites[:, None] == sites[None, :], dtype=float)


def settled(blocks: tuple[Block, ...], experiments: Experiments, theta: Floats, value: float = 0.0) -> Fitted:
    """With the inverse that predictions need; more noise is assumed where the covariance is not definite."""
    count = len(experiments.y)
    inverse = np.empty((count, count))
    products, same = _products(blocks, experiments.features), _same(experiments.sites)
    place = experiments.x.shape[1] + 1
    while inverted(theta, experiments.x, products, same, inverse) == math.inf:
        theta = theta.copy()
        theta[place] += 2.0
    return Fitted(
        blocks=blocks,
        experiments=experiments,
        theta=theta,
        evidence=value,
        inverse=inverse,
        alpha=inverse @ experiments.y,
    )
