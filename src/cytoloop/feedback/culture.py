"""The door to the culture model: T cells in a perfused bioreactor, equations (1) to (9) of `models.t_cell`.

A trajectory is a grid of half hours from the seeding at t = 0; set-points hold from one point of the grid on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.models.integrate import Plan, cores, plan_of
from cytoloop.feedback.models.model import run, run_with_slopes
from cytoloop.feedback.models.t_cell import MODEL
from cytoloop.feedback.twin import DYNAMIC, FIXED, NAMES, POPULATION, Twin

Floats: TypeAlias = NDArray[np.float64]

STEP = 0.5
"""h, step of the grid of set-points and results; the integration chooses its own."""

X, D, G, L, IL2, M = range(6)
"""Places of the states in a trajectory."""

_MANY = 256
"""From so many parameter sets on, all cores are used."""

_LOGIT = np.array([POPULATION[name][0] == "logit" for name in NAMES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Set-points on the grid of steps."""

    feed: Floats
    """Each step's time [h], perfusion rate [1/h] and IL-2 in the fresh medium [IU/mL]; shape (steps, 3)."""


def natural(theta: Floats) -> Floats:
    """Parameters in their units from parameters on the twin's scale; shape (n, parameters) both."""
    clipped = np.clip(theta, -20.0, 20.0)
    return np.where(_LOGIT, 1.0 / (1.0 + np.exp(-clipped)), np.exp(clipped))


def schedule(controls: tuple[Control, ...], start_il2: float, hours: float) -> Schedule:
    """The set-points in force at each step from 0 to `hours`; before the first: no perfusion."""
    steps = max(1, round(hours / STEP))
    at = np.arange(steps) * STEP
    times = np.array([control.at for control in controls])
    rates = np.array([0.0, *(control.perfusion_rate / 24.0 for control in controls)])
    media = np.array([start_il2, *(control.il2 for control in controls)])
    places = np.searchsorted(times, at + 1e-9, side="right")
    return Schedule(feed=np.column_stack([at, rates[places], media[places]]).astype(np.float64))


def begin(values: Floats, start: Start) -> Floats:
    """States at t = 0 for each parameter set; `values` in units, shape (n, parameters) -> (n, 6)."""
    states = np.empty((len(values), 6))
    living = values[:, NAMES.index("survival")]
    states[:, X] = start.seeding_density * living
    states[:, D] = start.seeding_density * (1.0 / start.viability - living)
    states[:, G] = values[:, NAMES.index("medium_glucose")]
    states[:, L] = 0.0
    states[:, IL2] = start.il2
    states[:, M] = values[:, NAMES.index("memory_start")]
    return states


def begin_slopes(values: Floats, start: Start) -> Floats:
    """How `begin` changes with each parameter that enters the equations; (n, parameters) -> (n, 6, DYNAMIC)."""
    slopes = np.zeros((len(values), 6, DYNAMIC))
    slopes[:, X, NAMES.index("survival")] = start.seeding_density
    slopes[:, D, NAMES.index("survival")] = -start.seeding_density
    slopes[:, G, NAMES.index("medium_glucose")] = 1.0
    slopes[:, M, NAMES.index("memory_start")] = 1.0
    return slopes


def simulate(twin: Twin, values: Floats, states: Floats, plan: Schedule, first: int = 0) -> Floats:
    """Trajectories from step `first` to the plan's end; shapes (n, parameters), (n, 6) -> (n, steps + 1, 6)."""
    course = _course(plan, first)
    grid = _grid(course, range(len(plan.feed) - first + 1))
    return run(MODEL, _arrays(twin, values), states, course, grid, threads=cores() if len(values) >= _MANY else 1)


def simulate_at(
    twin: Twin, values: Floats, states: Floats, plan: Schedule, *, steps: Sequence[int], first: int = 0
) -> Floats:
    """As `simulate`, at ascending `steps` after `first` only: several times faster; -> (n, len(steps), 6)."""
    course = _course(plan, first)
    grid = _grid(course, steps)
    return run(MODEL, _arrays(twin, values), states, course, grid, threads=cores() if len(values) >= _MANY else 1)


def simulate_with_slopes(
    twin: Twin,
    values: Floats,
    states: Floats,
    plan: Schedule,
    first: int = 0,
    *,
    steps: Sequence[int] | None = None,
    state_slopes: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Trajectories as of `simulate`, and their exact slopes in each parameter that enters the equations, in its unit.

    (n, steps + 1, 6) and (n, steps + 1, 6, DYNAMIC), or at ascending `steps` after `first` only. `state_slopes` is how
    `states` change with the parameters (`begin_slopes` for `begin`'s); not at all when None.
    """
    course = _course(plan, first)
    grid = _grid(course, range(len(plan.feed) - first + 1) if steps is None else steps)
    return run_with_slopes(
        MODEL,
        _arrays(twin, values),
        states,
        course,
        grid,
        directions=np.eye(DYNAMIC),
        state_slopes=np.zeros((len(values), 6, DYNAMIC)) if state_slopes is None else state_slopes,
        threads=cores() if len(values) * DYNAMIC >= _MANY else 1,
    )


def natural_slopes(values: Floats) -> Floats:
    """How each parameter changes with its place on the twin's scale, from `natural`'s result; same shape."""
    return np.where(_LOGIT, values * (1.0 - values), values)


def _arrays(twin: Twin, values: Floats) -> Floats:
    fixed = np.array([twin.fixed[name] for name in FIXED])
    return np.hstack([values[:, :DYNAMIC], np.broadcast_to(fixed, (len(values), len(fixed)))])


def _course(plan: Schedule, first: int) -> Plan:
    """The set-points from step `first` on as stretches of constant ones."""
    feed = plan.feed[first:]
    changes = np.flatnonzero(np.any(np.diff(feed[:, 1:], axis=0) != 0.0, axis=1)) + 1
    begins = np.concatenate([[0], changes])
    return plan_of(feed[begins, 0].tolist(), feed[begins, 1:].tolist(), float(feed[-1, 0] + STEP))


def _grid(course: Plan, steps: Sequence[int]) -> Floats:
    return np.asarray(course.times[0, 0] + np.asarray(steps, dtype=np.float64) * STEP)
