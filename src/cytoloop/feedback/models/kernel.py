"""Kernel: a model's equations compiled together with the integrator, sizes and offsets of its rows as constants.

Method: Dormand & Prince's 8(5,3) with dense output of order 7 (Hairer, Nørsett & Wanner, Solving Ordinary
Differential Equations I, 2nd ed., II.5 and II.10; the coefficients are SciPy's), eight cultures in the lanes of vector
registers. Which culture is in a lane and how long its next step is: `models.lane_steps`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.integrate import DOP853

from cytoloop.feedback.models.lane_steps import HOW, INSIDE, Group, Offsets, between, load, settle, steer
from cytoloop.feedback.models.lanes import CONTROLS, LANES

Floats: TypeAlias = NDArray[np.float64]

_STAGES, _DENSE = 12, 16


def _tableau() -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Stages' columns and weights that are not zero, in threes; and where each stage's threes begin.

    Stages 0 to 11 are the method's, 12 is the slope at the step's end, 13 to 15 are for dense output.
    """
    rows = [*(np.pad(row[:_STAGES], (0, 4)) for row in DOP853.A[:_STAGES]), np.pad(DOP853.B, (0, 4)), *DOP853.A_EXTRA]
    columns, weights, begins = [], [], [0]
    for row in rows:
        places = [int(place) for place in np.nonzero(row)[0]]
        places += [0] * (-len(places) % 3)
        kept = [float(row[place]) if place not in places[:at] else 0.0 for at, place in enumerate(places)]
        columns += places
        weights += kept
        begins.append(len(columns) // 3)
    return np.array(columns).reshape(-1, 3), np.array(weights).reshape(-1, 3), np.array(begins)


_COLUMN, _WEIGHT, _BEGIN = _tableau()
_NODE = np.array([*DOP853.C[:_STAGES], 1.0, *DOP853.C_EXTRA])
_B, _E3, _E5 = (np.pad(weights[:_STAGES], (0, 4)) for weights in (DOP853.B, DOP853.E3, DOP853.E5))
_D = np.ascontiguousarray(DOP853.D)

# Set anew for each kernel by `kernel`: sizes of its model, offsets of its rows, its slopes.
_O: Any = None
_N = _CHECKED = _Z = _SLOPE = _Y = _SUM = _SUM3 = _SUM5 = _H = _ATOL = _RTOL = _FROM = _TIME = 0
_ERROR = _FACTOR = _SIZE = 0
_slopes: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Offsets of a model's rows in its group's array: what its slopes read and write."""

    controls: int
    parameters: int
    state: int
    slope: int
    time: int


def rows(*, states: int, parameters: int, controls: int) -> Rows:
    """Where a model with so many of each finds them."""
    first = CONTROLS + controls * LANES
    state = first + parameters * LANES
    wide = states * LANES
    return Rows(controls=CONTROLS, parameters=first, state=state, slope=state + wide, time=state + 10 * wide)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A model's equations compiled together with the integrator."""

    states: int
    parameters: int
    controls: int
    run: Callable[..., None]


def kernel(name: str, slopes: Any, *, states: int, parameters: int, controls: int, checked: int = 0) -> Kernel:
    """Compile `slopes` (a function of the group's array, njit with inline="always") into an integrator.

    The first `checked` states decide the step and are kept from going below zero; all of them when 0.
    """
    places = rows(states=states, parameters=parameters, controls=controls)
    offsets = {"_N": states, "_CHECKED": checked or states, "_Z": places.state, "_SLOPE": places.slope}
    wide = ("_Y", "_SUM", "_SUM3", "_SUM5", "_H", "_ATOL", "_RTOL", "_FROM", "_TIME")
    offsets |= {row: places.slope + at * states * LANES for at, row in enumerate(wide, start=1)}
    single = ("_T", "_ERROR", "_FACTOR", "_STOP", "_REACH", "_SIZE")
    offsets |= {row: offsets["_TIME"] + (states + at) * LANES for at, row in enumerate(single)}
    shared = Offsets(
        states=states,
        checked=offsets["_CHECKED"],
        figures=parameters,
        controls=controls,
        control=places.controls,
        value=places.parameters,
        y=offsets["_Y"],
        end=offsets["_SUM"],
        h=offsets["_H"],
        start=offsets["_FROM"],
        t=offsets["_T"],
        error=offsets["_ERROR"],
        factor=offsets["_FACTOR"],
        stop=offsets["_STOP"],
        reach=offsets["_REACH"],
    )
    run = _compiled(name, slopes, {**globals(), **offsets, "_O": shared, "_slopes": slopes})
    return Kernel(states=states, parameters=parameters, controls=controls, run=run)


def _compiled(name: str, slopes: Any, space: dict[str, Any]) -> Callable[..., None]:
    """The integrator with the sizes, offsets and slopes in `space` as constants."""
    for part in _PARTS:
        plain = FunctionType(part.__code__, space)
        space[part.__name__] = njit(**INSIDE)(plain)
    plain = FunctionType(_run.__code__, space)
    # numba keeps compiled code by a function's name and the age of its own file only; the name tells of all sources.
    plain.__name__ = plain.__qualname__ = f"{name}_{_digest(slopes.py_func.__code__.co_filename)}"
    compiled: Callable[..., None] = njit(cache=True, nogil=True, **HOW)(plain)
    return compiled


@cache
def _digest(source: str) -> str:
    here = Path(__file__)
    texts = (
        path.read_bytes() for path in (here, here.with_name("lanes.py"), here.with_name("lane_steps.py"), Path(source))
    )
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


def _run(first: int, last: int, job: Any) -> None:
    """Cultures `first` to `last`, as many at a time as there are lanes, until none is left."""
    w, c = np.zeros(_SIZE), np.full(3 * LANES, -1)
    k, f = np.zeros((_DENSE, _N * LANES)), np.zeros((7, _N * LANES))
    g = Group(_O, w, c, k, f)
    for i in range(_CHECKED * LANES):
        w[_ATOL + i], w[_RTOL + i] = job.atol[i // LANES], job.rtol
    for lane in range(LANES):
        # A lane without a culture computes the first one with steps of no length: no garbage, no slow numbers.
        load(g, job, lane, first)
    upcoming = first
    while True:
        upcoming = steer(g, job, upcoming, last)
        if upcoming < 0:
            break
        _stages(w, k, 0, _STAGES)
        _judge(w)
        dense = between(g, job.grid)
        if dense:
            _stages(w, k, _STAGES, _DENSE)
            _curve(w, k, f)
        settle(g, job, dense)


def _stages(w: Any, k: Any, start: int, stop: int) -> None:
    """Gains of the stages from `start` on (slope times step), each from the weighted gains of those before it; and the
    weighted gains of the step and of its two errors."""
    size = _N * LANES
    if start == 0:
        for i in range(size):
            w[_SLOPE + i], w[_SUM + i], w[_SUM3 + i], w[_SUM5 + i] = 0.0, 0.0, 0.0, 0.0
    for s in range(start, stop):
        for e in range(_BEGIN[s], _BEGIN[s + 1]):
            a, b, c = _WEIGHT[e, 0], _WEIGHT[e, 1], _WEIGHT[e, 2]
            ka, kb, kc = _COLUMN[e, 0], _COLUMN[e, 1], _COLUMN[e, 2]
            for i in range(size):
                w[_SLOPE + i] += a * k[ka, i] + b * k[kb, i] + c * k[kc, i]
        # Several things a loop: one that does a single thing is unrolled into single numbers, for which vectors wait.
        for i in range(_CHECKED * LANES):
            w[_Z + i] = max(0.0, w[_Y + i] + w[_SLOPE + i])
            w[_TIME + i] = w[_FROM + i] + _NODE[s] * w[_H + i]
        for i in range(_CHECKED * LANES, size):
            w[_Z + i] = w[_Y + i] + w[_SLOPE + i]
        _slopes(w)
        for i in range(size):
            gain = w[_H + i] * w[_SLOPE + i]
            w[_SLOPE + i] = 0.0
            w[_SUM + i] += _B[s] * gain
            w[_SUM3 + i] += _E3[s] * gain
            w[_SUM5 + i] += _E5[s] * gain
            k[s, i] = gain


def _judge(w: Any) -> None:
    """The states at the step's end in place of the weighted gains, and the error of each lane (Hairer, II.10.17)."""
    for i in range(_CHECKED * LANES):
        z = max(0.0, w[_Y + i] + w[_SUM + i])
        size = 1.0 / (w[_ATOL + i] + w[_RTOL + i] * max(w[_Y + i], z))
        third, fifth = w[_SUM3 + i] * size, w[_SUM5 + i] * size
        w[_SUM + i], w[_SUM3 + i], w[_SUM5 + i] = z, third * third, fifth * fifth
    for lane in range(LANES):
        third, fifth = w[_SUM3 + lane], w[_SUM5 + lane]
        for j in range(1, _CHECKED):
            third += w[_SUM3 + j * LANES + lane]
            fifth += w[_SUM5 + j * LANES + lane]
        error = fifth / sqrt((fifth + 0.01 * third) * _CHECKED + 1e-300)
        w[_ERROR + lane] = error
        w[_FACTOR + lane] = 0.9 / sqrt(sqrt(sqrt(error + 1e-12)))
    for i in range(_CHECKED * LANES, _N * LANES):
        w[_SUM + i] = w[_Y + i] + w[_SUM + i]


def _curve(w: Any, k: Any, f: Any) -> None:
    """Coefficients of the curve through the step (Hairer, II.6, dense output of DOP853)."""
    for i in range(_N * LANES):
        gained = w[_SUM + i] - w[_Y + i]
        f[0, i] = gained
        f[1, i] = k[0, i] - gained
        f[2, i] = 2.0 * gained - (k[12, i] + k[0, i])
    for row in range(4):
        for i in range(_N * LANES):
            total = 0.0
            for s in (0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15):
                total += _D[row, s] * k[s, i]
            f[3 + row, i] = total


_PARTS = (_stages, _judge, _curve)
