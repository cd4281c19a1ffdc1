"""Controlled-rate freezer: cold gas follows a programme, bags follow the gas and stop for a while where they freeze.

The bag's heat is kept as enthalpy (the enthalpy method: one number, from which temperature and frozen share follow), so
that latent heat needs no special case: below its freezing point the bag stays liquid until a crystal forms, jumps back
up, and stays there until it is frozen. Heat capacities and heat of fusion are those of water and ice, rounded; the
freezing point is that of a medium with a tenth of cryoprotectant, the heat transfer and the depth of supercooling are
assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import ROOM, ramped, toward
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

LIQUID, ICE, FUSION = 4.0, 2.0, 300.0
"""kJ/kg/°C, kJ/kg/°C, kJ/kg."""
FREEZING = -4.0
"""°C."""
SUPERCOOLING = (8.0, 2.0)
"""°C below the freezing point at which a crystal forms by itself: mean and spread between runs."""
TRANSFER = 40.0
"""kJ/kg/h/°C between gas and bag."""
START, SLOW_TO, END = 4.0, -50.0, -150.0
"""°C: where the bags wait first, where the programmed rate ends, and where the gas ends."""
FAST = 10.0
"""°C/min below SLOW_TO."""
WAITING = 1.0 / 6.0
"""h at START."""
EDGE = 120.0
"""°C/h at most that the gas can do upwards; downwards the nitrogen sets no limit that matters here."""

KIND = DeviceType(
    device_type="controlled_rate_freezer",
    words=Words(en="Controlled-rate freezer", zh="程序降温仪"),
    equipment_class="controlled_rate_freezer",
    signals={
        "temperature": Quantity(unit="°C", low=-196.0, high=60.0),
        "load_temperature": Quantity(unit="°C", low=-196.0, high=60.0),
        "cooling_rate": Quantity(unit="°C/min", low=-60.0, high=60.0),
    },
    set_points={"temperature": Quantity(unit="°C", low=-180.0, high=30.0)},
    programs={"freeze": ("cooling_rate",)},
)


def enthalpy(temperature: float) -> float:
    """kJ/kg of a liquid bag, 0 at its freezing point."""
    return LIQUID * (temperature - FREEZING)


@dataclass(slots=True, kw_only=True)
class Freezer:
    """The chamber with a bag in it."""

    dice: Random
    mishaps: set[str] = field(default_factory=set)
    gas: float = ROOM
    heat: float = enthalpy(ROOM)
    """kJ/kg of the bag."""
    crystal: bool = False
    """Whether ice has formed in it."""
    rate: float = 0.0
    """°C/min of the gas over the last step."""
    _crystal_at: float = FREEZING
    _frozen_at: float = 0.0
    """h of the run at which the last of it was frozen; 0 while it is not."""
    _formed_at: float = 0.0

    @property
    def load(self) -> float:
        """°C of the bag."""
        if self.heat >= 0.0 or not self.crystal:
            return FREEZING + self.heat / LIQUID
        if self.heat >= -FUSION:
            return FREEZING
        return FREEZING + (self.heat + FUSION) / ICE

    def begin(self, run: Run) -> None:
        rate = run.parameters["cooling_rate"]
        if not -10.0 <= rate <= -0.1:
            raise CannotError(f"bags are cooled at -10 to -0.1 °C/min, not {rate:g}")
        mean, spread = SUPERCOOLING
        self._crystal_at = FREEZING - max(self.dice.gauss(mean, spread), 1.0)
        self.gas, self.heat, self.crystal = START, enthalpy(START), False  # bags are loaded cold, into a cold chamber
        self._frozen_at = self._formed_at = 0.0

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        if run is not None and "nitrogen-empty" in self.mishaps:
            raise StoppedError("the nitrogen is used up; move the bags by hand")
        before = self.gas
        cold = "nitrogen-empty" not in self.mishaps
        if run is not None:
            self.gas = self._programmed(hours, run)
        elif cold and "temperature" in targets:
            self.gas = ramped(self.gas, targets["temperature"], EDGE * hours)
        else:
            self.gas = toward(self.gas, ROOM, hours, 3.0)
        self.rate = (self.gas - before) / (60.0 * hours)
        self._exchange(hours, run)

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        if self.gas > END + 1e-6 or self.load > END + 10.0:
            return None
        return {
            "end_temperature": round(self.load, 1),
            "nucleation_temperature": round(self._crystal_at, 1),
            "plateau": round(self._frozen_at - self._formed_at, 3),
        }

    def shows(self) -> Mapping[str, float]:
        return {"temperature": self.gas, "load_temperature": self.load, "cooling_rate": self.rate}

    def _programmed(self, hours: float, run: Run) -> float:
        """The gas by the program: wait, cool as asked, then fast."""
        if run.hours < WAITING - 1e-9:
            return START
        rate = -run.parameters["cooling_rate"] if self.gas > SLOW_TO else FAST
        return max(self.gas - rate * 60.0 * hours, END)

    def _exchange(self, hours: float, run: Run | None) -> None:
        """Heat between gas and bag; a crystal forms when the bag is cold enough, and its heat lifts the bag again."""
        self.heat += TRANSFER * (self.gas - self.load) * hours
        if not self.crystal and self.load <= self._crystal_at:
            self.crystal = True
            self._formed_at = run.hours if run else 0.0
        if self.crystal and self.heat > 0.0:
            self.crystal = False  # thawed
        if self.crystal and self.heat < -FUSION and not self._frozen_at:
            self._frozen_at = run.hours if run else 0.0


def _body(dice: Random) -> Freezer:
    return Freezer(dice=dice)


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={"temperature": 0.2, "load_temperature": 0.2, "cooling_rate": 0.0},
    idle={"temperature": ROOM},
    step=10.0,
    scan=3,
    mishaps=("nitrogen-empty",),
    breaks_by="nitrogen-empty",
    examples={"freeze": {"cooling_rate": -1.0}},
)
