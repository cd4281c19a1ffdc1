"""Programs of the equipment: what each does to the cells. Yields and losses are chosen here, in published ranges."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from numpy.random import Generator

from cytoloop.adapters.plant.chain import Chain, ImpossibleError
from cytoloop.adapters.plant.culture import Culture, activated, seeded, transduced
from cytoloop.adapters.plant.donors import Donor
from cytoloop.adapters.plant.material import Bag, harvested
from cytoloop.adapters.plant.trend import PER_HOUR
from cytoloop.adapters.plant.vessel import Vessel
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant

HOURS_OF_NOISE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One run of a program that has come to its end."""

    chain: Chain
    vessel: Vessel | None
    """The bioreactor it concerns: where it ran, or where the culture is."""
    parameters: Mapping[str, float]
    at: Instant
    rng: Generator

    def parameter(self, name: str) -> float:
        """A parameter that the program needs."""
        if name not in self.parameters:
            raise ImpossibleError(f"the program needs {name}")
        return self.parameters[name]

    def culture_vessel(self) -> Vessel:
        """The bioreactor with this chain's culture in it."""
        if self.vessel is None or self.vessel.coi != self.chain.coi:
            raise ImpossibleError(f"no culture of {self.chain.coi} is there")
        return self.vessel

    def share(self, typical: float, sd: float) -> float:
        """A yield that varies around what is typical, never above 1."""
        return min(max(typical + sd * float(self.rng.standard_normal()), 0.05), 1.0)


Values = dict[str, JSON]


def select_t_cells(work: Work) -> Values:
    """Positive selection of T cells from the leukapheresis bag; most other cells are left behind."""
    bag, donor = work.chain.cells(), work.chain.donor
    wanted = min(donor.collected_cells * donor.t_cell_yield, bag.viable * bag.purity) * work.share(0.75, 0.05)
    purity = 1.0 - 0.08 * (1.0 - bag.purity)
    viability = 1.0 - 0.6 * (1.0 - bag.viability)
    work.chain.bag = replace(bag, viable=wanted, volume=50.0, purity=purity, viability=viability)
    return {"viable_cells": round(wanted, 1)}


def seed(work: Work) -> Values:
    """Seed the culture; with too few cells the density is lower than asked."""
    bag, vessel = work.chain.cells(), work.vessel
    if vessel is None:
        raise ImpossibleError("cells are seeded into a bioreactor")
    if vessel.coi is not None:
        raise ImpossibleError(f"{vessel.unit} still holds the culture of {vessel.coi}")
    volume = work.parameter("volume")
    density = min(work.parameter("seeding_density"), bag.viable / volume)
    culture = in_medium(bag, work.chain.donor, density=density, volume=volume, il2=vessel.set_points["il2"])
    noise = (work.rng.standard_normal((HOURS_OF_NOISE, 5)), work.rng.standard_normal((HOURS_OF_NOISE * PER_HOUR, 6)))
    vessel.occupy(work.chain.coi, culture, work.at, work.chain.misfortunes, noise)
    work.chain.bag, work.chain.unit = None, vessel.unit
    return {"seeded_density": round(density, 4), "viable_cells": round(density * volume, 1)}


def in_medium(bag: Bag, donor: Donor, *, density: float, volume: float, il2: float) -> Culture:
    """The cells of a bag as a fresh culture."""
    return seeded(
        density=density, volume=volume, viability=bag.viability, purity=bag.purity, cd4=bag.cd4, memory=bag.memory,
        il2=il2, donor=donor.factors,
    )  # fmt: skip


def add_activator(work: Work) -> Values:
    """Add activating beads."""
    ratio = work.parameter("beads_per_cell")
    work.culture_vessel().change(lambda culture: activated(culture, ratio))
    return {"beads_per_cell": ratio}


def add_vector(work: Work) -> Values:
    """Add lentiviral vector; how many copies enter a cell depends on the donor and the day."""
    moi = work.parameter("moi")
    effective = effective_moi(moi, work)
    work.culture_vessel().change(lambda culture: transduced(culture, effective))
    return {"moi": moi}


