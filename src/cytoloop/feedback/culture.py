"""The culture model of the twin: T cells in a perfused bioreactor after activation, well mixed, constant volume.

States: viable density X and dead density D [1e6 cells/mL], glucose G and lactate L [mmol/L], interleukin-2 I
[IU/mL], memory fraction M [1]. Time in hours, P the perfusion rate in vessel volumes per hour, cells retained.

(1) signal    a(t) = exp(-wane * max(0, t - lag)) / (1 + exp(-(t - lag) / ramp_width))
              activation ramps up and wanes when the beads' signal is spent (Trickett & Kwan 2003,
              J Immunol Methods 275:251)
(2) IL-2      h(I) = il2_independent + (1 - il2_independent) * I / (il2_half + I)
              receptor occupancy (Smith 1988, Science 240:1169); part of growth needs none
(3) growth    mu = mu_max * a * h * G / (glucose_half + G) / (1 + (L / lactate_half)^2)
                        * max(0, 1 - X / density_limit)
              Monod 1949 (Annu Rev Microbiol 3:371); Han & Levenspiel 1988 form of product inhibition
(4) death     k = death * (1 + starvation * glucose_half / (glucose_half + G))
(5)           dX/dt = (mu - k) X            dD/dt = k X - lysis D
(6)           dG/dt = -u X + P (G_medium - G)   with u = glucose_uptake * (0.3 + 0.7 a) * G / (glucose_half + G)
              resting cells take up about a third of what activated cells do (Frauwirth 2002, Immunity 16:769)
(7)           dL/dt = lactate_yield * u X - P L
(8)           dI/dt = -il2_uptake X I / (il2_half + I) - il2_decay I + P (I_medium - I)
(9)           dM/dt = -memory_loss * a * (1 + il2_memory * I / (il2_half + I)) * M
              differentiation follows activation and cytokine (Gattinoni 2011, Nat Med 17:1290)

At t = 0: X = survival * seeded, D the rest, G = medium, L = 0, M = memory_start. Fixed-step RK4 at half an hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.twin import FIXED, NAMES, POPULATION, Twin

Floats: TypeAlias = NDArray[np.float64]

STEP = 0.5
"""h, step of the integration; stable for glucose uptake up to 40e6 cells/mL."""

X, D, G, L, IL2, M = range(6)
"""Places of the states in a trajectory."""

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


def simulate(twin: Twin, values: Floats, states: Floats, plan: Schedule, first: int = 0) -> Floats:
    """Trajectories from step `first` to the plan's end; shapes (n, parameters), (n, 6) -> (n, steps + 1, 6)."""
    fixed = np.array([twin.fixed[name] for name in FIXED])
    feed = np.ascontiguousarray(plan.feed[first:])
    out = np.empty((len(values), len(feed) + 1, 6))
    _run(np.ascontiguousarray(values), fixed, np.ascontiguousarray(states), feed, out)
    return out


def _slopes(p: Any, f: Any, y: Any, t: float, feed: Any) -> Any:
    """Equations (1) to (9); `p` in the order of NAMES, `f` in the order of FIXED, `feed` a row of the schedule."""
    late = t - p[1]
    signal = 1.0 / (1.0 + exp(-max(-50.0, min(50.0, late / f[0]))))
    if late > 0.0:
        signal *= exp(-p[3] * late)
    sated = y[2] / (f[1] + y[2])
    bound = y[4] / (f[3] + y[4])
    inhibited = y[3] / f[2]
    room = max(0.0, 1.0 - y[0] / p[5])
    growth = p[0] * signal * (p[11] + (1.0 - p[11]) * bound) * sated / (1.0 + inhibited * inhibited) * room
    death = p[4] * (1.0 + f[4] * (1.0 - sated))
    uptake = p[6] * (0.3 + 0.7 * signal) * sated * y[0]
    return (
        (growth - death) * y[0],
        death * y[0] - f[5] * y[1],
        feed[1] * (p[8] - y[2]) - uptake,
        p[7] * uptake - feed[1] * y[3],
        feed[1] * (feed[2] - y[4]) - f[6] * y[0] * bound - f[7] * y[4],
        -p[10] * signal * (1.0 + p[12] * bound) * y[5],
    )


_slopes_compiled: Callable[..., Any] = njit(cache=True, inline="always")(_slopes)


def _run_plain(p: Any, f: Any, y0: Any, feed: Any, out: Any) -> None:
    """Classical Runge-Kutta of order four for each parameter set, states kept from going below zero."""
    y, z = np.empty(6), np.empty(6)
    for n in range(p.shape[0]):
        for j in range(6):
            y[j] = y0[n, j]
            out[n, 0, j] = y[j]
        for step in range(feed.shape[0]):
            now = feed[step]
            k1 = _slopes_compiled(p[n], f, y, now[0], now)
            for j in range(6):
                z[j] = max(0.0, y[j] + 0.25 * k1[j])
            k2 = _slopes_compiled(p[n], f, z, now[0] + 0.25, now)
            for j in range(6):
                z[j] = max(0.0, y[j] + 0.25 * k2[j])
            k3 = _slopes_compiled(p[n], f, z, now[0] + 0.25, now)
            for j in range(6):
                z[j] = max(0.0, y[j] + 0.5 * k3[j])
            k4 = _slopes_compiled(p[n], f, z, now[0] + 0.5, now)
            for j in range(6):
                y[j] = max(0.0, y[j] + (k1[j] + 2.0 * k2[j] + 2.0 * k3[j] + k4[j]) / 12.0)
                out[n, step + 1, j] = y[j]


_run: Callable[..., None] = njit(cache=True)(_run_plain)
