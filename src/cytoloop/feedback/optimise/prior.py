"""What a twin says before any experiment: its predictions over the space, made safe to lean on.

A prior may be wrong, biased, constant, or fail: what is not a finite number is no prediction, and counts how often.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from cytoloop.feedback.optimise.space import Floats, Space

Predicted: TypeAlias = Mapping[str, float | tuple[float, float]]
Arrays: TypeAlias = Mapping[str, Floats | tuple[Floats, Floats]]

Pairs: TypeAlias = list[tuple[float, float]]
"""Mean and standard deviation of each objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayPrior:
    """A prior that is asked at many points in one call, which is much faster where it computes in arrays."""

    function: Callable[[dict[str, Floats]], Arrays] = field(hash=False)
    """Factor -> values (m,), to objective -> means (m,), or means and standard deviations."""


PointPrior: TypeAlias = Callable[[dict[str, float]], Predicted]
PriorFunction: TypeAlias = PointPrior | ArrayPrior

_ABSURD = 1e100
_STRIDE = 0.05
"""Of a slope, as a share of a range: wide, so that a prior in steps has slopes too."""
_KEPT = 200
"""Points from which on a whole call is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What the prior says of one objective over the whole space, in the objective's units."""

    middle: float
    sd: float
    """Between the space's points, robust against single spikes."""
    doubt: float
    """Median of the standard deviations that the prior itself gives; 0 when it gives none."""
    usable: bool
    why_not: str = ""


@dataclass(slots=True, kw_only=True)
class Prior:
    """The prior function over the unit cube; every point is asked once."""

    function: PriorFunction
    space: Space
    objectives: tuple[str, ...]
    failed: int = 0
    """Points at which it gave no finite number for some objective."""
    _known: dict[tuple[float, ...], Pairs] = field(default_factory=dict)
    _whole: dict[bytes, Floats] = field(default_factory=dict)
    """Answers for all points of one call: the pool is asked again and again."""

    def at(self, cube: Floats) -> Floats:
        """Mean and standard deviation of each objective; shape (m, objectives, 2), NaN where it says nothing."""
        key = cube.tobytes()
        if key not in self._whole:
            answer = self._answers(self.space.natural(cube))
            if len(cube) < _KEPT:
                return answer
            self._whole[key] = answer
        return self._whole[key]

    def with_slopes(self, cube: Floats) -> Floats:
        """Mean of each objective, then its slopes over the ranges; shape (m, objectives, 1 + d).

        The mean is NaN where the prior says nothing, a slope 0 where it cannot be measured.
        """
        key = b"slopes" + cube.tobytes()
        if key not in self._whole:
            said = self.at(cube)[:, :, :1]
            answer = np.concatenate([said, self._slopes(cube, said)], axis=2)
            if len(cube) < _KEPT:
                return answer
            self._whole[key] = answer
        return self._whole[key]

    def _slopes(self, cube: Floats, said: Floats) -> Floats:
        """Measured by a step towards the middle in each factor; shape (m, objectives, d)."""
        m, d = cube.shape
        strides = np.where(cube > 0.5, -_STRIDE, _STRIDE)
        moved = cube[:, None, :] + np.eye(d) * strides[:, :, None]
        there = self._answers(self.space.natural(moved.reshape(m * d, d)), keep=False)[:, :, 0]
        change = there.reshape(m, d, len(self.objectives)).transpose(0, 2, 1) - said
        return np.where(np.isfinite(change), change, 0.0) / strides[:, None, :]

    def _answers(self, points: Floats, *, keep: bool = True) -> Floats:
        if isinstance(self.function, ArrayPrior):
            answer = _said_at_once(self.function, self.space.names, points, self.objectives)
            self.failed += int(np.isnan(answer[:, :, 0]).any(axis=1).sum()) if keep else 0
            return answer
        asked = self._asked if keep else self._answer
        found = [asked(tuple(point)) for point in points.tolist()]
        return np.array(found, dtype=float).reshape(len(points), len(self.objectives), 2)

    def _asked(self, point: tuple[float, ...]) -> Pairs:
        known = self._known.get(point)
        if known is None:
            known = self._known[point] = self._answer(point)
            self.failed += any(math.isnan(mean) for mean, _ in known)
        return known

    def _answer(self, point: tuple[float, ...]) -> Pairs:
        parameters = dict(zip(self.space.names, point, strict=True))
        assert not isinstance(self.function, ArrayPrior), "asked in one call"
        try:
            said = dict(self.function(parameters))
        except Exception:  # noqa: BLE001  (a foreign function; whatever it raises, it predicts nothing there)
            said = {}
        return [_pair(said.get(name)) for name in self.objectives]


def _said_at_once(prior: ArrayPrior, names: Sequence[str], points: Floats, objectives: Sequence[str]) -> Floats:
    """Answers of an array prior, shape (m, objectives, 2); NaN where it gives no number."""
    answer = np.zeros((len(points), len(objectives), 2))
    answer[:, :, 0] = np.nan
    try:
        said = dict(prior.function(dict(zip(names, points.T.copy(), strict=True))))
    except Exception:  # noqa: BLE001  (a foreign function, as above)
        return answer
    for place, name in enumerate(objectives):
        pair = said.get(name, np.nan)
        try:
            for part, values in enumerate(pair if isinstance(pair, tuple) else (pair,)):
                answer[:, place, part] = values
        except (TypeError, ValueError):
            answer[:, place] = (np.nan, 0.0)
    answer[~(np.abs(answer[:, :, 0]) < _ABSURD)] = (np.nan, 0.0)
    sds = answer[:, :, 1]
    answer[:, :, 1] = np.where((sds > 0.0) & (sds < _ABSURD), sds, 0.0)
    return answer


def _pair(said: object) -> tuple[float, float]:
    """Mean and standard deviation; NaN mean when this is no prediction."""
    first, second = said if isinstance(said, Sequence) and not isinstance(said, str) and len(said) == 2 else (said, 0.0)
    try:
        mean, sd = float(first), float(second)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return math.nan, 0.0
    if not abs(mean) < _ABSURD:
        return math.nan, 0.0
    return mean, sd if 0.0 < sd < _ABSURD else 0.0


def spread_of(values: Floats) -> Spread:
    """Of one objective's predictions over a pool of points, shape (m, 2)."""
    finite = values[np.isfinite(values[:, 0])]
    if len(finite) < max(2, len(values) // 2):
        return Spread(middle=0.0, sd=1.0, doubt=0.0, usable=False, why_not="it gives no number for most of the space")
    low, middle, high = np.quantile(finite[:, 0], (0.05, 0.5, 0.95))
    sd = float(high - low) / 3.29 or float(finite[:, 0].std())
    if sd <= 1e-9 * max(1e-300, float(np.abs(finite[:, 0]).max())):
        return Spread(middle=float(middle), sd=1.0, doubt=0.0, usable=False, why_not="it says the same everywhere")
    return Spread(middle=float(middle), sd=sd, doubt=float(np.median(finite[:, 1])), usable=True)
