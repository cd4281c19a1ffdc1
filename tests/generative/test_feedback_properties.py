"""Whatever a batch looks like, feedback stays finite, honest and inside the ranges."""

import math
from pathlib import Path

import numpy as np
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import cytoloop
from cytoloop.feedback.calibrate import fit_donor, values_of
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION, Controller, Gate, Lever, Moved
from cytoloop.feedback.culture import X, begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history
from cytoloop.feedback.forecast import Forecast, forecast
from cytoloop.feedback.twin import NAMES, Twin

PACK = Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml"
TWIN = Twin.from_data(yaml.safe_load(PACK.read_text("utf-8")))
FITTED = TWIN.with_figures(TWIN.figures(), version=2, batches=("B-1", "B-2", "B-3"))
LIMITS = {"viability": (0.7, None), "viable_car_cells": (150.0, None), "memory_fraction": (0.3, None)}


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Finite numbers in a range."""
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def batches(draw: st.DrawFn) -> BatchHistory:
    """Any batch that passes the door of the dataset, however strange."""
    start = Start(
        seeding_density=draw(numbers(0.2, 4.0)),
        volume=draw(numbers(50.0, 500.0)),
        moi=draw(numbers(0.5, 6.0)),
        il2=draw(numbers(0.0, 500.0)),
    )
    controls = tuple(
        Control(at=48.0 + 24.0 * day, perfusion_rate=draw(numbers(0.0, 3.0)), il2=draw(numbers(0.0, 500.0)))
        for day in range(draw(st.integers(1, 3)))
    )
    days = draw(st.integers(1, 6))
    tops = {"viable_cell_density": 200.0, "viability": 1.0, "glucose": 60.0, "lactate": 90.0, "memory_fraction": 1.0}
    observations = {
        name: [(72.0 + 24.0 * day, draw(numbers(0.0, top))) for day in range(days)] for name, top in tops.items()
    }
    return history(batch="B", start=start, controls=controls, observations=observations)


@settings(max_examples=40, deadline=None)
@given(batches(), numbers(80.0, 220.0), numbers(60.0, 312.0), st.integers(0, 2**31))
def test_a_forecast_is_finite_and_ordered(made: BatchHistory, at: float, harvest_at: float, seed: int) -> None:
    found = forecast(
        TWIN, made, at=at, harvest_at=harvest_at, limits=LIMITS, generator=np.random.default_rng(seed), draws=32
    )
    assert isinstance(found, Forecast)
    assert 0.0 <= found.made.in_specification <= 1.0
    for interval in found.made.quantities.values():
        assert all(math.isfinite(value) for value in (interval.low, interval.median, interval.high))
        assert 0.0 <= interval.low <= interval.median <= interval.high
    for name in ("viability", "memory_fraction", "car_fraction"):
        assert found.made.quantities[name].high <= 1.0
    assert all(
        low <= median <= high
        for low, median, high in zip(found.made.curve_low, found.made.curve_median, found.made.curve_high, strict=True)
    )
    assert found.trusted == (found.misfit <= 2.0)


@settings(max_examples=60, deadline=None)
@given(batches(), numbers(96.0, 230.0), st.booleans(), st.data())
def test_a_move_never_leaves_its_range_its_step_or_the_one_lever(
    made: BatchHistory, at: float, several: bool, data: st.DataObject
) -> None:
    duration = data.draw(numbers(120.0, 264.0))
    last = made.controls[-1]
    levers = {
        DURATION: Lever(value=duration, low=120.0, high=264.0, unit="h", step=36.0),
        PERFUSION: Lever(value=last.perfusion_rate, low=0.0, high=2.0, unit="1/d", step=0.5),
        IL2: Lever(value=last.il2, low=20.0, high=400.0, unit="IU/mL", step=95.0),
    }
    names = data.draw(st.sampled_from([(), (DURATION,), (IL2,)]))
    ago = data.draw(numbers(0.0, 60.0))
    gate = Gate(
        levers=levers,
        moved=tuple(Moved(parameter=name, at=at - ago) for name in names),
        design_space=frozenset(levers) if several else frozenset(),
    )
    found = Controller(FITTED, gate, limits=LIMITS, draws=8, dead_band=0.001, loss=1.0).step(made, at)
    assert "the numbers failed" not in found.why.en
    assert several or len(found.moves) <= 1
    if names and ago < gate.rest:
        assert not found.moves
    for move in found.moves:
        lever = levers[move.parameter]
        assert lever.low <= move.new <= lever.high
        assert 0.0 < abs(move.new - move.old) <= lever.step + 1e-9
        assert move.old == lever.value
        assert several or set(names) <= {move.parameter}
        if move.parameter == DURATION:
            assert 48.0 + move.new >= at + gate.notice - 1e-6


@settings(max_examples=30, deadline=None)
@given(batches(), st.integers(1, 5))
def test_more_data_never_widens_the_posterior_absurdly(made: BatchHistory, days: int) -> None:
    early = fit_donor(TWIN, made.seen_until(72.0 + 24.0 * days))
    assert np.all(np.diag(early.covariance) <= 1.0 + 1e-6), "never wider than the population"
    assert np.all(np.isfinite(early.z))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(numbers(-3.0, 3.0), min_size=len(NAMES), max_size=len(NAMES)),
    numbers(0.3, 3.0),
    numbers(0.0, 2.0),
    numbers(0.0, 400.0),
)
def test_any_donor_gives_a_possible_culture(z: list[float], density: float, rate: float, il2: float) -> None:
    values = values_of(TWIN, np.array([z]))
    start = Start(seeding_density=density, volume=200.0)
    plan = schedule((Control(at=48.0, perfusion_rate=rate, il2=il2),), start.il2, 312.0)
    culture = simulate(TWIN, values, begin(values, start), plan)[0]
    assert np.all(np.isfinite(culture))
    assert np.all(culture >= 0.0)
    assert np.all(culture[:, X] <= max(density, values[0, NAMES.index("density_limit")]) * 1.01)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_a_donor_of_the_population_is_found_again(seed: int) -> None:
    """Data made by the twin itself: the point lies within what the covariance allows."""
    generator = np.random.default_rng(seed)
    z = np.clip(generator.standard_normal(len(NAMES)), -1.5, 1.5)
    start, controls = Start(seeding_density=1.0, volume=200.0), (Control(at=48.0, perfusion_rate=1.0, il2=100.0),)
    values = values_of(TWIN, z[None])
    culture = simulate(TWIN, values, begin(values, start), schedule(controls, start.il2, 216.0))[0]
    counts = [(at, culture[2 * at, X] * np.exp(0.12 * generator.standard_normal())) for at in range(72, 217, 24)]
    donor = fit_donor(
        TWIN, history(batch="B", start=start, controls=controls, observations={"viable_cell_density": counts})
    )
    root = np.linalg.cholesky(donor.covariance)
    distance = np.linalg.solve(root, z - donor.z)
    assert float(distance @ distance) < 60.0, "17 parameters: far outside chance otherwise"
