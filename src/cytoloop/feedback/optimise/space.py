"""Space: the factors of a campaign, their ranges, and the unit cube that the surrogate works in.

Every factor becomes a coordinate from 0 to 1 over its proven acceptable range (its whole range where none is given),
on a logarithmic scale where asked. Suggestions never leave that cube; observations may lie outside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from cytoloop.core.errors import UserError

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """What may be set in an experiment."""

    low: float
    high: float
    unit: str = ""
    par: tuple[float, float] | None = None
    """Proven acceptable range; suggestions stay inside it."""
    log: bool = False
    """Doubling matters, not adding: the coordinate is the logarithm."""
    integer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A linear constraint: the weighted sum of some factors, in their units, stays within limits."""

    of: Mapping[str, float] = field(hash=False)
    """Factor -> its weight."""
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Factors in their order, checked; arrays have shape (d,)."""

    names: tuple[str, ...]
    factors: Mapping[str, Factor] = field(hash=False)
    low: Floats = field(hash=False, repr=False)
    """Lower ends of the ranges that suggestions keep to, on the factor's scale (its logarithm where `log`)."""
    width: Floats = field(hash=False, repr=False)
    ends: Floats = field(hash=False, repr=False)
    """The same ranges in units; shape (2, d)."""
    logs: tuple[int, ...]
    """Places of factors on a logarithmic scale."""
    integers: tuple[int, ...]
    """Places of factors that take whole numbers."""
    rows: Floats = field(hash=False, repr=False)
    """Linear constraints rows @ parameters <= bounds, in units; shape (k, d)."""
    bounds: Floats = field(hash=False, repr=False)
    anchor: Floats = field(hash=False, repr=False)
    """A point deep inside the constraints, in units."""

    @property
    def dimension(self) -> int:
        """Number of factors."""
        return len(self.names)

    @property
    def constants(self) -> tuple[str, ...]:
        """Factors whose range is one value."""
        return tuple(name for name, width in zip(self.names, self.width, strict=True) if width == 0.0)

    def unit(self, points: Floats) -> Floats:
        """Coordinates of the unit cube; points in units, shape (m, d)."""
        scaled = points.copy()
        for place in self.logs:
            scaled[:, place] = np.log(np.maximum(points[:, place], 1e-300))
        safe = np.where(self.width > 0.0, self.width, 1.0)
        return np.where(self.width > 0.0, (scaled - self.low) / safe, 0.5)

    def natural(self, cube: Floats) -> Floats:
        """Points in units of the nearest allowed parameters: integers rounded, constraints kept, never outside."""
        points = self.low + np.clip(cube, 0.0, 1.0) * self.width
        for place in self.logs:
            points[:, place] = np.exp(points[:, place])
        for place in self.integers:
            points[:, place] = np.rint(points[:, place])
        points = np.clip(points, self.ends[0], self.ends[1])
        return self._inside(points) if len(self.rows) else points

    def kept(self, cube: Floats) -> Floats:
        """The cube's points moved to the nearest that may be suggested."""
        if not len(self.rows) and not self.integers:
            return np.where(self.width > 0.0, np.clip(cube, 0.0, 1.0), 0.5)
        return self.unit(self.natural(cube))

    def row(self, parameters: Mapping[str, float]) -> Floats:
        """One point in units, shape (d,); UserError when a factor is missing, unknown or in another unit."""
        _same_names(self.names, parameters)
        return np.array([_checked(name, self.factors[name], parameters[name]) for name in self.names])

    def parameters(self, point: Floats) -> dict[str, float]:
        """A point in units as parameters."""
        return {name: float(value) for name, value in zip(self.names, point, strict=True)}

    def _inside(self, points: Floats) -> Floats:
        """Pulled towards the anchor until every linear constraint holds; exact because they are linear."""
        slack = self.bounds - self.rows @ self.anchor
        ways = (points - self.anchor) @ self.rows.T
        shares = np.where(ways > slack, slack / np.where(ways > slack, ways, 1.0), 1.0).min(axis=1)
        moved = self.anchor + np.clip(shares, 0.0, 1.0)[:, None] * (points - self.anchor)
        for place in self.integers:  # towards the anchor, so that a constraint that held still holds
            up = moved[:, place] < self.anchor[place]
            moved[:, place] = np.where(up, np.ceil(moved[:, place] - 1e-9), np.floor(moved[:, place] + 1e-9))
        moved = np.clip(moved, self.ends[0], self.ends[1])
        broken = (moved @ self.rows.T > self.bounds + 1e-9 * (1.0 + np.abs(self.bounds))).any(axis=1)
        return np.asarray(np.where(broken[:, None], self.anchor, moved))


def par_of(factor: Factor) -> tuple[float, float]:
    """The range that suggestions keep to."""
    low, high = factor.par or (factor.low, factor.high)
    return (math.ceil(low), math.floor(high)) if factor.integer else (float(low), float(high))


