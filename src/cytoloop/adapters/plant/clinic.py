"""The simulated clinic: how a patient fares after the product was given.

A made-up form, so that outcomes exist for the loop to carry. Orders of magnitude: somewhat more than half of patients
reach a complete response, as in the pivotal trials of CD19 CAR-T (Maude et al. 2018, N Engl J Med 378:439; Neelapu et
al. 2017, N Engl J Med 377:2531); cytokine release of grade 3 or more lay between one in eight and nearly half there,
here it is about one in six. That more memory-type cells go with better responses: Fraietta et al. 2018, Nat Med 24:563.
Nothing here may be read as a prediction.
"""

from math import log
from typing import Literal

from numpy.random import Generator

Response = Literal["complete", "partial", "none"]


def outcome(rng: Generator, *, dose: float, memory_fraction: float, burden: float = 0.0) -> tuple[Response, int]:
    """Response and grade (0-4) of cytokine release.

    dose: 1e6 viable CAR+ cells per kg; memory_fraction: CCR7+ of CAR+; burden: disease, standard normal in patients.
    Always takes two draws.
    """
    benefit = 0.9 * log(max(dose, 0.01) / 2.0) / (1.0 + abs(log(max(dose, 0.01) / 2.0))) + 3.0 * (
        memory_fraction - 0.35
    )
    reply = float(rng.logistic()) + 0.3 + benefit - 0.4 * burden
    response: Response = "complete" if reply > 0.0 else "partial" if reply > -0.8 else "none"
    severity = float(rng.logistic()) + 0.35 * log(max(dose, 0.01) / 2.0) + 0.6 * burden
    grade = sum(severity > limit for limit in (-0.9, 0.4, 1.7, 3.4))
    return response, grade
