"""The integrator and the culture models: exact beside SciPy, the same in any company, exact slopes."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import cytoloop
from cytoloop.feedback import culture
from cytoloop.feedback.calibrate import values_of
from cytoloop.feedback.culture import begin, begin_slopes, natural_slopes, schedule, simulate, simulate_at
from cytoloop.feedback.culture import simulate_with_slopes as with_slopes
from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.models import msc, t_cell
from cytoloop.feedback.models.integrate import Plan, integrate, plan_of, work_of
from cytoloop.feedback.models.kernel import Floats
from cytoloop.feedback.models.lanes import exp_of
from cytoloop.feedback.models.model import Model, run
from cytoloop.feedback.twin import DYNAMIC, FIXED, NAMES, Twin

START = Start(seeding_density=0.5, volume=500.0)
CONTROLS = (Control(at=48.0, perfusion_rate=0.5, il2=100.0), Control(at=120.0, perfusion_rate=1.5, il2=50.0))
PLAN = schedule(CONTROLS, 100.0, 240.0)
COURSE = plan_of([0.0, 48.0, 120.0], [[0.0, 100.0], [0.5 / 24, 100.0], [1.5 / 24, 50.0]], 240.0)
GRID = np.arange(0.0, 241.0, 12.0)


@pytest.fixture(scope="module")
def twin() -> Twin:
    pack = Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml"
    return Twin.from_data(yaml.safe_load(pack.read_text("utf-8")))


@pytest.fixture(scope="module")
def donors(twin: Twin) -> Floats:
    return values_of(twin, np.random.default_rng(7).standard_normal((21, len(NAMES))))


def arrays(twin: Twin, values: Floats) -> Floats:
    fixed = np.array([twin.fixed[name] for name in FIXED])
    return np.hstack([values[:, :DYNAMIC], np.tile(fixed, (len(values), 1))])


def exact(values: Floats, states: Floats, plan: Plan, times: Floats) -> Floats:
    """SciPy's DOP853 at 1e-11 in pieces between switches and the kink."""
    lag, found, y = values[t_cell.LAG], [], states
    stops = sorted({*plan.times[0].tolist(), lag, *times.tolist()})
    for first, last in pairwise(stops):
        u = plan.controls[0, np.searchsorted(plan.times[0], first, side="right") - 1]
        after = float(first >= lag)
        y = solve_ivp(
            lambda t, y, u=u, after=after: t_cell.rates_plain(t, after, u, values, y),
            (first, last),
            y,
            method="DOP853",
            rtol=1e-11,
            atol=1e-13,
        ).y[:, -1]
        found += [y] if last in times else []
    return np.array(found)


@pytest.mark.parametrize("x", [-60.0, -31.7, -1.0, -1e-9, 0.0, 0.3, 12.0, 59.9])
def test_the_exponential_is_exact(x: float) -> None:
    assert exp_of(x) == pytest.approx(math.exp(x), rel=1e-12)


def test_the_exponential_is_cut_off() -> None:
    assert exp_of(1e9) == exp_of(60.0)
    assert exp_of(-1e9) == exp_of(-60.0)


def test_cultures_are_exact_beside_scipy_at_their_end_and_between(twin: Twin, donors: Floats) -> None:
    values, states = arrays(twin, donors), begin(donors, START)
    floors = t_cell.MODEL.floors
    ends = run(t_cell.MODEL, values, states, COURSE, np.array([240.0]))
    between = run(t_cell.MODEL, values, states, COURSE, GRID)
    for n in range(2):
        wanted = exact(values[n], states[n], COURSE, GRID[1:])
        size = np.maximum(np.abs(wanted), floors)
        assert np.max(np.abs(ends[n, 0] - wanted[-1]) / size[-1]) < 1e-6
        assert np.max(np.abs(between[n, 1:] - wanted) / size) < 1e-6


def test_a_tighter_tolerance_is_kept(twin: Twin, donors: Floats) -> None:
    values, states = arrays(twin, donors), begin(donors, START)
    best = run(t_cell.MODEL, values, states, COURSE, GRID, rtol=1e-13)
    size = np.maximum(best, t_cell.MODEL.floors)
    missed = [
        np.max(np.abs(run(t_cell.MODEL, values, states, COURSE, GRID, rtol=rtol) - best) / size)
        for rtol in (1e-4, 1e-6, 1e-8, 1e-10)
    ]
    assert all(each < 3.0 * rtol for each, rtol in zip(missed, (1e-4, 1e-6, 1e-8, 1e-10), strict=True)), missed


