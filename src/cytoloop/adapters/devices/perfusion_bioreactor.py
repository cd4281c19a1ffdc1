"""Perfusion bioreactor: a stirred vessel that is heated, gassed and fed while its cells are kept back.

No maker's figures are used: time constants, limits and noise are assumed, in the order that is usual for benchtop
vessels of a few hundred millilitres.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from cytoloop.adapters.devices.culture import GLUCOSE_IN_MEDIUM, Culture
from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import ROOM, heated, toward
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

FRACTION = Quantity(unit="fraction", low=0.0, high=2.0)
TEMPERATURE = Quantity(unit="°C", low=20.0, high=40.0)
PERFUSION = Quantity(unit="1/d", low=0.0, high=3.0)
LARGEST = 1000.0
"""mL."""
HOURS = {"seed": 1.0, "add_activator": 0.5, "add_vector": 0.5, "drain": 0.5}

KIND = DeviceType(
    device_type="perfusion_bioreactor",
    words=Words(en="Perfusion bioreactor", zh="灌流生物反应器"),
    equipment_class="bioreactor",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=60.0),
        "ph": Quantity(unit="pH", low=4.0, high=9.0),
        "dissolved_oxygen": FRACTION,
        "glucose": Quantity(unit="mmol/L", low=0.0, high=40.0),
        "perfusion_rate": PERFUSION,
        "volume": Quantity(unit="mL", low=0.0, high=LARGEST),
        "agitation": Quantity(unit="rpm", low=0.0, high=300.0),
    },
    set_points={
        "temperature": TEMPERATURE,
        "ph": Quantity(unit="pH", low=6.5, high=7.8),
        "dissolved_oxygen": Quantity(unit="fraction", low=0.1, high=1.0),
        "perfusion_rate": PERFUSION,
        "il2": Quantity(unit="IU/mL", low=0.0, high=1000.0),
        "agitation": Quantity(unit="rpm", low=20.0, high=250.0),
    },
    programs={
        "seed": ("volume", "seeding_density"),
        "add_activator": ("beads_per_cell",),
        "add_vector": ("moi",),
        "drain": (),
    },
)


@dataclass(slots=True, kw_only=True)
class Bioreactor:
    """The vessel and what is in it."""

    mishaps: set[str] = field(default_factory=set)
    temperature: float = ROOM
    ph: float = 7.4
    dissolved_oxygen: float = 1.0
    perfusion_rate: float = 0.0
    """1/d, as the pump turns."""
    agitation: float = 0.0
    culture: Culture | None = None

    def begin(self, run: Run) -> None:
        if run.name == "seed":
            if self.culture is not None:
                raise CannotError("the vessel still holds a culture; run drain first")
            if not 0.0 < run.parameters["volume"] <= LARGEST:
                raise CannotError(f"the vessel takes up to {LARGEST:g} mL, not {run.parameters['volume']:g}")
            self.culture = Culture(volume=0.0, viable=run.parameters["seeding_density"])
        elif self.culture is None:
            raise CannotError("there is no culture in the vessel; run seed first")

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        self._heat_stir_and_pump(hours, targets)
        if run is not None:
            self._program(hours, run)
        if self.culture is None:
            return
        il2, exchange = targets.get("il2", 0.0), self.perfusion_rate / 24.0
        if exchange == 0.0:
            self.culture.il2 = max(self.culture.il2, il2)  # kept up by dosing when nothing flows through
        self.culture.live(hours, temperature=self.temperature, oxygen=self.dissolved_oxygen, exchange=exchange, il2=il2)
        self._gas(hours, targets, self.culture)

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        if run.hours < HOURS[run.name] - 1e-9:
            return None
        if run.name == "drain" or self.culture is None:
            self.culture = None
            return {}
        if run.name == "add_activator":
            self.culture.activated = run.parameters["beads_per_cell"] > 0.0
        if run.name == "seed":
            return {"volume": round(self.culture.volume, 1), "viable_cells": round(self.culture.cells, 1)}
        return dict(run.parameters)

    def shows(self) -> Mapping[str, float]:
        culture = self.culture
        return {
            "temperature": self.temperature,
            "ph": self.ph,
            "dissolved_oxygen": self.dissolved_oxygen,
            "glucose": culture.glucose if culture else GLUCOSE_IN_MEDIUM,
            "perfusion_rate": self.perfusion_rate,
            "volume": culture.volume if culture else 0.0,
            "agitation": self.agitation,
        }

    def _heat_stir_and_pump(self, hours: float, targets: Mapping[str, float]) -> None:
        target = None if "heater-off" in self.mishaps else targets.get("temperature")
        self.temperature = heated(self.temperature, target, hours, lag=0.15, loss=2.0, power=25.0)
        self.agitation = toward(self.agitation, targets.get("agitation", 0.0), hours, 0.005)
        wanted = 0.0 if "pump-stuck" in self.mishaps or self.culture is None else targets.get("perfusion_rate", 0.0)
        self.perfusion_rate = wanted if wanted == 0.0 else toward(self.perfusion_rate, wanted, hours, 0.02)

    def _program(self, hours: float, run: Run) -> None:
        """Every program moves liquid: without the pump it cannot go on."""
        if "pump-stuck" in self.mishaps:
            raise StoppedError("the feed pump does not turn")
        if run.name == "seed" and self.culture is not None:
            filled = self.culture.volume + run.parameters["volume"] * hours / HOURS["seed"]
            self.culture.volume = min(filled, run.parameters["volume"])

    def _gas(self, hours: float, targets: Mapping[str, float], culture: Culture) -> None:
        """Oxygen by gas transfer (kLa rises with the stirrer), at its steady state within minutes; pH by CO2.

        The controller mixes nitrogen, air and oxygen: the gas holds up to 1/0.21 of air's share. CO2 lowers the pH by
        at most 0.4; nothing raises it but fresh medium.
        """
        transfer = 0.3 if "gas-lost" in self.mishaps else 0.3 + 0.16 * self.agitation
        used = culture.breathes() / transfer
        wanted = targets.get("dissolved_oxygen", 1.0) + used
        offered = 0.0 if "gas-lost" in self.mishaps else min(max(wanted, 0.0), 1.0 / 0.21)
        self.dissolved_oxygen = toward(self.dissolved_oxygen, max(offered - used, 0.0), hours, 0.05)
        natural = 7.45 - 0.015 * culture.lactate
        reached = min(max(targets.get("ph", natural), natural - 0.4), natural)
        self.ph = toward(self.ph, reached, hours, 0.2)


def _body(dice: Random) -> Bioreactor:
    return Bioreactor()


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={
        "temperature": 0.03, "ph": 0.01, "dissolved_oxygen": 0.005, "glucose": 0.1, "perfusion_rate": 0.004,
        "volume": 0.5, "agitation": 0.3,
    },
    idle={
        "temperature": 37.0, "ph": 7.2, "dissolved_oxygen": 0.5, "perfusion_rate": 0.0, "il2": 0.0, "agitation": 80.0,
    },
    mishaps=("pump-stuck", "heater-off", "gas-lost"),
    breaks_by="pump-stuck",
    examples={
        "seed": {"volume": 200.0, "seeding_density": 1.0},
        "add_activator": {"beads_per_cell": 1.0},
        "add_vector": {"moi": 3.0},
        "drain": {},
    },
)  # fmt: skip
