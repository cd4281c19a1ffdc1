"""What a group of lanes does between steps: take a culture, keep to its plan, accept or repeat, hand over results.

Plain functions of arrays, compiled once for all models: the offsets of a model's rows are handed in. A lane's step is
decided by its own culture alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from cytoloop.feedback.models.lanes import AFTER, LANES

FLOOR = 1e-5
"""Shortest step over the whole span: below it a step is taken whatever its error (stiff beyond sense)."""

_WHO, _STRETCH, _POINT = 0, LANES, 2 * LANES

HOW: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
"""How everything is compiled: no checks for zero, products and sums fused; NaN and infinity keep their meaning."""


INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **HOW}
"""And what only compiled code calls."""

_SHARED: dict[str, Any] = {"cache": True, **INSIDE}


class Offsets(NamedTuple):
    """Sizes of a model and where its rows are in a group's array."""

    states: int
    checked: int
    figures: int
    controls: int
    control: int
    value: int
    y: int
    end: int
    """The state at the step's end."""
    h: int
    """Length of the step, once per state, as `start`, its begin."""
    start: int
    t: int
    error: int
    factor: int
    stop: int
    reach: int
    """How long a step may be."""


class Group(NamedTuple):
    """Lanes at work."""

    o: Any
    """Offsets."""
    w: Any
    """The rows."""
    c: Any
    """Whole numbers: each lane's culture (-1 for none), stretch of the plan, next point of the grid."""
    k: Any
    """Slopes of the stages times the step, (stages, states * lanes)."""
    f: Any
    """Coefficients of the curve through the last step, (7, states * lanes)."""


class Job(NamedTuple):
    """What the compiled code works on."""

    states: Any
    values: Any
    kinks: Any
    courses: Any
    times: Any
    controls: Any
    grid: Any
    rtol: float
    atol: Any
    out: Any
    steps: Any
    floored: Any


def _load_plain(g: Any, job: Any, lane: int, n: int) -> None:
    """Culture `n` at its begin into a lane."""
    o, w, c = g.o, g.w, g.c
    for j in range(o.figures):
        w[o.value + j * LANES + lane] = job.values[n, j]
    for j in range(o.states):
        w[o.y + j * LANES + lane] = job.states[n, j]
    w[o.t + lane] = w[o.stop + lane] = job.times[0, 0]
    for j in range(o.states):
        w[o.h + j * LANES + lane] = 0.0
        w[o.start + j * LANES + lane] = job.times[0, 0]
    w[o.reach + lane] = 0.01 * (job.times[0, -1] - job.times[0, 0])
    c[_STRETCH + lane], c[_POINT + lane] = -1, 0


load: Callable[..., Any] = njit(**_SHARED)(_load_plain)


def _keep_plain(g: Any, job: Any, lane: int) -> None:
    """The state as it stands is the one at the lane's next point of the grid."""
    o, w, c = g.o, g.w, g.c
    for j in range(o.states):
        job.out[c[_WHO + lane], c[_POINT + lane], j] = w[o.y + j * LANES + lane]
    c[_POINT + lane] += 1


keep: Callable[..., Any] = njit(**_SHARED)(_keep_plain)


def _switch_plain(g: Any, job: Any, lane: int) -> None:
    """A lane stands at a stop: the stretch that begins there, or the kink."""
    o, w, c = g.o, g.w, g.c
    t, n, at = w[o.t + lane], c[_WHO + lane], c[_STRETCH + lane]
    course = job.courses[n]
    while at < 0 or (at + 1 < job.controls.shape[1] and t >= job.times[course, at + 1]):
        at += 1
    c[_STRETCH + lane] = at
    for j in range(o.controls):
        w[o.control + j * LANES + lane] = job.controls[course, at, j]
    stop, kink = job.times[course, at + 1], job.kinks[n]
    w[AFTER + lane] = 1.0 if t >= kink else 0.0
    w[o.stop + lane] = kink if t < kink < stop else stop


switch: Callable[..., Any] = njit(**_SHARED)(_switch_plain)


