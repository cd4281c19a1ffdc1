"""Features: what of a running batch the residual looks at, from its readings and the twin's best course of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.feedback.calibrate import Donor
from cytoloop.feedback.culture import STEP, Floats, G, L, X
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.hindsight import COUNT, SIGNAL, smoothed
from cytoloop.feedback.predict import Seen, seen
from cytoloop.feedback.residual import FEATURES, READ
from cytoloop.feedback.twin import NAMES, Twin

MEMORY = 48.0
"""h in which a reading loses most of its say on where the batch is now."""
_DOUBT = 0.5
"""Readings of no misfit that a level or slope of misfits counts for."""
_LINE = 3
"""Readings that a slope needs."""
OF = {
    "viable_cell_density": ("viable_cell_density", "biomass_online"),
    "viability": ("viability",),
    "memory_fraction": ("memory_fraction",),
    "glucose": ("glucose", "glucose_online"),
}
"""Attribute that is forecast -> readings that tell how far the twin is off now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A running batch as the twin sees it at one hour."""

    twin: Twin
    known: BatchHistory
    """Seen until `at`."""
    donor: Donor
    at: float
    course: Floats = field(hash=False)
    """States of the best point from the seeding on, shape (steps + 1, 6)."""
    read: tuple[float, ...]
    """What the readings alone say (`read`), in the order of READ."""


def read(known: BatchHistory, at: float, course: Floats) -> tuple[float, ...]:
    """What readings until `at` say by themselves, in the order of READ; where there are none, the best course.

    Density is the log of the newest count, smoothed by the biomass signal; growth is per day, of the day before `at`
    and of the day before that.
    """
    signal = _logs(known, SIGNAL)
    counts = _logs(known, COUNT)
    traced = signal if len(_within(signal, at, 24.0)) >= _LINE else counts
    density = smoothed(known)
    growth = [_growth(traced, hour, course) for hour in (at, max(at - 24.0, 1.0))]
    perfusion = next((each.perfusion_rate for each in reversed(known.controls) if each.at <= at), 0.0)
    return (
        density if density is not None else float(counts[-1, 1]),
        *growth,
        _newest(known, ("glucose", "glucose_online"), at, float(course[round(at / STEP), G])),
        _newest(known, ("lactate", "lactate_online"), at, float(course[round(at / STEP), L])),
        perfusion,
    )


def _logs(known: BatchHistory, name: str) -> Floats:
    """Hours and logs of the readings of `name`, shape (n, 2)."""
    pairs = [(hour, np.log(max(value, 1e-6))) for hour, value in known.observations.get(name, ())]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _within(pairs: Floats, at: float, hours: float) -> Floats:
    return pairs[(pairs[:, 0] <= at + 1e-9) & (pairs[:, 0] > at - hours - 1e-9)]


def _growth(pairs: Floats, at: float, course: Floats) -> float:
    """Slope of the logs in the day before `at` [1/d]; too few: of the three days before, then of the best course."""
    for hours, least in ((24.0, _LINE), (72.0, 2)):
        near = _within(pairs, at, hours)
        off = (near[:, 0] - near[:, 0].mean()) / 24.0 if len(near) >= least else np.zeros(1)
        if off @ off > 0:
            return float(off @ near[:, 1] / (off @ off))
    now, before = course[round(at / STEP), X], course[round(max(at - 24.0, 0.0) / STEP), X]
    return float(np.log(max(now, 1e-6) / max(before, 1e-6)))


def _newest(known: BatchHistory, names: Sequence[str], at: float, otherwise: float) -> float:
    """Log of the mean of what each of `names` said last: a sample, or the median of a probe's last hours."""
    values = []
    for name in names:
        pairs = known.observations.get(name, ())
        if pairs:
            hours = 8.0 if name.endswith("_online") else 0.0
            values.append(float(np.median([value for hour, value in pairs if hour >= pairs[-1][0] - hours])))
    return float(np.log(max(float(np.mean(values)) if values else otherwise, 0.2)))


def features(standing: Standing, name: str, hours: Sequence[float], off: tuple[float, float] | None = None) -> Floats:
    """The features of forecasts of `name` at `hours`, shape (hours, FEATURES); `off` are its `misfits`, when known."""
    course, at = standing.course, standing.at
    now = course[round(at / STEP)]
    before = course[round(max(at - 12.0, 0.0) / STEP)]
    days = np.maximum((np.asarray(hours) - at) / 24.0, 0.25)
    ahead = course[[round(hour / STEP) for hour in hours]]
    level, slope = misfits(standing, name) if off is None else off
    medium = float(np.exp(standing.twin.population["medium_glucose"][0]))
    pace, limit = (NAMES.index(name) for name in ("mu_max", "density_limit"))
    columns = {
        "level": level,
        "slope": slope,
        "offset": 1.0,
        "constant": 1.0,
        "growth_now": np.log(max(now[X], 1e-6) / max(before[X], 1e-6)) / 0.5,
        "growth_ahead": np.log(np.maximum(ahead[:, X], 1e-6) / max(now[X], 1e-6)) / days,
        "density": np.log(np.maximum(ahead[:, X], 1e-6)),
        "glucose": ahead[:, G] / medium,
        "lactate": ahead[:, L] / standing.twin.fixed["lactate_half"],
        "age": at / 24.0,
        "pace": standing.donor.z[pace],
        "crowding": standing.donor.z[limit],
        **dict(zip(READ, standing.read, strict=True)),
    }
    return np.column_stack([np.broadcast_to(columns[feature], len(days)) for feature in FEATURES]).astype(np.float64)


def misfits(standing: Standing, name: str) -> tuple[float, float]:
    """How far the newest readings of `name` lie off the best course, and how fast they leave it [1/d].

    On the attribute's log or logit scale, shrunken to nothing when readings are few; recent ones weigh more.
    """
    hours, errors, sds = _off(standing, name)
    if not len(hours):
        return 0.0, 0.0
    weights = np.exp((hours - standing.at) / MEMORY) * (float(np.median(sds)) / sds) ** 2
    level = float(weights @ errors / (weights.sum() + _DOUBT))
    age = (hours - float(weights @ hours / weights.sum())) / 24.0
    slope = float((weights * age) @ errors / ((weights * age**2).sum() + _DOUBT))
    return level, slope


def _off(standing: Standing, name: str) -> tuple[Floats, Floats, Floats]:
    """Hours of the readings of `name`, how far they lie off the best course, and their standard deviations."""
    observed = seen(standing.twin, standing.known)
    places = [place for place, each in enumerate(observed.names) if each in OF[name] and not observed.product[place]]
    hours = np.array([observed.steps[place] * STEP for place in places])
    slopes = np.array([_slope(standing, observed, place) for place in places])
    sds = np.array([observed.errors[place] for place in places]) * slopes
    errors = np.array([standing.donor.residuals[place] for place in places]) * slopes
    return hours, np.clip(errors, -4.0 * sds, 4.0 * sds), sds


def _slope(standing: Standing, observed: Seen, place: int) -> float:
    """From the scale on which readings are compared to the log or logit scale of forecasts."""
    name, states = observed.names[place], standing.course[observed.steps[place]]
    if name in ("viable_cell_density", "biomass_online"):
        return 1.0
    if name in ("glucose", "glucose_online"):
        return float(1.0 / max(states[G], 1.0))
    value = min(max(states[X] / max(states[X] + states[1], 1e-6) if name == "viability" else states[5], 0.02), 0.98)
    return float(1.0 / (value * (1.0 - value)))
