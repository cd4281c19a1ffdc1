"""Stiff: reactions whose fast parts settle at once, one run after another, by a Rosenbrock method.

Method: RODAS3, order 3 with an embedded order 2, stiffly accurate (Sandu, Verwer, Blom, Spee, Carmichael & Potra 1997,
Atmos Environ 31:3459), with a Jacobian by differences at each step. Steps end on the times asked for. States are kept
from going below zero.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from math import sqrt
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from cytoloop.feedback.models.integrate import spread
from cytoloop.feedback.models.kernel import Floats
from cytoloop.feedback.models.lane_steps import INSIDE

_N = _ROOM = 0
_rates: Any = None
"""Set anew for each kernel: number of states, numbers of room the rates keep between calls, the rates."""

_STEPS = 200_000
"""A run that takes more gives NaN from there."""


class Bench(NamedTuple):
    """Where one run is worked on."""

    room: Any
    """What the rates keep between calls."""
    j: Any
    """The Jacobian, then its factors."""
    pieces: Any
    """Rows of states: begin, end, rates, a stage's states, its four slopes, moved rates."""
    pivots: Any


class StiffJob(NamedTuple):
    """What the compiled code works on."""

    states: Any
    values: Any
    times: Any
    floors: Any
    rtol: float
    out: Any


def stiff_kernel(name: str, rates: Any, *, states: int, room: int) -> Callable[..., None]:
    """Compile `rates(y, values, room, slopes)` (an njit function) into an integrator of runs."""
    space = {**globals(), "_N": states, "_ROOM": room, "_rates": rates}
    for part in _PARTS:
        space[part.__name__] = njit(**INSIDE)(FunctionType(part.__code__, space))
    plain = FunctionType(_run.__code__, space)
    plain.__name__ = plain.__qualname__ = f"{name}_{_digest(rates.py_func.__code__.co_filename)}"
    compiled: Callable[..., None] = njit(cache=True, nogil=True, error_model="numpy")(plain)
    return compiled


@cache
def _digest(source: str) -> str:
    return hashlib.sha256(Path(__file__).read_bytes() + Path(source).read_bytes()).hexdigest()[:12]


def solve(
    run: Callable[..., None],
    values: Floats,
    states: Floats,
    times: Floats,
    *,
    floors: Floats,
    rtol: float,
    threads: int = 1,
) -> Floats:
    """States at each run's own ascending `times` from 0 on; values (n, figures), states (n, states), times (n, points)
    -> (n, points, states). The error is relative to the state, or to its floor where it is smaller."""
    out = np.full((*times.shape, states.shape[1]), np.nan)
    job = StiffJob(
        np.ascontiguousarray(states), np.ascontiguousarray(values), np.ascontiguousarray(times), floors, rtol, out
    )
    spread(run, len(values), job, threads)
    return out


def _run(first: int, last: int, job: Any) -> None:
    b = Bench(np.zeros(_ROOM), np.zeros((_N, _N)), np.zeros((9, _N)), np.zeros(_N, np.int64))
    for n in range(first, last):
        b.room[:] = 0.0
        _one(n, job, b)


def _one(n: int, job: Any, b: Any) -> None:
    """One run from 0 to its last time."""
    y, new, end = b.pieces[0], b.pieces[1], job.times[n, -1]
    y[:] = job.states[n]
    t, h, point = 0.0, 1e-4 * end, 0
    for _ in range(_STEPS):
        while point < job.times.shape[1] and job.times[n, point] <= t + 1e-12 * end:
            job.out[n, point] = y
            point += 1
        if point == job.times.shape[1]:
            return
        left = job.times[n, point] - t
        step = left if h >= left else (0.5 * left if 2.0 * h > left else h)
        error = _step(b, job, n, step)
        if error <= 1.0:
            t += step
            for i in range(_N):
                y[i] = max(0.0, new[i])
        if not np.isfinite(error):
            h = 0.1 * step
        elif error > 1.0 or step >= h or step * 2.0 >= h:
            h = step * min(5.0, max(0.2, 0.9 / (error + 1e-9) ** (1.0 / 3.0)))
        if h < 1e-14 * end:
            return


def _step(b: Any, job: Any, n: int, h: float) -> float:
    """One step into pieces[1]; its error, 1 being as large as it may be."""
    values, room, floors, rtol = job.values[n], b.room, job.floors, job.rtol
    y, new, f, z = b.pieces[0], b.pieces[1], b.pieces[2], b.pieces[3]
    u1, u2, u3, u4 = b.pieces[4], b.pieces[5], b.pieces[6], b.pieces[7]
    _rates(y, values, room, f)
    _prepare(b, job, n, h)
    u1[:] = f
    _back(b, u1)
    for i in range(_N):
        u2[i] = f[i] + 4.0 / h * u1[i]
        z[i] = max(0.0, y[i] + 2.0 * u1[i])
    _back(b, u2)
    _rates(z, values, room, f)
    for i in range(_N):
        u3[i] = f[i] + (u1[i] - u2[i]) / h
    _back(b, u3)
    for i in range(_N):
        z[i] = max(0.0, y[i] + 2.0 * u1[i] + u3[i])
    _rates(z, values, room, f)
    for i in range(_N):
        u4[i] = f[i] + (u1[i] - u2[i] - 8.0 / 3.0 * u3[i]) / h
    _back(b, u4)
    total = 0.0
    for i in range(_N):
        new[i] = y[i] + 2.0 * u1[i] + u3[i] + u4[i]
        total += (u4[i] / (rtol * max(abs(y[i]), abs(new[i]), floors[i]))) ** 2
    return sqrt(total / _N)


def _prepare(b: Any, job: Any, n: int, h: float) -> None:
    """Factors of 2 / h less the Jacobian, which is found by differences around pieces[0] and its rates."""
    y, f, z, moved, a = b.pieces[0], b.pieces[2], b.pieces[3], b.pieces[8], b.j
    z[:] = y
    # As many as there are, not a number the compiler knows: it would write the rates out once for each.
    for k in range(len(y)):
        shift = 1e-6 * max(y[k], job.floors[k])
        z[k] = y[k] + shift
        _rates(z, job.values[n], b.room, moved)
        z[k] = y[k]
        for i in range(len(y)):
            a[i, k] = (f[i] - moved[i]) / shift
        a[k, k] += 2.0 / h
    _factor(a, b.pivots)


def _factor(a: Any, pivots: Any) -> None:
    """LU with row pivots, in place (Golub & Van Loan, Matrix Computations, 3.4)."""
    for k in range(_N):
        p = k
        for i in range(k + 1, _N):
            if abs(a[i, k]) > abs(a[p, k]):
                p = i
        pivots[k] = p
        for i in range(_N):
            a[k, i], a[p, i] = a[p, i], a[k, i]
        for i in range(k + 1, _N):
            a[i, k] /= a[k, k]
            for m in range(k + 1, _N):
                a[i, m] -= a[i, k] * a[k, m]


def _back(b: Any, u: Any) -> None:
    """Solve with the factors, in place."""
    a = b.j
    for k in range(_N):
        p = b.pivots[k]
        u[k], u[p] = u[p], u[k]
    for i in range(_N):
        for k in range(i):
            u[i] -= a[i, k] * u[k]
    for back in range(_N):
        i = _N - 1 - back
        for k in range(i + 1, _N):
            u[i] -= a[i, k] * u[k]
        u[i] /= a[i, i]


_PARTS = (_factor, _back, _prepare, _step, _one)
"""In the order of who needs whom."""
