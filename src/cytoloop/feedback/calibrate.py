"""Calibrate: what one batch says of its donor, and what finished batches say of all donors.

A donor is a maximum a-posteriori point with the population as prior and a Laplace covariance around it (Gauss-Newton
on standardised residuals, Huber weights against outliers; Gelman et al., Bayesian Data Analysis 3rd ed., ch. 4 and
5.4). The population is then re-estimated from the donors' points and covariances with the pack's figures as prior
counts (empirical Bayes, EM), and the whole is repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cytoloop.feedback.culture import Floats, begin, natural, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.predict import Seen, error, expected, missed, seen
from cytoloop.feedback.twin import DYNAMIC, MISFIT, NAMES, PROBES, Twin

_STEP = 0.05
HUBER = 2.5
MEAN_COUNT = 1.0
"""Donors that the pack's means count for in a population fit."""
SPREAD_COUNT = 2.0
"""Donors that the pack's spreads count for."""
_NOISE_COUNT = 6
"""Observations of an attribute that the measurement error stated counts for."""
_MISFIT_COUNT = 12
"""Observations of an attribute before the pack's figure of its misfit is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """What the observations of one batch say of its donor, in population standard units."""

    z: Floats
    """Distance from the population's mean in its standard deviations, shape (parameters,)."""
    covariance: Floats
    """Laplace covariance of `z`, shape (parameters, parameters)."""
    misfit: float
    """Root mean square of the standardised residuals; about 1 when the twin holds, 0 without observations."""
    observations: int
    residuals: Floats
    """Observed less expected on each attribute's scale, in the order of `predict.seen`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationFit:
    """A population fit and what it says of itself."""

    twin: Twin
    donors: tuple[Donor, ...]
    """In the order of the batches."""
    misfits: tuple[float, ...]
    """One per batch."""
    unidentified: tuple[str, ...]
    """Parameters about which the batches said little: the spread is still the pack's."""
    error: float | None = None
    """Mean relative error of the last viable cell density, predicted 60 h ahead, batches left out in turn."""
    coverage: float | None = None
    """Share of those results inside their 90 % intervals."""


def scales(twin: Twin) -> tuple[Floats, Floats]:
    """Population means and standard deviations in the order of NAMES."""
    means = np.array([twin.population[name][0] for name in NAMES])
    return means, np.array([twin.population[name][1] for name in NAMES])


def values_of(twin: Twin, z: Floats) -> Floats:
    """Parameters in their units from standard units; shape (n, parameters) both."""
    means, sds = scales(twin)
    return natural(means + sds * z)


def fit_donor(twin: Twin, history: BatchHistory, start: Floats | None = None, rounds: int = 8) -> Donor:
    """The donor of `history`: with no observations, the population itself."""
    observed = seen(twin, history)
    z = np.zeros(len(NAMES)) if start is None else start.copy()
    if not observed.names:
        return Donor(
            z=np.zeros(len(NAMES)), covariance=np.eye(len(NAMES)), misfit=0.0, observations=0, residuals=np.zeros(0)
        )
    damping = 1e-3
    residual, slope, cost = _linearise(twin, history, observed, z)
    for _ in range(rounds):
        weights = _weights(residual)
        information = slope.T @ (weights[:, None] * slope) + np.eye(len(z))
        gradient = slope.T @ (weights * residual) - z
        step = np.linalg.solve(information + damping * np.diag(np.diag(information)), gradient)
        candidate = z + np.clip(step, -1.5, 1.5)
        tried = _linearise(twin, history, observed, candidate)
        if tried[2] < cost:
            gain = cost - tried[2]
            z, (residual, slope, cost), damping = candidate, tried, damping * 0.2
            if gain < 0.02:
                break
        else:
            damping = max(damping, 1e-3) * 20.0
    information = slope.T @ (_weights(residual)[:, None] * slope) + np.eye(len(z))
    return Donor(
        z=z,
        covariance=np.asarray(np.linalg.inv(information), dtype=np.float64),
        misfit=float(np.sqrt(np.mean(np.minimum(residual**2, 25.0)))),
        observations=len(observed.names),
        residuals=residual * observed.errors,
    )


def draw(donor: Donor, count: int, generator: np.random.Generator) -> Floats:
    """`count` draws of the donor in standard units, shape (count, parameters); the first is the best point."""
    root = np.linalg.cholesky(donor.covariance + 1e-9 * np.eye(len(donor.z)))
    noise = generator.standard_normal((count, len(donor.z)))
    noise[0] = 0.0
    return np.asarray(donor.z + noise @ root.T)


def fit_population(twin: Twin, histories: Sequence[BatchHistory], rounds: int = 4) -> PopulationFit:
    """The twin's next version, fitted on finished batches; the pack's figures count as prior donors.

    Fewer than two batches change nothing: one donor says nothing of the spread between donors.
    """
    if len(histories) < 2:
        donors = tuple(fit_donor(twin, history) for history in histories)
        return _population_fit(twin, donors)
    fitted, donors = twin, tuple(fit_donor(twin, history) for history in histories)
    for _ in range(rounds):
        before = fitted
        fitted = updated_misfit(updated_population(before, twin, donors), before, histories, donors)
        starts = [_moved(before, fitted, donor.z) for donor in donors]
        donors = tuple(
            fit_donor(fitted, history, start, rounds=3) for history, start in zip(histories, starts, strict=True)
        )
    named = replace(fitted, version=twin.version + 1, batches=tuple(history.batch for history in histories))
    return _population_fit(named, donors)


