"""Residual fit: amplitudes, weights and spreads of `residual` from forecasts of donors left out in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cytoloop.feedback.residual import FEATURES, PLAIN, REACH_COUNT, READ, STATE, Floats, Residual, design

_AMPLITUDES = {"level": 0.25, "slope": 0.25, "constant": 0.3, "offset": 0.3}
"""Prior amplitude of a weight: of misfits per unit; of the others, per standard unit and day, as a share of the
drift's spread believed beforehand (_AMPLITUDE where none is named)."""
_AMPLITUDE = 0.1
_GROUPS = (("constant", "offset"), ("level", "slope"), STATE, READ)
_SPREAD, _MOMENT = 0.1, 0.15
"""Prior of b [1/d] and c [1/sqrt(d)], as shares of that spread: equations are never quite right."""
_BELIEVED, _BELIEFS = np.array([0.0, 0.0, 0.0, 0.0, 1.4]), np.array([0.5, 0.5, 0.5, 0.15, 1.0])
"""Priors of the logs of a, b, c and n, the measurement's error over the one stated, and of the logit of what forecasts
made at different hours have in common: mean and standard deviation."""
_NUGGET = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """One forecast of a donor left out, against what came."""

    donor: int
    days: float
    error: float
    """Observed less expected, on the attribute's log or logit scale."""
    posterior: float
    """Standard deviation the twin expected of it."""
    noise: float
    """Standard deviation of the measurement it was held against, same scale."""
    moment: float
    """h of the measurement."""
    weights: Mapping[float, float] = field(hash=False)
    """h of a measurement -> its share in what the forecast is held against (`hindsight`): forecasts that are held
    against the same ones share their errors. `noise` is that of each."""
    features: Floats = field(hash=False)
    """In the order of FEATURES, raw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the residual of the other donors says of one miss, without the measurement."""

    mean: float
    sd: float
    """Reach of the other donors included."""
    freedom: float


def fit_residual(misses: Sequence[Miss], typical: float) -> tuple[Residual, tuple[Judged, ...]] | None:
    """The residual that `misses` teach, and each miss judged by the other donors; None with fewer than three.

    `typical` is the spread of such errors per square root of a day that is believed beforehand, the scale
    of all priors.
    """
    donors = np.array([miss.donor for miss in misses])
    if len(np.unique(donors)) < 3:
        return None
    raw = np.array([miss.features for miss in misses])
    centre, scale = _scales(raw)
    blocks = _blocks(misses, (raw - centre) / scale, typical)
    sizes = _most_likely(blocks)
    fit = _fit(blocks, sizes)
    squares = fit.squares(blocks)
    taught = Residual(
        centre=centre, scale=scale, weights=fit.weights, covariance=fit.covariance, posterior=float(sizes[-5]),
        spread=_SPREAD * typical * float(sizes[-4]), moment=_MOMENT * typical * float(sizes[-3]), reach=_reach(squares),
        donors=float(len(squares)),
    )  # fmt: skip
    return taught, _judged(misses, blocks, fit, taught.freedom - 1.0)


