"""Learned: a twin from finished batches of any plant, and its forecast of a running one: the public way in.

Without a prior of a pack, wide figures of T cells are believed (`DEFAULT`) and moved to the plant first: one fit with
spreads wide enough for other media, densities and paces, whose means are then believed with ordinary spreads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from cytoloop.core.errors import UserError
from cytoloop.feedback.calibrate import PopulationFit, fit_population
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.evaluate import fit_and_check
from cytoloop.feedback.forecast import Forecast, Limits, NotEnoughData, forecast
from cytoloop.feedback.given import Given, constants, histories, taken
from cytoloop.feedback.twin import DRIFT, FIXED, MISFIT, NAMES, NOISE, POPULATION, Twin, to_scale

_DEFAULT = {
    "mu_max": (0.045, 0.25), "lag": (30.0, 0.4), "survival": (0.75, 0.7), "wane": (0.0025, 0.5),
    "death": (0.0035, 0.5), "density_limit": (25.0, 0.5), "glucose_uptake": (0.10, 0.4), "lactate_yield": (1.6, 0.2),
    "medium_glucose": (16.0, 0.3), "memory_start": (0.7, 0.75), "memory_loss": (0.0022, 0.5),
    "il2_independent": (0.9, 0.9), "il2_memory": (0.3, 0.7), "transduction": (0.16, 0.5), "recovery": (0.75, 0.6),
    "thaw_survival": (0.93, 0.6), "vector_copies": (1.0, 0.3),
}  # fmt: skip
"""Parameter -> median in its unit and spread on its scale: as a pack of T cells would state them, wider."""
_FIXED = (6.0, 0.8, 35.0, 30.0, 6.0, 0.012, 0.10, 0.004)
_NOISE = (0.10, 0.025, 0.4, 0.8, 0.6, 0.025, 0.035, 0.12, 0.15)
_MISFIT = (0.08, 0.02, 0.6, 1.2, 0.6, 0.02, 0.03)
_DRIFTS = (0.15, 0.3, 0.15, 0.3)
_WHOLE = (to_scale("logit", 0.999), 0.05)
_WIDER = 2.5
"""Factor on the spreads while the plant is looked for."""


def default() -> Twin:
    """What is believed of T cells when no pack says it."""
    return Twin(
        twin="t_cells",
        version=0,
        population={name: (to_scale(POPULATION[name][0], m), s) for name, (m, s) in _DEFAULT.items()},
        fixed=dict(zip(FIXED, _FIXED, strict=True)),
        noise=dict(zip(NOISE, _NOISE, strict=True)),
        misfit=dict(zip(MISFIT, _MISFIT, strict=True)),
        drift={name: (0.0, sd) for name, sd in zip(DRIFT, _DRIFTS, strict=True)},
    )


def fit(batches: Iterable[Given], prior: Twin | None, seed: int) -> PopulationFit:
    """The fit of finished batches; UserError when they are too few, contradict each other or cannot be."""
    found = histories(batches)
    believed = prior if prior is not None else moved(as_harvested(default(), found), found)
    return fit_and_check(believed, found, np.random.default_rng(seed))


def as_harvested(prior: Twin, found: Sequence[BatchHistory]) -> Twin:
    """`prior` without loss after the harvest where no batch has results of its finished product: what is forecast is
    then the culture as it is harvested."""
    results = {name for each in found for name in each.product}
    kept = dict(prior.population)
    if "viability" not in results:
        kept["thaw_survival"] = _WHOLE
    if not results & {"viable_car_cells", "total_viable_cells"}:
        kept["recovery"] = _WHOLE
    return replace(prior, population=kept)


def moved(prior: Twin, found: Sequence[BatchHistory]) -> Twin:
    """`prior` with its means where the batches are, its spreads as they were."""
    start = _begun(prior, found)
    wide = replace(start, population={name: (mean, _WIDER * sd) for name, (mean, sd) in start.population.items()})
    near = fit_population(wide, found, rounds=3).twin
    return replace(prior, population={name: (near.population[name][0], prior.population[name][1]) for name in NAMES})


def _begun(prior: Twin, found: Sequence[BatchHistory]) -> Twin:
    """A first guess of scale: the medium's glucose and the highest density, as far as they were seen."""
    guess = dict(prior.population)
    glucose = [value for each in found for _, value in _near_start(each)]
    if glucose:
        guess["medium_glucose"] = (
            float(np.log(max(float(np.quantile(glucose, 0.8)), 0.5))),
            guess["medium_glucose"][1],
        )
    highest = max(value for each in found for _, value in each.observations["viable_cell_density"])
    limit = max(guess["density_limit"][0], float(np.log(1.5 * highest)))
    guess["density_limit"] = (limit, guess["density_limit"][1])
    return replace(prior, population=guess)


def _near_start(each: BatchHistory) -> Sequence[tuple[float, float]]:
    """The first two readings of glucose."""
    return each.observations.get("glucose", each.observations.get("glucose_online", ()))[:2]


def notes(found: PopulationFit, batches: Sequence[BatchHistory]) -> tuple[str, ...]:
    """What a person should know of the fit."""
    said = constants(batches)
    if not any(each.product for each in batches):
        said.append("no batch has results of its finished product: forecasts are of the culture as it is harvested")
    if found.unidentified:
        said.append(f"not identified by these batches, still as believed beforehand: {', '.join(found.unidentified)}")
    if found.error is not None:
        said.append(f"mean relative error of the last count 60 h ahead, batches left out in turn: {found.error:.1%}")
    return tuple(said)


def fitted(batches: Iterable[Given], prior: Twin | None, seed: int) -> Twin:
    """As `Twin.fit`."""
    given = tuple(batches)
    found = histories(given)
    result = fit(found, prior, seed)
    return replace(result.twin, notes=notes(result, found))


def foretold(
    twin: Twin, readings: Given, at: float, *, harvest_at: float | None, limits: Limits | None,
    controls: Sequence[Control], draws: int, seed: int,
) -> Forecast | NotEnoughData:  # fmt: skip
    """As `Twin.forecast`."""
    if not (np.isfinite(at) and at >= 0):
        raise UserError(f"at is {at}; give the hour of the culture, 0 or more")
    known = taken(readings, "the running batch")
    planned = harvest_at if harvest_at is not None else known.harvest_at
    if planned is None:
        return NotEnoughData(reason="no harvest is planned: give harvest_at")
    if not np.isfinite(planned) or planned <= 0:
        raise UserError(f"harvest_at is {planned}; give an hour of the culture above 0")
    if not twin.batches:
        return NotEnoughData(reason="the twin was fitted on no batch of this plant yet: use Twin.fit first")
    return forecast(
        twin, known, at=at, harvest_at=planned, limits=dict(limits or {}), generator=np.random.default_rng(seed),
        draws=draws, controls=tuple(controls),
    )  # fmt: skip