def updated_population(current: Twin, prior: Twin, donors: Sequence[Donor]) -> Twin:
    """One M step: `current` is the population that `donors` are expressed in, `prior` the pack's."""
    means, sds = scales(current)
    prior_means, prior_sds = scales(prior)
    points = means + sds * np.array([donor.z for donor in donors])
    variances = sds**2 * np.array([np.diag(donor.covariance) for donor in donors])
    count = len(donors)
    mean = (points.sum(axis=0) + MEAN_COUNT * prior_means) / (count + MEAN_COUNT)
    scatter = ((points - mean) ** 2 + variances).sum(axis=0)
    sd = np.sqrt((scatter + SPREAD_COUNT * prior_sds**2) / (count + SPREAD_COUNT))
    pairs = {name: (float(mean[place]), float(sd[place])) for place, name in enumerate(NAMES)}
    return replace(current, population=pairs)


def updated_misfit(target: Twin, current: Twin, histories: Sequence[BatchHistory], donors: Sequence[Donor]) -> Twin:
    """`target` with what the equations missed of each attribute, beyond measurement error, under `current`."""
    squares: dict[str, list[float]] = {name: [] for name in (*MISFIT, *PROBES)}
    for history, donor in zip(histories, donors, strict=True):
        observed = seen(current, history)
        used = float(np.sum(1.0 - np.diag(donor.covariance)))
        inflation = len(observed.names) / max(len(observed.names) - used, 0.3 * len(observed.names))
        for name, product, residual in zip(observed.names, observed.product, donor.residuals, strict=True):
            if not product:
                capped = min(abs(residual), 2.0 * HUBER * max(missed(current, name), error(current, name)))
                squares[name].append(inflation * capped**2)
    told = {name: _missed(current, name, found) for name, found in squares.items() if found or name in MISFIT}
    heard = {name: _heard(current, name, found) for name, found in squares.items() if len(found) >= _MISFIT_COUNT}
    return replace(target, misfit=told, heard={**target.heard, **heard})


def _heard(current: Twin, name: str, squares: Sequence[float]) -> float:
    """Standard deviation of one measurement: what was stated, or less when the readings lie closer to the course."""
    stated, found = error(current, name) ** 2, float(np.mean(squares))
    if found >= stated:
        return error(current, name)
    return float(np.sqrt((len(squares) * found + _NOISE_COUNT * stated) / (len(squares) + _NOISE_COUNT)))


def _missed(current: Twin, name: str, squares: Sequence[float]) -> float:
    """Standard deviation beyond the measurement's; a little is always left to doubt."""
    if len(squares) < _MISFIT_COUNT:
        return missed(current, name)
    beyond = float(np.mean(squares)) - error(current, name) ** 2
    return float(np.sqrt(max(beyond, (0.2 * error(current, name)) ** 2)))


def _population_fit(twin: Twin, donors: tuple[Donor, ...]) -> PopulationFit:
    left = np.array([np.diag(donor.covariance) for donor in donors]).mean(axis=0) if donors else np.ones(len(NAMES))
    return PopulationFit(
        twin=twin,
        donors=donors,
        misfits=tuple(donor.misfit for donor in donors),
        unidentified=tuple(name for name, share in zip(NAMES, left, strict=True) if share > 0.8),
    )


def _moved(before: Twin, after: Twin, z: Floats) -> Floats:
    means, sds = scales(before)
    new_means, new_sds = scales(after)
    return np.asarray((means + sds * z - new_means) / new_sds)


def _weights(residual: Floats) -> Floats:
    return np.minimum(1.0, HUBER / np.maximum(np.abs(residual), 1e-9))


def _linearise(twin: Twin, history: BatchHistory, observed: Seen, z: Floats) -> tuple[Floats, Floats, float]:
    """Standardised residuals, their slopes of the prediction in z, and the cost (minus twice the log posterior)."""
    sets = np.vstack([z, z + _STEP * np.eye(len(z))])
    values = values_of(twin, sets)
    plan = schedule(history.controls, history.start.il2, max(observed.steps) * 0.5)
    moving = values[: DYNAMIC + 1]
    runs = simulate(twin, moving, begin(moving, history.start), plan)
    # Parameters behind the equations share the base trajectory.
    rest = np.broadcast_to(runs[0], (len(sets) - DYNAMIC - 1, *runs.shape[1:]))
    predicted = expected(observed, values, np.concatenate([runs, rest]), history.start) / observed.errors
    residual = observed.centred((observed.values / observed.errors - predicted[0])[None])[0]
    slope = observed.centred(predicted[1:] - predicted[0]).T / _STEP
    size = np.abs(residual)
    loss = np.where(size <= HUBER, size**2, 2.0 * HUBER * size - HUBER**2)
    return residual, slope, float(loss.sum() + z @ z)
