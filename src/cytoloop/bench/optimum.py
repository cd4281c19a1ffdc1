"""Optimum: what is true of a simulator, without noise: a value, and the best that it can do for one donor."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import differential_evolution, minimize

from cytoloop.bench.peers import cache_folder
from cytoloop.bench.simulators import Simulator
from cytoloop.core.json import JSON, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best that a plant can do for one donor."""

    parameters: Mapping[str, float]
    value: float
    runs: int
    """Runs of the plant that the search took."""


def true_value(simulator: Simulator, parameters: Mapping[str, float], donor: int = 0) -> float:
    """The objective without noise; 0 when the experiment fails."""
    return float(simulator.truth(parameters, donor).get(simulator.objective, 0.0))


def optimum(simulator: Simulator, donor: int = 0, *, folder: Path | None = None, effort: int = 60) -> Optimum:
    """The true optimum for `donor`: differential evolution (Storn & Price 1997, J Glob Optim 11:341), then a simplex.

    `effort`: generations of 8 settings for each factor. The answer is kept under `folder` (the benchmark's cache when
    left out) by the plant's name, space, donor and what it gives in the middle of its space, so that a plant that
    changed is searched again.
    """
    names = tuple(simulator.space)
    middle = {name: sum(pair) / 2.0 for name, pair in simulator.space.items()}
    known: JSON = {
        "plant": simulator.name, "space": {name: list(pair) for name, pair in simulator.space.items()},
        "objective": simulator.objective, "donor": donor, "effort": effort,
        "middle": f"{true_value(simulator, middle, donor):.9g}",
    }  # fmt: skip
    path = (folder or cache_folder().parent / "optima") / f"{digest(known)}.json"
    if path.exists():
        return Optimum(**json.loads(path.read_text()))
    found = _searched(simulator, names, donor, effort)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"parameters": dict(found.parameters), "value": found.value, "runs": found.runs})
    )  # fmt: skip
    return found


def _searched(simulator: Simulator, names: Sequence[str], donor: int, effort: int) -> Optimum:
    bounds = [simulator.space[name] for name in names]
    low, width = np.array([b[0] for b in bounds]), np.array([b[1] - b[0] for b in bounds])
    runs = 0

    def loss(unit: NDArray[np.float64]) -> float:
        nonlocal runs
        runs += 1
        settings = low + width * np.clip(unit, 0.0, 1.0)
        return -true_value(simulator, dict(zip(names, settings.tolist(), strict=True)), donor)

    whole = differential_evolution(
        loss, [(0.0, 1.0)] * len(names), popsize=8, maxiter=effort, init="sobol", rng=np.random.default_rng(1),
        polish=False, tol=1e-6,
    )  # fmt: skip
    best = minimize(loss, whole.x, method="Nelder-Mead", bounds=[(0.0, 1.0)] * len(names),
                    options={"maxfev": 60 * len(names), "xatol": 1e-4})  # fmt: skip
    at = best.x if best.fun <= whole.fun else whole.x
    settings = (low + width * np.clip(at, 0.0, 1.0)).tolist()
    parameters = dict(zip(names, settings, strict=True))
    return Optimum(parameters=parameters, value=-float(min(best.fun, whole.fun)), runs=runs)
