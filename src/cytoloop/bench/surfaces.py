"""Surfaces: response surfaces drawn by seed, of the kind that bioprocesses have, and priors that are wrong about them.

A surface is a product over its factors of saturating (Monod), inhibited (Haldane) or bell-shaped responses, each
raised to a strength that is drawn (few factors matter much), whose optimum shifts with other factors. Ranges differ
by orders of magnitude. The optimiser is developed on other seeds than it is measured on (`DEVELOPMENT`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import qmc

from cytoloop.feedback.optimise.prior import ArrayPrior

Floats: TypeAlias = NDArray[np.float64]
Function: TypeAlias = Callable[[Floats], Floats]
"""Values (m,) at points of the unit cube (m, d)."""

DEVELOPMENT = 10_000
"""Seeds from here on are for development; the benchmark draws below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A true response, to be maximised, and what is known of it."""

    name: str
    ranges: Mapping[str, tuple[float, float]] = field(hash=False)
    truth: Function
    top: float
    """Greatest true value."""
    centre: float
    """True value at the centre of the ranges: the recipe in force."""
    noise: float
    """Standard deviation of one observation, as a share of the value (or of `spread`)."""
    spread: float = 0.0
    """Where above 0 the noise is a share of this instead of the value."""

    def cube(self, parameters: Mapping[str, float]) -> Floats:
        """Parameters in the unit cube, shape (1, d)."""
        return np.array([[(parameters[name] - low) / (high - low) for name, (low, high) in self.ranges.items()]])

    def true(self, parameters: Mapping[str, float]) -> float:
        """The noiseless value."""
        return float(self.truth(self.cube(parameters))[0])

    def seen(self, parameters: Mapping[str, float], generator: np.random.Generator) -> float:
        """One observation."""
        value = self.true(parameters)
        return value + self.noise * (self.spread or abs(value)) * float(generator.standard_normal())

    def share(self, value: float) -> float:
        """Of the optimum."""
        return value / self.top

    def gain(self, value: float) -> float:
        """Of the way from the centre to the optimum."""
        return (value - self.centre) / (self.top - self.centre)


Kind: TypeAlias = Literal["monod", "haldane", "bell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Parameters of a surface; arrays (d,), `pull` (d, d)."""

    kinds: tuple[Kind, ...]
    peak: Floats
    width: Floats
    strength: Floats
    pull: Floats
    """How far the response of a factor is shifted by another off its centre."""


def valued(shape: Shape, amplitude: float) -> Function:
    """The surface of a shape."""

    def function(cube: Floats) -> Floats:
        x = np.clip(cube, 0.0, 1.0) + (cube - 0.5) @ shape.pull.T
        total = np.zeros(len(cube))
        for place, kind in enumerate(shape.kinds):
            total += shape.strength[place] * _response(kind, x[:, place], shape.peak[place], shape.width[place])
        return np.asarray(amplitude * np.exp(total))

    return function


def _response(kind: Kind, x: Floats, peak: float, width: float) -> Floats:
    """Logarithm of a response that is 1 at most."""
    if kind == "bell":
        return np.asarray(-0.5 * ((x - peak) / width) ** 2)
    dose = np.maximum(x + 0.1, 0.01)
    half = 0.5 * width
    if kind == "monod":
        return np.asarray(np.log(dose / (half + dose) * (half + 1.1) / 1.1))
    best = max(peak + 0.1, 0.05)
    ratio = best / (2.0 * half + best)  # S / (K + S + S^2 / Ki) with its peak at sqrt(K Ki) = best
    return np.asarray(
        np.log(dose / (half + dose + half * (dose / best) ** 2) / ratio * (2.0 * half + best) / best * ratio)
    )


def drawn(seed: int, d: int) -> Surface:
    """One surface of the family, with its optimum."""
    generator = np.random.default_rng([seed, d])
    shape = _shape(generator, d)
    amplitude = float(10.0 ** generator.uniform(-2.0, 4.0))
    truth = valued(shape, amplitude)
    lows = 10.0 ** generator.uniform(-2.0, 3.0, d)
    widths = lows * generator.uniform(0.3, 5.0, d)
    ranges = {f"f{k + 1}": (float(lows[k]), float(lows[k] + widths[k])) for k in range(d)}
    return Surface(
        name=f"culture, {d} factors", ranges=ranges, truth=truth, top=top_of(truth, d),
        centre=float(truth(np.full((1, d), 0.5))[0]), noise=0.03,
    )  # fmt: skip


def _shape(generator: np.random.Generator, d: int) -> Shape:
    names: tuple[Kind, ...] = ("monod", "haldane", "bell")
    kinds = [names[k] for k in generator.choice(3, d, p=[0.25, 0.35, 0.4])]
    strength = np.sort(generator.gamma(1.0, 1.0, d))[::-1]
    pull = np.where(generator.random((d, d)) < 1.5 / d, generator.normal(0.0, 0.3, (d, d)), 0.0)
    np.fill_diagonal(pull, 0.0)
    return Shape(
        kinds=tuple(kinds),
        peak=generator.uniform(0.05, 0.95, d),
        width=generator.uniform(0.25, 0.6, d),
        strength=generator.permutation(strength / strength.mean() * 4.0 / d),
        pull=pull,
    )


