"""Plants whose structure is not the twin's, as the forecast's benchmark runs them: ours, and one of other equations.

A case is one finished batch as it would be recorded, with what was true when it was harvested. Assay noise and data
density are those of `Assays`: daily counts and solutes from the third day, phenotype every other day, and on line,
once an hour, glucose and a biomass signal in arbitrary units (a capacitance probe: its gain is its own in each
batch, and it drifts).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import cast

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from cytoloop.adapters.plant.biology import Environment
from cytoloop.adapters.plant.culture import GLUCOSE, LACTATE, activated, seeded, transduced
from cytoloop.adapters.plant.donors import ASSUMED, MEASURED, Distribution, draw_donor
from cytoloop.adapters.plant.material import harvested
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history

Floats = NDArray[np.float64]
Hours = NDArray[np.int64]
TOLD = ("viable_cell_density", "viability", "memory_fraction", "glucose")
"""Attributes whose truth at harvest a case keeps."""
EXPANSION_AT = 48.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assays:
    """Noise of what is seen: relative unless said otherwise."""

    count: float = 0.08
    viability: float = 0.015
    """Absolute."""
    solute: float = 0.03
    flow: float = 0.025
    """Absolute."""
    probe: float = 0.06
    """Of the on-line glucose, with 0.1 mmol/L beside."""
    biomass: float = 0.03
    """Of one hourly reading of the biomass signal; 0: there is no such probe."""
    drift: float = 0.004
    """Of the biomass signal, a day (random walk)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One finished batch."""

    seen: BatchHistory
    """All that was seen until the harvest, the harvest's own samples included."""
    truth: Mapping[str, float] = field(hash=False)
    """Attribute of TOLD -> what was true at harvest."""
    at: float
    """h of the harvest."""


Plant = Callable[[int, Assays], Case]
"""Donor -> its batch. The same donor, the same batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A culture hour by hour: shape (hours + 1,) each."""

    viable: Floats
    dead: Floats
    glucose: Floats
    lactate: Floats
    memory: Floats
    car: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one batch is run; it differs a little from batch to batch, as batches do."""

    start: Start
    perfusion: float
    """Vessel volumes a day."""
    harvest_at: int


def recipe(generator: np.random.Generator) -> Recipe:
    """A batch's own parameters, inside the pack's ranges."""
    return Recipe(
        start=Start(
            seeding_density=float(generator.uniform(0.85, 1.15)),
            volume=200.0,
            viability=0.95,
            expansion_at=EXPANSION_AT,
        ),
        perfusion=float(generator.uniform(0.5, 1.2)),
        harvest_at=24 * int(generator.integers(9, 12)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Equations:
    """A plant's own equations: what somebody would have to know to forecast as well as its readings allow."""

    course: Callable[[Recipe, Floats], Course]
    """Recipe and donor -> the culture. A donor is standard normal, shape (len(uniform),)."""
    uniform: tuple[bool, ...]
    """Whether the donor's figure is drawn from a range, not from a bell."""


def batch(name: str, stream: int, equations: Equations, donor: int, assays: Assays) -> Case:
    """The batch of `donor`: recipe, donor, and then the noise, all from one stream of dice."""
    generator = np.random.default_rng([stream, donor])
    plan = recipe(generator)
    drawn = [ndtri(generator.random()) if flat else generator.standard_normal() for flat in equations.uniform]
    return _case(f"{name}-{donor}", plan, equations.course(plan, np.array(drawn)), assays, generator)


class _Given:
    """Stands in for dice where a donor's figures are known."""

    def __init__(self, values: Floats) -> None:
        self.values = iter(values.tolist())

    def standard_normal(self) -> float:
        """The next figure."""
        return float(next(self.values))


def facility(donor: int, assays: Assays) -> Case:
    """The simulated facility's culture: 28 kinds of cells (`adapters.plant`)."""
    return batch("facility", 101, EQUATIONS["facility"], donor, assays)


def _facility(plan: Recipe, z: Floats) -> Course:
    person = draw_donor(_DONORS, cast("np.random.Generator", _Given(z)))
    culture = seeded(
        density=plan.start.seeding_density, volume=200.0, viability=0.95, purity=0.96, cd4=person.cd4_fraction,
        memory=person.memory, il2=100.0, donor=person.factors,
    )  # fmt: skip
    culture = activated(culture, 1.0)
    rows = []
    for hour in range(plan.harvest_at + 1):
        bag = harvested(culture)
        rows.append((bag.viable, bag.viability, culture.solute(GLUCOSE), culture.solute(LACTATE), bag.memory))
        if hour == 24:
            culture = transduced(culture, 3.0 * person.transducibility)
        flow = plan.perfusion / 24.0 if hour >= EXPANSION_AT else 0.0
        culture = culture.grown(1.0, Environment(perfusion=flow, il2=100.0, temperature=37.0))
    table = np.array(rows)
    viable = table[:, 0] / 200.0
    return Course(
        viable=viable, dead=viable * (1.0 / table[:, 1] - 1.0), glucose=table[:, 2], lactate=table[:, 3],
        memory=table[:, 4], car=float(bag.car),
    )  # fmt: skip


def gompertz(donor: int, assays: Assays) -> Case:
    """Gompertz growth whose pace fades with its own clock, death that follows hunger with a day's delay, and cells
    that turn from making lactate to eating it when glucose runs low. Nothing of it is in the twin."""
    return batch("gompertz", 202, EQUATIONS["gompertz"], donor, assays)