def effective_moi(moi: float, work: Work) -> float:
    """Copies per activated cell that enter the cells of this donor today."""
    return max(moi * work.chain.donor.transducibility * (1.0 + 0.1 * float(work.rng.standard_normal())), 0.0)


def wash_and_harvest(work: Work) -> Values:
    """Take the culture out, remove beads and medium: a tenth of the beads and a third of the dead cells stay."""
    vessel = work.culture_vessel()
    if vessel.culture is None:
        raise ImpossibleError(f"{vessel.unit} is empty")
    bag = harvested(vessel.culture)
    vessel.empty()
    work.chain.unit = None
    work.chain.bag = washed(bag, work)
    return {"viable_cells": round(work.chain.bag.viable, 1)}


def washed(bag: Bag, work: Work) -> Bag:
    """A harvest without most of its beads, medium and dead cells, in 100 mL."""
    dead = (1.0 / max(bag.viability, 1e-6) - 1.0) * 0.8
    kept = bag.kept(work.share(0.85, 0.04))
    return replace(kept, viability=1.0 / (1.0 + dead), beads=bag.beads * 0.1, volume=100.0)


def formulate(work: Work) -> Values:
    """Bring the cells to the concentration of the product, in cryopreservation medium."""
    bag = work.chain.cells().kept(work.share(0.95, 0.02))
    volume = max(bag.viable / work.parameter("cell_concentration"), 5.0)
    work.chain.bag = replace(bag, volume=volume)
    return {"volume": round(volume, 2)}


def fill_bags(work: Work) -> Values:
    """Fill the final bags; a little stays in the tubing of each."""
    bags = work.parameter("bags")
    work.chain.bag = work.chain.cells().kept(max(1.0 - 0.015 * bags, 0.5))
    return {"bags": bags, "volume": round(work.chain.cells().volume, 2)}


def freeze(work: Work) -> Values:
    """Freeze; what is tested later is thawed. Cells die the more, the further from -1 °C/min they were cooled."""
    off = work.parameter("cooling_rate") + 1.0
    injury = min(1.0 - work.share(0.92, 0.012) + 0.06 * off * off, 0.9)
    work.chain.bag = work.chain.cells().injured(injury)
    return {"end_temperature": -150.0}


def discard(work: Work) -> Values:
    """Throw the material of a terminated batch away and make the unit free."""
    if work.vessel is not None and work.vessel.coi == work.chain.coi:
        work.vessel.empty()
    work.chain.bag = work.chain.unit = None
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A built-in program."""

    equipment_class: str | None
    """Where it can run; None: anywhere."""
    hours: float
    effect: Callable[[Work], Values]
    needs: tuple[str, ...] = ()
    """Parameters."""


PROGRAMS: Mapping[str, Program] = {
    "select_t_cells": Program(equipment_class="closed_processor", hours=4.0, effect=select_t_cells),
    "wash_and_harvest": Program(equipment_class="closed_processor", hours=3.0, effect=wash_and_harvest),
    "formulate": Program(
        equipment_class="closed_processor", hours=2.0, effect=formulate, needs=("cell_concentration",)
    ),
    "fill_bags": Program(equipment_class="closed_processor", hours=1.0, effect=fill_bags, needs=("bags",)),
    "seed": Program(equipment_class="bioreactor", hours=1.0, effect=seed, needs=("volume", "seeding_density")),
    "add_activator": Program(equipment_class="bioreactor", hours=0.5, effect=add_activator, needs=("beads_per_cell",)),
    "add_vector": Program(equipment_class="bioreactor", hours=0.5, effect=add_vector, needs=("moi",)),
    "freeze": Program(equipment_class="controlled_rate_freezer", hours=2.0, effect=freeze, needs=("cooling_rate",)),
    "discard": Program(equipment_class=None, hours=0.25, effect=discard),
}
