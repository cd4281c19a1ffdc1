"""The claim's sequential test: its error rates, that looking often costs nothing, that the rule is what decides."""

from collections.abc import Callable
from dataclasses import fields, replace
from itertools import combinations
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cytoloop.core.errors import UserError
from cytoloop.core.facts.claim import ClaimedAttribute, ClaimRule
from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.proposal.claim import TEST, Tried, check_rule, e_value, e_values, rule_sha256, standing
from cytoloop.feedback.proposal.claim_draft import Expected, Versions, draft_rule

ODDS = (2.0, 6.0)
Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

DOSE = ClaimedAttribute(
    attribute="viable_car_cells", unit="1e6 cells", better="more", scale="log", effect=0.2,
    predicted=Interval(median=80.0, low=30.0, high=130.0, unit="1e6 cells"),
)  # fmt: skip
MEMORY = ClaimedAttribute(
    attribute="memory_fraction", unit="fraction", better="more", scale="linear", effect=0.05,
    predicted=Interval(median=0.0, low=-0.02, high=0.02, unit="fraction"),
)  # fmt: skip
RULE = ClaimRule(
    test=TEST, line="one", recipe="r", from_version=1, to_version=2, claimed=DOSE, guarded=(MEMORY,), odds=ODDS,
    error_kept=0.1, error_refuted=0.1, most_batches=12, references=("B-1",), twin="", expected_from=0.0, power={},
)  # fmt: skip


def tried(number: int, arm: str, dose: float | None, memory: float | None = 0.4) -> Tried:
    results = {"viable_car_cells": dose, "memory_fraction": memory}
    return Tried(batch=f"B-{number}", arm="after" if arm == "after" else "before", results=results)


def test_the_e_value_is_one_on_average_over_every_order_when_the_versions_do_not_differ() -> None:
    for old, new in ((3, 3), (2, 4), (5, 2), (1, 1)):
        values = np.arange(old + new, dtype=float)
        found = []
        for places in combinations(range(old + new), new):
            label = np.zeros(old + new, dtype=np.bool_)
            label[list(places)] = True
            found.append(e_value(values, label, ODDS))
        assert np.mean(found) == pytest.approx(1.0)
        assert min(found) > 0


def test_one_of_each_is_the_odds_themselves() -> None:
    assert e_value(np.array([1.0, 2.0]), np.array([False, True]), (3.0,)) == pytest.approx(2 * 3 / 4)
    assert e_value(np.array([2.0, 1.0]), np.array([False, True]), (3.0,)) == pytest.approx(2 * 1 / 4)


def test_evidence_rises_with_every_new_result() -> None:
    generator = np.random.default_rng(4)
    for _ in range(50):
        label = generator.random(9) < 0.5
        if not label.any() or label.all():
            continue
        values = generator.standard_normal(9)
        raised = values.copy()
        raised[np.flatnonzero(label)[0]] += abs(generator.standard_normal())
        assert e_value(raised, label, ODDS) >= e_value(values, label, ODDS) - 1e-12


def test_ties_are_broken_against_the_evidence() -> None:
    label = np.array([False, False, True, True])
    assert e_value(np.ones(4), label, ODDS) == e_value(np.array([3.0, 4.0, 1.0, 2.0]), label, ODDS)


NULLS: dict[str, Draw] = {
    "normal": lambda g, shape: g.standard_normal(shape),
    "heavy tails": lambda g, shape: g.standard_cauchy(shape),
    "many ties": lambda g, shape: np.floor(2 * g.standard_normal(shape)),
    "failures": lambda g, shape: np.where(g.random(shape) < 0.3, -inf, g.standard_normal(shape)),
}


def ever(values: NDArray[np.float64], old: int, bound: float) -> float:
    """Share of histories whose evidence ever reaches the bound, looked at after every batch."""
    reached = np.zeros(len(values), dtype=np.bool_)
    for count in range(old + 1, values.shape[1] + 1):
        reached |= e_values(values[:, :count], np.arange(count) >= old, ODDS) >= bound
    return float(reached.mean())


