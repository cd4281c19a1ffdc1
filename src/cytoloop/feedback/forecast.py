"""Forecast: what the twin expects of a running batch at harvest and in its finished product, with 90 % intervals.

Draws of the donor (best point and Laplace covariance) are carried to harvest; what the equations leave out widens
them with the square root of the days ahead (`Twin.drift`); measurement error is added, since it is results that are
judged. "Not enough data" is an answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from cytoloop.core.facts.feedback import ForecastMade, Interval
from cytoloop.feedback.attributes import IN_PRODUCT, IN_VESSEL
from cytoloop.feedback.calibrate import Donor, draw, fit_donor, values_of
from cytoloop.feedback.culture import STEP, Floats, X, begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Control, Start
from cytoloop.feedback.features import Standing, features, misfits, read
from cytoloop.feedback.predict import RELATIVE, culture_quantity, error, on_scale, product_quantity, scaled
from cytoloop.feedback.twin import DRIFT, Twin

Limits = Mapping[str, tuple[float | None, float | None]]
"""Attribute -> (low, high) at release in house units; limits per kilogram already multiplied by the weight."""

Bounds = Mapping[str, tuple[float | Floats | None, float | Floats | None]]
"""As `Limits`, where a limit may also differ from draw to draw, shape (draws,)."""

CENTRED = 4.5
"""Days ahead up to which the mean of the drift was learned (`evaluate.HORIZONS`); beyond, it grows no more."""

NORMAL = 1.6449
"""95 % quantile of the normal distribution."""
READY_EVERY = 12.0
"""h between harvest times that are looked at."""

TRUSTED_MISFIT = 2.0
"""Above it the twin does not describe this batch, and its forecast is no ground for a move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEnoughData:
    """The honest answer when nothing has been seen of the culture yet."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A forecast and how far it may be trusted."""

    made: ForecastMade
    misfit: float
    """Root mean square of the standardised residuals so far; about 1 when the twin holds."""
    trusted: bool
    donor: Donor = field(hash=False)
    truths: Mapping[str, Interval] = field(default_factory=dict, hash=False)
    """As the made forecast's quantities, without the error of a measurement."""
    ready: Interval | None = None
    """Hour from which on a harvest would be in specification; None when that is not foreseen by the harvest planned."""


def forecast(
    twin: Twin,
    history: BatchHistory,
    *,
    at: float,
    harvest_at: float,
    limits: Limits,
    generator: np.random.Generator,
    draws: int = 160,
    controls: tuple[Control, ...] = (),
) -> Forecast | NotEnoughData:
    """What is expected at hour `harvest_at`, seen from hour `at`, if `controls` are executed from now on.

    `controls` come after those of the history; empty: the set-points stay as they are. A harvest already past is
    forecast as of `at`. NotEnoughData without one count of viable cells.
    """
    known = history.seen_until(at)
    if not known.observations.get("viable_cell_density"):
        return NotEnoughData(reason=f"no viable cell density has been seen by hour {at:g} of the culture")
    if not np.isfinite(harvest_at):
        return NotEnoughData(reason="no harvest is planned")
    donor = fit_donor(twin, known)
    values = values_of(twin, draw(donor, draws, generator))
    plan = schedule((*known.controls, *controls), known.start.il2, max(harvest_at, at))
    runs = simulate(twin, values, begin(values, known.start), plan)
    shocks = generator.standard_normal((len(DRIFT), draws))
    standing = Standing(twin=twin, known=known, donor=donor, at=at, course=runs[0], read=read(known, at, runs[0]))
    ahead = _Ahead(
        standing=standing,
        off={name: misfits(standing, name) for name in twin.residual},
        heavy={
            name: each.reach * float(stdtrit(each.freedom, 0.95)) / NORMAL for name, each in twin.residual.items()
        },
        values=values, runs=runs, shocks=shocks,
    )  # fmt: skip
    true = ahead.true(harvest_at)
    results = measured(twin, true, generator)
    units = {**IN_VESSEL, **IN_PRODUCT}
    made = ForecastMade(
        twin=twin.key,
        elapsed=at,
        harvest_at=harvest_at,
        quantities={name: interval(results[name], unit) for name, unit in units.items()},
        in_specification=in_specification(results, limits),
        chances=chances(results, limits),
        **ahead.curve(),
    )
    return Forecast(
        made=made, misfit=donor.misfit, trusted=donor.misfit <= TRUSTED_MISFIT, donor=donor,
        truths={name: interval(true[name], unit) for name, unit in units.items()},
        ready=ahead.ready(limits),
    )  # fmt: skip


