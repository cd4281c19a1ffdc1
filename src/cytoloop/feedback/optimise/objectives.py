"""What a campaign is after: objectives to raise or lower, and limits to keep."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cytoloop.core.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """An attribute that must stay within its specification; at least one end is given."""

    low: float = -math.inf
    high: float = math.inf


Objective: TypeAlias = Literal["maximise", "minimise"] | Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """Objectives in their order, checked."""

    names: tuple[str, ...]
    goals: Mapping[str, float] = field(hash=False)
    """Objective to optimise -> its weight, negative where less is better."""
    limits: Mapping[str, Limit] = field(hash=False)


def objectives_of(given: Mapping[str, Objective], weights: Mapping[str, float] | None = None) -> Objectives:
    """The objectives, checked. Several to optimise are added, each in units of its own spread, times its weight."""
    goals: dict[str, float] = {}
    limits: dict[str, Limit] = {}
    for name, objective in given.items():
        if isinstance(objective, Limit):
            limits[name] = _limit(name, objective)
        elif objective in ("maximise", "minimise"):
            goals[name] = (1.0 if objective == "maximise" else -1.0) * _weight(name, weights)
        else:
            raise UserError(
                f"objective {name} is {objective!r}; say 'maximise', 'minimise' or Limit(low=..., high=...)"
            )
    if not goals:
        raise UserError("no objective is to be optimised; say 'maximise' or 'minimise' for one")
    unknown = sorted(set(weights or {}) - set(goals))
    if unknown:
        raise UserError(f"a weight is given for {', '.join(unknown)}, which is not an objective to optimise")
    return Objectives(names=tuple(given), goals=goals, limits=limits)


def _limit(name: str, limit: Limit) -> Limit:
    if math.isnan(limit.low) or math.isnan(limit.high) or not limit.low < limit.high:
        raise UserError(f"the limits of {name} are {limit.low:g} to {limit.high:g}; the lower must be below the upper")
    if math.isinf(limit.low) and math.isinf(limit.high):
        raise UserError(f"the limit of {name} limits nothing; give low=, high= or both")
    return limit


def _weight(name: str, weights: Mapping[str, float] | None) -> float:
    weight = float((weights or {}).get(name, 1.0))
    if not (math.isfinite(weight) and weight > 0.0):
        raise UserError(f"the weight of {name} is {weight:g}; it must be above 0 (say 'minimise' where less is better)")
    return weight