def _steer_plain(g: Any, job: Any, upcoming: int, last: int) -> int:
    """Fill empty lanes and say how long each next step is, at most to the next stop; -1 when no culture is left."""
    o, w, c = g.o, g.w, g.c
    active = 0
    for lane in range(LANES):
        if c[_WHO + lane] < 0 and upcoming < last:
            c[_WHO + lane] = upcoming
            load(g, job, lane, upcoming)
            upcoming += 1
        if c[_WHO + lane] < 0:
            continue
        active += 1
        t = w[o.t + lane]
        if t >= w[o.stop + lane]:
            switch(g, job, lane)
        while c[_POINT + lane] < len(job.grid) and job.grid[c[_POINT + lane]] <= t:
            keep(g, job, lane)
        left, h = w[o.stop + lane] - t, w[o.reach + lane]
        if h >= left:
            h = left
        elif 2.0 * h > left:
            h = 0.5 * left
        for j in range(o.states):
            w[o.h + j * LANES + lane] = h
            w[o.start + j * LANES + lane] = t
    return upcoming if active else -1


steer: Callable[..., Any] = njit(**_SHARED)(_steer_plain)


def _between_plain(g: Any, grid: Any) -> bool:
    """Whether a point of the grid lies inside a step that was good."""
    o, w, c = g.o, g.w, g.c
    found = False
    for lane in range(LANES):
        if c[_WHO + lane] >= 0 and c[_POINT + lane] < len(grid) and w[o.error + lane] <= 1.0:
            found = found or grid[c[_POINT + lane]] < w[o.t + lane] + w[o.h + lane]
    return found


between: Callable[..., Any] = njit(**_SHARED)(_between_plain)


def _draw_plain(g: Any, job: Any, lane: int, end: float) -> None:
    """The points of the grid inside the step that ends at `end`."""
    o, w, c, f = g.o, g.w, g.c, g.f
    start, h = w[o.t + lane], w[o.h + lane]
    first = last = c[_POINT + lane]
    while last < len(job.grid) and job.grid[last] < end:
        last += 1
    for j in range(o.states):
        i = j * LANES + lane
        y, f0, f1, f2, f3, f4, f5, f6 = w[o.y + i], f[0, i], f[1, i], f[2, i], f[3, i], f[4, i], f[5, i], f[6, i]
        least = 0.0 if j < o.checked else -np.inf
        for at in range(first, last):
            x = (job.grid[at] - start) / h
            z = 1.0 - x
            curve = x * (f0 + z * (f1 + x * (f2 + z * (f3 + x * (f4 + z * (f5 + x * f6))))))
            job.out[c[_WHO + lane], at, j] = max(least, y + curve)
    c[_POINT + lane] = last


draw: Callable[..., Any] = njit(**_SHARED)(_draw_plain)


def _settle_plain(g: Any, job: Any, dense: bool) -> None:
    """Take each lane's step, or try a shorter one; a culture at its end leaves its lane."""
    o, w, c = g.o, g.w, g.c
    span = job.times[0, -1] - job.times[0, 0]
    floor, end = FLOOR * span, job.times[0, -1]
    for lane in range(LANES):
        n, h, error, factor = c[_WHO + lane], w[o.h + lane], w[o.error + lane], w[o.factor + lane]
        if n < 0:
            continue
        job.steps[n] += 1
        if not error <= 1.0:
            if h > floor:
                w[o.reach + lane] = max(floor, h * max(0.2, factor) if factor > 0.0 else 0.2 * h)
                continue
            job.floored[n] += 1
            if not error < np.inf:
                c[_WHO + lane] = -1
                continue
        t = w[o.t + lane] + h
        if t >= w[o.stop + lane] - 1e-12 * span:
            t = w[o.stop + lane]
        if dense:
            draw(g, job, lane, t)
        for j in range(o.states):
            w[o.y + j * LANES + lane] = w[o.end + j * LANES + lane]
        w[o.t + lane] = t
        longer = w[o.reach + lane] if h < w[o.reach + lane] else 0.0
        w[o.reach + lane] = max(floor, longer, h * min(6.0, max(0.3, factor)))
        if t >= end:
            while c[_POINT + lane] < len(job.grid):
                keep(g, job, lane)
            c[_WHO + lane] = -1


settle: Callable[..., Any] = njit(**_SHARED)(_settle_plain)