def results_at(
    twin: Twin, values: Floats, states: Floats, start: Start, *, ahead: float, shocks: Floats, centred: float = CENTRED
) -> dict[str, Floats]:
    """True attributes at a harvest `ahead` hours away for each draw; shocks are standard normal, (4, draws).

    `centred` is the number of days over which the mean of the drift acts; 0 for donors of whom nothing was seen,
    since the population was fitted to whole cultures.
    """
    days = max(ahead, 0.0) / 24.0
    shifts = {
        name: twin.drift[name][0] * min(days, centred) + twin.drift[name][1] * np.sqrt(days) * shock
        for name, shock in zip(DRIFT, shocks, strict=True)
    }
    return shifted(values, states, start, shifts)


def shifted(values: Floats, states: Floats, start: Start, shifts: Mapping[str, Floats]) -> dict[str, Floats]:
    """True attributes of each draw; `shifts`, on log or logit scale, are what the equations leave out."""
    out = {name: culture_quantity(name, values, states, start) for name in IN_VESSEL}
    out |= {name: product_quantity(name, values, states, start) for name in IN_PRODUCT}
    for name in ("viable_cell_density", "total_viable_cells", "viable_car_cells"):
        out[name] = out[name] * np.exp(shifts["viable_cell_density"])
    out["glucose"] = out["glucose"] * np.exp(shifts["glucose"])
    out["viability"] = _on_logit(out["viability"], shifts["viability"])
    out["memory_fraction"] = _on_logit(out["memory_fraction"], shifts["memory_fraction"])
    return out


def measured(twin: Twin, results: Mapping[str, Floats], generator: np.random.Generator) -> dict[str, Floats]:
    """The results that samples would give: true attributes with the error of their measurement."""
    return {name: _noisy(twin, name, true, generator) for name, true in results.items()}


def in_specification(results: Mapping[str, Floats], limits: Limits) -> float:
    """Share of draws that meet every limit the twin can speak of; attributes it cannot forecast do not count."""
    return float(np.mean(meets(results, limits)))


def meets(results: Mapping[str, Floats], limits: Limits) -> NDArray[np.bool_]:
    """Which draws meet every limit; shape (draws,)."""
    fine = np.ones(len(next(iter(results.values()))), dtype=np.bool_)
    for name, (low, high) in limits.items():
        if name in IN_PRODUCT:
            if low is not None:
                fine &= results[name] >= low
            if high is not None:
                fine &= results[name] <= high
    return fine


def probability(twin: Twin, results: Mapping[str, Floats], limits: Bounds, margin: float = 0.0) -> Floats:
    """Chance of each draw's true attributes to give results in specification; shape (draws,).

    `margin` moves every limit inward by so many standard deviations of the measurement. Smooth in the parameters,
    so that alternatives can be compared on few draws.
    """
    chance = np.ones(len(next(iter(results.values()))))
    for name, (low, high) in limits.items():
        if name in IN_PRODUCT:
            scale, sd = on_scale(name, results[name]), error(twin, name)
            if low is not None:
                chance = chance * ndtr((scale - on_scale(name, np.array(low))) / sd - margin)
            if high is not None:
                chance = chance * ndtr((on_scale(name, np.array(high)) - scale) / sd - margin)
    return chance


def interval(draws: Floats, unit: str) -> Interval:
    """Median and 90 % interval."""
    low, median, high = np.quantile(draws, (0.05, 0.5, 0.95))
    return Interval(median=float(median), low=float(low), high=float(high), unit=unit)


