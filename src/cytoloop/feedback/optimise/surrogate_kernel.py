"""Compiled arithmetic of the surrogate: its evidence with gradient, and its predictions.

Covariance of two experiments i, j, coordinates x scaled by length scales l, features f in blocks b:

    K_ij = s m(r_ij) (1 + e [same site]) + sum_b v_b B_b,ij + n [i = j],   r_ij^2 = sum_k (x_ik - x_jk)^2 / l_k^2
    m(r) = (1 + sqrt5 r + 5 r^2 / 3) exp(-sqrt5 r)                 Matern 5/2: Rasmussen & Williams 2006, eq. 4.17
    B_b  = inner products of the features of block b               Bayesian linear trend: the same, section 2.7

Hyperparameters are logarithms, in the order [l_1..l_D, s, n, e, v_1..v_C], each with a normal prior.
"""

from collections.abc import Callable
from math import exp, log, pi, sqrt
from typing import Any

import numpy as np
from numba import njit


def _factorised_plain(k: Any, lower: Any, inverse: Any) -> float:
    """Cholesky factor and inverse of `k`; gives half its log determinant, or infinity when it is not definite."""
    n = k.shape[0]
    half = 0.0
    for i in range(n):
        for j in range(i + 1):
            total = k[i, j]
            for m in range(j):
                total -= lower[i, m] * lower[j, m]
            if i == j:
                if not total > 0.0:
                    return np.inf
                lower[i, i] = sqrt(total)
                half += log(lower[i, i])
            else:
                lower[i, j] = total / lower[j, j]
    columns = np.zeros((n, n))  # row c holds column c of the inverse factor
    for c in range(n):
        columns[c, c] = 1.0 / lower[c, c]
        for i in range(c + 1, n):
            total = 0.0
            for m in range(c, i):
                total += lower[i, m] * columns[c, m]
            columns[c, i] = -total / lower[i, i]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for m in range(i, n):
                total += columns[i, m] * columns[j, m]
            inverse[i, j] = total
            inverse[j, i] = total
    return half


_factorised: Callable[..., Any] = njit(cache=True, fastmath={"reassoc", "contract"})(_factorised_plain)


def _evidence_plain(  # noqa: PLR0917  (compiled code takes its arguments by place)
    theta: Any, x: Any, blocks: Any, same: Any, y: Any, centre: Any, spread: Any, out: Any
) -> float:
    """Minus log evidence and minus log prior of the hyperparameters; gradient into `out`.

    Shapes: theta, centre, spread, out (D + 3 + C,), x (n, D), blocks (C, n, n), same (n, n), y (n,).
    """
    n, d = x.shape
    c = blocks.shape[0]
    weights = np.empty(d)
    for m in range(d):
        weights[m] = exp(-2.0 * theta[m])
    s, noise, dev = exp(theta[d]), exp(theta[d + 1]), exp(theta[d + 2])
    trends = np.exp(theta[d + 3 :])
    k, slope, base = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            square = 0.0
            for m in range(d):
                gap = x[i, m] - x[j, m]
                square += gap * gap * weights[m]
            r = sqrt(5.0 * square)
            decay = s * exp(-r)
            near = 1.0 + dev * same[i, j]
            base[i, j] = decay * (1.0 + r + r * r / 3.0)
            slope[i, j] = decay * (1.0 + r) * (5.0 / 3.0) * near
            total = base[i, j] * near
            for b in range(c):
                total += trends[b] * blocks[b, i, j]
            k[i, j] = total
            k[j, i] = total
        k[i, i] += noise
    lower, inverse = np.empty((n, n)), np.empty((n, n))
    value = _factorised(k, lower, inverse)
    for p in range(theta.shape[0]):
        out[p] = 0.0
    if value == np.inf:
        return 1e25
    alpha = np.zeros(n)
    for i in range(n):
        for j in range(n):
            alpha[i] += inverse[i, j] * y[j]
    for i in range(n):
        value += 0.5 * y[i] * alpha[i] + 0.5 * log(2.0 * pi)
    for i in range(n):
        for j in range(i + 1):
            w = inverse[i, j] - alpha[i] * alpha[j]
            if i == j:
                w *= 0.5
                out[d + 1] += w * noise
            steep = w * slope[i, j]
            for m in range(d):
                gap = x[i, m] - x[j, m]
                out[m] += steep * gap * gap
            out[d] += w * base[i, j] * (1.0 + dev * same[i, j])
            out[d + 2] += w * base[i, j] * dev * same[i, j]
            for b in range(c):
                out[d + 3 + b] += w * trends[b] * blocks[b, i, j]
    for m in range(d):
        out[m] *= weights[m]
    for p in range(theta.shape[0]):
        if spread[p] > 0.0:
            z = (theta[p] - centre[p]) / spread[p]
            value += 0.5 * z * z
            out[p] += z / spread[p]
        else:
            out[p] = 0.0
    return float(value)


evidence: Callable[..., float] = njit(cache=True, fastmath={"reassoc", "contract"})(_evidence_plain)


def _predict_plain(  # noqa: PLR0917  (compiled code takes its arguments by place)
    u: Any, x: Any, theta: Any, own: Any, trend: Any, trend_own: Any, inverse: Any, alpha: Any
) -> Any:
    """Mean and variance of the noiseless value at `u` (m, D).

    `own` (n,) says which experiments are of this site, `trend` (m, n) and `trend_own` (m,) are the blocks' part.
    """
    m_count, d = u.shape
    n = x.shape[0]
    mean, variance = np.empty(m_count), np.empty(m_count)
    weights = np.empty(d)
    for m in range(d):
        weights[m] = exp(-2.0 * theta[m])
    s, dev = exp(theta[d]), exp(theta[d + 2])
    k = np.empty(n)
    for p in range(m_count):
        total = 0.0
        for i in range(n):
            square = 0.0
            for m in range(d):
                gap = u[p, m] - x[i, m]
                square += gap * gap * weights[m]
            r = sqrt(5.0 * square)
            k[i] = s * exp(-r) * (1.0 + r + r * r / 3.0) * (1.0 + dev * own[i]) + trend[p, i]
            total += k[i] * alpha[i]
        mean[p] = total
        explained = 0.0
        for i in range(n):
            part = 0.0
            for j in range(n):
                part += inverse[i, j] * k[j]
            explained += k[i] * part
        variance[p] = max(s * (1.0 + dev) + trend_own[p] - explained, 1e-12)
    return mean, variance


predict: Callable[..., Any] = njit(cache=True, fastmath={"reassoc", "contract"})(_predict_plain)


def _inverse_plain(theta: Any, x: Any, blocks: Any, same: Any, inverse: Any) -> float:
    """Inverse of the covariance at given hyperparameters; infinity when it is not definite."""
    n, d = x.shape
    k, lower = np.empty((n, n)), np.empty((n, n))
    s, noise, dev = exp(theta[d]), exp(theta[d + 1]), exp(theta[d + 2])
    for i in range(n):
        for j in range(i + 1):
            square = 0.0
            for m in range(d):
                gap = (x[i, m] - x[j, m]) * exp(-theta[m])
                square += gap * gap
            r = sqrt(5.0 * square)
            total = s * exp(-r) * (1.0 + r + r * r / 3.0) * (1.0 + dev * same[i, j])
            for b in range(blocks.shape[0]):
                total += exp(theta[d + 3 + b]) * blocks[b, i, j]
            k[i, j] = total
            k[j, i] = total
        k[i, i] += noise
    half: float = _factorised(k, lower, inverse)
    return half


inverted: Callable[..., float] = njit(cache=True, fastmath={"reassoc", "contract"})(_inverse_plain)
