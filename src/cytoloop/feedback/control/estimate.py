"""The controller's estimate: where a batch stands, as scenarios that the search can shoot from.

A scenario is a draw of the batch's donor, its culture carried from the seeding to now, and one draw of what the
equations leave out until the harvest (`Twin.drift`). All scenarios are drawn with the controller's own seed, so that
the same batch seen at the same hour always meets the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from cytoloop.feedback.calibrate import Donor, draw, fit_donor, values_of
from cytoloop.feedback.control.kernel import CELLS, INFINITE, MEMORY, VIABILITY
from cytoloop.feedback.culture import STEP, D, Floats, M, X, begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Start
from cytoloop.feedback.forecast import CENTRED, NORMAL, Limits, probability
from cytoloop.feedback.predict import error, on_scale, product_quantity
from cytoloop.feedback.twin import DRIFT, DYNAMIC, FIXED, Twin

AHEAD = 240.0
"""h ahead for which the shifts are told; beyond they stay."""
FEWEST = 3
"""Finished batches from which spreads between donors can be estimated at all."""

_DECIDED: Mapping[str, int] = {"viability": VIABILITY, "memory_fraction": MEMORY, "viable_car_cells": CELLS}
"""Attributes of the product that the states decide -> place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A batch at hour `at`, ready to shoot from. Arrays are contiguous, one row for each scenario."""

    batch: str
    at: float
    begins: float
    """h at which the expansion began."""
    misfit: float
    """Of the donor; see `calibrate.Donor`."""
    parameters: Floats
    """(scenarios, DYNAMIC)"""
    fixed: Floats
    states: Floats
    """(scenarios, 6)"""
    product: Floats
    """(scenarios, 3): product cells of a unit density, share of viability kept, chance of what no state decides."""
    shocks: Floats
    """(3, scenarios), standard normal, in the order VIABILITY, MEMORY, CELLS."""
    hours: Floats
    """(hours,), from now: where the shifts are told."""
    shift: Floats
    """(2, 3, hours): mean and spread of what the equations leave out, log or logit scale, in the same order."""
    strange: Floats
    """(2, scenarios): logits of viability and of memory lost for each e-fold of cells that nobody ran yet."""
    limits: Floats
    """(3, 4): low, high, sd, margin."""
    doubt: float
    """Factor on the spreads of shocks and side effects for the number of batches the twin was fitted on."""
    rates: tuple[float, float]
    """Perfusion rate [1/d] and IL-2 [IU/mL] in force as executed."""

    @property
    def figures(self) -> Floats:
        """What the equations take of each scenario: varied figures, then fixed; (scenarios, DYNAMIC + fixed)."""
        return np.hstack([self.parameters, np.broadcast_to(self.fixed, (len(self.parameters), len(self.fixed)))])

    @property
    def sound(self) -> bool:
        """Whether every number is finite and every culture possible."""
        arrays = (self.parameters, self.fixed, self.states, self.product, self.shift)
        return all(bool(np.isfinite(each).all()) for each in arrays) and bool((self.states[:, X] > 0.0).all())


def estimate(
    twin: Twin, known: BatchHistory, at: float, limits: Limits, *, draws: int, margin: float, strange: float, seed: int,
    donor: Donor | None = None,
) -> Estimate:  # fmt: skip
    """Where `known` stands at hour `at`; `donor` as a forecast of the same hour found it, else it is fitted here."""
    doubt, donor = doubt_of(len(twin.batches)), donor or fit_donor(twin, known)
    dice = np.random.default_rng(seed)
    values = values_of(twin, draw(donor, draws, dice))
    plan = schedule(known.controls, known.start.il2, max(at, STEP))
    states = simulate(twin, values, begin(values, known.start), plan)[:, -1]
    last = known.controls[-1]
    hours = np.arange(0.0, AHEAD + 1.0, 12.0)
    return Estimate(
        batch=known.batch,
        at=at,
        begins=known.start.expansion_at,
        misfit=donor.misfit,
        parameters=np.ascontiguousarray(values[:, :DYNAMIC]),
        fixed=np.array([twin.fixed[name] for name in FIXED]),
        states=np.ascontiguousarray(states),
        product=_product(twin, values, known.start, limits),
        shocks=np.ascontiguousarray(doubt * dice.standard_normal((len(DRIFT), draws))[:3]),
        hours=hours,
        shift=_shift(twin, hours),
        strange=np.ascontiguousarray(doubt * strange * dice.standard_normal((2, draws))),
        limits=_limits(twin, limits, margin),
        doubt=doubt,
        rates=(last.perfusion_rate, last.il2),
    )


def doubt_of(batches: int) -> float:
    """By how much the 90 % interval for a new donor is wider than the normal one, when spreads were estimated from so
    many donors: Student's, times the error of the mean. The prior's figures are no donors of the plant."""
    count = max(batches, FEWEST)
    return float(stdtrit(count - 1, 0.95) / NORMAL * np.sqrt(1.0 + 1.0 / count))


def spread_out(found: Estimate, hours: Any) -> Floats:
    """Factors of the shocks at `hours` from now: (3, scenarios, hours); odds against a fraction, or cells."""
    mean, sd = (np.array([np.interp(hours, found.hours, row) for row in rows]) for rows in found.shift)
    shift = mean[:, None, :] + sd[:, None, :] * found.shocks[:, :, None]
    shift[:CELLS] *= -1.0
    return np.asarray(np.exp(shift))


def _shift(twin: Twin, hours: Floats) -> Floats:
    """Mean and spread of what the equations leave out at `hours` from now, by the twin's drift; (2, 3, hours)."""
    days = hours / 24.0
    drift = [twin.drift[name] for name in ("viability", "memory_fraction", "viable_cell_density")]
    means = [mean * np.minimum(days, CENTRED) for mean, _ in drift]
    return np.array([means, [sd * np.sqrt(days) for _, sd in drift]])


def _product(twin: Twin, values: Floats, start: Start, limits: Limits) -> Floats:
    """What the product's steps make of a culture of unit density, and the chance of attributes set before."""
    unit = np.zeros((len(values), 6))
    unit[:, X], unit[:, D], unit[:, M] = 1.0, 0.0, 0.5
    set_before = {name: pair for name, pair in limits.items() if name not in _DECIDED}
    results = {name: product_quantity(name, values, unit, start) for name in ("car_fraction", "vector_copy_number")}
    told = {name: pair for name, pair in set_before.items() if name in results}
    return np.column_stack(
        [
            product_quantity("viable_car_cells", values, unit, start),
            product_quantity("viability", values, unit, start),
            probability(twin, results, told),
        ]
    )


def _limits(twin: Twin, limits: Limits, margin: float) -> Floats:
    rows = np.empty((3, 4))
    for name, place in _DECIDED.items():
        low, high = limits.get(name, (None, None))
        rows[place, 0] = -INFINITE if low is None else float(on_scale(name, np.array(low)))
        rows[place, 1] = INFINITE if high is None else float(on_scale(name, np.array(high)))
        rows[place, 2:] = error(twin, name), margin
    return rows
