"""Outcome effects: right where the answer is known, intervals that hold for few, silent when there is not enough."""

from math import log
from typing import Literal

import numpy as np
import pytest

from cytoloop.bench.learning_sites import cohort
from cytoloop.core.errors import UserError
from cytoloop.feedback.samples.firth import slope
from cytoloop.feedback.samples.outcome import ATTRIBUTES, OutcomeEffect, Treated, effects_of


def treated(number: int, *, complete: bool, dose: float, grade: int = 1, memory: float = 0.4) -> Treated:
    """A patient who was treated and seen."""
    response: Literal["complete", "none"] = "complete" if complete else "none"
    return Treated(
        batch=f"B-{number}", subject=f"S-{number}", response=response, cytokine_release_grade=grade,
        attributes={"given_per_kg": dose, "memory_fraction": memory},
    )  # fmt: skip


def effect(patients: list[Treated], *attributes: str) -> OutcomeEffect:
    """The effect of the dose on complete response."""
    return effects_of(patients, attributes=attributes or ("given_per_kg",), endpoints=["complete_response"])[0]


def mixed(count: int, *, slope_of: float, seed: int = 3) -> list[Treated]:
    """Patients whose response goes with the dose."""
    dice = np.random.default_rng(seed)
    doses = dice.normal(size=count)
    chance = 1 / (1 + np.exp(-slope_of * doses))
    complete = dice.random(count) < chance
    return [
        treated(n, complete=bool(complete[n]), dose=float(4 * 2 ** doses[n]), memory=float(dice.uniform(0.2, 0.7)))
        for n in range(count)
    ]


def test_two_by_two_is_the_table_with_half_a_patient_in_each_cell() -> None:
    """Firth's estimate for a saturated table: log odds ratio after adding one half to each cell (Firth 1993)."""
    a, b, c, d = 7, 2, 3, 6
    exposed = np.repeat([1.0, 1.0, 0.0, 0.0], [a, b, c, d])
    outcome = np.repeat([1.0, 0.0, 1.0, 0.0], [a, b, c, d])
    found = slope(np.column_stack([np.ones(18), exposed]), outcome, 1)
    assert found.estimate == pytest.approx(log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))), abs=1e-4)
    assert found.low < found.estimate < found.high
    assert 0.02 < found.p < 0.2


def test_outcomes_that_are_separated_still_have_an_estimate() -> None:
    attribute = np.linspace(-1.6, 1.6, 12)
    found = slope(np.column_stack([np.ones(12), attribute]), (attribute > 0).astype(float), 1)
    assert 0 < found.low < found.estimate < 20
    assert found.high > found.estimate


def test_turning_the_outcome_round_turns_the_slope_round() -> None:
    attribute, outcome = cohort(np.random.default_rng(8), 20, 1.0)
    design = np.column_stack([np.ones(20), attribute])
    one, other = slope(design, outcome, 1), slope(design, 1 - outcome, 1)
    assert (one.estimate, one.low, one.p) == pytest.approx((-other.estimate, -other.high, other.p), abs=1e-4)


@pytest.mark.parametrize("patients", [10, 20])
def test_ninety_percent_intervals_hold_at_small_numbers(patients: int, long: bool) -> None:
    count, dice = 400 if long else 40, np.random.default_rng(patients)
    held = 0
    for number in range(count):
        true = (0.0, 0.8)[number % 2]
        attribute, outcome = cohort(dice, patients, true)
        found = slope(np.column_stack([np.ones(patients), attribute]), outcome, 1, 0.9)
        held += found.low <= true <= found.high
    # Three standard errors of a share of 90 % below it: what chance alone can do.
    assert held / count > 0.9 - 3 * np.sqrt(0.09 / count)


def test_a_strong_effect_is_told_and_none_is_not() -> None:
    strong = effect(mixed(50, slope_of=2.0))
    assert strong.verdict == "more"
    assert strong.ratio is not None
    assert strong.ratio.low > 1
    assert "not a cause" in strong.reason.en
    assert effect(mixed(50, slope_of=0.0)).verdict == "undecided"


def test_every_attribute_looked_at_costs_certainty() -> None:
    alone = effect(mixed(24, slope_of=1.0, seed=4))
    among = effect(mixed(24, slope_of=1.0, seed=4), "given_per_kg", "memory_fraction")
    assert alone.p == among.p
    assert alone.holm is not None
    assert among.holm is not None
    assert among.holm >= alone.holm


@pytest.mark.parametrize(
    ("patients", "said"),
    [
        (mixed(9, slope_of=1.0), "9 outcomes, at least 10 are needed"),
        ([treated(n, complete=n < 2, dose=n + 1.0) for n in range(20)], "2 outcomes of the rarer kind"),
        ([treated(n, complete=n % 2 == 0, dose=4.0) for n in range(20)], "never varied"),
        ([treated(n, complete=n in (1, 4, 8), dose=2.0**n) for n in range(10)], "strong effect either way"),
        ([], "0 outcomes"),
    ],
)
def test_not_enough_is_an_answer_with_its_rule(patients: list[Treated], said: str) -> None:
    found = effect(patients)
    assert found.verdict == "not-enough"
    assert said in found.reason.en
    assert found.reason.zh.startswith("数据不足")


def test_what_was_not_stated_before_or_cannot_be_is_refused() -> None:
    patients = mixed(12, slope_of=1.0)
    with pytest.raises(UserError, match="'colour' was not stated before"):
        effects_of(patients, attributes=["colour"])
    with pytest.raises(UserError, match="a subject stands there twice"):
        effects_of([*patients, patients[0]])
    with pytest.raises(UserError, match="given_per_kg is nan"):
        effects_of([treated(1, complete=True, dose=float("nan"))])
    assert ATTRIBUTES["given_per_kg"].scale(8.0) == 3.0
