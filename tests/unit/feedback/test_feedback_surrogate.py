"""The surrogate: its gradient, its predictions, and the improvement that is expected."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import norm

from cytoloop.feedback.optimise.acquisition import log_improvement, log_within
from cytoloop.feedback.optimise.surrogate import Block, Experiments, fit
from cytoloop.feedback.optimise.surrogate_kernel import evidence

BLOCKS = (
    Block(name="level", width=1, centre=0.0, spread=1.0),
    Block(name="linear", width=3, centre=-2.0, spread=1.5),
)


def experiments(count: int, noise: float = 0.0) -> Experiments:
    """A smooth response of three factors."""
    generator = np.random.default_rng(1)
    x = generator.random((count, 3))
    y = np.sin(3.0 * x[:, 0]) + x[:, 1] ** 2 + noise * generator.standard_normal(count)
    features = np.column_stack([np.ones(count), 2.0 * x - 1.0])
    return Experiments(x=x, features=features, sites=np.arange(count, dtype=np.int64) % 2, y=(y - y.mean()) / y.std())


def test_the_gradient_is_that_of_the_evidence() -> None:
    told = experiments(9)
    generator = np.random.default_rng(2)
    theta, centre, spread = generator.normal(-0.5, 0.5, 8), np.zeros(8), np.ones(8)
    parts = (told.features[:, :1], told.features[:, 1:])
    products = np.array([part @ part.T for part in parts])
    same = (told.sites[:, None] == told.sites[None, :]).astype(float)
    found = np.empty(8)
    evidence(theta, told.x, products, same, told.y, centre, spread, found)
    measured = approx_fprime(
        theta, lambda at: evidence(at, told.x, products, same, told.y, centre, spread, np.empty(8)), 1e-7
    )
    assert found == pytest.approx(measured, abs=1e-4)


def test_the_evidence_is_the_density_of_the_values() -> None:
    told = experiments(5)
    theta = np.array([0.0, 0.1, -0.2, 0.3, -2.0, -30.0, 0.2, -1.0])
    parts = (told.features[:, :1], told.features[:, 1:])
    products = np.array([part @ part.T for part in parts])
    gaps = (told.x[:, None, :] - told.x[None, :, :]) / np.exp(theta[:3])
    r = np.sqrt(5.0 * (gaps**2).sum(axis=2))
    k = np.exp(0.3 - r) * (1.0 + r + r**2 / 3.0) + np.exp(0.2) * products[0] + np.exp(-1.0) * products[1]
    k += np.exp(-2.0) * np.eye(5)
    expected = 0.5 * told.y @ np.linalg.solve(k, told.y) + 0.5 * np.linalg.slogdet(2.0 * np.pi * k)[1]
    flat = np.zeros(8)
    assert evidence(theta, told.x, products, np.ones((5, 5)), told.y, flat, flat, np.empty(8)) == pytest.approx(
        expected
    )


def test_it_predicts_what_it_has_not_seen() -> None:
    told = experiments(60, noise=0.02)
    train = Experiments(x=told.x[:45], features=told.features[:45], sites=told.sites[:45] * 0, y=told.y[:45])
    fitted = fit(BLOCKS, train)
    mean, sd = fitted.at(told.x[45:], told.features[45:])
    assert np.corrcoef(mean, told.y[45:])[0, 1] > 0.99
    assert np.abs(mean - told.y[45:]).max() < 0.3
    assert 0.0 < sd.max() < 0.5
    assert fitted.noise < 0.15


def test_one_more_experiment_that_is_believed_only_lowers_the_doubt() -> None:
    told = experiments(12)
    fitted = fit(BLOCKS, told)
    place, column = told.x[:1] * 0.5, np.array([[1.0, *(told.x[0] - 1.0)]])
    mean, sd = fitted.at(place, column)
    again, less = fitted.and_believed(place, column, float(mean[0])).at(place, column)
    assert again[0] == pytest.approx(mean[0], abs=0.05)
    assert less[0] < sd[0]


def test_duplicates_and_constants_do_no_harm() -> None:
    x = np.full((6, 3), 0.5)
    fitted = fit(BLOCKS, Experiments(x=x, features=np.ones((6, 4)), sites=np.zeros(6, dtype=np.int64), y=np.zeros(6)))
    mean, sd = fitted.at(x[:1], np.ones((1, 4)))
    assert mean[0] == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(sd[0])


@pytest.mark.parametrize("gap", [3.0, 0.0, -0.9, -1.1, -5.0])
def test_expected_improvement_is_the_integral(gap: float) -> None:
    mean, sd, best = np.array([1.0]), np.array([2.0]), 1.0 - 2.0 * gap
    expected = 2.0 * (norm.pdf(gap) + gap * norm.cdf(gap))
    assert log_improvement(mean, sd, best)[0] == pytest.approx(np.log(expected), rel=1e-6)


def test_expected_improvement_points_somewhere_where_it_is_tiny() -> None:
    tiny = log_improvement(np.array([-50.0, -49.0, -1e7]), np.ones(3), 0.0)
    assert np.isfinite(tiny).all()
    assert tiny[1] > tiny[0] > tiny[2]


def test_the_probability_of_keeping_limits() -> None:
    mean, sd = np.array([0.0, 2.0, -40.0]), np.ones(3)
    assert np.exp(log_within(mean, sd, -1.0, 1.0)[:2]) == pytest.approx(
        norm.cdf(1.0 - mean[:2]) - norm.cdf(-1.0 - mean[:2])
    )
    assert np.isfinite(log_within(mean, sd, -1.0, 1.0)).all()
    assert log_within(mean, sd, -np.inf, np.inf) == pytest.approx(0.0)
