"""The laboratory: what a test of a sample finds, with the noise of its method, and how long it takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from cytoloop.adapters.plant.material import Bag
from cytoloop.core.json import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What is in the tube: the suspension, and the medium around it (mmol/L) when it comes from a culture."""

    bag: Bag
    glucose: float = 0.0
    lactate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assay:
    """One test."""

    unit: str
    method: str
    truth: Callable[[Sampled], float]
    noise: Literal["relative", "fraction", "exact"]
    """relative: lognormal with coefficient of variation `size`; fraction: normal with sd `size`, kept in 0-1."""
    size: float
    hours: float
    """Turnaround."""


def _count(truth: Callable[[Sampled], float], unit: str) -> Assay:
    method = "automated count with a viability dye"
    return Assay(unit=unit, method=method, truth=truth, noise="relative", size=0.08, hours=1.0)


def _flow(truth: Callable[[Sampled], float], sd: float) -> Assay:
    return Assay(unit="fraction", method="flow cytometry", truth=truth, noise="fraction", size=sd, hours=1.0)


def _solute(truth: Callable[[Sampled], float]) -> Assay:
    return Assay(unit="mmol/L", method="enzymatic", truth=truth, noise="relative", size=0.03, hours=1.0)


def _endotoxin(sampled: Sampled) -> float:
    return 0.06 + 0.5 * sampled.bag.organisms


ASSAYS: Mapping[str, Assay] = {
    "viable_cell_density": _count(lambda s: s.bag.viable / s.bag.volume, "1e6 cells/mL"),
    "total_viable_cells": _count(lambda s: s.bag.viable, "1e6 cells"),
    "viable_car_cells": _count(lambda s: s.bag.viable * s.bag.purity * s.bag.car, "1e6 cells"),
    "viability": Assay(
        unit="fraction", method="automated count with a viability dye", truth=lambda s: s.bag.viability,
        noise="fraction", size=0.015, hours=1.0,
    ),
    "cd3_purity": _flow(lambda s: s.bag.purity, 0.012),
    "cd4_fraction": _flow(lambda s: s.bag.cd4, 0.02),
    "car_fraction": _flow(lambda s: s.bag.car, 0.02),
    "memory_fraction": _flow(lambda s: s.bag.memory, 0.025),
    "glucose": _solute(lambda s: s.glucose),
    "lactate": _solute(lambda s: s.lactate),
    "vector_copy_number": Assay(
        unit="copies/cell", method="digital PCR", truth=lambda s: s.bag.copies, noise="relative", size=0.10,
        hours=48.0,
    ),
    "endotoxin": Assay(
        unit="EU/mL", method="chromogenic LAL", truth=_endotoxin, noise="relative", size=0.20, hours=4.0
    ),
    "sterility": Assay(
        unit="CFU", method="rapid microbial growth, 7 days", truth=lambda s: s.bag.organisms, noise="exact",
        size=0.0, hours=168.0,
    ),
    "bead_residual": Assay(
        unit="beads/cell", method="microscopy", truth=lambda s: s.bag.beads, noise="relative", size=0.20, hours=2.0
    ),
}  # fmt: skip


def test(sampled: Sampled, attributes: Iterable[str], rng: Generator) -> dict[str, JSON]:
    """Attribute -> value, unit and method as the laboratory reports them."""
    return {attribute: _report(ASSAYS[attribute], sampled, rng) for attribute in attributes}


def turnaround(attributes: Iterable[str]) -> float:
    """Hours until the slowest result is there."""
    return max((ASSAYS[attribute].hours for attribute in attributes), default=0.0)


def _report(assay: Assay, sampled: Sampled, rng: Generator) -> JSON:
    draw, truth = float(rng.standard_normal()), assay.truth(sampled)
    match assay.noise:
        case "relative":
            value = truth * float(np.exp(assay.size * draw))
        case "fraction":
            value = min(max(truth + assay.size * draw, 0.0), 1.0)
        case "exact":
            value = truth
    return {"value": float(f"{value:.4g}"), "unit": assay.unit, "method": assay.method}
