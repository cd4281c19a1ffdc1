"""What a batch must be before the twin learns from it."""

import math

import pytest

from cytoloop.core.errors import UserError
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history, thinned

START = Start(seeding_density=1.0, volume=200.0)
CONTROLS = (Control(at=48.0, perfusion_rate=0.5, il2=100.0),)


def made(**observations: list[tuple[float, float]]) -> BatchHistory:
    """A history with these observations."""
    return history(batch="B1", start=START, controls=CONTROLS, observations=observations)


def test_observations_are_ordered_and_strange_ones_left_out() -> None:
    found = made(viable_cell_density=[(96.0, 2.0), (72.0, 1.0)], endotoxin=[(72.0, 0.1)])
    assert found.observations == {"viable_cell_density": ((72.0, 1.0), (96.0, 2.0))}


def test_the_past_does_not_know_the_future() -> None:
    whole = history(
        batch="B1",
        start=START,
        controls=CONTROLS,
        observations={"glucose": [(72.0, 9.0), (96.0, 7.0)]},
        harvest_at=240.0,
        product={"viability": 0.9},
    )
    known = whole.seen_until(80.0)
    assert known.observations == {"glucose": ((72.0, 9.0),)}
    assert known.harvest_at is None
    assert known.product == {}


def test_hourly_probe_counts_as_one_fact_in_twelve_hours() -> None:
    pairs = tuple((float(hour), 10.0 if hour != 5 else 90.0) for hour in range(24))
    found = thinned(pairs)
    assert [value for _, value in found] == [10.0, 10.0]
    assert [at for at, _ in found] == [5.5, 17.5]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("viability", 93.0), ("viable_cell_density", -1.0), ("glucose", math.nan), ("lactate", math.inf)],
)
def test_impossible_values_are_refused_by_name(attribute: str, value: float) -> None:
    with pytest.raises(UserError, match=f"batch B1: {attribute} is"):
        made(**{attribute: [(72.0, value)]})


def test_time_before_the_seeding_is_refused() -> None:
    with pytest.raises(UserError, match="hours run from the seeding"):
        made(glucose=[(-1.0, 5.0)])


def test_a_culture_without_set_points_is_refused() -> None:
    with pytest.raises(UserError, match="names no set-points"):
        history(batch="B1", start=START, controls=(), observations={})


@pytest.mark.parametrize(
    "start", [Start(seeding_density=0.0, volume=200.0), Start(seeding_density=1.0, volume=math.nan)]
)
def test_an_impossible_start_is_refused(start: Start) -> None:
    with pytest.raises(UserError, match="expected a number above 0"):
        history(batch="B1", start=start, controls=CONTROLS, observations={})
