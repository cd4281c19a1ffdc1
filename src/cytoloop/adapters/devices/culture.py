"""Culture: cells that eat, breathe and divide, as coarse as a device's probes need. For a vessel's simulator only.

The facility of the demonstration has a biology of its own (`adapters/plant/`); this one is kept small: one kind of
cell, Monod growth on glucose (Monod 1949, Annu Rev Microbiol 3:371), maintenance, lactate. All figures are assumed,
of the order that is usual for activated T cells.
"""

from dataclasses import dataclass
from math import exp

from cytoloop.adapters.devices.physics import toward

GLUCOSE_IN_MEDIUM = 17.0
"""mmol/L."""
GROWTH, DEATH = 0.03, 0.002
"""1/h, at 37 °C with glucose and activation."""
HALF = 0.5
"""mmol/L of glucose at which growth is half."""
HALF_OXYGEN = 0.03
"""Share of air saturation at which growth is half."""
UPTAKE = 0.05
"""mmol of glucose that 1e9 cells use in an hour."""
LACTATE_YIELD = 1.75
BREATH = 0.2
"""mmol of oxygen that 1e9 cells use in an hour (0.2 pmol per cell)."""
OXYGEN_AT_SATURATION = 0.2
"""mmol/L in medium at 37 °C under air."""
ACTIVATION = 12.0
"""h, time constant with which cells begin to divide after the activator came."""


@dataclass(slots=True, kw_only=True)
class Culture:
    """Cells in medium, well mixed."""

    volume: float
    """mL."""
    viable: float
    """1e6 cells/mL."""
    glucose: float = GLUCOSE_IN_MEDIUM
    """mmol/L, as lactate."""
    lactate: float = 0.0
    il2: float = 0.0
    """IU/mL."""
    activated: bool = False
    readiness: float = 0.0
    """Share of the growth that activation allows, 0 to 1."""

    @property
    def cells(self) -> float:
        """1e6 cells."""
        return self.volume * self.viable

    def breathes(self) -> float:
        """Oxygen used, as shares of air saturation per hour."""
        return BREATH * self.viable / OXYGEN_AT_SATURATION

    def live(self, hours: float, *, temperature: float, oxygen: float, exchange: float = 0.0, il2: float = 0.0) -> None:
        """Let `hours` pass; `exchange` volumes of fresh medium with `il2` per hour go through, cells stay."""
        fed = self.glucose / (self.glucose + HALF) * oxygen / (oxygen + HALF_OXYGEN)
        warm = max(1.0 - abs(temperature - 37.0) / 5.0, 0.0)
        self.readiness = toward(self.readiness, float(self.activated), hours, ACTIVATION)
        self.viable *= 1.0 + hours * (GROWTH * self.readiness * fed * warm - DEATH)
        eaten = hours * UPTAKE * self.viable * fed * warm
        fresh = 1.0 - exp(-exchange * hours)
        self.glucose = max(self.glucose - eaten, 0.0) + (GLUCOSE_IN_MEDIUM - self.glucose) * fresh
        self.lactate = (self.lactate + LACTATE_YIELD * eaten) * (1.0 - fresh)
        self.il2 = self.il2 * (1.0 - 0.01 * hours) * (1.0 - fresh) + il2 * fresh

    def renew(self, share: float) -> None:
        """Replace this share of the medium by fresh medium; cells stay."""
        self.glucose += (GLUCOSE_IN_MEDIUM - self.glucose) * share
        self.lactate *= 1.0 - share
        self.il2 *= 1.0 - share
