"""Closed processing device: centrifuge, magnet and pumps around a sterile tubing set, run by built-in programs.

A program is a list of phases: so long, so fast, so much liquid through the chamber. Durations, yields and flows are
assumed, in the order that is usual for such devices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import heated, ramped
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

SPIN_UP = 60_000.0
"""rpm per hour: a thousand within a minute."""
BLOCKED_AFTER = 1.0 / 30.0
"""h without flow until the line-pressure alarm."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a program."""

    hours: float
    rpm: float
    liquid: float
    """mL of buffer or suspension through the chamber to waste."""


PHASES: Mapping[str, tuple[Phase, ...]] = {
    "select_t_cells": (Phase(0.5, 800, 100), Phase(1.0, 0, 0), Phase(0.75, 2200, 400), Phase(1.75, 0, 300)),
    "wash_and_harvest": (Phase(0.5, 0, 100), Phase(1.75, 2200, 900), Phase(0.75, 1200, 150)),
    "formulate": (Phase(1.0, 1800, 150), Phase(1.0, 0, 20)),
    "fill_bags": (Phase(1.0, 0, 5),),
}
KEPT = {"select_t_cells": (0.75, 0.05), "wash_and_harvest": (0.85, 0.04), "formulate": (0.95, 0.02)}
"""Program -> share of the cells that comes through, and its spread."""
SPEED = Quantity(unit="rpm", low=0.0, high=3000.0)
VOLUME = Quantity(unit="mL", low=0.0, high=5000.0)

KIND = DeviceType(
    device_type="closed_processor",
    words=Words(en="Closed processing device", zh="封闭式细胞处理设备"),
    equipment_class="closed_processor",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=50.0),
        "centrifuge_speed": SPEED,
        "volume": VOLUME,
        "waste_volume": VOLUME,
    },
    set_points={"temperature": Quantity(unit="°C", low=4.0, high=38.0)},
    programs={
        "select_t_cells": (),
        "wash_and_harvest": (),
        "formulate": ("cell_concentration",),
        "fill_bags": ("bags",),
    },
)


@dataclass(slots=True, kw_only=True)
class Processor:
    """The chamber with a bag's cells in it. It counts nothing: what it holds is what was loaded."""

    dice: Random
    mishaps: set[str] = field(default_factory=set)
    cells: float = 6000.0
    """1e6 cells loaded with a fresh tubing set."""
    volume: float = 150.0
    """mL that hold them."""
    waste: float = 0.0
    temperature: float = 22.0
    speed: float = 0.0
    formulated: bool = False
    _without_flow: float = 0.0

    def begin(self, run: Run) -> None:
        if run.name == "fill_bags":
            if not self.formulated:
                raise CannotError("there is no formulated product in the chamber; run formulate first")
            if not 1.0 <= run.parameters["bags"] <= 8.0:
                raise CannotError(f"the set fills 1 to 8 bags, not {run.parameters['bags']:g}")
        if run.name == "formulate" and run.parameters["cell_concentration"] <= 0.0:
            raise CannotError("the cell concentration must be above 0")
        if self.volume <= 0.0:
            raise CannotError("the chamber is empty; load a bag")
        self._without_flow = 0.0

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        self.temperature = heated(self.temperature, targets.get("temperature"), hours, lag=0.1, loss=0.5, power=60.0)
        phase = _phase(run) if run else None
        motor = 0.0 if "motor-off" in self.mishaps else SPIN_UP * hours
        self.speed = ramped(self.speed, phase.rpm if phase else 0.0, motor)
        if phase is None:
            return
        if phase.rpm and "motor-off" in self.mishaps:
            raise StoppedError("the centrifuge does not reach its speed")
        self._flow(hours, phase)

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        if run.hours < sum(phase.hours for phase in PHASES[run.name]) - 1e-9:
            return None
        if run.name == "fill_bags":
            filled, bags = self.volume, run.parameters["bags"]
            self.volume, self.cells, self.formulated = 0.0, 0.0, False
            return {"bags": bags, "volume": round(filled - 1.5 * bags, 2)}
        typical, spread = KEPT[run.name]
        share = min(max(self.dice.gauss(typical, spread), 0.05), 1.0)
        self.cells *= share
        self.formulated = run.name == "formulate"
        self.volume = max(self.cells / run.parameters["cell_concentration"], 5.0) if self.formulated else 100.0
        return {"recovery": round(share, 3), "volume": round(self.volume, 2)}

    def shows(self) -> Mapping[str, float]:
        return {
            "temperature": self.temperature,
            "centrifuge_speed": self.speed,
            "volume": self.volume,
            "waste_volume": self.waste,
        }

    def _flow(self, hours: float, phase: Phase) -> None:
        """Liquid goes to waste at an even rate; with a blocked line the pressure stops the program soon."""
        if "line-blocked" not in self.mishaps:
            self.waste, self._without_flow = self.waste + phase.liquid * hours / phase.hours, 0.0
            return
        self._without_flow += hours
        if self._without_flow >= BLOCKED_AFTER:
            raise StoppedError("the line pressure is too high; a tube is bent or clamped")


def _phase(run: Run) -> Phase | None:
    """The phase in which the run is; None at its very end."""
    begun = 0.0
    for phase in PHASES[run.name]:
        begun += phase.hours
        if run.hours < begun - 1e-9:
            return phase
    return None


def _body(dice: Random) -> Processor:
    return Processor(dice=dice)


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={"temperature": 0.1, "centrifuge_speed": 3.0, "volume": 0.5, "waste_volume": 1.0},
    idle={"temperature": 20.0},
    step=30.0,
    scan=2,
    mishaps=("line-blocked", "motor-off"),
    breaks_by="line-blocked",
    examples={
        "select_t_cells": {},
        "wash_and_harvest": {},
        "formulate": {"cell_concentration": 20.0},
        "fill_bags": {"bags": 2.0},
    },
)
