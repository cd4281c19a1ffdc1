"""Plants on which the controller is measured: the simulated facility, and the twin's own equations with other figures.

A culture here is a state that can be carried on under set-points, looked at with noise, and made into a product whose
true attributes decide whether it is in specification. The same donor meets the same dice whatever is done to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from cytoloop.adapters.plant import programs
from cytoloop.adapters.plant.biology import Environment
from cytoloop.adapters.plant.chain import Chain
from cytoloop.adapters.plant.culture import GLUCOSE, LACTATE, Culture
from cytoloop.adapters.plant.donors import Distribution, draw_donor
from cytoloop.adapters.plant.donors import Donor as PlantDonor
from cytoloop.adapters.plant.faults import Misfortunes
from cytoloop.adapters.plant.laboratory import ASSAYS, Sampled
from cytoloop.adapters.plant.material import collected, harvested
from cytoloop.adapters.plant.streams import stream
from cytoloop.adapters.plant.vessel import Vessel
from cytoloop.app.packs import read_pack
from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.calibrate import scales
from cytoloop.feedback.culture import STEP, Floats, begin, natural, schedule, simulate
from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.forecast import Limits
from cytoloop.feedback.predict import RELATIVE, culture_quantity, product_quantity
from cytoloop.feedback.twin import NAMES, Twin
from cytoloop.quality.specification import limits

MISMATCH = 0.3
"""Largest relative error of each of the plant's figures against what the twin knows."""
EXPANSION = 48.0
"""h at which the set-points of the expansion begin."""
COUNTED = ("viable_cell_density", "viability", "glucose", "lactate")
TYPED = ("car_fraction", "memory_fraction")
"""Attributes of the daily sample, and of every second one."""
_FRACTIONS = ("viability", "car_fraction", "memory_fraction")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Donor(Protocol):
    """One donor's culture in a plant. States are the plant's own."""

    @property
    def start(self) -> Start:
        """How the culture began, as executed."""

    @property
    def limits(self) -> Limits:
        """Of release, for this patient."""

    def begun(self) -> Any:
        """The culture at hour EXPANSION."""

    def carried(self, state: Any, at: float, hours: float, rate: float, il2: float) -> Any:
        """The culture `hours` after `at` under a perfusion rate [1/d] and IL-2 in the fresh medium [IU/mL]."""

    def looked_at(self, state: Any, attribute: str, day: int) -> float:
        """What the sample of that day shows."""

    def product(self, state: Any) -> Mapping[str, float]:
        """The true attributes of the product of a harvest now."""


def worth(donor: Donor, state: Any) -> float:
    """1e6 viable CAR+ cells of the product when every limit holds, else 0."""
    product = donor.product(state)
    for name, (low, high) in donor.limits.items():
        value = product.get(name)
        if value is not None and not ((low is None or value >= low) and (high is None or value <= high)):
            return 0.0
    return float(product["viable_car_cells"])


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityDonor:
    """A patient in the simulated facility, whose biology is another structure than the twin's."""

    seed: int
    number: int
    first: Culture
    start: Start
    limits: Limits = field(hash=False)
    clear: bool = False
    """Seen without noise."""

    def begun(self) -> Culture:
        """Selected, seeded, activated and transduced."""
        return self.first

    def carried(self, state: Culture, at: float, hours: float, rate: float, il2: float) -> Culture:
        """The facility's own equations."""
        return state.grown(hours, Environment(perfusion=rate / 24.0, il2=il2, temperature=37.0))

    def looked_at(self, state: Culture, attribute: str, day: int) -> float:
        """The facility's laboratory."""
        sampled = Sampled(bag=harvested(state), glucose=state.solute(GLUCOSE), lactate=state.solute(LACTATE))
        true, assay = ASSAYS[attribute].truth(sampled), ASSAYS[attribute]
        noise = assay.size * _dice(self, attribute, day)
        return float(true * np.exp(noise)) if assay.noise == "relative" else float(np.clip(true + noise, 0.0, 1.0))

    def product(self, state: Culture) -> Mapping[str, float]:
        """Washed, formulated, filled and frozen, as this patient's material always is."""
        chain, vessel = _chain(None), Vessel(unit="BR-1", coi="COI", culture=state)
        for name in ("wash_and_harvest", "formulate", "fill_bags", "freeze"):
            _work(self.seed, self.number, name, chain, vessel)
        sampled = Sampled(bag=chain.cells())
        return {name: ASSAYS[name].truth(sampled) for name in (*self.limits, "viable_car_cells")}


def _dice(donor: "FacilityDonor | TwinDonor", attribute: str, day: int) -> float:
    return 0.0 if donor.clear else float(stream(donor.seed, donor.number, attribute, day).standard_normal())


_GIVEN: Mapping[str, Mapping[str, float]] = {
    "seed": {"volume": 200.0, "seeding_density": 1.0},
    "add_activator": {"beads_per_cell": 1.0},
    "add_vector": {"moi": 3.0},
    "formulate": {"cell_concentration": 20.0},
    "fill_bags": {"bags": 2.0},
    "freeze": {"cooling_rate": -1.0},
}
"""Program of the facility -> parameters of the pack's recipe."""


