"""Virtual batches of the twin: donors drawn from its population, results as samples would show them.

As fast as the equations, and no better than they are: what a campaign on the twin finds is what the twin believes.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.calibrate import scales
from cytoloop.feedback.culture import begin, natural, schedule, simulate
from cytoloop.feedback.forecast import Limits, measured, meets, results_at
from cytoloop.feedback.in_silico.plan import Experiment
from cytoloop.feedback.proposal.virtual import plan_of
from cytoloop.feedback.twin import DRIFT, NAMES, Twin

KNOWN: tuple[str, ...] = (
    "activation.seeding_density", "activation.volume", "activation.il2", "activation.duration", "transduction.moi",
    "transduction.duration", "expansion.culture_duration", "expansion.perfusion_rate", "expansion.il2",
)  # fmt: skip
"""Parameters whose effect the twin knows."""


def twin_batches(
    twin: Twin, experiments: Sequence[Experiment], *, targets: Mapping[str, float], limits: Limits, seed: int
) -> list[dict[str, float]]:
    """Release results of each experiment, whether they are in specification, and the yield that is."""
    return [_batch(twin, each, {**targets, **each.settings}, limits, seed) for each in experiments]


def _batch(
    twin: Twin, experiment: Experiment, parameters: Mapping[str, float], limits: Limits, seed: int
) -> dict[str, float]:
    means, sds = scales(twin)
    donor = np.random.default_rng([seed, 2, experiment.donor]).standard_normal((1, len(NAMES)))
    luck = np.random.default_rng([seed, 3, experiment.batch])
    values = natural(means + sds * donor)
    start, controls, harvest_at = plan_of(parameters)
    states = simulate(twin, values, begin(values, start), schedule(controls, start.il2, harvest_at))[:, -1]
    shocks = luck.standard_normal((len(DRIFT), 1))
    ahead = harvest_at - start.expansion_at
    true = results_at(twin, values, states, start, ahead=ahead, shocks=shocks, centred=0.0)
    found = measured(twin, {name: true[name] for name in IN_PRODUCT}, luck)
    good = float(meets(found, limits)[0])
    results = {name: float(found[name][0]) for name in IN_PRODUCT}
    return {**results, "in_specification": good, "in_specification_yield": results["viable_car_cells"] * good}
