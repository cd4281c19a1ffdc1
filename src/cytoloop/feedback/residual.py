"""Residual: what finished batches say that the equations miss, learned from forecasts of donors left out.

The error of a forecast `d` days ahead, observed less expected on the attribute's log or logit scale, is

    e = phi(x, d) . w + a * p + b * d * u(donor) + c * sqrt(d) * v + r

with phi the features below, w ~ normal(0, amplitudes^2): a Gaussian process with a linear kernel; p the error that the
twin's own posterior expects; u, v standard normal; r the measurement's. Amplitudes, a, b and c maximise the marginal
likelihood with half-normal priors, so that without evidence the correction is nothing and the spread is the prior's
(Rasmussen & Williams 2006, ch. 2 and 5; Kennedy & O'Hagan 2001, J R Stat Soc B 63:425). Away from the features that
were seen the correction grows no more while its variance does.

`reach` is the factor by which donors left out of the residual, too, were missed beyond what it expected: a
cross-validated scale of the intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


LEVEL = ("level", "offset")
"""Features that act at once."""
STATE = ("growth_now", "growth_ahead", "density", "glucose", "lactate", "age", "pace", "crowding")
"""Of the twin's best course and donor."""
READ = ("read_density", "read_growth", "read_growth_before", "read_glucose", "read_lactate", "perfusion")
"""Of the readings alone, whatever the twin makes of them."""
RATE = ("constant", "slope", *STATE, *READ)
"""Features that act in proportion to the days ahead."""
FEATURES = (*LEVEL, *RATE)
PLAIN = ("level", "offset", "slope", "constant")
"""Features on a scale of their own."""

_FURTHEST = 2.5
"""Standard units beyond which a feature corrects no more."""
REACH_COUNT = 6.0
"""Donors that a reach of 1 counts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """The correction of one attribute's forecasts."""

    centre: Floats = field(hash=False)
    scale: Floats = field(hash=False)
    """Of the features, in the order of FEATURES."""
    weights: Floats = field(hash=False)
    covariance: Floats = field(hash=False)
    posterior: float
    """a: share of the twin's own doubt that is real."""
    spread: float
    """b: between donors, per day."""
    moment: float
    """c: per square root of a day."""
    reach: float
    donors: float
    """Donors it was learned from: degrees of freedom of its intervals."""

    @property
    def freedom(self) -> float:
        """Degrees of freedom of its intervals (Student)."""
        return self.donors + REACH_COUNT

    def correction(self, features: Floats, days: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the error beyond the posterior's, `days` ahead; (n, features), (n,)."""
        raw = (features - self.centre) / self.scale
        near = np.clip(raw, -_FURTHEST, _FURTHEST)
        mean = design(near, days) @ self.weights
        wide = design(raw, days)
        variance = np.einsum("ij,jk,ik->i", wide, self.covariance, wide)
        variance = variance + (self.spread * days) ** 2 + self.moment**2 * days
        return mean, np.sqrt(variance)


def design(features: Floats, days: Floats) -> Floats:
    """Columns of the regression: level features as they are, rate features times the days ahead."""
    design = features.copy()
    design[:, len(LEVEL) :] *= days[:, None]
    design[:, FEATURES.index("constant")] = days
    return design


def figures_of(residuals: Mapping[str, Residual]) -> dict[str, tuple[float, float]]:
    """Residuals as pairs of plain figures, as a TwinFitted keeps them."""
    out: dict[str, tuple[float, float]] = {}
    for name, each in residuals.items():
        head = f"residual:{name}"
        sds = np.sqrt(np.diag(each.covariance))
        for place, feature in enumerate(FEATURES):
            out[f"{head}:scale:{feature}"] = (float(each.centre[place]), float(each.scale[place]))
            out[f"{head}:weight:{feature}"] = (float(each.weights[place]), float(sds[place]))
            for other in range(place):
                share = float(each.covariance[place, other] / (sds[place] * sds[other]))
                out[f"{head}:correlation:{feature}:{FEATURES[other]}"] = (share, 1.0)
        parts = (each.posterior, each.spread, each.moment, each.reach, each.donors)
        out |= {f"{head}:{part}": (value, 1.0) for part, value in zip(_PARTS, parts, strict=True)}
    return out


_PARTS = ("posterior", "spread", "moment", "reach", "donors")


def residuals_of(figures: Mapping[str, tuple[float, float]]) -> dict[str, Residual]:
    """The residuals that `figures` hold; none of an attribute whose figures know other features: the drift stays."""
    names = {name.split(":")[1] for name in figures if name.startswith("residual:")}
    names = {name for name in names if all(f"residual:{name}:weight:{feature}" in figures for feature in FEATURES)}
    return {name: _residual(f"residual:{name}", figures) for name in sorted(names)}


def _residual(head: str, figures: Mapping[str, tuple[float, float]]) -> Residual:
    scales = np.array([figures[f"{head}:scale:{feature}"] for feature in FEATURES])
    weights = np.array([figures[f"{head}:weight:{feature}"] for feature in FEATURES])
    shares = np.eye(len(FEATURES))
    for place, feature in enumerate(FEATURES):
        for other in range(place):
            shares[place, other] = shares[other, place] = figures[f"{head}:correlation:{feature}:{FEATURES[other]}"][0]
    posterior, spread, moment, reach, donors = (figures[f"{head}:{part}"][0] for part in _PARTS)
    return Residual(
        centre=scales[:, 0], scale=scales[:, 1], weights=weights[:, 0],
        covariance=shares * np.outer(weights[:, 1], weights[:, 1]), posterior=posterior, spread=spread,
        moment=moment, reach=reach, donors=donors,
    )  # fmt: skip