def test_a_culture_is_the_same_alone_and_in_any_company(twin: Twin, donors: Floats) -> None:
    states = begin(donors, START)
    together = simulate(twin, donors, states, PLAN)
    turned = simulate(twin, donors[::-1].copy(), states[::-1].copy(), PLAN)[::-1]
    alone = np.concatenate([simulate(twin, donors[n : n + 1], states[n : n + 1], PLAN) for n in range(3)])
    assert np.array_equal(together, turned)
    assert np.array_equal(together[:3], alone)


def test_threads_change_nothing(twin: Twin, donors: Floats) -> None:
    values, states = np.tile(arrays(twin, donors), (4, 1)), np.tile(begin(donors, START), (4, 1))
    one = run(t_cell.MODEL, values, states, COURSE, GRID)
    assert np.array_equal(one, run(t_cell.MODEL, values, states, COURSE, GRID, threads=2))


def test_courses_of_their_own(twin: Twin, donors: Floats) -> None:
    """Two cultures with two plans, one of fewer switches, as each alone with its own."""
    values, states, at = arrays(twin, donors[:2]), begin(donors[:2], START), np.array([240.0])
    other = plan_of([0.0, 60.0], [[0.0, 100.0], [1.0 / 24, 20.0]], 240.0)
    both = Plan(
        times=np.array([COURSE.times[0], [0.0, 60.0, 240.0, 240.0]]),
        controls=np.array([COURSE.controls[0], [*other.controls[0], other.controls[0, -1]]]),
    )
    options: dict[str, Any] = {"atol": 1e-6 * t_cell.MODEL.floors, "kinks": values[:, t_cell.LAG]}
    found = integrate(t_cell.MODEL.kernel, values, states, both, at, courses=np.array([0, 1]), **options)
    assert np.array_equal(found[0], run(t_cell.MODEL, values[:1], states[:1], COURSE, at)[0])
    assert np.array_equal(found[1], run(t_cell.MODEL, values[1:], states[1:], other, at)[0])


def test_a_run_that_begins_later_goes_on_as_the_whole_one(twin: Twin, donors: Floats) -> None:
    whole = simulate(twin, donors, begin(donors, START), PLAN)
    rest = simulate(twin, donors, whole[:, 200], PLAN, first=200)
    assert rest == pytest.approx(whole[:, 200:], rel=1e-5, abs=1e-6)
    some = simulate_at(twin, donors, whole[:, 200], PLAN, steps=[0, 40, 280], first=200)
    assert some == pytest.approx(whole[:, [200, 240, 480]], rel=1e-5, abs=1e-6)


def test_what_is_no_number_ends_as_none(twin: Twin, donors: Floats) -> None:
    values, states = arrays(twin, donors), begin(donors, START)
    values[4, 0] = np.nan
    spent = work_of(len(values))
    options: dict[str, Any] = {"atol": 1e-8 * np.ones(6), "kinks": values[:, t_cell.LAG], "work": spent}
    found = integrate(t_cell.MODEL.kernel, values, states, COURSE, GRID, **options)
    assert np.isnan(found[4, -1]).all()
    assert np.isfinite(np.delete(found, 4, axis=0)).all()
    assert spent.floored[4] > 0
    assert np.delete(spent.floored, 4).max() == 0


@settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), rate=st.floats(0.0, 6.0), il2=st.floats(0.0, 500.0), spread=st.floats(0.0, 3.0))
def test_nothing_is_negative_and_carbon_is_kept(twin: Twin, seed: int, rate: float, il2: float, spread: float) -> None:
    """yield * G + L stays what the medium holds, whatever is perfused: equations (6) and (7) together."""
    values = values_of(twin, spread * np.random.default_rng(seed).standard_normal((3, len(NAMES))))
    plan = schedule((Control(at=30.0, perfusion_rate=rate, il2=il2),), 100.0, 240.0)
    found = simulate(twin, values, begin(values, START), plan)
    assert np.isfinite(found).all()
    assert found.min() >= 0.0
    yielded, medium = values[:, NAMES.index("lactate_yield")], values[:, NAMES.index("medium_glucose")]
    carbon = yielded[:, None] * found[:, :, culture.G] + found[:, :, culture.L]
    assert carbon == pytest.approx(np.broadcast_to((yielded * medium)[:, None], carbon.shape), rel=1e-5)


