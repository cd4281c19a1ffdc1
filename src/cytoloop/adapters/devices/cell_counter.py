"""Cell counter: fills a chamber, lets the cells settle, takes pictures, counts. The error is Poisson and pipetting.

Image cytometry with two dyes in single-use cassettes. Volumes, times and the error of pipetting are assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import sqrt
from random import Random

from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.physics import heated
from cytoloop.adapters.devices.specimen import Specimens, attributes_in, result
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

METHOD = "image cytometry, two dyes"
SETTLING, PICTURES = 2.0 / 60.0, 3.0 / 60.0
"""h."""
IMAGED = 0.0005
"""mL in the pictures."""
PIPETTING = 0.04
"""Coefficient of variation of filling and mixing."""
HIGHEST = 10.0
"""1e6 cells/mL above which cells lie over one another and it counts too few: it dilutes tenfold first."""
STALE = 30.0
"""Days after the last check with beads when it asks for a new one; it goes on counting."""

KIND = DeviceType(
    device_type="cell_counter",
    words=Words(en="Cell counter", zh="细胞计数仪"),
    equipment_class="cell_counter",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=60.0),
        "cassettes": Quantity(unit="1", low=0.0, high=100.0),
    },
    programs={"check_with_beads": ("bead_density",)},
    attributes=("viable_cell_density", "viability"),
)


def control(command: Command) -> Mapping[str, float]:
    """The control that is measured where nobody says what is in the tube."""
    return {"viable_cell_density": 1.0, "viability": 0.9}


@dataclass(slots=True, kw_only=True)
class Counter:
    """The instrument."""

    dice: Random
    specimens: Specimens = control
    mishaps: set[str] = field(default_factory=set)
    cassettes: float = 100.0
    temperature: float = 24.0
    unchecked: float = 0.0
    """h since the last check with beads."""
    gain: float = 1.0
    """What the optics make of the truth; a check sets it right."""

    def begin(self, run: Run) -> None:
        if self.cassettes < 1.0:
            raise CannotError("there is no cassette left; load new ones")
        self.cassettes -= 1.0

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        self.temperature = heated(self.temperature, 27.0 if run else 24.0, hours, lag=0.5, loss=1.0, power=10.0)
        self.unchecked += hours
        self.gain *= 1.0 - 0.00002 * hours  # the lamp ages
        if run is not None and "lamp-off" in self.mishaps:
            raise StoppedError("the lamp gives no light; the pictures are dark")

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        diluted = run.name == "sample" and self._density(run) > HIGHEST
        if run.hours < SETTLING + PICTURES + (SETTLING if diluted else 0.0) - 1e-9:
            return None
        if run.name == "check_with_beads":
            counted = self._counted(run.parameters["bead_density"], 1.0)
            self.unchecked, self.gain = 0.0, 1.0
            return {"counted": round(counted, 4), "recovery": round(counted / run.parameters["bead_density"], 3)}
        true, found = self.specimens(run.command), {}
        for attribute in attributes_in(run.command):
            found[attribute] = self._found(attribute, true.get(attribute, 0.0), true, 10.0 if diluted else 1.0)
        return {"results": found, "check_due": self.unchecked > STALE * 24.0}

    def shows(self) -> Mapping[str, float]:
        return {"temperature": self.temperature, "cassettes": self.cassettes}

    def _density(self, run: Run) -> float:
        return self.specimens(run.command).get("viable_cell_density", 0.0)

    def _found(self, attribute: str, value: float, true: Mapping[str, float], dilution: float) -> JSON:
        if attribute == "viability":
            seen = max(true.get("viable_cell_density", 1.0) / dilution * 1e6 * IMAGED, 1.0)
            share = self.dice.gauss(value, sqrt(max(value * (1.0 - value), 0.0) / seen))
            return result(min(max(share, 0.0), 1.0), "fraction", METHOD)
        return result(self._counted(value / dilution, dilution), "1e6 cells/mL", METHOD)

    def _counted(self, density: float, dilution: float) -> float:
        """What counting finds of `density`: Poisson in the pictures, then pipetting, once more for a dilution."""
        seen = density * 1e6 * IMAGED * self.gain
        pictured = max(self.dice.gauss(seen, sqrt(seen)), 0.0)
        pipetted = PIPETTING * sqrt(2.0 if dilution > 1.0 else 1.0)
        return pictured / (1e6 * IMAGED) * dilution * max(self.dice.gauss(1.0, pipetted), 0.0)


def _body(dice: Random) -> Counter:
    return Counter(dice=dice)


MODEL = Model(
    kind=KIND,
    body=_body,
    spread={"temperature": 0.1},
    step=30.0,
    scan=2,
    mishaps=("lamp-off",),
    breaks_by="lamp-off",
    examples={"check_with_beads": {"bead_density": 1.0}},
)


def counting(specimens: Specimens) -> Model:
    """The model of one that finds what `specimens` says is in the tube."""
    return replace(MODEL, body=lambda dice: Counter(dice=dice, specimens=specimens))
