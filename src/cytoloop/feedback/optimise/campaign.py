"""Optimise: between batches, the parameters of the next experiment.

    campaign = Campaign({"temperature": (30.0, 40.0), "feed": (0.1, 2.0)}, {"titre": "maximise"}, prior=twin)
    parameters = campaign.suggest()[0]
    campaign.observe(parameters, {"titre": 3.1})

A suggestion is advice: what may be set in a plant is decided by the gate and by who signs. The method is Bayesian
optimisation with a prior mean (Frazier 2018, "A Tutorial on Bayesian Optimization", arXiv:1807.02811) and a guard on
the prior (`optimise.guard`). The same observations, seed and prior always give the same suggestion.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import qmc

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.feedback.optimise.account import Account, account
from cytoloop.feedback.optimise.acquisition import CLOUD, search
from cytoloop.feedback.optimise.document import read, written
from cytoloop.feedback.optimise.history import Context, Observation, earlier_of, observed
from cytoloop.feedback.optimise.model import Model, model_of, worth
from cytoloop.feedback.optimise.objectives import Limit, Objective, Objectives, objectives_of
from cytoloop.feedback.optimise.prior import ArrayPrior, Prior, PriorFunction, Spread, spread_of
from cytoloop.feedback.optimise.space import Factor, Floats, Space, Total, space_of

POOL = 256
"""Points that fill the space, tried at every suggestion; the prior is asked at each once."""

SLOW = 6
"""Points of a cloud of the search where each costs calls of a prior one by one."""

DESIGN = 3
"""Experiments before a surrogate without a prior is asked; the first is the centre."""

__all__ = ["Account", "ArrayPrior", "Best", "Campaign", "Factor", "Limit", "Observation", "Total"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best of the experiments so far, by what is expected there, not by luck."""

    parameters: dict[str, float]
    predicted: dict[str, tuple[float, float]]
    """Objective -> expected value and its standard deviation."""
    observed: dict[str, float]
    """Means of the values observed at these very parameters."""
    within: float
    """Probability that every limit holds there."""


