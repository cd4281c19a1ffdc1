"""The campaign: where it looks, what it keeps to, what it says, and when it lets a prior go."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from cytoloop.core.errors import UserError
from cytoloop.feedback.optimise.campaign import Campaign, Factor, Limit, Observation, Total
from cytoloop.feedback.optimise.prior import ArrayPrior, Arrays, Prior
from cytoloop.feedback.optimise.space import Floats, space_of

SPACE = {"a": (10.0, 20.0), "b": (0.0, 1.0), "c": (-5.0, 5.0)}
PEAK = {"a": 13.0, "b": 0.7, "c": 1.0}


def hill(parameters: dict[str, float]) -> float:
    """100 at PEAK, falling smoothly; 9 at the furthest corner."""
    gaps = ((parameters[n] - PEAK[n]) / (high - low) for n, (low, high) in SPACE.items())
    return 100.0 * math.exp(-2.0 * sum(gap**2 for gap in gaps))


def driven(campaign: Campaign, response: Callable[[dict[str, float]], float], count: int) -> list[float]:
    """True values of so many experiments, with 1 % noise."""
    generator = np.random.default_rng(5)
    found = []
    for _ in range(count):
        parameters = campaign.suggest()[0]
        found.append(response(parameters))
        campaign.observe(parameters, {"y": found[-1] * (1.0 + 0.01 * generator.standard_normal())})
    return found


def test_without_a_prior_it_begins_in_the_centre_and_finds_the_optimum() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"})
    assert campaign.suggest() == [{"a": 15.0, "b": 0.5, "c": 0.0}]
    assert max(driven(campaign, hill, 14)) > 95.0
    best = campaign.best()
    assert best is not None
    assert hill(best.parameters) > 95.0
    assert best.predicted["y"][0] == pytest.approx(hill(best.parameters), rel=0.05)


def test_minimising_is_maximising_the_negative() -> None:
    up = driven(Campaign(SPACE, {"y": "maximise"}, seed=3), hill, 8)
    down = driven(Campaign(SPACE, {"y": "minimise"}, seed=3), lambda p: -hill(p), 8)
    assert [-value for value in down] == pytest.approx(up)


def test_with_a_prior_it_begins_at_the_priors_optimum() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"}, prior=lambda p: {"y": hill(p)})
    first = campaign.suggest()[0]
    assert hill(first) > 99.0
    assert campaign.explain().rests_on == "prior"


def test_a_right_prior_keeps_its_weight() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"}, prior=lambda p: {"y": (hill(p), 5.0)})
    driven(campaign, hill, 5)
    account = campaign.explain()
    assert account.prior["y"] > 0.8
    assert account.let_go == ()
    assert "weight" in str(account)


def test_the_guard_lets_a_wrong_prior_go_and_says_so() -> None:
    def elsewhere(parameters: dict[str, float]) -> dict[str, float]:
        return {"y": 100.0 * math.exp(-8.0 * (parameters["b"] + parameters["a"] / 10.0 - 1.0) ** 2)}

    campaign = Campaign(SPACE, {"y": "maximise"}, prior=elsewhere)
    for point in np.random.default_rng(2).random((30, 3)):
        parameters = {
            n: low + float(u) * (high - low) for u, (n, (low, high)) in zip(point, SPACE.items(), strict=True)
        }
        campaign.observe(parameters, {"y": hill(parameters)})
    campaign.suggest()
    account = campaign.explain()
    assert account.let_go == ("y",)
    assert account.prior["y"] == 0.0
    assert "let go" in str(account)


def test_an_adversarial_prior_costs_little() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"}, prior=lambda p: {"y": 100.0 - hill(p)})
    found = driven(campaign, hill, 12)
    assert found[0] < 20.0
    assert max(found) > 95.0


@pytest.mark.parametrize("said", [math.nan, math.inf, 7.0, None, "a word", (1.0, 2.0)])
def test_a_prior_that_says_nothing_is_no_prior(said: object) -> None:
    campaign = Campaign(SPACE, {"y": "maximise"}, prior=lambda _: {"y": said})  # type: ignore[arg-type]
    plain = Campaign(SPACE, {"y": "maximise"})
    assert driven(campaign, hill, 5) == driven(plain, hill, 5)
    assert "not used" in str(campaign.explain())


def test_a_prior_that_raises_is_no_prior() -> None:
    def broken(_: dict[str, float]) -> dict[str, float]:
        raise ZeroDivisionError

    assert Campaign(SPACE, {"y": "maximise"}, prior=broken).suggest() == [{"a": 15.0, "b": 0.5, "c": 0.0}]


def test_failed_experiments_are_kept_away_from() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"}, prior=lambda p: {"y": hill(p)})
    first = campaign.suggest()[0]
    campaign.observe(first, None)
    second = campaign.suggest()[0]
    gap = max(abs(second[n] - first[n]) / (high - low) for n, (low, high) in SPACE.items())
    assert gap > 0.05
    campaign.observe(second, {"y": math.nan})
    assert campaign.explain().failed == 2
    assert campaign.best() is None


def test_limits_are_kept() -> None:
    campaign = Campaign(SPACE, {"y": "maximise", "impurity": Limit(high=0.5)})
    for _ in range(14):
        parameters = campaign.suggest()[0]
        campaign.observe(parameters, {"y": hill(parameters), "impurity": parameters["b"]})
    best = campaign.best()
    assert best is not None
    assert best.observed["impurity"] <= 0.52
    assert hill(best.parameters) > 0.9 * hill({**PEAK, "b": 0.5})


def test_several_objectives_are_added_by_their_weights() -> None:
    def found(weight: float) -> float:
        goals = Campaign(SPACE, {"y": "maximise", "cost": "minimise"}, weights={"cost": weight})
        for _ in range(9):
            parameters = goals.suggest()[0]
            goals.observe(parameters, {"y": hill(parameters), "cost": parameters["b"]})
        best = goals.best()
        assert best is not None
        return best.parameters["b"]

    assert found(20.0) < 0.2 < found(0.05)


def test_several_suggestions_are_all_different() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"}, prior=lambda p: {"y": hill(p)})
    driven(campaign, hill, 4)
    points = [tuple(each.values()) for each in campaign.suggest(5)]
    assert len(set(points)) == 5
    with pytest.raises(UserError, match="at least one"):
        campaign.suggest(0)


def test_totals_integers_and_ranges_are_kept() -> None:
    space: dict[str, Factor | tuple[float, float]] = {
        "x": (0.0, 1.0),
        "y": (0.0, 1.0),
        "k": Factor(low=1, high=9, integer=True),
        "z": Factor(low=1, high=1000, log=True, par=(10, 100)),
    }
    campaign = Campaign(space, {"v": "maximise"}, totals=[Total(of={"x": 1.0, "y": 1.0}, high=0.8)])
    for number in range(8):
        for each in campaign.suggest(2):
            assert each["x"] + each["y"] <= 0.8 + 1e-9
            assert each["k"] == round(each["k"])
            assert 10.0 <= each["z"] <= 100.0
        campaign.observe(each, {"v": each["x"] + each["y"] + each["k"] + number % 2})
    assert "the totals" in str(campaign.explain())


def test_a_donor_is_a_deviation_that_its_experiments_share() -> None:
    campaign = Campaign(SPACE, {"y": "maximise"})
    generator = np.random.default_rng(3)
    shifts = {"D1": 60.0, "D2": -60.0}
    for number in range(24):
        parameters = {n: float(generator.uniform(low, high)) for n, (low, high) in SPACE.items()}
        donor = ("D1", "D2")[number % 2]
        campaign.observe(
            parameters, {"y": hill(parameters) + shifts[donor]}, context={"donor": donor, "viability": 0.9}
        )
    centre = {"a": 15.0, "b": 0.5, "c": 0.0}
    first, second = (campaign.predict(centre, context={"donor": donor})["y"][0] for donor in shifts)
    assert first - second == pytest.approx(120.0, abs=15.0)
    assert campaign.predict(centre)["y"][0] == pytest.approx(hill(centre), abs=25.0)
    campaign.observe(centre, {"y": 1.0}, context={"donor": 4.0})
    with pytest.raises(UserError, match="context donor"):
        campaign.suggest()


def test_an_earlier_campaign_helps_though_its_level_is_another() -> None:
    generator = np.random.default_rng(4)
    points = [{n: float(generator.uniform(low, high)) for n, (low, high) in SPACE.items()} for _ in range(25)]
    earlier = [Observation(parameters=p, values={"y": hill(p) + 500.0}, campaign="site B") for p in points]
    campaign = Campaign(SPACE, {"y": "maximise"}, earlier=earlier)
    assert max(driven(campaign, hill, 3)) > 90.0
    assert campaign.explain().earlier == 25


def test_a_campaign_survives_as_plain_json() -> None:
    space: dict[str, Factor | tuple[float, float]] = {**SPACE, "k": Factor(low=1, high=9, integer=True, unit="d")}
    campaign = Campaign(space, {"y": "maximise", "q": Limit(low=0.2)}, seed=9, totals=[Total(of={"b": 1.0}, high=0.9)])
    for _ in range(4):
        parameters = campaign.suggest()[0]
        campaign.observe(parameters, {"y": hill(parameters), "q": 0.5}, context={"donor": "D1"})
    campaign.observe(parameters, None)
    again = Campaign.from_document(json.loads(json.dumps(campaign.document())))
    assert again.suggest(2) == campaign.suggest(2)
    assert again.document() == campaign.document()
    with pytest.raises(UserError, match="no campaign"):
        Campaign.from_document({"form": "other/1"})
    with pytest.raises(UserError, match="damaged"):
        Campaign.from_document({"form": "campaign/1"})


def test_what_cannot_be_known_is_said() -> None:
    campaign = Campaign({**SPACE, "fixed": (2.0, 2.0)}, {"y": "maximise"})
    for b in (0.1, 0.2, 0.9):
        campaign.observe({"a": 12.0, "b": b, "c": 10.0 * b - 5.0, "fixed": 2.0}, {"y": 5.0})
    account = campaign.explain()
    assert account.never_varied == ("a", "fixed")
    assert "Factor a never varied" in str(account)
    assert "Factor fixed is constant" in str(account)
    assert campaign.suggest()[0]["fixed"] == 2.0


@pytest.mark.parametrize(
    ("space", "objectives", "said"),
    [
        ({}, {"y": "maximise"}, "no factor"),
        ({"a": (2.0, 1.0)}, {"y": "maximise"}, "lower end first"),
        ({"a": (0.0, math.inf)}, {"y": "maximise"}, "finite"),
        ({"a": Factor(low=0.0, high=1.0, log=True)}, {"y": "maximise"}, "logarithmic"),
        ({"a": Factor(low=0.0, high=1.0, par=(0.5, 2.0))}, {"y": "maximise"}, "leaves its range"),
        ({"a": (0.0, 1.0)}, {}, "no objective"),
        ({"a": (0.0, 1.0)}, {"y": Limit(low=1.0)}, "no objective"),
        ({"a": (0.0, 1.0)}, {"y": "more"}, "say 'maximise'"),
        ({"a": (0.0, 1.0)}, {"y": "maximise", "q": Limit()}, "limits nothing"),
        ({"a": (0.0, 1.0)}, {"y": "maximise", "q": Limit(low=2.0, high=1.0)}, "lower must be below"),
    ],
)
def test_a_campaign_that_makes_no_sense_is_refused(
    space: dict[str, Factor], objectives: dict[str, Limit], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        Campaign(space, objectives)


@pytest.mark.parametrize(
    ("parameters", "values", "said"),
    [
        ({"a": 12.0}, {"y": 1.0}, "names no b, c"),
        ({"a": 12.0, "b": 0.5, "c": 0.0, "d": 1.0}, {"y": 1.0}, "d is no factor"),
        ({"a": 12000.0, "b": 0.5, "c": 0.0}, {"y": 1.0}, "another unit"),
        ({"a": math.nan, "b": 0.5, "c": 0.0}, {"y": 1.0}, "no number"),
        ({"a": 12.0, "b": 0.5, "c": 0.0}, {"z": 1.0}, "z is no objective"),
    ],
)
def test_an_observation_that_makes_no_sense_is_refused(
    parameters: dict[str, float], values: dict[str, float], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        Campaign(SPACE, {"y": "maximise"}).observe(parameters, values)


def test_totals_that_leave_nothing_are_refused() -> None:
    with pytest.raises(UserError, match="leave no parameters"):
        Campaign(SPACE, {"y": "maximise"}, totals=[Total(of={"a": 1.0}, high=5.0)])
    with pytest.raises(UserError, match="no factor"):
        Campaign(SPACE, {"y": "maximise"}, totals=[Total(of={"q": 1.0}, high=5.0)])


def test_a_prior_in_arrays_says_the_same_as_one_asked_point_by_point() -> None:
    space = space_of({"a": (1.0, 3.0), "b": (0.0, 10.0)})
    one = Prior(function=lambda p: {"y": p["a"] * p["b"], "z": (p["b"], 2.0)}, space=space, objectives=("y", "z"))
    many = Prior(
        function=ArrayPrior(function=lambda p: {"y": p["a"] * p["b"], "z": (p["b"], np.full(len(p["b"]), 2.0))}),
        space=space, objectives=("y", "z"),
    )  # fmt: skip
    cube = np.random.default_rng(1).random((20, 2))
    np.testing.assert_allclose(many.at(cube), one.at(cube))
    found = many.with_slopes(cube)
    np.testing.assert_allclose(found, one.with_slopes(cube))
    np.testing.assert_allclose(found[:, 0, 1], 2.0 * 10.0 * cube[:, 1])  # dy/da over the whole range of a
    np.testing.assert_allclose(found[:, 1, 1:], [[0.0, 10.0]] * 20, atol=1e-9)


def test_a_prior_in_arrays_that_gives_no_numbers_says_nothing() -> None:
    space = space_of({"a": (1.0, 3.0)})
    cube = np.array([[0.0], [1.0]])

    def broken(points: dict[str, Floats]) -> Arrays:
        raise ValueError(points)

    priors: list[Callable[[dict[str, Floats]], Arrays]] = [
        broken, lambda p: {}, lambda p: {"y": p["a"] * np.inf}, lambda p: {"y": np.ones(len(p["a"]) + 1)}
    ]  # fmt: skip
    for said in priors:
        found = Prior(function=ArrayPrior(function=said), space=space, objectives=("y",)).with_slopes(cube)
        assert np.isnan(found[:, 0, 0]).all()
        assert (found[:, 0, 1] == 0.0).all()


def test_a_displaced_prior_leads_to_the_optimum_in_few_experiments() -> None:
    """Its optimum stands an eighth of each range beside the plant's."""

    def beside(p: dict[str, float]) -> dict[str, float]:
        return {"y": hill({"a": p["a"] - 1.25, "b": p["b"] + 0.1, "c": p["c"]})}

    campaign = Campaign(SPACE, {"y": "maximise"}, prior=beside)
    found = driven(campaign, hill, 6)
    assert max(found) > max(96.0, found[0])
