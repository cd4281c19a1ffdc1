"""Floor of the forecast: what somebody errs who has the plant's own equations and the population its donors come from.

The donor's figures are not known to anybody; they are estimated from the same readings, seen until the same hour: the
most likely donor (Levenberg-Marquardt on standardised errors, the population as prior, and the true covariance of the
readings, the biomass signal's gain and drift included). No method can expect to err less on readings like these.
"""

from collections.abc import Callable

import numpy as np

from cytoloop.bench.forecast_plants import Assays, Case, Course, Equations, Floats, Recipe

_ROUNDS = 8
_STEP = 0.03


def floored(equations: Equations, case: Case, at: float, assays: Assays) -> float:
    """The count expected at the harvest of `case`, seen from hour `at`, by its plant's own equations."""
    plan = Recipe(start=case.seen.start, perfusion=case.seen.controls[-1].perfusion_rate, harvest_at=round(case.at))
    donor = _most_likely(lambda z: _errors(equations.course(plan, z), case, at, assays), len(equations.uniform))
    return float(equations.course(plan, donor).viable[-1])


def _most_likely(errors: Callable[[Floats], Floats], size: int) -> Floats:
    """The donor, shape (size,): minimum of the sum of squares of `errors` and of its own figures."""
    z, damping = np.zeros(size), 0.1
    found = errors(z)
    for _ in range(_ROUNDS):
        slope = np.column_stack([(errors(z + step) - found) / _STEP for step in _STEP * np.eye(size)])
        information = slope.T @ slope + np.eye(size)
        move = -np.linalg.solve(information + damping * np.diag(np.diag(information)), slope.T @ found + z)
        tried = errors(z + np.clip(move, -1.5, 1.5))
        candidate = z + np.clip(move, -1.5, 1.5)
        gain = float(found @ found + z @ z - tried @ tried - candidate @ candidate)
        if gain > 0:
            z, found, damping = candidate, tried, 0.2 * damping
            if gain < 0.02:
                break
        else:
            damping *= 10.0
    return z


def _errors(course: Course, case: Case, at: float, assays: Assays) -> Floats:
    """Errors of the readings until `at`, in standard deviations, one independent of the other."""
    return np.concatenate([
        _standard(name, course, np.array([pair for pair in pairs if pair[0] <= at]).reshape(-1, 2), assays)
        for name, pairs in case.seen.observations.items()
    ])  # fmt: skip


def _standard(name: str, course: Course, pairs: Floats, assays: Assays) -> Floats:
    hours, values = pairs[:, 0].astype(int), pairs[:, 1]
    if name == "viable_cell_density":
        return np.asarray(np.log(values / course.viable[hours]) / assays.count)
    if name == "biomass_online":
        off = np.log(values / (37.0 * course.viable[hours]))
        return np.asarray(np.linalg.solve(_signal(hours, assays), off))
    true = {
        "viability": course.viable / (course.viable + course.dead), "glucose": course.glucose,
        "glucose_online": course.glucose, "lactate": course.lactate, "memory_fraction": course.memory,
        "car_fraction": np.full(len(course.viable), course.car),
    }[name][hours]  # fmt: skip
    sd = {
        "viability": assays.viability, "glucose": assays.solute * true, "lactate": assays.solute * true,
        "glucose_online": np.hypot(assays.probe * true, 0.1),
    }.get(name, assays.flow)  # fmt: skip
    return np.asarray((values - true) / np.maximum(sd, 1e-3))


def _signal(hours: Floats, assays: Assays) -> Floats:
    """Root of the covariance of the biomass signal's logs: its gain, its drift, and each reading's own error."""
    walked = np.minimum(hours[:, None], hours[None, :]) - 48.0
    shared = 0.15**2 + assays.drift**2 / 24.0 * walked
    return np.asarray(np.linalg.cholesky(shared + assays.biomass**2 * np.eye(len(hours))))
