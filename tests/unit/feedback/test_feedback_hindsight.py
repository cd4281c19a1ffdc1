"""Hindsight: counts and the biomass signal together know better than one count what was true."""

from dataclasses import replace

import numpy as np
import pytest

from cytoloop.bench.forecast_plants import Assays, Case, gompertz
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.hindsight import COUNT, SIGNAL, looked, wander

NOISE = 0.08


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Twelve donors."""
    return [gompertz(donor, Assays()) for donor in range(12)]


def without(seen: BatchHistory, after: float) -> BatchHistory:
    """The batch with its counts until hour `after` ten times as high."""
    counts = tuple((hour, 10.0 * value if hour <= after else value) for hour, value in seen.observations[COUNT])
    return replace(seen, observations={**seen.observations, COUNT: counts})


def test_hindsight_is_nearer_to_the_truth_than_the_count(cases: list[Case]) -> None:
    better, plain = [], []
    for case in cases:
        true = np.log(case.truth[COUNT])
        found = looked(case.seen, case.at - 60.0, case.at, NOISE, 1e-4)
        assert found is not None
        assert sum(found.weights.values()) == pytest.approx(1.0)
        better.append(found.value - true)
        plain.append(np.log(case.seen.observations[COUNT][-1][1]) - true)
    assert np.std(better) < 0.8 * np.std(plain)


def test_counts_before_the_forecast_have_no_part_in_it(cases: list[Case]) -> None:
    case, after = cases[0], cases[0].at - 60.0
    one, other = (looked(seen, after, case.at, NOISE, 1e-4) for seen in (case.seen, without(case.seen, after)))
    assert one is not None
    assert one == other
    assert min(one.weights) > after


def test_a_gain_that_wanders_leaves_the_last_count_alone(cases: list[Case]) -> None:
    case = cases[1]
    found = looked(case.seen, case.at - 60.0, case.at, NOISE, 10.0)
    assert found is not None
    assert found.weights[case.at] > 0.99


def test_wander_is_learned(cases: list[Case]) -> None:
    def drifting(seen: BatchHistory) -> BatchHistory:
        signal = tuple((hour, value * float(np.exp(0.004 * hour))) for hour, value in seen.observations[SIGNAL])
        return replace(seen, observations={**seen.observations, SIGNAL: signal})

    steady = wander([case.seen for case in cases], NOISE)
    assert wander([drifting(case.seen) for case in cases], NOISE) > 10.0 * steady


def test_without_a_signal_there_is_no_hindsight(cases: list[Case]) -> None:
    seen = replace(cases[0].seen, observations={COUNT: cases[0].seen.observations[COUNT]})
    assert looked(seen, cases[0].at - 60.0, cases[0].at, NOISE, 1e-4) is None
    assert wander([seen], NOISE) > 0.0
