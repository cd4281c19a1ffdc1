"""The residual: nothing without evidence, the truth with it, wide where nothing was seen."""

import numpy as np
import pytest

from cytoloop.feedback.residual import FEATURES, figures_of, residuals_of
from cytoloop.feedback.residual_fit import Miss, fit_residual

NOISE = 0.05


def misses(generator: np.random.Generator, donors: int, drift: float = 0.0, sd: float = 0.0) -> list[Miss]:
    """Errors of forecasts: `drift` a day, `sd` a day between donors, and the measurement's noise."""
    found = []
    for donor in range(donors):
        own = sd * generator.standard_normal()
        for days in (1.5, 2.5, 3.5):
            found.append(
                Miss(
                    donor=donor, days=days, error=(drift + own) * days + NOISE * generator.standard_normal(),
                    posterior=0.02, noise=NOISE, moment=240.0 - 24.0 * days, weights={240.0 - 24.0 * days: 1.0},
                    features=generator.standard_normal(len(FEATURES)),
                )
            )  # fmt: skip
    return found


def test_nothing_is_corrected_without_evidence() -> None:
    found = fit_residual(misses(np.random.default_rng(1), 16), 0.15)
    assert found is not None
    mean, sd = found[0].correction(np.random.default_rng(2).standard_normal((50, len(FEATURES))), np.full(50, 2.5))
    assert np.abs(mean).max() < 0.03
    assert sd.max() < 0.08


def test_a_steady_error_is_found() -> None:
    residual, judged = fit_residual(misses(np.random.default_rng(3), 16, drift=0.08), 0.15) or pytest.fail("too few")
    mean, _ = residual.correction(np.zeros((1, len(FEATURES))), np.array([2.5]))
    assert mean[0] == pytest.approx(0.2, abs=0.04)
    assert len(judged) == 48


def test_donors_that_differ_widen_the_interval() -> None:
    widths = []
    for sd in (0.0, 0.1):
        residual, _ = fit_residual(misses(np.random.default_rng(4), 16, sd=sd), 0.15) or pytest.fail("too few")
        widths.append(residual.reach * residual.correction(np.zeros((1, len(FEATURES))), np.array([2.5]))[1][0])
    assert widths[1] > 2.0 * widths[0]


def test_away_from_the_data_the_interval_widens_and_the_mean_does_not_run_off() -> None:
    residual, _ = fit_residual(misses(np.random.default_rng(5), 16, drift=0.05, sd=0.02), 0.15) or pytest.fail("few")
    near, far = np.zeros((1, len(FEATURES))), np.full((1, len(FEATURES)), 40.0)
    days = np.array([2.5])
    assert residual.correction(far, days)[1] > residual.correction(near, days)[1]
    further = residual.correction(2.0 * far, days)[0]
    assert further == pytest.approx(residual.correction(far, days)[0])


def test_two_donors_teach_nothing() -> None:
    assert fit_residual(misses(np.random.default_rng(6), 2), 0.15) is None


def test_figures_bring_the_residual_back() -> None:
    residual, _ = fit_residual(misses(np.random.default_rng(7), 8, drift=0.05), 0.15) or pytest.fail("too few")
    again = residuals_of(figures_of({"glucose": residual}))["glucose"]
    assert again.covariance == pytest.approx(residual.covariance)
    assert (again.reach, again.posterior, again.donors) == (residual.reach, residual.posterior, residual.donors)


def test_figures_of_other_features_are_no_residual() -> None:
    residual, _ = fit_residual(misses(np.random.default_rng(7), 8), 0.15) or pytest.fail("too few")
    known = {name: pair for name, pair in figures_of({"glucose": residual}).items() if not name.endswith(":perfusion")}
    assert residuals_of(known) == {}