def misplaced(seed: int, d: int) -> Function:
    """A prior of another structure: bells only, no interaction, optima off by a tenth of the range (one sd), widths and
    strengths off by a third, the level off by a fifth."""
    generator = np.random.default_rng([seed, d])
    shape = _shape(generator, d)
    wrong = np.random.default_rng([seed, d, 1])
    peaks = np.where(np.array(shape.kinds) == "monod", 1.0, shape.peak) + wrong.normal(0.0, 0.1, d)
    bells: list[Kind] = ["bell"] * d
    off = Shape(
        kinds=tuple(bells),
        peak=peaks,
        width=shape.width * np.exp(wrong.normal(0.0, 0.33, d)) * 1.3,
        strength=shape.strength * np.exp(wrong.normal(0.0, 0.33, d)),
        pull=np.zeros((d, d)),
    )
    amplitude = drawn(seed, d).top * math.exp(wrong.normal(0.0, 0.2))
    return valued(off, amplitude)


def fitted(truth: Function, d: int, seed: int, count: int = 0) -> Function:
    """A prior of another structure: a quadratic without interactions, fitted by ridge to few noisy points."""
    generator = np.random.default_rng([seed, d, 2])
    count = count or 2 * d
    points = qmc.LatinHypercube(d, rng=generator).random(count)
    values = truth(points) * (1.0 + 0.05 * generator.standard_normal(count))
    return quadratic(points, values)


def quadratic(points: Floats, values: Floats) -> Function:
    """A quadratic in each factor without interactions, through values at points of the unit cube, by ridge."""
    middle = values.mean()
    columns = _quadratic(points)
    ridge = 0.3 * np.eye(columns.shape[1])
    weights = np.linalg.solve(columns.T @ columns + ridge, columns.T @ (values - middle))
    return lambda cube: np.asarray(middle + _quadratic(cube) @ weights)


def _quadratic(cube: Floats) -> Floats:
    return np.hstack([2.0 * cube - 1.0, (2.0 * cube - 1.0) ** 2 - 1.0 / 3.0])


def top_of(function: Function, d: int, starts: int = 8) -> float:
    """Greatest value over the unit cube, by many starts."""
    points = qmc.Sobol(d, rng=np.random.default_rng(0)).random(1024)
    values = function(points)
    order = np.argsort(-values)[:starts]
    scale = float(np.abs(values).max())
    found = [
        minimize(lambda x: -function(x[None, :])[0] / scale, points[k], bounds=[(0.0, 1.0)] * d, method="L-BFGS-B")
        for k in order
    ]
    return max(-scale * float(each.fun) for each in found)


def as_prior(function: Function, surface: Surface, name: str) -> ArrayPrior:
    """A function of the unit cube as the prior of a campaign over a surface."""
    low, high = np.array(list(surface.ranges.values())).T

    def said(parameters: dict[str, Floats]) -> dict[str, Floats | tuple[Floats, Floats]]:
        points = np.array([parameters[each] for each in surface.ranges]).T
        return {name: function((points - low) / (high - low))}

    return ArrayPrior(function=said)


def flipped(truth: Function, d: int) -> Function:
    """An adversarial prior: the truth with its sign turned, over the same range."""
    middle = 2.0 * float(np.median(truth(qmc.Sobol(d, rng=np.random.default_rng(0)).random(256))))
    return lambda cube: np.asarray(middle - truth(cube))


def opposite(truth: Function, d: int) -> Function:
    """An adversarial prior: the truth mirrored, its optimum in the opposite corner."""
    return lambda cube: truth(1.0 - np.asarray(cube))


def classic(name: str, seed: int) -> Surface:
    """A classic test function as a surface: "hartmann" in 6, "ackley" in 10 factors, moved by the seed."""
    d = {"hartmann": 6, "ackley": 10}[name]
    truth = hartmann() if name == "hartmann" else ackley(np.random.default_rng([seed, 6]).uniform(0.2, 0.8, d))
    return Surface(
        name=name, ranges={f"f{k + 1}": (0.0, 1.0) for k in range(d)}, truth=truth, top=top_of(truth, d, 40),
        centre=float(truth(np.full((1, d), 0.5))[0]), noise=0.03,
    )  # fmt: skip


def ackley(at: Floats) -> Function:
    """Ackley's function upside down, smoothed to one hill with ripples, its top of 1 at `at` (Ackley 1987)."""

    def function(cube: Floats) -> Floats:
        gap = 4.0 * (cube - at)
        hill = np.exp(-0.2 * np.sqrt((gap**2).mean(axis=1)))
        ripple = np.exp(np.cos(2.0 * np.pi * gap).mean(axis=1)) / math.e
        return np.asarray(0.9 * hill + 0.1 * ripple)

    return function


def hartmann() -> Function:
    """Hartmann's function in six dimensions, negated (Dixon & Szegö 1978); its maximum is 3.32237."""
    a = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    p = 1e-4 * np.array([
        [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
    ])  # fmt: skip
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    return lambda cube: np.asarray((alpha * np.exp(-((cube[:, None, :] - p) ** 2 * a).sum(axis=2))).sum(axis=1))