@pytest.mark.parametrize("name", NULLS)
def test_looking_after_every_batch_keeps_the_error_rate(name: str, long: bool) -> None:
    runs = 40_000 if long else 1500
    values = NULLS[name](np.random.default_rng(11), (runs, 5 + 12))
    assert ever(values, 5, 10.0) <= 0.10 + 2.6 * np.sqrt(0.09 / runs)


def test_a_version_that_is_worse_is_kept_less_often_still(long: bool) -> None:
    runs = 40_000 if long else 1500
    values = np.random.default_rng(12).standard_normal((runs, 17))
    values[:, 5:] -= 0.5
    assert ever(values, 5, 10.0) < 0.03


def test_a_twin_that_is_wrong_costs_power_and_no_validity(long: bool) -> None:
    runs = 40_000 if long else 1500
    generator = np.random.default_rng(13)
    results = generator.standard_normal((runs, 17))
    nonsense = 3.0 * generator.standard_cauchy((runs, 17)) - results
    assert ever(results - nonsense, 5, 10.0) <= 0.10 + 2.6 * np.sqrt(0.09 / runs)


def verdicts(improvement: float, runs: int, spread: float = 0.3) -> dict[str | None, float]:
    """Shares of verdicts when the true logarithmic improvement of the dose is `improvement`."""
    generator, found = np.random.default_rng(5), []
    for _ in range(runs):
        doses = np.exp(spread * generator.standard_normal(20) + 6.0)
        doses[8:] *= np.exp(improvement)
        memory = 0.45 + 0.05 * generator.standard_normal(20)
        history = [tried(n, "after" if n >= 8 else "before", doses[n], memory[n]) for n in range(20)]
        stands = (standing(RULE, history[: 8 + count]) for count in range(1, 13))
        found.append(next(each.verdict for each in stands if each.verdict is not None))
    return {verdict: found.count(verdict) / runs for verdict in ("kept", "refuted", "undecided")}


def test_claims_that_hold_are_kept_and_claims_that_do_not_are_refuted(long: bool) -> None:
    runs = 1500 if long else 60
    slack = 2.6 * np.sqrt(0.09 / runs)
    true, false, harmful = verdicts(0.6, runs), verdicts(0.0, runs), verdicts(-0.5, runs)
    assert true["kept"] > 0.8
    assert true["refuted"] <= 0.10 + slack
    assert false["kept"] <= 0.10 + slack
    assert harmful["refuted"] > 0.75
    assert harmful["kept"] <= 0.02


def test_a_failed_batch_counts_as_the_worst_and_is_never_dropped() -> None:
    before = [tried(n, "before", 100.0 + n) for n in range(5)]
    after = [tried(10 + n, "after", 200.0 + n) for n in range(3)]
    well, failed = standing(RULE, before + after), standing(RULE, [*before, *after, tried(20, "after", None, None)])
    assert failed.after == 4
    assert failed.kept < well.kept
    assert failed.harm["memory_fraction"] > well.harm["memory_fraction"]
    assert standing(RULE, [*before, *after, tried(20, "after", nan, None)]).kept == failed.kept


def test_many_failures_refute_a_claim() -> None:
    history = [tried(n, "before", 100.0 + n) for n in range(6)]
    history += [tried(10 + n, "after", None, None) for n in range(6)]
    stands = standing(RULE, history)
    assert stands.verdict == "refuted"
    assert "memory_fraction" in stands.reason.en


def test_an_improvement_at_the_cost_of_a_guarded_attribute_is_refuted() -> None:
    history = [tried(n, "before", 100.0 + n, 0.5 + 0.01 * n) for n in range(6)]
    history += [tried(10 + n, "after", 300.0 + n, 0.2 - 0.01 * n) for n in range(6)]
    assert standing(RULE, history).verdict == "refuted"


def test_the_order_of_the_batches_does_not_matter_and_each_counts_once() -> None:
    history = [tried(n, "after" if n % 2 else "before", 100.0 + 7 * (n * 5 % 11)) for n in range(9)]
    assert standing(RULE, history).kept == standing(RULE, history[::-1]).kept
    with pytest.raises(UserError, match="stands twice"):
        standing(RULE, [*history, history[0]])