def _work(seed: int, number: int, name: str, chain: Chain, vessel: Vessel) -> None:
    rng = stream(seed, number, name)
    given = _GIVEN.get(name, {})
    programs.PROGRAMS[name].effect(programs.Work(chain=chain, vessel=vessel, parameters=given, at=_EPOCH, rng=rng))


def _chain(donor: PlantDonor | None) -> Chain:
    bag = collected(donor) if donor else None
    return Chain(coi="COI", stream="bench", donor=donor, misfortunes=Misfortunes(), bag=bag)  # type: ignore[arg-type]  # none to warm up


def facility_donor(seed: int, number: int, mismatch: float) -> FacilityDonor:
    """Patient `number` of a facility; each factor of the biology is off by up to `mismatch`."""
    pack = read_pack("car_t_cd19")
    rng = stream(seed, "donor", number)
    drawn = draw_donor(Distribution.from_data(pack.donors), rng)
    off = 1.0 + mismatch * rng.uniform(-1.0, 1.0, len(drawn.factors))
    factors = type(drawn.factors)(*(float(a * b) for a, b in zip(drawn.factors, off, strict=True)))
    donor = replace(drawn, factors=factors)
    weight = float(np.clip(rng.normal(68.0, 12.0), 42.0, 110.0))
    chain = _chain(donor)
    vessel = Vessel(unit="BR-1", set_points={"temperature": 37.0, "perfusion_rate": 0.0, "il2": 100.0})
    rest = Environment(perfusion=0.0, il2=100.0, temperature=37.0)
    for name in ("select_t_cells", "seed", "add_activator"):
        _work(seed, number, name, chain, vessel)
    assert vessel.culture is not None
    seeded = vessel.culture.viable
    viability = vessel.culture.viability
    vessel.change(lambda culture: culture.grown(24.0, rest))
    _work(seed, number, "add_vector", chain, vessel)
    vessel.change(lambda culture: culture.grown(24.0, rest))
    return FacilityDonor(
        seed=seed,
        number=number,
        first=vessel.culture,
        start=Start(seeding_density=seeded, volume=200.0, viability=viability, expansion_at=EXPANSION),
        limits={a.attribute: limits(a, weight) for a in pack.master.product.at("release")},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinDonor:
    """A donor of the twin's own equations, whose figures are other ones than the twin knows."""

    seed: int
    number: int
    twin: Twin = field(hash=False)
    values: Floats = field(hash=False)
    """(1, parameters), in their units."""
    start: Start
    limits: Limits = field(hash=False)
    clear: bool = False
    """Seen without noise."""

    def begun(self) -> Floats:
        """Carried from the seeding without perfusion."""
        rest = Control(at=0.0, perfusion_rate=0.0, il2=self.start.il2)
        plan = schedule((rest,), self.start.il2, EXPANSION)
        return simulate(self.twin, self.values, begin(self.values, self.start), plan)[:, -1]

    def carried(self, state: Floats, at: float, hours: float, rate: float, il2: float) -> Floats:
        """The twin's equations."""
        plan = schedule((Control(at=0.0, perfusion_rate=rate, il2=il2),), il2, at + hours)
        return simulate(self.twin, self.values, state, plan, first=round(at / STEP))[:, -1]

    def looked_at(self, state: Floats, attribute: str, day: int) -> float:
        """With the noise that the twin states."""
        true = float(culture_quantity(attribute, self.values, state, self.start)[0])
        noise = self.twin.noise[attribute] * _dice(self, attribute, day)
        if attribute in RELATIVE:
            return float(true * np.exp(noise))
        return float(np.clip(true + noise, 0.0, 1.0 if attribute in _FRACTIONS else np.inf))

    def product(self, state: Floats) -> Mapping[str, float]:
        """What the twin says of the product."""
        return {name: float(product_quantity(name, self.values, state, self.start)[0]) for name in IN_PRODUCT}


def twin_donor(twin: Twin, seed: int, number: int, mismatch: float) -> TwinDonor:
    """Donor `number` of the population of `twin`, each figure then off by up to `mismatch` (odds for a fraction)."""
    rng = stream(seed, "twin donor", number)
    means, sds = scales(twin)
    theta = means + sds * np.clip(rng.standard_normal(len(NAMES)), -2.0, 2.0)
    theta = theta + np.log(1.0 + mismatch * rng.uniform(-1.0, 1.0, len(NAMES)))
    weight = float(np.clip(rng.normal(68.0, 12.0), 42.0, 110.0))
    product = read_pack("car_t_cd19").master.product
    return TwinDonor(
        seed=seed,
        number=number,
        twin=twin,
        values=natural(theta[None]),
        start=Start(seeding_density=1.0, volume=200.0, expansion_at=EXPANSION),
        limits={a.attribute: limits(a, weight) for a in product.at("release")},
    )
