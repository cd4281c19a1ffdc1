"""Learning sites: made-up patients whose batches fail, and whose outcomes come, by rules that no model of ours has."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytoloop.feedback.samples.outcome import LEAST_OF_A_KIND
from cytoloop.feedback.samples.starting import LEAST_ENDED, Past, risk_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was foretold of one patient, beside what came of it."""

    probability: float
    base: float
    """The share of the site's batches so far that failed, with half a batch of each kind added (Jeffreys)."""
    failed: bool
    enough: bool


def site(dice: np.random.Generator, patients: int) -> list[Past]:
    """The batches of a site in order. Low counts fail by a threshold, not by a line; some fail whatever they are."""
    threshold, faults = dice.uniform(0.3, 0.9), dice.uniform(0.02, 0.12)
    low, high = dice.uniform(0.2, 0.7), dice.uniform(0.0, 0.15)
    made = []
    for number in range(patients):
        lymphocytes = float(np.exp(dice.normal(-0.4, 0.7)))
        weight = float(np.clip(dice.normal(68.0, 13.0), 40, 120))
        chance = faults + (1 - faults) * (low if lymphocytes < threshold else high) * weight / 68.0
        factors = {
            "lymphocytes": lymphocytes,
            "cd3": lymphocytes * float(np.exp(dice.normal(-0.4, 0.3))),
            "weight": weight,
            "age": float(dice.uniform(18, 75)),
        }
        made.append(Past(batch=f"B-{number:03d}", failed=bool(dice.random() < chance), factors=factors))
    return made


def foretold(dice: np.random.Generator, sites: int, patients: int) -> Iterator[Told]:
    """Each patient of each site from the tenth on, foretold from those before, as it goes in life."""
    for _ in range(sites):
        batches = site(dice, patients)
        for place in range(LEAST_ENDED, patients):
            past, coming = batches[:place], batches[place]
            found = risk_of(past, coming.factors, generator=dice, draws=1000)
            base = (sum(each.failed for each in past) + 0.5) / (place + 1.0)
            yield Told(probability=found.probability, base=base, failed=coming.failed, enough=found.enough)


def cohort(dice: np.random.Generator, patients: int, effect: float) -> tuple[Floats, Floats]:
    """An attribute and outcomes of 0 and 1, the log odds `effect` for a standard deviation; both kinds often enough."""
    while True:
        attribute = dice.standard_normal(patients)
        chance = 1.0 / (1.0 + np.exp(-(0.4 + effect * attribute)))
        outcome = (dice.random(patients) < chance).astype(np.float64)
        if min(outcome.sum(), patients - outcome.sum()) >= LEAST_OF_A_KIND:
            return attribute, outcome
