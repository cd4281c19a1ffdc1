"""Mixing: whether chains of draws agree, and how many independent draws they are worth.

Gelman et al., Bayesian Data Analysis 3rd ed., 11.4 (split R-hat) and 11.5 (effective sample size by Geyer's initial
positive sequence).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def split_rhat(draws: Floats) -> float:
    """Split R-hat of `draws`, shape (chains, draws); infinite when a chain never moved and chains differ."""
    half = draws.shape[1] // 2
    parts = np.concatenate([draws[:, :half], draws[:, half : 2 * half]])
    within, between = float(parts.var(axis=1, ddof=1).mean()), float(half * parts.mean(axis=1).var(ddof=1))
    if within == 0.0:
        return 1.0 if between == 0.0 else float("inf")
    return float(np.sqrt(((half - 1) / half * within + between / half) / within))


def effective(draws: Floats) -> float:
    """Effective sample size of `draws`, shape (chains, draws)."""
    chains, count = draws.shape
    inside = draws - draws.mean(axis=1, keepdims=True)
    size = 1 << (2 * count - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(inside, size, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=1)[:, :count].mean(axis=0) / count
    total = covariance[0] + float(draws.mean(axis=1).var(ddof=1) if chains > 1 else 0.0)
    if total <= 0.0:
        return float(chains * count)
    correlation = 1.0 - (covariance[0] - covariance) / total
    pairs = correlation[: 2 * (count // 2)].reshape(-1, 2).sum(axis=1)
    last = int(np.argmax(pairs <= 0.0)) if np.any(pairs <= 0.0) else len(pairs)
    return float(chains * count / max(2.0 * np.minimum.accumulate(pairs[:last]).sum() - 1.0, 1.0 / count))
