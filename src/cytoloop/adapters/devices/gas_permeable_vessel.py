"""Static gas-permeable vessel: cells lie on a membrane and breathe through it; deep medium feeds them for days.

It has no pump, heater or stirrer of its own and so takes no set-points: it stands in an incubator, and a pump station
seeds it and changes its medium. The principle: Vera et al. 2010, J Immunother 33:305. Its figures here are assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from cytoloop.adapters.devices.culture import BREATH, Culture
from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import ROOM, toward
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

LARGEST = 1000.0
"""mL."""
FLOW = 3000.0
"""mL per hour of the pump station."""
ADDING = 0.25
"""h to add beads or vector."""
PERMEANCE = 0.5
"""mmol of oxygen per hour through the membrane when one side has air and the other nothing."""
WARMING = 1.5
"""h, time constant with which deep medium follows the incubator."""

KIND = DeviceType(
    device_type="gas_permeable_vessel",
    words=Words(en="Static gas-permeable vessel", zh="静置透气培养容器"),
    equipment_class="gas_permeable_vessel",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=60.0),
        "ph": Quantity(unit="pH", low=4.0, high=9.0),
        "dissolved_oxygen": Quantity(unit="fraction", low=0.0, high=2.0),
        "glucose": Quantity(unit="mmol/L", low=0.0, high=40.0),
        "volume": Quantity(unit="mL", low=0.0, high=LARGEST),
    },
    programs={
        "seed": ("volume", "seeding_density"),
        "add_activator": ("beads_per_cell",),
        "add_vector": ("moi",),
        "exchange_medium": ("share",),
        "reduce_volume": ("volume",),
        "drain": (),
    },
)


@dataclass(slots=True, kw_only=True)
class Vessel:
    """The vessel in its incubator."""

    mishaps: set[str] = field(default_factory=set)
    temperature: float = 37.0
    ph: float = 7.4
    dissolved_oxygen: float = 1.0
    """At the membrane, where the cells lie."""
    culture: Culture | None = None

    def begin(self, run: Run) -> None:
        if run.name == "seed":
            if self.culture is not None:
                raise CannotError("the vessel still holds a culture; run drain first")
            if not 0.0 < run.parameters["volume"] <= LARGEST:
                raise CannotError(f"the vessel takes up to {LARGEST:g} mL, not {run.parameters['volume']:g}")
            self.culture = Culture(volume=0.0, viable=run.parameters["seeding_density"])
            self.temperature = ROOM
            return
        if self.culture is None:
            raise CannotError("there is no culture in the vessel; run seed first")
        if run.name == "exchange_medium" and not 0.0 <= run.parameters["share"] <= 1.0:
            raise CannotError(f"the share to exchange lies between 0 and 1, not {run.parameters['share']:g}")
        if run.name == "reduce_volume" and not 0.0 < run.parameters["volume"] <= self.culture.volume:
            raise CannotError(
                f"the vessel holds {self.culture.volume:.0f} mL and cannot be reduced to {run.parameters['volume']:g}"
            )

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        self.temperature = toward(self.temperature, ROOM if "door-open" in self.mishaps else 37.0, hours, WARMING)
        if run is not None and "line-blocked" in self.mishaps:
            raise StoppedError("the pump station draws against a closed line")
        culture = self.culture
        if culture is None:
            return
        if run is not None:
            self._pump(hours, run, culture)
        culture.live(hours, temperature=self.temperature, oxygen=self.dissolved_oxygen)
        breathed = BREATH * culture.cells / 1000.0
        self.dissolved_oxygen = toward(self.dissolved_oxygen, max(1.0 - breathed / PERMEANCE, 0.0), hours, 0.1)
        self.ph = toward(self.ph, 7.45 - 0.015 * culture.lactate, hours, 0.5)

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        culture = self.culture
        if culture is None or run.hours < self._hours(run, culture) - 1e-9:
            return None
        match run.name:
            case "seed":
                culture.volume = run.parameters["volume"]
                return {"volume": round(culture.volume, 1), "viable_cells": round(culture.cells, 1)}
            case "exchange_medium":
                culture.renew(run.parameters["share"])
            case "reduce_volume":
                culture.viable *= culture.volume / run.parameters["volume"]
                culture.volume = run.parameters["volume"]
                return {"volume": round(culture.volume, 1)}
            case "add_activator":
                culture.activated = run.parameters["beads_per_cell"] > 0.0
            case "drain":
                self.culture = None
        return dict(run.parameters)

    def shows(self) -> Mapping[str, float]:
        culture = self.culture
        return {
            "temperature": self.temperature,
            "ph": self.ph,
            "dissolved_oxygen": self.dissolved_oxygen,
            "glucose": culture.glucose if culture else 0.0,
            "volume": culture.volume if culture else 0.0,
        }

    @staticmethod
    def _hours(run: Run, culture: Culture) -> float:
        """How long a program takes: what it moves through the pump, or the time to add something."""
        match run.name:
            case "seed":
                return run.parameters["volume"] / FLOW
            case "exchange_medium":
                return 2.0 * run.parameters["share"] * culture.volume / FLOW
            case "reduce_volume":
                return (culture.volume - run.parameters["volume"]) / FLOW
            case "drain":
                return culture.volume / FLOW
            case _:
                return ADDING

    @staticmethod
    def _pump(hours: float, run: Run, culture: Culture) -> None:
        if run.name == "seed":
            culture.volume = min(culture.volume + FLOW * hours, run.parameters["volume"])


def _body(dice: Random) -> Vessel:
    return Vessel()


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={"temperature": 0.05, "ph": 0.02, "dissolved_oxygen": 0.01, "glucose": 0.2, "volume": 2.0},
    mishaps=("line-blocked", "door-open"),
    breaks_by="line-blocked",
    examples={
        "seed": {"volume": 500.0, "seeding_density": 0.5},
        "add_activator": {"beads_per_cell": 1.0},
        "add_vector": {"moi": 3.0},
        "exchange_medium": {"share": 0.5},
        "reduce_volume": {"volume": 100.0},
        "drain": {},
    },
)
