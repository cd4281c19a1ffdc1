"""History: the experiments of a campaign, and what the surrogate sees of them.

Context that is a number (viability of the starting cells) becomes a coordinate; context that is a name (a donor, an
operator) a random effect: experiments that share it share a deviation. Experiments of earlier campaigns share the
response but for a deviation and a level of their own site (Swersky, Snoek & Adams 2013, "Multi-Task Bayesian
Optimization", NeurIPS, for the idea).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.feedback.optimise.objectives import Objectives
from cytoloop.feedback.optimise.space import Floats, Space
from cytoloop.feedback.optimise.surrogate import Block

Context: TypeAlias = Mapping[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One experiment as executed, and what came of it."""

    parameters: Mapping[str, float] = field(hash=False)
    values: Mapping[str, float] = field(hash=False)
    """Objective -> value; what was not measured is absent."""
    failed: bool = False
    context: Context = field(default_factory=dict, hash=False)
    campaign: str = ""
    """Earlier campaign or other site; empty for this one."""


def observed(
    space: Space,
    objectives: Objectives,
    parameters: Mapping[str, float],
    values: Mapping[str, float | None] | None,
    *,
    context: Context | None = None,
    campaign: str = "",
) -> Observation:
    """One observation, checked. No values at all, or one that is no number, means that the experiment failed."""
    point = space.row(parameters)
    unknown = sorted(set(values or {}) - set(objectives.names))
    if unknown:
        raise UserError(
            f"{', '.join(unknown)} is no objective of the campaign; its objectives are {', '.join(objectives.names)}"
        )
    numbers = {name: _number(name, value) for name, value in (values or {}).items()}
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return Observation(
        parameters=space.parameters(point),
        values=finite,
        failed=len(finite) < len(numbers) or not numbers,
        context=_context(context or {}),
        campaign=campaign,
    )


def _number(name: str, value: float | None) -> float:
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise UserError(f"the value of {name} is {value!r}; give a number in the objective's unit") from None
    return number if abs(number) < 1e100 else math.nan


def _context(context: Context) -> Context:
    for name, value in context.items():
        if not isinstance(value, str) and not math.isfinite(float(value)):
            raise UserError(f"context {name} is {value}; leave it out when it is not known")
    return dict(context)


def earlier_of(
    space: Space, objectives: Objectives, earlier: Sequence[Observation | Mapping[str, JSON]]
) -> list[Observation]:
    """Observations of earlier campaigns, checked as ours are; those without a name count as one earlier campaign."""
    found = []
    for each in earlier:
        given = each if isinstance(each, Observation) else _from_mapping(each)
        values = None if given.failed and not given.values else given.values
        name = given.campaign or "earlier"
        found.append(observed(space, objectives, given.parameters, values, context=given.context, campaign=name))
    return found


def _from_mapping(given: Mapping[str, JSON]) -> Observation:
    if "parameters" not in given:
        raise UserError("an earlier observation has no 'parameters'; give {'parameters': ..., 'values': ...}")
    values = cast(Mapping[str, float] | None, given.get("values"))
    return Observation(
        parameters=cast(Mapping[str, float], given["parameters"]),
        values=values or {},
        failed=not values,
        context=cast(Context, given.get("context") or {}),
        campaign=str(given.get("campaign") or ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How experiments become coordinates and features."""

    space: Space
    numeric: Mapping[str, tuple[float, float]] = field(hash=False)
    """Numeric context -> its least and greatest value so far."""
    named: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Named context -> the names so far."""
    campaigns: tuple[str, ...]
    """This one first."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The trends of the surrogate, in the order of the features."""
        d = self.space.dimension
        each = math.log(0.2 / d)
        groups = [Block(name=k, width=len(v), centre=math.log(0.1), spread=1.5) for k, v in self.named.items()]
        sites = Block(name="site", width=len(self.campaigns) - 1, centre=math.log(0.5), spread=1.5)
        return (
            Block(name="level", width=1, centre=0.0, spread=1.0),
            Block(name="linear", width=d, centre=each, spread=1.5),
            Block(name="curved", width=d, centre=each, spread=1.5),
            *groups,
            *([sites] if sites.width else []),
        )

    def coordinates(self, cube: Floats, contexts: Sequence[Context]) -> Floats:
        """(m, D): the cube, then numeric context over its range; the middle where it is not known."""
        columns = [[_share(context.get(name), ends) for context in contexts] for name, ends in self.numeric.items()]
        return np.ascontiguousarray(np.column_stack([cube, *columns]))

    def features(self, cube: Floats, contexts: Sequence[Context], campaigns: Sequence[str]) -> Floats:
        """(m, q), in the order of the blocks. A name that was never seen has no deviation."""
        centred = 2.0 * cube - 1.0
        parts = [np.ones((len(cube), 1)), centred, centred**2 - 1.0 / 3.0]
        for key, names in self.named.items():
            parts.append(_marks([context.get(key) for context in contexts], names))
        if len(self.campaigns) > 1:
            parts.append(_marks(campaigns, self.campaigns[1:]))
        return np.hstack(parts)


def encoding(space: Space, observations: Sequence[Observation]) -> Encoding:
    """From what the experiments so far have for context; UserError when one is a name here and a number there."""
    seen: dict[str, list[str | float]] = {}
    for each in observations:
        for key, value in each.context.items():
            seen.setdefault(key, []).append(value)
    numeric: dict[str, tuple[float, float]] = {}
    named: dict[str, tuple[str, ...]] = {}
    for key, values in seen.items():
        names = [value for value in values if isinstance(value, str)]
        if names and len(names) < len(values):
            raise UserError(f"context {key} is a name in one experiment and a number in another; give one kind")
        if names:
            named[key] = tuple(sorted(set(names)))
        else:
            numbers = [float(value) for value in values]
            numeric[key] = (min(numbers), max(numbers))
    others = tuple(sorted({each.campaign for each in observations} - {""}))
    return Encoding(space=space, numeric=numeric, named=named, campaigns=("", *others))


def sites(code: Encoding, observations: Sequence[Observation]) -> NDArray[np.int64]:
    """Number of each experiment's campaign; 0 is this one."""
    return np.array([code.campaigns.index(each.campaign) for each in observations], dtype=np.int64)


def _share(value: str | float | None, ends: tuple[float, float]) -> float:
    if value is None or isinstance(value, str) or ends[1] <= ends[0]:
        return 0.5
    return (float(value) - ends[0]) / (ends[1] - ends[0])


def _marks(found: Sequence[str | float | None], names: Sequence[str]) -> Floats:
    return np.array([[float(value == name) for name in names] for value in found]).reshape(len(found), len(names))
