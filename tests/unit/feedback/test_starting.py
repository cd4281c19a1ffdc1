"""The risk before collection: it knows how little it knows, and what it says holds on patients it has not seen."""

import numpy as np
import pytest
from scipy.integrate import quad

from cytoloop.bench.learning_sites import foretold
from cytoloop.core.errors import UserError
from cytoloop.feedback.samples.posterior import Regression, quantiles, sampled
from cytoloop.feedback.samples.starting import LEAST_ENDED, Past, Risk, risk_of
from cytoloop.feedback.samples.starting_plan import plan_b


def past(count: int, *, failed: int, low: bool = True) -> list[Past]:
    """Ended batches, of which the first so many failed; with `low`, those were of patients with few lymphocytes."""
    return [
        Past(
            batch=f"B-{number}",
            failed=number < failed,
            factors={"weight": 60.0 + number, "lymphocytes": 0.2 + 0.05 * number if low else 1.0},
        )
        for number in range(count)
    ]


def risk(batches: list[Past], twin: float | None = None, **factors: float) -> Risk:
    """The risk of a patient with these factors."""
    return risk_of(batches, factors, twin=twin, generator=np.random.default_rng(1))


def test_draws_are_of_the_posterior() -> None:
    of = Regression(
        design=np.ones((6, 1)),
        outcome=np.array([1.0, 0, 0, 0, 0, 0]),
        means=np.array([0.0]),
        precisions=np.array([0.5]),
    )
    found = sampled(of, np.random.default_rng(2), 20_000)

    def density(b: float) -> float:
        return float(np.exp(b - 6 * np.logaddexp(0.0, b) - 0.25 * b * b))

    whole = quad(density, -15, 15)[0]
    mean = quad(lambda b: b * density(b), -15, 15)[0] / whole
    assert float(found.values[:, 0] @ found.weights) == pytest.approx(mean, abs=0.02)
    (median,) = quantiles(found.values[:, 0], found.weights, (0.5,))
    assert quad(density, -15, median)[0] / whole == pytest.approx(0.5, abs=0.01)
    assert found.effective > 10_000


def test_history_alone_says_nothing_of_few_batches() -> None:
    few = risk(past(LEAST_ENDED - 1, failed=0), weight=65.0)
    assert not few.enough
    assert few.reason.en.startswith("not enough: 9 batches have ended")
    assert few.reason.zh.startswith("数据不足")
    assert risk(past(30, failed=2), weight=65.0).enough


def test_an_interval_that_fits_everything_is_not_enough() -> None:
    found = risk([], twin=0.5)
    assert not found.enough
    assert "would fit a safe batch and a lost one" in found.reason.en
    assert not risk([], twin=0.02).enough, "a twin that is sure of success and has not been tried yet"
    tried = [Past(batch=f"B-{number}", failed=False, factors={}, twin=0.02) for number in range(6)]
    assert risk(tried, twin=0.02).enough


def test_a_patient_like_those_who_failed_is_at_risk() -> None:
    batches = past(24, failed=8)
    low, high = risk(batches, lymphocytes=0.25), risk(batches, lymphocytes=1.2)
    assert low.probability > 0.5
    assert high.probability < 0.2
    assert low.interval.low < low.probability < low.interval.high
    (effect,) = low.factors
    assert effect.effect.low > 0
    assert not effect.outside
    assert risk(batches, lymphocytes=5.0).factors[0].outside


def test_what_never_varied_or_was_never_seen_is_left_out() -> None:
    assert risk(past(20, failed=4, low=False), lymphocytes=0.2).factors == ()
    assert risk(past(20, failed=4), age=40.0).factors == ()


@pytest.mark.parametrize(("name", "value"), [("colour", 1.0), ("weight", -3.0), ("cd3", float("nan"))])
def test_a_factor_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        risk(past(20, failed=4), **{name: value})


def test_the_twin_is_believed_only_as_far_as_it_was_right() -> None:
    wrong = [
        Past(batch=f"B-{n}", failed=n % 2 == 0, factors={}, twin=0.95 if n % 2 else 0.05) for n in range(40)
    ]  # fmt: skip
    assert risk(wrong, twin=0.95).probability < 0.6


def test_plan_b_is_only_for_a_risk_that_can_be_told() -> None:
    batches, factors = past(24, failed=8), {"lymphocytes": 0.25}
    found = risk(batches, lymphocytes=0.25)
    plans = plan_b(found, batches, factors, lambda known: risk(batches, **known))
    assert [each.plan for each in plans] == ["timing", "second-collection", "reserved-slot"]
    assert plans[0].risk is not None
    assert plans[0].risk.median < found.interval.median
    assert all(each.words.en and each.words.zh for each in plans)
    good = risk(batches, lymphocytes=1.2)
    assert "timing" not in [each.plan for each in plan_b(good, batches, {"lymphocytes": 1.2}, lambda _: good)]
    unknown = risk([], twin=0.5)
    assert plan_b(unknown, [], {}, lambda _: unknown) == ()


def test_on_sites_of_another_kind_it_beats_the_base_rate_and_means_what_it_says() -> None:
    told = list(foretold(np.random.default_rng(5), sites=10, patients=30))
    ours = np.mean([(each.probability - each.failed) ** 2 for each in told])
    base = np.mean([(each.base - each.failed) ** 2 for each in told])
    assert ours < base
    said, came = (np.mean([getattr(each, name) for each in told]) for name in ("probability", "failed"))
    assert abs(said - came) < 0.08
    ranked = sorted(told, key=lambda each: each.probability)
    third = len(ranked) // 3
    safe, lost = (np.mean([each.failed for each in part]) for part in (ranked[:third], ranked[-third:]))
    assert safe + 0.15 < lost
