"""Donors: whose cells the facility works on. Drawn from distributions that the pack states as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from typing import cast

from numpy.random import Generator

from cytoloop.adapters.plant.biology import DonorFactors
from cytoloop.adapters.plant.donor_fit import Figure
from cytoloop.core.errors import UserError

MEASURED = (
    "cd3_fraction", "cd4_fraction", "naive", "central_memory", "emra", "thaw_viability", "activation_survival",
    "t_cell_yield", "il2_response", "expansion",
)  # fmt: skip
ASSUMED = (
    "collected_cells", "transducibility", "differentiation", "apoptosis", "uptake", "activation",
    "growth",
)  # fmt: skip
LINKS = ("growth_per_expansion", "il2_per_response")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What donors of a therapy are like: figures by name, and how patients differ from the donors measured."""

    figures: Mapping[str, Figure]
    shift: Mapping[str, float]
    """Added to a figure's mean for patients, on its scale. Assumed."""
    widen: float
    """Factor on the spread of the measured figures for patients. Assumed."""
    links: Mapping[str, float]
    """How a measured figure moves a factor of the culture. Assumed."""

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> "Distribution":
        """The distribution that a pack's `donors.yaml` states; UserError names what is missing or not a number."""
        figures, patients = _mapping(data, "figures"), _mapping(data, "patients")
        assumed, shift = _mapping(data, "assumed"), _mapping(patients, "shift")
        return cls(
            figures={
                **{name: _figure(_mapping(figures, name), name) for name in MEASURED},
                **{name: _figure(_mapping(assumed, name), name) for name in ASSUMED},
            },
            shift={name: _number(shift, name) for name in shift},
            widen=_number(patients, "widen"),
            links={name: _number(_mapping(data, "links"), name) for name in LINKS},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """One donor's starting material and how the cells behave. Fractions 0 to 1; factors relative to the usual."""

    donor: str
    collected_cells: float
    """1e6 nucleated cells in the leukapheresis bag."""
    t_cell_yield: float
    """T cells that selection can get from a collected cell."""
    cd3_fraction: float
    cd4_fraction: float
    """Of CD3+."""
    naive: float
    central_memory: float
    effector_memory: float
    emra: float
    """Memory subsets of T cells: the four add up to 1. Naive and central memory are CCR7+."""
    viability: float
    transducibility: float
    factors: DonorFactors

    @property
    def memory(self) -> float:
        """CCR7+ fraction of T cells."""
        return self.naive + self.central_memory


def draw_donor(distribution: Distribution, rng: Generator, donor: str = "donor") -> Donor:
    """A donor; the same generator state gives the same donor. Always takes the same number of draws."""
    drawn = {name: _draw(distribution, name, rng) for name in (*MEASURED, *ASSUMED)}
    weights = {name: exp(drawn[name]) for name in ("naive", "central_memory", "emra")}
    total = 1.0 + sum(weights.values())
    expansion = drawn["expansion"] - distribution.figures["expansion"].mean
    response = drawn["il2_response"] - distribution.figures["il2_response"].mean
    return Donor(
        donor=donor,
        collected_cells=exp(drawn["collected_cells"]),
        t_cell_yield=_fraction(drawn["t_cell_yield"]),
        cd3_fraction=_fraction(drawn["cd3_fraction"]),
        cd4_fraction=_fraction(drawn["cd4_fraction"]),
        naive=weights["naive"] / total,
        central_memory=weights["central_memory"] / total,
        effector_memory=1.0 / total,
        emra=weights["emra"] / total,
        viability=_fraction(drawn["thaw_viability"]),
        transducibility=exp(drawn["transducibility"]),
        factors=DonorFactors(
            growth=exp(drawn["growth"] + distribution.links["growth_per_expansion"] * expansion),
            il2=min(max(1.0 + distribution.links["il2_per_response"] * response, 0.1), 2.0),
            differentiation=exp(drawn["differentiation"]),
            apoptosis=exp(drawn["apoptosis"]),
            uptake=exp(drawn["uptake"]),
            activation=exp(drawn["activation"]),
            blast_survival=exp(drawn["activation_survival"] - distribution.figures["activation_survival"].mean),
        ),
    )


def _draw(distribution: Distribution, name: str, rng: Generator) -> float:
    figure = distribution.figures[name]
    widen = distribution.widen if name in MEASURED else 1.0
    return figure.mean + distribution.shift.get(name, 0.0) + figure.sd * widen * float(rng.standard_normal())


def _fraction(logit: float) -> float:
    return 1.0 / (1.0 + exp(-logit))


def _figure(data: Mapping[str, object], name: str) -> Figure:
    scale = data.get("scale")
    if scale not in ("logit", "log"):
        raise UserError(f"donors: {name}: scale is {scale!r}; write logit or log")
    return Figure(
        scale="logit" if scale == "logit" else "log",
        mean=log(_number(data, "median")) if "median" in data else _number(data, "mean"),
        sd=_number(data, "sd"),
        donors=int(_number(data, "donors")) if "donors" in data else 0,
        source=str(data.get("source", "assumed")),
    )


def _mapping(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = data.get(name)
    if not isinstance(value, Mapping):
        raise UserError(f"donors: {name} is missing or not a mapping; write it as in packs/car_t_cd19/donors.yaml")
    return cast("Mapping[str, object]", value)


def _number(data: Mapping[str, object], name: str) -> float:
    value = data.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UserError(f"donors: {name} is {value!r}, not a number; write a number")
    return float(value)
