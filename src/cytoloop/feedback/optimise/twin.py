"""The culture twin as the prior of a campaign: what it expects of a recipe's parameters over its donors.

    campaign = Campaign(space, {"in_specification_yield": "maximise"}, prior=twin_prior(twin, targets, limits))

It is another plant than the one the experiments run on, and the guard judges it as any other prior.
"""

from collections.abc import Mapping

import numpy as np

from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.calibrate import values_of
from cytoloop.feedback.culture import Floats, begin, schedule, simulate_at
from cytoloop.feedback.forecast import Bounds, Limits, probability, results_at
from cytoloop.feedback.optimise.prior import Predicted, PriorFunction
from cytoloop.feedback.proposal.virtual import plan_of
from cytoloop.feedback.twin import DRIFT, NAMES, Twin

DONORS = 48
"""Virtual donors that an expectation is the mean of; the same for every question, so that differences are smooth."""


def twin_prior(twin: Twin, targets: Mapping[str, float], limits: Limits, seed: int = 0) -> PriorFunction:
    """Parameters ("<operation>.<parameter>") -> median of each release attribute, `in_specification` (chance that all
    within `limits` are) and `in_specification_yield` (viable CAR+ cells [1e6] times that chance), over donors.

    `targets` hold for parameters that are no factor. A parameter the twin has no equation for changes nothing.
    """
    generator = np.random.default_rng([seed, 11])
    values = values_of(twin, generator.standard_normal((DONORS, len(NAMES))))
    shocks = generator.standard_normal((len(DRIFT), DONORS))
    bounds: Bounds = {name: (_end(low, -np.inf), _end(high, np.inf)) for name, (low, high) in limits.items()}

    def said(parameters: dict[str, float]) -> Predicted:
        results = _results(twin, {**targets, **parameters}, values, shocks)
        chance = probability(twin, results, bounds)
        out = {name: float(np.median(results[name])) for name in IN_PRODUCT}
        good = results["viable_car_cells"] * chance
        return {**out, "in_specification": float(chance.mean()), "in_specification_yield": float(good.mean())}

    return said


def _results(twin: Twin, parameters: Mapping[str, float], values: Floats, shocks: Floats) -> Mapping[str, Floats]:
    """True attributes of every virtual donor's batch."""
    start, controls, harvest_at = plan_of(parameters)
    plan = schedule(controls, start.il2, harvest_at)
    states = simulate_at(twin, values, begin(values, start), plan, steps=[len(plan.feed)])[:, -1]
    return results_at(twin, values, states, start, ahead=harvest_at - start.expansion_at, shocks=shocks, centred=0.0)


def _end(limit: float | None, missing: float) -> Floats:
    return np.array(missing if limit is None else limit)
