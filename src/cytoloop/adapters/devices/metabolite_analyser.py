"""Metabolite analyser: enzyme electrodes that answer within minutes, drift from day to day, and are calibrated.

The answer of an electrode rises to its end value with first order; it is read at a fixed time, so a slow electrode
reads low. Noise, drift and times are assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp
from random import Random

from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import heated
from cytoloop.adapters.devices.specimen import Specimens, attributes_in, result
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

METHOD = "enzyme electrode"
READ_AFTER, RINSING, CALIBRATING = 2.0 / 60.0, 2.0 / 60.0, 0.25
"""h."""
ANSWERING = 0.4 / 60.0
"""h, time constant of an electrode."""
NOISE, FLOOR = 0.02, 0.03
"""Share of the value, and mmol/L."""
DRIFT = 0.01 / 24.0
"""Share of its sensitivity that an electrode loses in an hour."""
HIGHEST: Mapping[str, float] = {"glucose": 40.0, "lactate": 40.0, "glutamine": 10.0, "ammonium": 25.0}
"""mmol/L up to which an electrode follows."""
USED = 0.002
"""Share of the reagent for one sample; a calibration takes five."""

KIND = DeviceType(
    device_type="metabolite_analyser",
    words=Words(en="Metabolite analyser", zh="代谢物分析仪"),
    equipment_class="metabolite_analyser",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=60.0),
        "reagent": Quantity(unit="fraction", low=0.0, high=1.0),
    },
    programs={"calibrate": ()},
    attributes=tuple(HIGHEST),
)


def control(command: Command) -> Mapping[str, float]:
    """The control solution that is measured where nobody says what is in the tube."""
    return {"glucose": 10.0, "lactate": 5.0, "glutamine": 2.0, "ammonium": 1.0}


@dataclass(slots=True, kw_only=True)
class Analyser:
    """The instrument."""

    dice: Random
    specimens: Specimens = control
    mishaps: set[str] = field(default_factory=set)
    reagent: float = 1.0
    temperature: float = 37.0
    sensitivity: float = 1.0
    """What the electrodes make of the truth; a calibration sets it right."""

    def begin(self, run: Run) -> None:
        used = USED if run.name == "sample" else 5.0 * USED
        if self.reagent < used:
            raise CannotError("the reagent is used up; put a new pack in")
        self.reagent -= used

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        self.temperature = heated(self.temperature, 37.0, hours, lag=0.1, loss=1.0, power=30.0)
        self.sensitivity *= 1.0 - DRIFT * hours
        if run is not None and "tube-blocked" in self.mishaps:
            raise StoppedError("no liquid comes to the electrodes; the sampling tube is blocked")

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        if run.name == "calibrate":
            if run.hours < CALIBRATING - 1e-9:
                return None
            before, self.sensitivity = self.sensitivity, 1.0
            return {"sensitivity_before": round(before, 4)}
        if run.hours < READ_AFTER + RINSING - 1e-9:
            return None
        true = self.specimens(run.command)
        wanted = attributes_in(run.command)
        return {"results": {each: self._found(each, true.get(each, 0.0)) for each in wanted}}

    def shows(self) -> Mapping[str, float]:
        return {"temperature": self.temperature, "reagent": self.reagent}

    def _found(self, attribute: str, true: float) -> JSON:
        answered = min(true, HIGHEST[attribute]) * self.sensitivity * (1.0 - exp(-READ_AFTER / ANSWERING))
        value = self.dice.gauss(answered, NOISE * answered + FLOOR)
        return result(max(value, 0.0), "mmol/L", METHOD)


def _body(dice: Random) -> Analyser:
    return Analyser(dice=dice)


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={"temperature": 0.05, "reagent": 0.0},
    step=30.0,
    scan=2,
    mishaps=("tube-blocked",),
    breaks_by="tube-blocked",
    examples={"calibrate": {}},
)


def analysing(specimens: Specimens) -> Model:
    """The model of one that finds what `specimens` says is in the tube."""
    return replace(MODEL, body=lambda dice: Analyser(dice=dice, specimens=specimens))
