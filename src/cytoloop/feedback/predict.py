"""Predict: what the twin's trajectories say a sample would show, with its measurement error.

An attribute is compared on its own scale: counts and copies on the log scale (relative error), fractions and
concentrations as they are (absolute error).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytoloop.feedback.culture import STEP, D, Floats, G, L, M, X
from cytoloop.feedback.dataset import BatchHistory, Start
from cytoloop.feedback.twin import NAMES, PROBES, Twin

RELATIVE = frozenset(
    {"viable_cell_density", "total_viable_cells", "viable_car_cells", "vector_copy_number", "biomass_online"}
)
UNITS: dict[str, str] = {
    "viable_cell_density": "1e6 cells/mL",
    "total_viable_cells": "1e6 cells",
    "viable_car_cells": "1e6 cells",
    "viability": "fraction",
    "car_fraction": "fraction",
    "memory_fraction": "fraction",
    "glucose": "mmol/L",
    "glucose_online": "mmol/L",
    "lactate": "mmol/L",
    "lactate_online": "mmol/L",
    "vector_copy_number": "copies/cell",
}
"""Attribute -> house unit; `biomass_online` has any."""
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The observations of a batch as arrays: one place per observation."""

    names: tuple[str, ...]
    product: tuple[bool, ...]
    """Whether the place is a release result; its step is then the harvest's."""
    steps: tuple[int, ...]
    values: Floats
    """On the attribute's scale."""
    errors: Floats
    """Standard deviations on that scale."""

    @property
    def gain(self) -> NDArray[np.intp]:
        """Places of the signal whose gain nobody knows: only differences between them tell anything."""
        return np.flatnonzero([name == "biomass_online" for name in self.names])

    def centred(self, rows: Floats) -> Floats:
        """`rows`, shape (n, places), with the unknown gain taken out: the marginal over a flat prior on it."""
        places = self.gain
        if not len(places):
            return rows
        out = rows.copy()
        out[:, places] -= rows[:, places].mean(axis=1, keepdims=True)
        return out


def on_scale(name: str, values: Floats) -> Floats:
    """Values on the scale on which `name` is compared."""
    return np.log(np.maximum(values, _FLOOR)) if name in RELATIVE else values


def scaled(name: str, values: Floats) -> Floats:
    """Values on the scale on which errors of forecasts are told: log of counts and glucose, logit of fractions."""
    if name == "viable_cell_density":
        return np.log(np.maximum(values, 1e-6))
    if name == "glucose":
        return np.log(np.maximum(values, 0.3))
    inside = np.clip(values, 0.01, 0.99)
    return np.asarray(np.log(inside / (1.0 - inside)))


def error(twin: Twin, name: str) -> float:
    """Standard deviation of one measurement of `name` on its scale."""
    told = "viable_cell_density" if name == "total_viable_cells" else name
    stated = twin.noise.get(name, PROBES[name][0]) if name in PROBES else twin.noise[told]
    return min(twin.heard.get(told, stated), stated)


def missed(twin: Twin, name: str) -> float:
    """Standard deviation of what the equations miss of `name` at one moment, on its scale."""
    return twin.misfit[name] if name not in PROBES else twin.misfit.get(name, PROBES[name][1])


def seen(twin: Twin, history: BatchHistory) -> Seen:
    """What was observed of `history`, ready to compare."""
    rows = [
        (name, False, round(at / STEP), value, float(np.hypot(error(twin, name), missed(twin, name))))
        for name, pairs in history.observations.items()
        for at, value in pairs
    ]
    if history.harvest_at is not None:
        rows += [
            (name, True, round(history.harvest_at / STEP), value, error(twin, name))
            for name, value in history.product.items()
        ]
    values = [float(on_scale(name, np.array(value))) for name, _, _, value, _ in rows]
    return Seen(
        names=tuple(row[0] for row in rows),
        product=tuple(row[1] for row in rows),
        steps=tuple(row[2] for row in rows),
        values=np.array(values),
        errors=np.array([row[4] for row in rows]),
    )


def expected(observed: Seen, values: Floats, trajectories: Floats, start: Start) -> Floats:
    """What each parameter set expects at each place of `observed`; shape (n, places), on the attributes' scales."""
    out = np.empty((len(values), len(observed.names)))
    steps, each = np.array(observed.steps), list(zip(observed.names, observed.product, strict=True))
    for name, product in dict.fromkeys(each):
        places = np.array([place for place, key in enumerate(each) if key == (name, product)])
        states = trajectories[:, steps[places], :].reshape(-1, trajectories.shape[2])
        of = product_quantity if product else culture_quantity
        told = of(name, np.repeat(values, len(places), axis=0), states, start)
        out[:, places] = on_scale(name, told).reshape(len(values), -1)
    return out


def car(values: Floats, moi: float) -> Floats:
    """Fraction of cells with at least one vector event: 1 - exp(-transduction * moi) (Fehse 2004, Poisson)."""
    return -np.expm1(-_p(values, "transduction") * moi)


def culture_quantity(name: str, values: Floats, states: Floats, start: Start) -> Floats:
    """`name` in the running culture; values (n, parameters), states (n, 6) -> (n,)."""
    if name in ("viable_cell_density", "biomass_online"):
        return states[:, X]
    if name == "total_viable_cells":
        return states[:, X] * start.volume
    if name == "viability":
        return states[:, X] / np.maximum(states[:, X] + states[:, D], _FLOOR)
    if name in ("lactate", "lactate_online"):
        return states[:, L]
    if name == "memory_fraction":
        return states[:, M]
    if name == "car_fraction":
        return car(values, start.moi)
    return states[:, G]


def product_quantity(name: str, values: Floats, states: Floats, start: Start) -> Floats:
    """`name` in the finished product of a culture harvested in `states`; shapes as in `culture_quantity`."""
    if name == "viability":
        return culture_quantity(name, values, states, start) * _p(values, "thaw_survival")
    if name == "total_viable_cells":
        return states[:, X] * start.volume * _p(values, "recovery")
    if name == "viable_car_cells":
        return states[:, X] * start.volume * _p(values, "recovery") * car(values, start.moi)
    if name == "vector_copy_number":
        events = _p(values, "transduction") * start.moi
        return _p(values, "vector_copies") * events / np.maximum(car(values, start.moi), _FLOOR)
    return culture_quantity(name, values, states, start)


def _p(values: Floats, name: str) -> Floats:
    return values[:, NAMES.index(name)]
