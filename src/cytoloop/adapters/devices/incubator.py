"""Incubator: warm, humid air with CO2; an open door lets both out at once and they come back with time.

Air answers within minutes, what stands on the shelves within hours. Figures are assumed, of the order that is usual
for CO2 incubators of 150 to 200 litres; decontamination is by dry heat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import ROOM, heated, toward
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

DOOR = 1.0 / 60.0
"""h, time constant with which the room's air comes in through an open door."""
DRY = 0.4
"""Relative humidity of the room."""
HOT, HOT_FOR, COOL = 180.0, 2.0, 40.0
"""°C of the decontamination, h it is kept, and °C at which it is over."""

KIND = DeviceType(
    device_type="incubator",
    words=Words(en="CO2 incubator", zh="二氧化碳培养箱"),
    equipment_class="incubator",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=200.0),
        "load_temperature": Quantity(unit="°C", low=0.0, high=200.0),
        "co2": Quantity(unit="fraction", low=0.0, high=0.2),
        "humidity": Quantity(unit="fraction", low=0.0, high=1.0),
        "door_open": Quantity(unit="1", low=0.0, high=1.0),
    },
    set_points={
        "temperature": Quantity(unit="°C", low=25.0, high=50.0),
        "co2": Quantity(unit="fraction", low=0.0, high=0.2),
    },
    programs={"decontaminate": ()},
)


@dataclass(slots=True, kw_only=True)
class Incubator:
    """The chamber and what stands in it."""

    mishaps: set[str] = field(default_factory=set)
    temperature: float = 37.0
    load: float = 37.0
    """°C of a litre of medium on a shelf."""
    co2: float = 0.05
    humidity: float = 0.95
    _hot: float = 0.0
    """h at the temperature of decontamination."""

    @property
    def open(self) -> bool:
        """Whether the door stands open."""
        return "door-open" in self.mishaps

    def begin(self, run: Run) -> None:
        if self.open:
            raise CannotError("the door is open; close it")
        self._hot = 0.0

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        if run is not None and self.open:
            raise StoppedError("the door was opened while the chamber was hot")
        wanted = self._wanted(targets, run)
        power = 200.0 if run is not None else 20.0
        self.temperature = heated(self.temperature, wanted, hours, lag=0.1, loss=2.0, power=power)
        gas = targets.get("co2", 0.0) if run is None and "gas-empty" not in self.mishaps else 0.0
        self.co2 = toward(self.co2, gas, hours, 0.08 if gas > self.co2 else 3.0)
        self.humidity = toward(self.humidity, 0.95 if run is None else 0.02, hours, 0.7)
        if self.open:
            self.temperature = toward(self.temperature, ROOM, hours, 4.0 * DOOR)
            self.co2 = toward(self.co2, 0.0, hours, DOOR)
            self.humidity = toward(self.humidity, DRY, hours, 2.0 * DOOR)
        self.load = toward(self.load, self.temperature, hours, 1.2)
        if self.temperature > HOT - 2.0:
            self._hot += hours

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        if self._hot < HOT_FOR or self.temperature > COOL:
            return None
        return {"hours_hot": round(self._hot, 2)}

    def shows(self) -> Mapping[str, float]:
        return {
            "temperature": self.temperature,
            "load_temperature": self.load,
            "co2": self.co2,
            "humidity": self.humidity,
            "door_open": float(self.open),
        }

    def _wanted(self, targets: Mapping[str, float], run: Run | None) -> float | None:
        if "heater-off" in self.mishaps:
            return None
        if run is None:
            return targets.get("temperature")
        return HOT if self._hot < HOT_FOR else None


def _body(dice: Random) -> Incubator:
    return Incubator()


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={"temperature": 0.05, "load_temperature": 0.03, "co2": 0.0005, "humidity": 0.005},
    idle={"temperature": 37.0, "co2": 0.05},
    step=30.0,
    scan=2,
    mishaps=("door-open", "heater-off", "gas-empty"),
    breaks_by="door-open",
    examples={"decontaminate": {}},
)
