"""Acquisition: what an experiment at each point is worth, and the search for the best point.

Expected improvement on the best expected value so far, in logarithms, so that it still points somewhere where it is
tiny (Ament et al. 2023, "Unexpected Improvements to Expected Improvement for Bayesian Optimization", NeurIPS), times
the probability that every limit holds and the experiment does not fail (Gardner et al. 2014, "Bayesian Optimization
with Inequality Constraints", ICML). The search needs no derivative of the prior: a pool that fills the space, then
clouds around the best points so far that move few factors at a time, then steps along a measured gradient.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from cytoloop.feedback.optimise.space import Floats, Space

Score = Callable[[Floats], Floats]
"""Worth (m,) of points of the unit cube (m, d)."""

_C1, _C2 = 0.5 * np.log(2.0 * np.pi), 0.5 * np.log(0.5 * np.pi)


CLOUD = 16
"""Points of a cloud around one start."""


def log_improvement(mean: Floats, sd: Floats, best: float) -> Floats:
    """Logarithm of the expected improvement over `best` (Ament et al. 2023, eq. 9)."""
    z = (mean - best) / sd
    near = np.maximum(z, -1.0)
    plain = np.log(np.exp(-0.5 * near**2 - _C1) + near * ndtr(near))
    far = np.minimum(z, -1.0)
    ratio = np.log(-far) + np.log(erfcx(-far / np.sqrt(2.0))) + _C2
    tail = -0.5 * far**2 - _C1 + np.where(ratio < -1e-12, np.log1p(-np.exp(np.minimum(ratio, -1e-12))), -27.0)
    return np.asarray(
        np.log(sd) + np.where(z > -1.0, plain, np.where(z > -1e5, tail, -0.5 * far**2 - 2.0 * np.log(-far)))
    )


def log_within(mean: Floats, sd: Floats, low: float, high: float) -> Floats:
    """Logarithm of the probability that a value lies within limits."""
    below = log_ndtr((high - mean) / sd) if np.isfinite(high) else np.zeros(len(mean))
    above = log_ndtr((mean - low) / sd) if np.isfinite(low) else np.zeros(len(mean))
    if not (np.isfinite(high) and np.isfinite(low)):
        return np.asarray(below + above)
    both = below + np.log1p(-np.minimum(np.exp(log_ndtr((low - mean) / sd) - below), 1.0 - 1e-12))
    return np.asarray(np.where(mean < low, np.minimum(above, both), both))


def mixed(parts: list[tuple[float, Floats]]) -> Floats:
    """Logarithm of the weighted mean of values given as logarithms."""
    stacked = np.array([np.log(weight) + values for weight, values in parts])
    return np.asarray(np.logaddexp.reduce(stacked, axis=0))


def search(
    score: Score,
    space: Space,
    tried: tuple[Floats, Floats],
    generator: np.random.Generator,
    effort: int = 1,
    *,
    each: int = CLOUD,
) -> Floats:
    """The best point found, shape (d,). `tried`: a pool, and seeds around which the search goes on whatever they are
    worth; it goes on around the best of both too. `each`: points of a cloud."""
    pool, seeds = tried
    points, worth = np.vstack([pool, seeds]), np.append(score(pool), score(seeds))
    for size in np.geomspace(0.25, 0.02, 3 * effort):
        starts = points[np.argsort(-worth)[: 4 * effort]]
        cloud = space.kept(_cloud(np.vstack([starts, seeds[: 2 * effort]]), float(size), each, generator))
        points, worth = np.vstack([points, cloud]), np.append(worth, score(cloud))
    best = int(np.argmax(worth))
    return _climb(score, space, points[best], float(worth[best]), 4 * effort)


def _cloud(starts: Floats, size: float, each: int, generator: np.random.Generator) -> Floats:
    """Points around each start; only some of the factors are moved (Regis & Shoemaker 2013, Eng Optim 45:529)."""
    count, d = len(starts) * each, starts.shape[1]
    moves = generator.standard_normal((count, d)) * size
    share = min(1.0, 3.0 / d + 0.15)
    chosen = generator.random((count, d)) < share
    chosen[np.arange(count), generator.integers(0, d, count)] = True
    return np.asarray(np.clip(np.repeat(starts, each, axis=0) + moves * chosen, 0.0, 1.0))


_STRIDES = np.array([0.002, 0.008, 0.03, 0.08, 0.2])


def _climb(score: Score, space: Space, point: Floats, worth: float, rounds: int) -> Floats:
    """Steps along the gradient, which is measured by small moves; stops when no stride helps."""
    d = len(point)
    for _ in range(rounds):
        nudges = np.where(point > 0.5, -1e-4, 1e-4)
        slope = (score(point + np.diag(nudges)) - worth) / nudges
        slope[((point <= 0.0) & (slope < 0.0)) | ((point >= 1.0) & (slope > 0.0))] = 0.0
        norm = float(np.sqrt(slope @ slope))
        if not norm > 0.0 or not np.isfinite(norm):
            break
        tried = space.kept(np.clip(point + _STRIDES[:, None] * np.sqrt(d) * slope / norm, 0.0, 1.0))
        found = score(tried)
        best = int(np.argmax(found))
        if not found[best] > worth + 1e-9:
            break
        point, worth = tried[best], float(found[best])
    return point
