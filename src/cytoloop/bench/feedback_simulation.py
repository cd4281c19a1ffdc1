"""S1 and S2: 14-day T-cell cultures a second and their gradients, beside diffrax, numbalsoda and SciPy.

Every one integrates equations (1) to (9) of `feedback.models.t_cell` with the same donors, drawn from the pack's
population, the same set-points and the same tolerance. All errors are the largest over cultures and states, relative to
the state or to its floor, against SciPy's DOP853 at 1e-12 restarted at each switch and at the kink.
"""

from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numba import njit
from scipy.integrate import solve_ivp

from cytoloop.app.packs import read_pack
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.core.json import JSON
from cytoloop.feedback.calibrate import values_of
from cytoloop.feedback.culture import begin, begin_slopes
from cytoloop.feedback.dataset import Start
from cytoloop.feedback.models.integrate import RTOL, Plan, cores, plan_of
from cytoloop.feedback.models.kernel import Floats
from cytoloop.feedback.models.model import run, run_with_slopes
from cytoloop.feedback.models.t_cell import LAG, MODEL, rates_plain
from cytoloop.feedback.twin import DYNAMIC, FIXED, NAMES, Twin

CULTURES, QUICK = 100_000, 2_000
CHECKED, QUICK_CHECKED = 64, 4
"""Cultures that are held against the reference."""
SLOPED = 12
END = 336.0
SWITCHES = [0.0, 48.0, 96.0, 168.0, 240.0]
SET_POINTS = [[0.0, 100.0], [0.5 / 24, 100.0], [1.0 / 24, 50.0], [1.5 / 24, 50.0], [2.0 / 24, 50.0]]
"""Perfusion rate [1/h] and IL-2 of the fresh medium [IU/mL] from each switch on."""
_RATES = njit(error_model="numpy")(rates_plain)
START = Start(seeding_density=0.5, volume=500.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Donors, where they begin, and what is done to them."""

    values: Floats
    states: Floats
    slopes: Floats
    """How `states` change with each parameter that enters the equations."""
    plan: Plan


def work(count: int, seed: int) -> Work:
    """`count` donors of the pack's population."""
    twin = Twin.from_data(dict(read_pack("car_t_cd19").twin))
    values = values_of(twin, np.random.default_rng(seed).standard_normal((count, len(NAMES))))
    fixed = np.broadcast_to([twin.fixed[name] for name in FIXED], (count, len(FIXED)))
    return Work(
        values=np.hstack([values[:, :DYNAMIC], fixed]),
        states=begin(values, START),
        slopes=begin_slopes(values, START),
        plan=plan_of(SWITCHES, SET_POINTS, END),
    )


def rows(options: Options) -> list[Row]:
    """Simulations, their error, peers, gradients, their error."""
    of = work(QUICK if options.quick else CULTURES, options.seed)
    checked = QUICK_CHECKED if options.quick else CHECKED
    options.tick("the reference")
    exact = np.array([reference(of.values[n], of.states[n]) for n in range(checked)])
    _warm(of)
    return [*_simulations(of, exact, options), *_gradients(of, options)]


def _warm(of: Work) -> None:
    """Compile everything before anything is timed."""
    simulate(of, 1)
    gradients(of, 1, 1)


def simulate(of: Work, count: int, threads: int = 1, rtol: float = RTOL) -> Floats:
    """The first `count` cultures at the end, (count, 6)."""
    return run(MODEL, of.values[:count], of.states[:count], of.plan, np.array([END]), rtol=rtol, threads=threads)[:, 0]


def gradients(of: Work, count: int, threads: int, rtol: float = RTOL) -> Floats:
    """How the first `count` cultures' ends change with twelve parameters, (count, 6, 12)."""
    _, slopes = run_with_slopes(
        MODEL,
        of.values[:count],
        of.states[:count],
        of.plan,
        np.array([END]),
        directions=np.eye(DYNAMIC)[:SLOPED],
        state_slopes=of.slopes[:count, :, :SLOPED],
        rtol=rtol,
        threads=threads,
    )
    return slopes[:, 0]


def reference(values: Floats, states: Floats, method: str = "DOP853", tolerance: float = 1e-12) -> Floats:
    """The end of one culture by SciPy, restarted where set-points switch and at the kink."""
    lag, y = float(values[LAG]), states
    stops = sorted({*SWITCHES, END, *([lag] if 0.0 < lag < END else [])})
    for start, stop in pairwise(stops):
        u = SET_POINTS[int(np.searchsorted(SWITCHES, start, side="right")) - 1]
        after = 1.0 if start >= lag else 0.0

        def slopes(t: float, y: Floats, u: Any = tuple(u), after: float = after) -> Any:
            return _RATES(t, after, u, values, y)

        atol = tolerance * MODEL.floors
        y = solve_ivp(slopes, (start, stop), y, method=method, rtol=max(tolerance, 3e-14), atol=atol).y[:, -1]
    return np.asarray(y)


def largest_error(found: Floats, exact: Floats) -> float:
    """Over cultures and states, relative to the state or its floor."""
    return float(np.max(np.abs(found - exact) / np.maximum(np.abs(exact), MODEL.floors)))


def _simulations(of: Work, exact: Floats, options: Options) -> list[Row]:
    count = len(of.values)

    def ours() -> float:
        began = perf_counter()
        simulate(of, count, threads=cores())
        return count / (perf_counter() - began)

    options.tick(f"{count:,} cultures by {cores()} cores")
    rates = alternate(options.repeats, ours)[0]
    error = largest_error(simulate(of, len(exact)), exact)
    what = f"14-day T-cell cultures, tolerance {RTOL:g}, {cores()} cores"
    shown: list[Row] = []
    for peer, told in _peers(of, len(exact), options):
        peer_rates = [] if told is None else [float(told["rate"])]
        goal = Goal(bound=200_000) if not shown else None
        shown.append(row("S1", what, rates, "cultures/s", goal=goal, peer=peer, peer_values=peer_rates))
        missed = [] if told is None else [largest_error(np.array(told["ends"]), exact)]
        shown.append(
            row("S1", "largest error of them", [error], "relative", goal=Goal(bound=1e-6, better="less"), peer=peer,
                peer_values=missed)
        )  # fmt: skip
    return shown


def _peers(of: Work, checked: int, options: Options) -> list[tuple[str, dict[str, Any] | None]]:
    """What each peer does a second, and its ends of the checked cultures."""
    path = options.scratch / "cultures.npz"
    times, set_points = of.plan.times[0], of.plan.controls[0]
    np.savez(path, values=of.values, states=of.states, times=times, set_points=set_points, floors=MODEL.floors)
    told: list[tuple[str, dict[str, Any] | None]] = []
    for peer, script, counts in (
        ("diffrax", "diffrax_cultures.py", (64, 8_192)),
        ("numbalsoda", "numbalsoda_cultures.py", (64, 4_000)),
    ):
        options.tick(f"the same by {peer}")
        arguments: dict[str, JSON] = {"file": str(path), "count": counts[0 if options.quick else 1], "checked": checked}
        told.append((peer, options.peers.run(peer, script, {**arguments, "rtol": RTOL, "turns": options.repeats})))
    options.tick("the same by SciPy")
    began = perf_counter()
    ends = [reference(of.values[n], of.states[n], "LSODA", RTOL) for n in range(checked)]
    rate = checked / (perf_counter() - began)
    told.append(("SciPy LSODA, compiled slopes, one core", {"rate": rate, "ends": ends}))
    return told


def _gradients(of: Work, options: Options) -> list[Row]:
    count = min(len(of.values), 500 if options.quick else 20_000)

    def ours() -> float:
        began = perf_counter()
        gradients(of, count, cores())
        return count / (perf_counter() - began)

    options.tick(f"gradients of {count:,} cultures")
    rates = alternate(options.repeats, ours)[0]
    few = 4 if options.quick else 16
    options.tick("gradients by differences")
    found, wanted = gradients(of, few, 1), differences(of, few)
    # Of a change of the parameter by its whole size, relative to the state or its floor.
    size = np.maximum(np.abs(simulate(of, few)), MODEL.floors)[:, :, None]
    error = float(np.max(np.abs(found - wanted) * of.values[:few, None, :SLOPED] / size))
    what = f"gradients of the end in {SLOPED} parameters, {cores()} cores"
    return [
        row("S2", what, rates, "gradients/s", goal=Goal(bound=10_000)),
        row("S2", "largest error of them beside differences at 1e-13", [error], "relative",
            goal=Goal(bound=1e-5, better="less")),
    ]  # fmt: skip


def differences(of: Work, count: int, share: float = 1e-3) -> Floats:
    """The gradients by central differences of order six on ends computed at 1e-13."""
    found = np.zeros((count, 6, SLOPED))
    for place in range(SLOPED):
        step = share * of.values[:count, place]
        moved = [_moved(of, count, place, factor * step) for factor in (1, -1, 2, -2, 3, -3)]
        total = 45.0 * (moved[0] - moved[1]) - 9.0 * (moved[2] - moved[3]) + (moved[4] - moved[5])
        found[:, :, place] = total / (60.0 * step[:, None])
    return found


def _moved(of: Work, count: int, place: int, by: Floats) -> Floats:
    values = of.values[:count].copy()
    values[:, place] += by
    states = of.states[:count] + of.slopes[:count, :, place] * by[:, None]
    return simulate(Work(values=values, states=states, slopes=of.slopes, plan=of.plan), count, rtol=1e-13)
