"""Claim, expected: what the twin would have expected of a donor on the recipe version before.

Donors differ more than most improvements are large. What the twin expects of a batch's own donor on the targets before
the change is taken off its result (a control variate). The twin may only know what was seen before the moved parameter
acts: what came later carries the change's own effect, and a twin that knew it would explain the effect away, or up.
Both versions are treated alike, so a wrong twin costs power and never validity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log

import numpy as np

from cytoloop.core.facts.claim import ClaimedAttribute
from cytoloop.core.recipe import operation_of
from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.calibrate import fit_donor, values_of
from cytoloop.feedback.culture import begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.predict import product_quantity
from cytoloop.feedback.proposal.virtual import plan_of
from cytoloop.feedback.twin import Twin

LEAST_REFERENCES = 4
"""Batches of the version before with a result that are needed to tell whether the twin narrows anything."""
NARROWED = 0.9
"""Share of the spread that has to be left at most, for the twin's expectation to be taken off."""


def acts_from(parameter: str, targets: Mapping[str, float]) -> float:
    """Hour of culture from which a parameter acts, by its operation; 0 for one that acts from the seeding."""
    activation = targets.get("activation.duration", 0.0)
    after = {"transduction": activation, "expansion": activation + targets.get("transduction.duration", 0.0)}
    return after.get(operation_of(parameter), 0.0)


def expected_before(twin: Twin, history: BatchHistory, targets: Mapping[str, float], until: float) -> dict[str, float]:
    """Attribute -> release result expected of this donor on `targets`, from what was seen up to hour `until`."""
    donor = fit_donor(twin, history.seen_until(until))
    values = values_of(twin, donor.z[None, :])
    start, controls, harvest_at = plan_of(targets)
    start = replace(start, viability=history.start.viability)
    states = simulate(twin, values, begin(values, start), schedule(controls, start.il2, harvest_at))[:, -1]
    return {name: float(product_quantity(name, values, states, start)[0]) for name in IN_PRODUCT}


def narrows(attribute: ClaimedAttribute, results: Sequence[float], expected: Sequence[float]) -> bool:
    """Whether taking the expectation off leaves less spread among batches of the version before."""
    if len(results) < LEAST_REFERENCES:
        return False
    observed = np.array([_scaled(attribute, each) for each in results])
    left = observed - np.array([_scaled(attribute, each) for each in expected])
    return bool(np.std(left, ddof=1) < NARROWED * np.std(observed, ddof=1))


def _scaled(attribute: ClaimedAttribute, value: float) -> float:
    return log(max(value, 1e-9)) if attribute.scale == "log" else value