def _scales(raw: Floats) -> tuple[Floats, Floats]:
    """Centre and scale of the features; misfits are already on the scale of errors."""
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    plain = [FEATURES.index(name) for name in PLAIN]
    centre[plain], scale[plain] = 0.0, 1.0
    return centre, np.maximum(scale, 1e-6 * (1.0 + np.abs(centre)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """The misses of each donor, padded: shape (donors, most misses, ...)."""

    donors: tuple[int, ...]
    places: NDArray[np.intp]
    """Of each miss in the whole list; -1: none."""
    design: Floats
    errors: Floats
    posterior: Floats
    days: Floats
    known: Floats
    """Covariance of the measurements, as stated."""
    same: NDArray[np.bool_]
    """Forecasts held against the same measurement."""
    together: NDArray[np.bool_]
    """Forecasts made at the same hour."""
    there: Floats
    """1 where there is a miss, 0 else."""
    typical: float
    """Scale of the priors."""


def _blocks(misses: Sequence[Miss], features: Floats, typical: float) -> _Blocks:
    donors = sorted({miss.donor for miss in misses})
    mine = [[place for place, miss in enumerate(misses) if miss.donor == donor] for donor in donors]
    shape = (len(donors), max(map(len, mine)))
    places = np.full(shape, -1)
    for row, found in enumerate(mine):
        places[row, : len(found)] = found
    there = (places >= 0).astype(np.float64)

    def padded(values: Sequence[float]) -> Floats:
        return np.asarray(np.array(values)[places] * there)

    days, noise = padded([miss.days for miss in misses]), padded([miss.noise for miss in misses])
    moments = padded([miss.moment for miss in misses])
    same = np.abs(moments[:, :, None] - moments[:, None, :]) < 0.25
    shares = _shares(misses)[places] * there[:, :, None]
    known = np.einsum("dih,djh->dij", shares, shares) * noise[:, :, None] * noise[:, None, :]
    origins = moments - 24.0 * days
    rows = design(features, np.array([miss.days for miss in misses]))[places] * there[:, :, None]
    return _Blocks(
        donors=tuple(donors), places=places, design=rows, errors=padded([miss.error for miss in misses]),
        posterior=padded([miss.posterior for miss in misses]), days=days, there=there, typical=typical, same=same,
        together=np.abs(origins[:, :, None] - origins[:, None, :]) < 0.25,
        known=known,
    )  # fmt: skip


def _shares(misses: Sequence[Miss]) -> Floats:
    """Share of each hour's measurement in what a forecast is held against, shape (misses, hours)."""
    hours = sorted({hour for miss in misses for hour in miss.weights})
    return np.array([[miss.weights.get(hour, 0.0) for hour in hours] for miss in misses])


def _amplitudes(groups: Floats, typical: float) -> Floats:
    """Prior standard deviation of each weight."""
    out = np.empty(len(FEATURES))
    for size, names in zip(groups, _GROUPS, strict=True):
        for name in names:
            share = _AMPLITUDES.get(name, _AMPLITUDE) * (1.0 if name in ("level", "slope") else typical)
            out[FEATURES.index(name)] = max(size, 1e-4) * share
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """The weights at given sizes, with all donors and without each."""

    weights: Floats
    covariance: Floats
    evidence: float
    """Log marginal likelihood, less a constant."""
    means: Floats
    """Of each miss, by the other donors; shape of the blocks."""
    variances: Floats
    """Beyond the measurement."""
    noise: Floats
    """Variance of the measurement."""

    def squares(self, blocks: _Blocks) -> list[float]:
        """Mean square of each donor's errors over what the other donors expected."""
        ratio = blocks.there * (blocks.errors - self.means) ** 2 / (self.variances + self.noise)
        return [float(row) for row in ratio.sum(axis=1) / blocks.there.sum(axis=1)]


def _fit(blocks: _Blocks, sizes: Floats) -> _Fit:
    """Bayesian linear regression with block covariance (Rasmussen & Williams 2006, eq. 2.8)."""
    prior = _amplitudes(sizes[: len(_GROUPS)], blocks.typical)
    remainder = _remainder(blocks, sizes)
    root = np.linalg.cholesky(remainder)
    phi = np.linalg.solve(root, blocks.design * prior)
    told = np.linalg.solve(root, blocks.errors[:, :, None])[:, :, 0]
    each, pulls = np.einsum("dmi,dmj->dij", phi, phi), np.einsum("dmi,dm->di", phi, told)
    precision, pull = np.eye(len(prior)) + each.sum(axis=0), pulls.sum(axis=0)
    mean = np.linalg.solve(precision, pull)
    evidence = 0.5 * (pull @ mean - (told**2).sum() - np.linalg.slogdet(precision)[1])
    evidence -= float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum())
    without = np.linalg.inv(precision - each)
    means = np.einsum("dmi,dij,dj->dm", blocks.design * prior, without, pull - pulls)
    noise = np.diagonal(_measured(blocks, float(sizes[-2])), axis1=1, axis2=2)
    wide = np.einsum("dmi,dij,dmj->dm", blocks.design * prior, without, blocks.design * prior)
    return _Fit(
        weights=prior * mean, covariance=np.linalg.inv(precision) * np.outer(prior, prior), evidence=float(evidence),
        means=means, variances=wide + np.diagonal(remainder, axis1=1, axis2=2) - noise, noise=noise,
    )  # fmt: skip


def _measured(blocks: _Blocks, size: float) -> Floats:
    """Covariance of the measurements that the forecasts were held against, `size` times the error stated."""
    spare = np.eye(blocks.days.shape[1])
    return np.asarray(size**2 * blocks.known + (_NUGGET + 1.0 - blocks.there)[:, :, None] * spare)


def _remainder(blocks: _Blocks, sizes: Floats) -> Floats:
    """Covariance of each donor's errors that no feature explains."""
    a, b, c, n, common = sizes[len(_GROUPS) :]
    rows, days = a * blocks.posterior, b * _SPREAD * blocks.typical * blocks.days
    shared = rows[:, :, None] * rows[:, None, :] + days[:, :, None] * days[:, None, :]
    moment = c * _MOMENT * blocks.typical * np.sqrt(blocks.days)
    alone = moment[:, :, None] * moment[:, None, :]
    return np.asarray(_measured(blocks, n) + np.where(blocks.together, 1.0, common) * shared + blocks.same * alone)


def _most_likely(blocks: _Blocks) -> Floats:
    """Sizes relative to their prior (groups of features, a, b, c, n, in common), maximum a posteriori."""

    def sized(logs: Floats) -> Floats:
        return np.append(np.exp(logs[:-1]), 1.0 / (1.0 + np.exp(-logs[-1])))

    def cost(logs: Floats) -> float:
        # Half-normal on the sizes of groups, in the log of them; a, b, c and n are believed to be about 1.
        beliefs = 0.5 * np.exp(2.0 * logs) - logs
        beliefs[len(_GROUPS) :] = 0.5 * ((logs[len(_GROUPS) :] - _BELIEVED) / _BELIEFS) ** 2
        return float(beliefs.sum()) - _fit(blocks, sized(logs)).evidence

    begin = np.concatenate([np.full(len(_GROUPS), -0.7), _BELIEVED])
    found = minimize(cost, begin, method="L-BFGS-B", bounds=[(-3.0, 1.0)] * (len(begin) - 1) + [(-3.0, 5.0)],
                     options={"maxiter": 15, "ftol": 1e-5})  # fmt: skip
    return sized(found.x)


def _judged(misses: Sequence[Miss], blocks: _Blocks, fit: _Fit, freedom: float) -> tuple[Judged, ...]:
    squares = fit.squares(blocks)
    reaches = [_reach([*squares[:row], *squares[row + 1 :]]) for row in range(len(squares))]
    found = {
        int(place): Judged(
            mean=float(fit.means[row, column]),
            sd=reaches[row] * float(np.sqrt(fit.variances[row, column])),
            freedom=freedom,
        )
        for (row, column), place in np.ndenumerate(blocks.places)
        if place >= 0
    }
    return tuple(found[place] for place in range(len(misses)))


def _reach(squares: Sequence[float]) -> float:
    """How much further than expected donors left out were missed; shrunken to 1."""
    return float(np.sqrt((sum(squares) + REACH_COUNT) / (len(squares) + REACH_COUNT)))