def _gompertz(plan: Recipe, z: Floats) -> Course:
    pace, fading, mortal, hunger, upkeep, loss = _GOMPERTZ * np.exp(_BETWEEN * z[[0, 1, 3, 4, 5, 7]])
    late, kept, living, car = _LOWEST + _RANGE * ndtr(z[[2, 6, 8, 9]])
    viable, dead = plan.start.seeding_density * living, 0.1
    glucose, lactate, memory = 18.0, 0.5, kept
    stress = np.full(241, 0.001)
    rows, dt = [], 0.1
    for step in range(10 * plan.harvest_at + 1):
        t = step * dt
        if step % 10 == 0:
            rows.append((viable, dead, glucose, lactate, memory))
        flow = plan.perfusion / 24.0 if t >= EXPANSION_AT else 0.0
        awake = t / (t + late * np.exp(-t / late))
        rate = pace * np.exp(-fading * max(0.0, t - late)) * awake * glucose**2 / (1.0 + glucose**2)
        stress[step % 241] = 0.012 / (1.0 + glucose) + 0.0001 * lactate
        died = mortal + stress[(step + 1) % 241] * (t > 24.0)
        eaten = (hunger * rate + upkeep) * viable * glucose / (0.5 + glucose)
        back = 0.02 * viable * lactate / (5.0 + lactate) / (1.0 + glucose**2)
        viable, dead = viable + dt * (rate - died) * viable, dead + dt * (died * viable - 0.02 * dead)
        glucose = max(0.0, glucose + dt * (flow * (18.0 - glucose) - eaten))
        lactate = max(0.0, lactate + dt * (1.5 * eaten - back - flow * lactate))
        memory *= 1.0 - dt * (loss * (0.3 + rate / pace) + 0.0006)
    table = np.array(rows)
    return Course(
        viable=table[:, 0], dead=table[:, 1], glucose=table[:, 2], lactate=table[:, 3], memory=table[:, 4],
        car=float(car),
    )  # fmt: skip


def _spread(generator: np.random.Generator, sd: float) -> float:
    return float(np.exp(sd * generator.standard_normal()))


def _case(name: str, plan: Recipe, course: Course, assays: Assays, generator: np.random.Generator) -> Case:
    """The course as it would be seen."""
    end = plan.harvest_at
    viability = course.viable / (course.viable + course.dead)
    days, hours = np.arange(72, end + 1, 24), np.arange(49, end + 1)
    online = course.glucose[hours] * (1.0 + assays.probe * _normal(generator, hours)) + 0.1 * _normal(generator, hours)
    walk = np.cumsum(assays.drift / np.sqrt(24.0) * _normal(generator, hours))
    biomass = 37.0 * _spread(generator, 0.15) * course.viable[hours]
    biomass = biomass * np.exp(walk + assays.biomass * _normal(generator, hours))
    seen: dict[str, list[tuple[float, float]]] = {
        "viable_cell_density": _pairs(days, course.viable[days] * np.exp(assays.count * _normal(generator, days))),
        "viability": _pairs(days, np.clip(viability[days] + assays.viability * _normal(generator, days), 0, 1)),
        "glucose": _pairs(days, course.glucose[days] * (1.0 + assays.solute * _normal(generator, days))),
        "lactate": _pairs(days, course.lactate[days] * (1.0 + assays.solute * _normal(generator, days))),
        "car_fraction": _pairs(days[1::2], np.clip(course.car + assays.flow * _normal(generator, days[1::2]), 0, 1)),
        "memory_fraction": _pairs(
            days[1::2], np.clip(course.memory[days[1::2]] + assays.flow * _normal(generator, days[1::2]), 0, 1)
        ),
        "glucose_online": _pairs(hours, np.maximum(online, 0.0)),
    }
    if assays.biomass:
        seen["biomass_online"] = _pairs(hours, biomass)
    controls = (
        Control(at=0.0, perfusion_rate=0.0, il2=100.0),
        Control(at=EXPANSION_AT, perfusion_rate=plan.perfusion, il2=100.0),
    )
    made = history(batch=name, start=plan.start, controls=controls, observations=seen, harvest_at=float(end))
    truth = dict(zip(TOLD, (course.viable[end], viability[end], course.memory[end], course.glucose[end]), strict=True))
    return Case(seen=made, truth={name: float(value) for name, value in truth.items()}, at=float(end))


def _normal(generator: np.random.Generator, like: Hours) -> Floats:
    return generator.standard_normal(len(like))


def _pairs(hours: Hours, values: Floats) -> list[tuple[float, float]]:
    return list(zip(hours.astype(float).tolist(), values.tolist(), strict=True))


_DONORS = Distribution.from_data(
    yaml.safe_load((files("cytoloop.packs") / "car_t_cd19" / "donors.yaml").read_text("utf-8"))
)

_GOMPERTZ = np.array([0.085, 0.0085, 0.0016, 0.95, 0.020, 0.0030])
_BETWEEN = np.array([0.15, 0.2, 0.35, 0.15, 0.2, 0.25])
_LOWEST, _RANGE = np.array([18.0, 0.5, 0.75, 0.25]), np.array([16.0, 0.4, 0.2, 0.25])
EQUATIONS: Mapping[str, Equations] = {
    "facility": Equations(course=_facility, uniform=(False,) * (len(MEASURED) + len(ASSUMED))),
    "gompertz": Equations(course=_gompertz, uniform=(False, False, True, False, False, False, True, False, True, True)),
}
PLANTS: Mapping[str, Plant] = {"facility": facility, "gompertz": gompertz}
