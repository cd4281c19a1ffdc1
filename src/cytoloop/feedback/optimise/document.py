"""A campaign as plain JSON, so that it survives the process that began it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.feedback.optimise.history import Observation
from cytoloop.feedback.optimise.objectives import Limit, Objective, Objectives
from cytoloop.feedback.optimise.space import Factor, Space, Total

FORM = "campaign/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a document said."""

    space: dict[str, Factor | tuple[float, float]]
    objectives: dict[str, Objective]
    weights: dict[str, float]
    totals: list[Total]
    seed: int
    observations: list[Observation]


def written(
    space: Space, objectives: Objectives, totals: Sequence[Total], seed: int, observations: Sequence[Observation]
) -> dict[str, JSON]:
    """The document."""
    return {
        "form": FORM,
        "seed": seed,
        "space": {name: _factor(factor) for name, factor in space.factors.items()},
        "objectives": {name: _objective(name, objectives) for name in objectives.names},
        "weights": {name: abs(weight) for name, weight in objectives.goals.items()},
        "totals": [{"of": dict(t.of), "low": _end(t.low), "high": _end(t.high)} for t in totals],
        "observations": [_observation(each) for each in observations],
    }


def read(document: Mapping[str, JSON]) -> Read:
    """What `written` wrote; UserError when it is something else."""
    if document.get("form") != FORM:
        raise UserError(f"this is no campaign of the form {FORM}, but {document.get('form')!r}")
    whole = cast(Mapping[str, Any], document)
    try:
        return Read(
            space={name: Factor(**{**each, "par": _pair(each["par"])}) for name, each in whole["space"].items()},
            objectives={name: _limit(each) for name, each in whole["objectives"].items()},
            weights=dict(whole["weights"]),
            totals=[
                Total(of=t["of"], low=_open(t["low"], -math.inf), high=_open(t["high"], math.inf))
                for t in whole["totals"]
            ],
            seed=int(whole["seed"]),
            observations=[Observation(**each) for each in whole["observations"]],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"the document of the campaign is damaged: {error}; take another copy of it") from error


def _factor(factor: Factor) -> dict[str, JSON]:
    return {
        "low": factor.low,
        "high": factor.high,
        "unit": factor.unit,
        "par": list(factor.par) if factor.par else None,
        "log": factor.log,
        "integer": factor.integer,
    }


def _pair(par: Sequence[float] | None) -> tuple[float, float] | None:
    return (par[0], par[1]) if par else None


def _objective(name: str, objectives: Objectives) -> JSON:
    limit = objectives.limits.get(name)
    if limit is not None:
        return {"low": _end(limit.low), "high": _end(limit.high)}
    return "maximise" if objectives.goals[name] > 0 else "minimise"


def _limit(said: Any) -> Objective:
    if isinstance(said, Mapping):
        return Limit(low=_open(said["low"], -math.inf), high=_open(said["high"], math.inf))
    return cast(Objective, said)


def _end(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _open(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _observation(each: Observation) -> dict[str, JSON]:
    return {
        "parameters": dict(each.parameters),
        "values": dict(each.values),
        "failed": each.failed,
        "context": dict(each.context),
        "campaign": each.campaign,
    }
