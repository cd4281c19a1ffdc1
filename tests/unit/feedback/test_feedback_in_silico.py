"""Virtual campaigns: designs, and figures that are right where the right answer is known."""

import numpy as np
import pytest

from cytoloop.core.errors import UserError
from cytoloop.feedback.in_silico.design import experiments, round_of
from cytoloop.feedback.in_silico.plan import CampaignPlan, blocks
from cytoloop.feedback.in_silico.sensitivity import correlation, explained, quantile_of, share_of

SPACE = {"a": (1.0, 3.0), "b": (-10.0, 10.0)}


def test_a_sobol_design_fills_the_space_and_grows_without_moving() -> None:
    short, long = (experiments(CampaignPlan(batches=n, space=SPACE)) for n in (100, 130))
    assert [each.settings for each in long[:100]] == [each.settings for each in short]
    drawn = np.array([each.settings["b"] for each in long])
    assert drawn.min() < -9.0
    assert drawn.max() > 9.0
    assert abs(drawn.mean()) < 0.5
    assert [each.donor for each in short] == list(range(100))


def test_a_grid_gives_every_combination_the_same_donors() -> None:
    plan = CampaignPlan(batches=27, space=SPACE, design="grid", levels=3)
    found = experiments(plan)
    assert len({tuple(each.settings.values()) for each in found}) == 9
    donors = {tuple(each.settings.values()): set[int]() for each in found}
    for each in found:
        donors[tuple(each.settings.values())].add(each.donor)
    assert all(each == {0, 1, 2} for each in donors.values())
    assert found[0].settings == {"a": 1.0, "b": -10.0}


def test_rounds_share_their_donors_and_no_number() -> None:
    plan = CampaignPlan(batches=40, space=SPACE, design="optimise", rounds=4)
    first, last = round_of(plan, 0, {"a": 1.0, "b": 0.0}), round_of(plan, 3, {"a": 2.0, "b": 0.0})
    assert [each.donor for each in first] == [each.donor for each in last] == list(range(10))
    assert last[-1].batch == 39


def test_without_factors_only_donors_vary() -> None:
    found = experiments(CampaignPlan(batches=12, space={}, donors=5))
    assert [each.donor for each in found] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert all(not each.settings for each in found)
    assert [len(block) for block in blocks(found, 5)] == [5, 5, 2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"space": {"a": (3.0, 1.0)}}, "lower first"),
        ({"space": {"a": (float("nan"), 1.0)}}, "lower first"),
        ({"space": SPACE, "design": "grid", "levels": 11}, "too few"),
        ({"space": {}, "design": "optimise", "rounds": 5}, "--factor"),
    ],
)
def test_a_plan_that_cannot_be_is_told(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        CampaignPlan(batches=100, **wrong)  # type: ignore[arg-type]


def test_a_plan_is_named_by_all_that_decides_it() -> None:
    plans = [CampaignPlan(batches=100, space=SPACE, seed=seed, subject={"pack": "p"}) for seed in (1, 1, 2)]
    assert plans[0].sha256 == plans[1].sha256 != plans[2].sha256


def test_first_order_indices_are_those_of_a_known_function() -> None:
    """Ishigami & Homma 1990: indices 0.314, 0.442 and 0 with a = 7, b = 0.1."""
    plan = CampaignPlan(batches=4096, space=dict.fromkeys("xyz", (-np.pi, np.pi)))
    x, y, z = np.array([list(each.settings.values()) for each in experiments(plan)]).T
    values = np.sin(x) + 7.0 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)
    dice = np.random.default_rng(1)
    for factor, true in ((x, 0.314), (y, 0.442), (z, 0.0)):
        found = explained(factor, values, dice)
        assert found.value == pytest.approx(true, abs=0.03)
        assert found.low - 0.01 <= true <= found.high + 0.03


def test_a_factor_without_effect_explains_nothing() -> None:
    dice = np.random.default_rng(2)
    shares = [explained(dice.random(200), dice.standard_normal(200), dice) for _ in range(20)]
    assert np.mean([each.value for each in shares]) < 0.04
    assert sum(each.low > 0.0 for each in shares) <= 4


def test_intervals_hold_the_truth_nine_times_in_ten() -> None:
    dice, held = np.random.default_rng(3), np.zeros(3)
    for _ in range(200):
        values = dice.standard_normal(150)
        share, middle = share_of(values > 0.5244), quantile_of(values, 0.7)
        factor = dice.standard_normal(150)
        rank = correlation(factor, 0.5 * factor + values * 0.75**0.5)
        held += [share.low <= 0.3 <= share.high, middle.low <= 0.5244 <= middle.high, rank.low <= 0.4826 <= rank.high]
    assert (held / 200 > 0.84).all()
    assert (held / 200 < 0.97).all()
