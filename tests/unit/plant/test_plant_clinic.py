"""The simulated clinic answers with plausible outcomes."""

from statistics import mean

import numpy as np

from cytoloop.adapters.plant.clinic import outcome


def many(dose: float, memory: float) -> list[tuple[str, int]]:
    rng = np.random.default_rng(1)
    return [outcome(rng, dose=dose, memory_fraction=memory) for _ in range(4000)]


def test_outcomes_are_of_the_published_order() -> None:
    drawn = many(2.5, 0.4)
    assert 0.45 < mean(response == "complete" for response, _ in drawn) < 0.75
    assert 0.05 < mean(grade >= 3 for _, grade in drawn) < 0.30
    assert {grade for _, grade in drawn} == {0, 1, 2, 3, 4}


def test_a_higher_dose_and_more_memory_help() -> None:
    assert mean(r == "complete" for r, _ in many(4.0, 0.5)) > mean(r == "complete" for r, _ in many(0.5, 0.2)) + 0.2