def test_slopes_are_those_of_the_trajectories(twin: Twin, donors: Floats) -> None:
    """Beside central differences of order four on trajectories at 1e-13."""
    few, steps = donors[:2], [90, 200, 480]
    states = begin(few, START)
    found, slopes = with_slopes(twin, few, states, PLAN, steps=steps, state_slopes=begin_slopes(few, START))
    assert found == pytest.approx(simulate_at(twin, few, states, PLAN, steps=steps), rel=1e-6, abs=1e-7)

    def moved(place: int, factor: float) -> Floats:
        values = few.copy()
        values[:, place] *= 1.0 + factor * 1e-4
        at = np.array(steps) * culture.STEP
        return run(t_cell.MODEL, arrays(twin, values), begin(values, START), COURSE, at, rtol=1e-13)

    size = np.maximum(found, t_cell.MODEL.floors)
    for place in range(DYNAMIC):
        wanted = (8.0 * (moved(place, 1) - moved(place, -1)) - (moved(place, 2) - moved(place, -2))) / (12e-4)
        assert np.max(np.abs(slopes[..., place] * few[:, place, None, None] - wanted) / size) < 3e-6, NAMES[place]


def test_slopes_of_the_scale(donors: Floats) -> None:
    theta = np.where([name in ("survival", "recovery") for name in NAMES], 0.3, -1.0) * np.ones_like(donors)
    up, down = culture.natural(theta + 1e-6), culture.natural(theta - 1e-6)
    assert natural_slopes(culture.natural(theta)) == pytest.approx((up - down) / 2e-6, rel=1e-6)


def stromal(surface: float = 6.0, added: float = 14.0) -> tuple[Floats, Floats, Plan]:
    values = np.tile(msc.MODEL.figures(), (2, 1))
    values[1, 0] *= 1.2
    controls = [[surface, 0.0, 0.5], [surface, 0.01, 1.0], [added, 0.01, 1.0]]
    return values, msc.begin(values, 0.02, surface), plan_of([0.0, 72.0, 120.0], controls, 240.0)


def test_stromal_cells_are_exact_beside_scipy() -> None:
    values, y, plan = stromal()
    found = run(msc.MODEL, values, y, plan, np.array([240.0]))
    wanted = y[0]
    for place, (first, last) in enumerate(pairwise(plan.times[0])):
        u = plan.controls[0, place]
        solved = solve_ivp(
            lambda t, y, u=u: msc.rates_plain(u, values[0], y), (first, last), wanted, "LSODA", rtol=1e-10, atol=1e-12
        )
        wanted = solved.y[:, -1]
    assert found[0, 0] == pytest.approx(wanted, rel=1e-6)


def test_stromal_cells_fill_the_surface_and_added_beads_let_them_go_on() -> None:
    values, y, plan = stromal()
    grid = np.arange(0.0, 241.0, 6.0)
    fed = run(msc.MODEL, values, y, plan, grid)
    _, _, alone = stromal(added=6.0)
    full = run(msc.MODEL, values, y, alone, grid)
    capacity = values[0, 3] * 6.0
    assert full[:, :, 1].max() <= capacity * (1.0 + 1e-6)
    assert fed[0, -1, 1] > 1.1 * full[0, -1, 1]
    assert np.all(np.diff(fed[0, :, 6]) >= -1e-9), "reached surface only grows"
    carbon = values[:, 7, None] * fed[:, :, 3] + fed[:, :, 4]
    assert carbon == pytest.approx(np.full_like(carbon, 2.0 * 5.6), rel=1e-5)
    assert fed.min() >= 0.0


@pytest.mark.parametrize("model", [t_cell.MODEL, msc.MODEL], ids=lambda model: model.name)
def test_a_model_says_what_it_is_made_of(model: Model) -> None:
    assert model.kernel.states == len(model.states)
    assert model.kernel.controls == len(model.controls)
    assert model.kernel.parameters == len(model.figures())
    assert all(each.source and each.unit for each in (*model.parameters, *model.fixed))
    for each in (*model.parameters, *model.fixed):
        assert each.name in model.equations or each.name.startswith(("medium", "survival")), each.name