def _noisy(twin: Twin, name: str, true: Floats, generator: np.random.Generator) -> Floats:
    noise = error(twin, name) * generator.standard_normal(len(true))
    if name in RELATIVE:
        return np.asarray(true * np.exp(noise))
    high = np.inf if name in ("glucose", "lactate") else 1.0
    return np.clip(true + noise, 0.0, high)


def _on_logit(fraction: Floats, shift: Floats) -> Floats:
    inside = np.clip(fraction, 1e-6, 1.0 - 1e-6)
    return np.asarray(1.0 / (1.0 + (1.0 - inside) / inside * np.exp(-shift)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """The draws of one running batch and what lies before them."""

    standing: Standing
    values: Floats
    runs: Floats
    shocks: Floats
    """Standard normal, (DRIFT, draws); the same at every hour, so that a draw is one future."""
    off: Mapping[str, tuple[float, float]]
    """Attribute with a residual -> its misfits so far."""
    heavy: Mapping[str, float]
    """Attribute with a residual -> factor on its spread: its reach, and Student's 95 % quantile over the normal's."""

    def true(self, hour: float) -> dict[str, Floats]:
        """True attributes of each draw if the culture is harvested at `hour`."""
        states = self.runs[:, min(round(max(hour, self.standing.at) / STEP), self.runs.shape[1] - 1)]
        start, _twin = self.standing.known.start, self.standing.twin
        ahead = max(0.0, hour - self.standing.at)
        shifts = {name: self.shift(name, states, ahead, shock) for name, shock in zip(DRIFT, self.shocks, strict=True)}
        return shifted(self.values, states, start, shifts)

    def shift(self, name: str, states: Floats, ahead: float, shock: Floats) -> Floats:
        """What the equations leave out of `name`, `ahead` hours away, for each draw."""
        days, twin = ahead / 24.0, self.standing.twin
        taught = twin.residual.get(name)
        if taught is None:
            mean, sd = twin.drift[name]
            return np.asarray(mean * min(days, CENTRED) + sd * np.sqrt(days) * shock)
        seen = features(self.standing, name, [self.standing.at + ahead], self.off[name])
        mean, sd = (float(each[0]) for each in taught.correction(seen, np.array([days])))
        told = scaled(name, culture_quantity(name, self.values, states, self.standing.known.start))
        off = told - np.median(told)
        return np.asarray(mean - off + self.heavy[name] * (taught.posterior * off + sd * shock))

    def curve(self) -> dict[str, tuple[float, ...]]:
        """Viable cell density every six hours from the seeding to the harvest; the shift begins at `at`."""
        at, last = self.standing.at, self.runs.shape[1] - 1
        steps = np.unique(np.append(np.arange(0, last + 1, round(6 / STEP)), last))
        bands = []
        for step in steps:
            density = self.runs[:, step, X]
            if step * STEP > at:
                name = "viable_cell_density"
                density = density * np.exp(self.shift(name, self.runs[:, step], step * STEP - at, self.shocks[0]))
            bands.append(np.quantile(density, (0.05, 0.5, 0.95)))
        low, median, high = np.array(bands).T
        return {
            "curve_hours": tuple((steps * STEP).tolist()),
            "curve_low": tuple(low.tolist()),
            "curve_median": tuple(median.tolist()),
            "curve_high": tuple(high.tolist()),
        }

    def ready(self, limits: Limits) -> Interval | None:
        """From which hour on a harvest would be in specification; None when fewer than 95 % of the draws come so
        far by the harvest planned, or no limit is asked of what is forecast."""
        if not any(name in IN_PRODUCT for name in limits):
            return None
        last = (self.runs.shape[1] - 1) * STEP
        hours = np.arange(self.standing.at, last + 1e-9, READY_EVERY)
        fine = np.array([meets(self.true(hour), limits) for hour in hours])
        if np.mean(fine.any(axis=0)) < 0.95:
            return None
        first = np.where(fine.any(axis=0), hours[fine.argmax(axis=0)], last)
        return interval(first, "h")


def chances(results: Mapping[str, Floats], limits: Limits) -> dict[str, float]:
    """Attribute -> share of draws inside its own limits; only attributes that are forecast."""
    return {name: float(np.mean(meets(results, {name: pair}))) for name, pair in limits.items() if name in IN_PRODUCT}
