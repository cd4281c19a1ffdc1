"""What shadow moves would have made of a batch: the twin's counterfactual, once the whole batch has been seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.calibrate import draw, fit_donor, values_of
from cytoloop.feedback.culture import Floats, begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.forecast import Limits, interval, probability
from cytoloop.feedback.predict import product_quantity
from cytoloop.feedback.twin import Twin

CELLS = "1e6 cells"
_PRODUCT = ("viability", "viable_car_cells", "car_fraction", "memory_fraction", "vector_copy_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """Yield in specification as run and in the shadow, with 90 % intervals over draws of the donor."""

    executed: Interval
    shadow: Interval
    gain: Interval
    """Of the shadow, as a share of the larger mean of the two."""


def counterfactual(
    twin: Twin,
    run: BatchHistory,
    controls: Sequence[Control],
    harvest_at: float,
    limits: Limits,
    *,
    generator: np.random.Generator,
    draws: int = 160,
) -> Counterfactual:
    """The finished batch `run` against `controls` and a harvest at `harvest_at` (h), on the same draws of its donor.

    The donor is fitted on everything that was seen of the batch, its release results too.
    """
    values = values_of(twin, draw(fit_donor(twin, run), draws, generator))

    def worth(course: tuple[Control, ...], until: float) -> Floats:
        plan = schedule(course, run.start.il2, until)
        states = simulate(twin, values, begin(values, run.start), plan)[:, -1]
        results = {name: product_quantity(name, values, states, run.start) for name in _PRODUCT}
        return np.asarray(results["viable_car_cells"] * probability(twin, results, limits))

    executed = worth(run.controls, run.harvest_at or harvest_at)
    shadow = worth(tuple(controls), harvest_at)
    scale = max(float(executed.mean()), float(shadow.mean()), 1e-9)
    return Counterfactual(
        executed=interval(executed, CELLS),
        shadow=interval(shadow, CELLS),
        gain=interval((shadow - executed) / scale, "fraction"),
    )