def space_of(factors: Mapping[str, Factor | tuple[float, float]], totals: Sequence[Total] = ()) -> Space:
    """The space, checked; UserError names the factor and what is wrong with it."""
    if not factors:
        raise UserError("the campaign has no factor; give at least one: {'temperature': (30.0, 40.0)}")
    whole = {name: _factor(name, given) for name, given in factors.items()}
    names = tuple(whole)
    scaled = np.array([_scaled(factor) for factor in whole.values()])
    rows, bounds = _rows(names, totals)
    return Space(
        names=names,
        factors=whole,
        low=scaled[:, 0],
        width=scaled[:, 1] - scaled[:, 0],
        ends=np.array([par_of(factor) for factor in whole.values()]).T.copy(),
        logs=tuple(place for place, factor in enumerate(whole.values()) if factor.log),
        integers=tuple(place for place, factor in enumerate(whole.values()) if factor.integer),
        rows=rows,
        bounds=bounds,
        anchor=_anchor(whole, rows, bounds),
    )


def _factor(name: str, given: Factor | tuple[float, float]) -> Factor:
    if not isinstance(given, Factor):
        if len(given) != 2:
            raise UserError(f"factor {name} needs (low, high), not {given!r}")
        given = Factor(low=float(given[0]), high=float(given[1]))
    _ordered(name, "range", given.low, given.high)
    if given.par is not None:
        _ordered(name, "proven acceptable range", *given.par)
        if given.par[0] < given.low or given.par[1] > given.high:
            raise UserError(
                f"the proven acceptable range {given.par[0]:g} to {given.par[1]:g} of factor {name} leaves its range "
                f"{given.low:g} to {given.high:g}; widen the range or narrow the other"
            )
    if given.log and given.low <= 0.0:
        raise UserError(f"factor {name} is on a logarithmic scale, so its range must begin above 0, not {given.low:g}")
    if given.integer:
        _ordered(name, "range of whole numbers", *par_of(given))
    return given


def _ordered(name: str, what: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"the {what} of factor {name} needs two finite numbers, not {low} and {high}")
    if low > high:
        raise UserError(f"the {what} of factor {name} runs from {low:g} down to {high:g}; give the lower end first")


def _scaled(factor: Factor) -> tuple[float, float]:
    low, high = par_of(factor)
    return (math.log(low), math.log(high)) if factor.log else (low, high)


def _rows(names: tuple[str, ...], totals: Sequence[Total]) -> tuple[Floats, Floats]:
    rows, bounds = [], []
    for total in totals:
        unknown = sorted(set(total.of) - set(names))
        if unknown:
            raise UserError(f"a total names {', '.join(unknown)}, which is no factor of the campaign")
        weights = [float(total.of.get(name, 0.0)) for name in names]
        for sign, end in ((1.0, total.high), (-1.0, total.low)):
            if math.isfinite(end):
                rows.append([sign * weight for weight in weights])
                bounds.append(sign * end)
    return np.array(rows, dtype=float).reshape(-1, len(names)), np.array(bounds, dtype=float)


def _anchor(factors: Mapping[str, Factor], rows: Floats, bounds: Floats) -> Floats:
    """Centre of the largest ball (in shares of the ranges) inside range and constraints."""
    ends = np.array([par_of(factor) for factor in factors.values()])
    centre, width = ends.mean(axis=1), ends[:, 1] - ends[:, 0]
    if not len(rows):
        return np.asarray(centre)
    norms = np.sqrt(((rows * width) ** 2).sum(axis=1))
    boxes = np.vstack([np.diag(np.ones(len(width))), -np.diag(np.ones(len(width)))])
    left = np.vstack([np.column_stack([rows, norms]), np.column_stack([boxes, np.concatenate([width, width])])])
    right = np.concatenate([bounds, ends[:, 1], -ends[:, 0]])
    found = linprog(
        np.append(np.zeros(len(width)), -1.0), left, right, bounds=[(None, None)] * len(width) + [(0.0, None)]
    )
    if not found.success:
        raise UserError("the totals leave no parameters inside the ranges of the factors; loosen one of them")
    point: Floats = found.x[:-1]
    whole = [place for place, factor in enumerate(factors.values()) if factor.integer]
    point[whole] = np.rint(point[whole])
    if np.any(rows @ point > bounds + 1e-9 * (1.0 + np.abs(bounds))):
        raise UserError("the totals leave no whole numbers inside the ranges of the factors; loosen one of them")
    return point


def _same_names(names: tuple[str, ...], parameters: Mapping[str, float]) -> None:
    missing = [name for name in names if name not in parameters]
    unknown = [name for name in parameters if name not in names]
    if missing:
        raise UserError(f"the experiment names no {', '.join(missing)}; every factor of the campaign needs a value")
    if unknown:
        raise UserError(f"{', '.join(unknown)} is no factor of the campaign; its factors are {', '.join(names)}")


def _checked(name: str, factor: Factor, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise UserError(f"factor {name} was set to {value}, which is no number; give the value as executed")
    spread = factor.high - factor.low
    beyond = max(factor.low - number, number - factor.high)
    if (spread > 0.0 and beyond > spread) or (factor.log and number <= 0.0):
        unit = f" {factor.unit}" if factor.unit else ""
        raise UserError(
            f"factor {name} was set to {number:g}, far outside its range {factor.low:g} to {factor.high:g}{unit}; "
            "is it in another unit?"
        )
    return number