def test_a_claim_is_open_until_it_is_decided_and_undecided_at_its_end() -> None:
    before = [tried(n, "before", dose) for n, dose in enumerate((70.0, 95.0, 120.0, 160.0))]
    after = [tried(10 + n, "after", (75.0, 112.0, 185.0)[n % 3] + n) for n in range(12)]
    assert standing(RULE, before + after[:2]).verdict is None
    assert standing(RULE, before + after).verdict == "undecided"


def test_every_field_of_the_rule_is_under_its_digest() -> None:
    others: dict[str, Any] = {
        "test": "x", "line": "two", "recipe": "q", "from_version": 3, "to_version": 4,
        "claimed": replace(DOSE, effect=0.1), "guarded": (), "odds": (2.0,), "error_kept": 0.2, "error_refuted": 0.2,
        "most_batches": 13, "references": (), "twin": "t@1", "expected_from": 1.0, "power": {"kept": 0.5},
    }  # fmt: skip
    assert set(others) == {each.name for each in fields(ClaimRule)}
    for name, value in others.items():
        assert rule_sha256(replace(RULE, **{name: value})) != rule_sha256(RULE), name
    for name in (each.name for each in fields(ClaimedAttribute)):
        other: Any = {"effect": 0.19, "predicted": replace(DOSE.predicted, low=1.0)}.get(name, "other")
        changed = replace(DOSE, **{name: other})
        assert rule_sha256(replace(RULE, claimed=changed)) != rule_sha256(RULE), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"test": "mine/1"}, {"error_kept": 0.0}, {"error_refuted": 1.0}, {"odds": ()}, {"odds": (1.0,)},
        {"odds": (nan,)}, {"most_batches": 0}, {"claimed": replace(DOSE, effect=0.0)},
        {"claimed": replace(DOSE, effect=nan)}, {"guarded": (replace(MEMORY, effect=-0.1),)},
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_held_to_decides_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        check_rule(replace(RULE, **wrong))


LIMITS = {"viable_car_cells": (140.0, None), "memory_fraction": (0.3, None), "vector_copy_number": (None, 5.0)}
VERSIONS = Versions(line="one", recipe="r", from_version=1, references=("B-1", "B-2", "B-3"))


def expected(dose: tuple[float, float, float]) -> Expected:
    low, middle, high = dose
    flat = Interval(median=0.0, low=-0.01, high=0.01, unit="fraction")
    copies = Interval(median=0.1, low=0.0, high=0.2, unit="copies/cell")
    return Expected(
        predicted={
            "viable_car_cells": Interval(median=middle, low=low, high=high, unit="1e6 cells"),
            "memory_fraction": flat,
            "vector_copy_number": copies,
        },
        medians={"viable_car_cells": 300.0, "memory_fraction": 0.4, "vector_copy_number": 1.0},
        spread={"viable_car_cells": 0.3, "memory_fraction": 0.1, "vector_copy_number": 0.2},
    )


def drafted(dose: tuple[float, float, float]) -> ClaimRule | None:
    return draft_rule(
        expected(dose), LIMITS, VERSIONS, twin="t@1", expected_from=24.0, generator=np.random.default_rng(1)
    )


def test_a_claim_names_what_improves_most_and_guards_the_rest() -> None:
    rule = drafted((100.0, 200.0, 300.0))
    assert rule is not None
    assert rule.claimed.attribute == "viable_car_cells"
    assert rule.claimed.effect == pytest.approx(0.5 * np.log(500 / 300))
    assert {each.attribute: each.better for each in rule.guarded} == {
        "memory_fraction": "more", "vector_copy_number": "less",
    }  # fmt: skip
    assert sum(rule.power.values()) == pytest.approx(1.0)
    check_rule(rule)


def test_nothing_is_claimed_that_is_not_expected_for_certain() -> None:
    assert drafted((-10.0, 50.0, 100.0)) is None
    assert drafted((-90.0, -50.0, -10.0)) is None


def test_the_power_that_is_told_rises_with_the_improvement() -> None:
    small, large = drafted((10.0, 30.0, 50.0)), drafted((500.0, 600.0, 700.0))
    assert small is not None
    assert large is not None
    assert large.power["kept"] > small.power["kept"] + 0.2