class Campaign:
    """A series of experiments towards objectives, over factors, each resting on all before it."""

    def __init__(
        self,
        space: Mapping[str, Factor | tuple[float, float]],
        objectives: Mapping[str, Objective],
        prior: PriorFunction | None = None,
        seed: int = 0,
        *,
        earlier: Sequence[Observation | Mapping[str, JSON]] = (),
        totals: Sequence[Total] = (),
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._space: Space = space_of(space, totals)
        self._objectives: Objectives = objectives_of(objectives, weights)
        self._totals = tuple(totals)
        self._seed = seed
        self._observations: list[Observation] = earlier_of(self._space, self._objectives, earlier)
        self._pool = _pool(self._space, seed)
        self._prior, self._spreads = _prior(prior, self._space, self._objectives, self._pool)
        self._model: Model | None = None
        self._how = ""

    @property
    def observations(self) -> tuple[Observation, ...]:
        """Every experiment, earlier campaigns' first."""
        return tuple(self._observations)

    def suggest(self, n: int = 1, context: Context | None = None) -> list[dict[str, float]]:
        """The next `n` experiments, all different, for use side by side; asked again it says the same.

        `context` is what is known of the next experiment (the donor, the viability of the starting cells).
        """
        if n < 1:
            raise UserError(f"{n} suggestions were asked for; ask for at least one")
        model = replace(self._believed(), context=dict(context or {}))
        generator = np.random.default_rng([self._seed, len(self._observations)])
        chosen: list[Floats] = []
        how: list[str] = []
        for place in range(n):
            apart = np.array(chosen).reshape(len(chosen), self._space.dimension)
            cube, reason = self._next(model, place, apart, generator)
            chosen.append(cube)
            how.append(reason)
            if place + 1 < n:
                model = model.and_believed(cube)
        self._how = how[0]
        return [self._space.parameters(point) for point in self._space.natural(np.array(chosen))]

    def observe(
        self,
        parameters: Mapping[str, float],
        values: Mapping[str, float | None] | None,
        context: Context | None = None,
    ) -> None:
        """One experiment as executed. No values, None or NaN: it failed. An objective left out was not measured."""
        self._observations.append(observed(self._space, self._objectives, parameters, values, context=context))
        self._model = None

    def predict(
        self, parameters: Mapping[str, float], context: Context | None = None
    ) -> dict[str, tuple[float, float]]:
        """Expected value (no measurement noise) and its standard deviation for each objective."""
        model = replace(self._believed(), context=dict(context or {}))
        return _predicted(model, self._space.unit(self._space.row(parameters)[None, :]))

    def best(self) -> Best | None:
        """The best experiment of this campaign; None before the first that gave a value."""
        model = self._believed()
        mine = [o for o in self._observations if not o.campaign and any(k in o.values for k in self._objectives.goals)]
        if not mine:
            return None
        points = np.array([[o.parameters[name] for name in self._space.names] for o in mine])
        view = model.look(self._space.unit(points))
        within = model.within_at(view)
        expected = sum(weight * mean for weight, mean, _ in model.utilities(view))
        place = int(np.argmax(np.where(within >= math.log(0.5), expected, -1e6 + within)))
        same = [o for o in mine if o.parameters == mine[place].parameters]
        return Best(
            parameters=dict(mine[place].parameters),
            predicted=_predicted(model, view.cube[place : place + 1]),
            observed=_means(same, self._objectives.names),
            within=float(np.exp(within[place])),
        )

    def explain(self) -> Account:
        """What the last suggestion rests on; `str()` of it is for people."""
        return account(
            self._space, self._objectives, self._observations, self._believed(), spreads=self._spreads, how=self._how
        )

    def document(self) -> dict[str, JSON]:
        """Everything but the prior as plain JSON."""
        return written(self._space, self._objectives, self._totals, self._seed, self._observations)

    @classmethod
    def from_document(cls, document: Mapping[str, JSON], prior: PriorFunction | None = None) -> "Campaign":
        """The campaign that `document` wrote; hand in the prior it had."""
        told = read(document)
        campaign = cls(told.space, told.objectives, prior, told.seed, totals=told.totals, weights=told.weights)
        for each in told.observations:
            values = None if each.failed and not each.values else each.values
            again = observed(
                campaign._space, campaign._objectives, each.parameters, values,
                context=each.context, campaign=each.campaign,
            )  # fmt: skip
            campaign._observations.append(replace(again, failed=each.failed))
        return campaign

    def _believed(self) -> Model:
        if self._model is None:
            self._model = model_of(
                self._space, self._objectives, self._observations, prior=self._prior, spreads=self._spreads
            )
        return self._model

    def _next(self, model: Model, place: int, apart: Floats, generator: np.random.Generator) -> tuple[Floats, str]:
        """One point of the cube and how it was chosen."""
        own = sum(not each.campaign for each in self._observations) + place
        informed = len(self._observations) + place
        if model.trust < 0.5 and informed < DESIGN:
            return self._designed(model, own), "design"
        seeds = self._seeds(model)
        effort = 1 if len(model.tried) else 3
        each = SLOW if model.slow else CLOUD
        cube = search(worth(model, apart), self._space, (self._pool, seeds), generator, effort, each=each)
        return cube, "model" if len(model.tried) else "prior"

    def _designed(self, model: Model, own: int) -> Floats:
        """The next point of the first design that is not likely to fail: the centre, then what fills the space."""
        led = any(spread is not None and spread.usable for spread in self._spreads)
        first = max(0, own - 1) if led else own
        likely = model.success_at(self._pool) >= math.log(0.5)
        places = [place for place in range(first, len(self._pool)) if likely[place]]
        return np.asarray(self._pool[places[0] if places else first % len(self._pool)])

    def _seeds(self, model: Model) -> Floats:
        """The best experiments so far, and what the prior thinks best of the pool."""
        if not len(model.tried):
            return self._pool[:1]
        view = model.look(model.tried)
        order = np.argsort(-sum(weight * mean for weight, mean, _ in model.utilities(view)))
        return np.asarray(model.tried[order[:6]])


def _pool(space: Space, seed: int) -> Floats:
    """The centre, then a scrambled Sobol' sequence (Owen 1998), moved to where suggestions may be."""
    sobol = qmc.Sobol(space.dimension, rng=np.random.default_rng([seed, 7])).random(POOL)
    return space.kept(np.vstack([np.full((1, space.dimension), 0.5), sobol]))


def _prior(
    function: PriorFunction | None, space: Space, objectives: Objectives, pool: Floats
) -> tuple[Prior | None, list[Spread | None]]:
    if function is None:
        return None, [None] * len(objectives.names)
    prior = Prior(function=function, space=space, objectives=objectives.names)
    said = prior.at(pool)
    return prior, [spread_of(said[:, place]) for place in range(len(objectives.names))]


def _predicted(model: Model, cube: Floats) -> dict[str, tuple[float, float]]:
    view = model.look(cube)
    out = {}
    for place, belief in enumerate(model.beliefs):
        mean, sd = belief.together(view.u, view.features, view.said[:, place])
        out[belief.name] = (float(mean[0]), float(sd[0]))
    return out


def _means(observations: Sequence[Observation], names: Sequence[str]) -> dict[str, float]:
    found = {name: [o.values[name] for o in observations if name in o.values] for name in names}
    return {name: float(np.mean(values)) for name, values in found.items() if values}
