"""Whatever a campaign is told: it stays inside, repeats itself, and does not care for units, order or offset."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.feedback.optimise.campaign import Campaign, Factor

FEW = settings(max_examples=6, deadline=None, database=None)
values = st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan))
ends = st.tuples(st.floats(0.01, 1e4), st.floats(1e-3, 1e4))


@FEW
@given(
    ranges=st.lists(ends, min_size=1, max_size=5),
    told=st.lists(values, max_size=5),
    prior=st.sampled_from([None, math.nan, 1e300, 3.0]),
    seed=st.integers(0, 1000),
)
def test_no_suggestion_leaves_its_range(
    ranges: list[tuple[float, float]], told: list[float | None], prior: float | None, seed: int
) -> None:
    space = {
        f"f{place}": Factor(low=low, high=low + width, par=(low, low + 0.5 * width), log=place % 2 == 1)
        for place, (low, width) in enumerate(ranges)
    }
    said = None if prior is None else lambda p: {"y": prior * p["f0"]}
    campaign = Campaign(space, {"y": "maximise"}, prior=said, seed=seed)
    for value in told:
        (parameters,) = campaign.suggest()
        campaign.observe(parameters, {"y": value})
    both = campaign.suggest(2)
    assert campaign.suggest(2) == both
    for parameters in both:
        for name, factor in space.items():
            assert factor.par is not None
            assert factor.par[0] <= parameters[name] <= factor.par[1]
    assert all(math.isfinite(number) for pair in campaign.predict(both[0]).values() for number in pair)


def driven(scale: float, offset: float, units: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Suggestions in the unit cube, of a campaign whose factors and values are in other units."""
    campaign = Campaign(dict.fromkeys("abc", (units, 3.0 * units)), {"y": "maximise"}, seed=2)
    found = []
    for _ in range(6):
        (parameters,) = campaign.suggest()
        cube = np.array([(parameters[name] / units - 1.0) / 2.0 for name in "abc"])
        campaign.observe(parameters, {"y": offset + scale * float(np.exp(-((cube - 0.3) ** 2).sum() * 3.0))})
        found.append(cube)
    return np.array(found)


@settings(FEW, max_examples=3)
@given(scale=st.floats(1e-3, 1e6), units=st.floats(1e-3, 1e5))
def test_units_and_magnitudes_do_not_matter(scale: float, units: float) -> None:
    assert driven(scale, 40.0 * scale, units) == pytest.approx(driven(1.0, 40.0, 1.0), abs=1e-3)


def test_the_order_of_observations_and_of_factors_does_not_matter() -> None:
    generator = np.random.default_rng(1)
    points = generator.random((8, 3))
    told = [(dict(zip("abc", map(float, point), strict=True)), float(np.sin(point.sum()))) for point in points]

    def predicted(order: list[int], names: str) -> tuple[float, float]:
        campaign = Campaign(dict.fromkeys(names, (0.0, 1.0)), {"y": "maximise"})
        for place in order:
            campaign.observe(told[place][0], {"y": told[place][1]})
        return campaign.predict({"a": 0.2, "b": 0.9, "c": 0.4})["y"]

    first = predicted(list(range(8)), "abc")
    assert predicted(list(reversed(range(8))), "abc") == pytest.approx(first, rel=1e-3)
    assert predicted(list(range(8)), "cab") == pytest.approx(first, rel=1e-3)
