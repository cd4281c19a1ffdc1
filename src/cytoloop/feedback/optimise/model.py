"""Model: everything a campaign believes after its experiments, and what a further one would be worth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import log_ndtr

from cytoloop.feedback.optimise.acquisition import log_improvement, log_within, mixed
from cytoloop.feedback.optimise.guard import Belief, Told, believe
from cytoloop.feedback.optimise.history import Context, Encoding, Observation, encoding, sites
from cytoloop.feedback.optimise.objectives import Objectives
from cytoloop.feedback.optimise.prior import ArrayPrior, Prior, Spread
from cytoloop.feedback.optimise.space import Floats, Space
from cytoloop.feedback.optimise.surrogate import Block, Experiments, Fitted, settled

SURE = 0.5
"""Probability within its limits from which an experiment counts as a good one to improve on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Beliefs of all objectives, of failures, and the experiments they rest on."""

    objectives: Objectives
    code: Encoding
    prior: Prior | None
    beliefs: tuple[Belief, ...]
    """In the order of the objectives' names."""
    success: Fitted | None
    """Of experiments that failed or not; None while none failed."""
    tried: Floats = field(repr=False)
    """Experiments with values, in the cube (n, d)."""
    context: Context = field(default_factory=dict, hash=False)
    """What the next experiment is made with, as far as it is known."""

    @property
    def trust(self) -> float:
        """Least weight of the prior among the objectives to optimise."""
        return min(belief.trust for belief in self.beliefs if belief.name in self.objectives.goals)

    @property
    def slow(self) -> bool:
        """Whether every point costs calls of a prior one by one."""
        asked = self.prior is not None and not isinstance(self.prior.function, ArrayPrior)
        return asked and any(belief.trust > 0.0 for belief in self.beliefs)

    def look(self, cube: Floats) -> "View":
        """Points of the cube as every belief sees them."""
        contexts = [self.context] * len(cube)
        return View(
            cube=cube,
            u=self.code.coordinates(cube, contexts),
            features=self.code.features(cube, contexts, [""] * len(cube)),
            said=self._said(cube),
        )

    def _said(self, cube: Floats) -> Floats:
        """The prior's means and slopes (m, beliefs, 1 + d); means alone, of nothing, where nobody believes it."""
        if self.prior is None or not any(belief.trust > 0.0 for belief in self.beliefs):
            return np.full((len(cube), len(self.beliefs), 1), np.nan)
        return self.prior.with_slopes(cube)

    def success_at(self, cube: Floats) -> Floats:
        """Logarithm of the probability that an experiment does not fail."""
        if self.success is None:
            return np.zeros(len(cube))
        mean, sd = self.success.at(cube, np.empty((len(cube), 0)))
        return np.asarray(log_ndtr(_SURENESS * (1.0 + mean) / np.sqrt(1.0 + (_SURENESS * sd) ** 2)))

    def within_at(self, view: "View") -> Floats:
        """Logarithm of the probability that every limit holds."""
        total = np.zeros(len(view.cube))
        for place, belief in enumerate(self.beliefs):
            limit = self.objectives.limits.get(belief.name)
            if limit is not None:
                parts = belief.at(view.u, view.features, view.said[:, place])
                total += mixed([(weight, log_within(m, sd, limit.low, limit.high)) for weight, m, sd in parts])
        return total

    def utilities(self, view: "View") -> list[tuple[float, Floats, Floats]]:
        """(weight, mean, sd) of what is to be raised; several objectives are added in units of their scales."""
        goals = [
            (place, b, self.objectives.goals[b.name])
            for place, b in enumerate(self.beliefs)
            if b.name in self.objectives.goals
        ]
        if len(goals) == 1:
            place, belief, sign = goals[0]
            unit = sign / belief.scale
            parts = belief.at(view.u, view.features, view.said[:, place])
            return [(weight, unit * mean, abs(unit) * sd) for weight, mean, sd in parts]
        mean, variance = np.zeros(len(view.cube)), np.zeros(len(view.cube))
        for place, belief, sign in goals:
            one, sd = belief.together(view.u, view.features, view.said[:, place])
            mean, variance = mean + sign / belief.scale * one, variance + (sign / belief.scale * sd) ** 2
        return [(1.0, mean, np.sqrt(variance))]

    def and_believed(self, cube: Floats) -> "Model":
        """As if an experiment at `cube` (d,) had given what is expected of it."""
        view = self.look(cube[None, :])
        beliefs = [b.and_believed(view.u, view.features, view.said[:, k]) for k, b in enumerate(self.beliefs)]
        return replace(self, beliefs=tuple(beliefs), tried=np.vstack([self.tried, cube]))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Points with all that beliefs need to know of them."""

    cube: Floats
    u: Floats
    features: Floats
    said: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """The acquisition of one suggestion: call it with points of the cube."""

    model: Model
    best: tuple[float, ...]
    """Utility to improve on, by each hypothesis."""
    good: bool
    """Whether there is an experiment that keeps the limits; without one, keeping them comes first."""
    apart: Floats = field(repr=False)
    """Points that the next must stay away from (k, d)."""

    def __call__(self, cube: Floats) -> Floats:
        """Logarithm of the worth (m,)."""
        model = self.model
        view = model.look(cube)
        safe = model.within_at(view) + model.success_at(cube)
        parts = model.utilities(view)
        if not len(model.tried):  # nothing tried: where the prior expects most
            return np.asarray(safe + sum(weight * mean for weight, mean, _ in parts)) - self._close(cube)
        gains = mixed([(w, log_improvement(m, sd, best)) for (w, m, sd), best in zip(parts, self.best, strict=True)])
        return safe + (gains if self.good else _HASTE * gains) - self._close(cube)

    def _close(self, cube: Floats) -> Floats:
        if not len(self.apart):
            return np.zeros(len(cube))
        gaps = np.sqrt(((cube[:, None, :] - self.apart[None, :, :]) ** 2).sum(axis=2)).min(axis=1)
        return np.where(gaps < _LEAST_GAP * math.sqrt(cube.shape[1]), 1e3, 0.0)


_HASTE = 0.2
_LEAST_GAP = 0.02
_SURENESS = 2.0


def worth(model: Model, apart: Floats) -> Worth:
    """The acquisition, given what was tried: improvement on the best of the good experiments."""
    if not len(model.tried):
        return Worth(model=model, best=(), good=False, apart=apart)
    view = model.look(model.tried)
    good = model.within_at(view) >= math.log(SURE)
    parts = model.utilities(view)
    best = tuple(float(mean[good].max() if good.any() else mean.min()) for _, mean, _ in parts)
    return Worth(model=model, best=best, good=bool(good.any()), apart=apart)


def model_of(
    space: Space,
    objectives: Objectives,
    observations: Sequence[Observation],
    *,
    prior: Prior | None,
    spreads: Sequence[Spread | None],
) -> Model:
    """All beliefs fitted to the observations; `spreads` is what the prior says over the space, by objective."""
    code = encoding(space, observations)
    points = [[o.parameters[name] for name in space.names] for o in observations]
    cube = space.unit(np.array(points, dtype=float).reshape(len(observations), space.dimension))
    said = prior.with_slopes(cube) if prior else np.full((len(cube), len(objectives.names), 1), np.nan)
    beliefs = [
        believe(_told(name, code, observations, cube, said[:, place]), code.blocks, spreads[place])
        for place, name in enumerate(objectives.names)
    ]
    valid = np.array([any(goal in o.values for goal in objectives.goals) for o in observations], dtype=bool)
    return Model(
        objectives=objectives,
        code=code,
        prior=prior,
        beliefs=tuple(beliefs),
        success=_success(cube, observations),
        tried=np.clip(cube[valid], 0.0, 1.0),
    )


def _told(name: str, code: Encoding, observations: Sequence[Observation], cube: Floats, said: Floats) -> Told:
    places = [place for place, each in enumerate(observations) if name in each.values]
    chosen = [observations[place] for place in places]
    contexts = [each.context for each in chosen]
    rows = cube[places].reshape(len(places), cube.shape[1])
    return Told(
        name=name,
        x=code.coordinates(rows, contexts),
        features=code.features(rows, contexts, [each.campaign for each in chosen]),
        sites=sites(code, chosen),
        values=np.array([each.values[name] for each in chosen], dtype=float),
        said=said[places],
    )


def _success(cube: Floats, observations: Sequence[Observation]) -> Fitted | None:
    """Failures as a surface that is calm away from them: they are kept away from, and never forgotten."""
    failed = np.array([each.failed for each in observations], dtype=bool)
    if not failed.any():
        return None
    d = cube.shape[1]
    theta = np.array([math.log(0.25 * math.sqrt(d))] * d + [0.0, math.log(0.05), -30.0])
    blocks: tuple[Block, ...] = ()
    labels = np.where(failed, -2.0, 0.0)
    told = Experiments(x=cube, features=np.empty((len(cube), 0)), sites=np.zeros(len(cube), dtype=np.int64), y=labels)
    return settled(blocks, told, theta)
