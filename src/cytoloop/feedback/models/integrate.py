"""Integrate: many cultures of one model at once, adaptive, explicit, exact at every switch of the controls.

Eight cultures advance in the lanes of vector registers (`kernel`), each with a time, a step and an error of its own; a
lane whose culture is at its end takes the next one. So a culture's result does not depend on which others are computed
with it.

A step never crosses a switch of the controls nor the model's kink (a time, known beforehand, at which a derivative
jumps), so the method keeps its order. States are kept from going below zero. The local error is held to
a share of rtol |y| + atol that keeps the error of the whole near rtol |y| + atol on the models here (tested).
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytoloop.feedback.models.kernel import Floats, Kernel
from cytoloop.feedback.models.lane_steps import Job
from cytoloop.feedback.models.lanes import LANES

RTOL = 1e-6
_SAFETY, _SAFETY_INSIDE = 0.3, 0.003
"""Share of the tolerance that one step may use; less where points inside steps are asked for, since the curve
through a step is less exact than its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Controls that are constant between switches, one or more courses of them."""

    times: Floats
    """Begin of each stretch, then the end; ascending, the end repeated where a course has fewer; (courses, stretches
    + 1)."""
    controls: Floats
    """Shape (courses, stretches, controls)."""

    @property
    def span(self) -> float:
        """From the first begin to the end."""
        return float(self.times[0, -1] - self.times[0, 0])


def plan_of(switches: Sequence[float], controls: Sequence[Sequence[float]], end: float) -> Plan:
    """One course: `controls[i]` from `switches[i]` until the next switch or the end."""
    times = np.array([[*switches, end]], dtype=np.float64)
    return Plan(times=times, controls=np.array([controls], dtype=np.float64).reshape(1, len(switches), -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an integration took, one number per culture."""

    steps: NDArray[np.int64]
    floored: NDArray[np.int64]
    """Steps taken although their error was too large, because they could be no shorter."""


def integrate(
    of: Kernel,
    values: Floats,
    states: Floats,
    plan: Plan,
    grid: Floats,
    *,
    atol: Floats,
    rtol: float = RTOL,
    kinks: Floats | None = None,
    courses: NDArray[np.int64] | None = None,
    threads: int = 1,
    work: Work | None = None,
) -> Floats:
    """States at the times of `grid`; values (n, parameters), states (n, states) -> (n, len(grid), states).

    `grid` ascends within the plan's span; `atol` is one figure per state; `kinks` one time per culture; `courses` the
    plan's course of each culture (the first for all when None). A culture that leaves the numbers gives NaN from there.
    """
    count = len(values)
    out = np.full((count, len(grid), of.states), np.nan)
    spent = work or work_of(count)
    share = _SAFETY if np.isin(grid, plan.times).all() else _SAFETY_INSIDE
    job = Job(
        np.ascontiguousarray(states, dtype=np.float64),
        np.ascontiguousarray(values, dtype=np.float64),
        np.full(count, np.inf) if kinks is None else np.ascontiguousarray(kinks, dtype=np.float64),
        np.zeros(count, dtype=np.int64) if courses is None else courses,
        plan.times,
        plan.controls,
        np.ascontiguousarray(grid, dtype=np.float64),
        share * rtol,
        share * atol,
        out,
        spent.steps,
        spent.floored,
    )
    spread(of.run, count, job, threads)
    return out


def work_of(count: int) -> Work:
    """Room for what `count` cultures take."""
    return Work(steps=np.zeros(count, dtype=np.int64), floored=np.zeros(count, dtype=np.int64))


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(run: Callable[..., None], count: int, job: Any, threads: int) -> None:
    """In this thread, or in several: the compiled code lets go of the interpreter's lock."""
    if threads <= 1 or count < 2 * LANES * threads:
        run(0, count, job)
        return
    bounds = np.linspace(0, count, 4 * threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, a, b, job) for a, b in pairwise(bounds)]:
            done.result()
