"""Vessel: one bioreactor with its set-points, the culture in it and its probes.

Time passes for a vessel only when someone looks: `advance` brings culture and probes to the moment asked.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from math import floor

from cytoloop.adapters.plant.biology import Environment
from cytoloop.adapters.plant.culture import GLUCOSE, LACTATE, Array, Culture, contaminated, dosed
from cytoloop.adapters.plant.faults import Misfortunes
from cytoloop.adapters.plant.trend import Trend
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.time import Instant, after, hours_between

SIGNALS = {
    "temperature": "°C",
    "ph": "pH",
    "dissolved_oxygen": "fraction",
    "glucose": "mmol/L",
    "perfusion_rate": "1/d",
}
RANGES = {"temperature": (30.0, 40.0), "perfusion_rate": (0.0, 3.0), "il2": (0.0, 1000.0)}
"""Set-point -> what the equipment itself accepts."""
IDLE = {"temperature": 37.0, "perfusion_rate": 0.0, "il2": 0.0}
SOFTEST = 1e-6
KEPT = 5000
"""Readings that a unit remembers for those who were away."""


@dataclass(slots=True, kw_only=True)
class Vessel:
    """A bioreactor."""

    unit: str
    set_points: dict[str, float] = field(default_factory=lambda: dict(IDLE))
    coi: str | None = None
    """Whose culture it holds."""
    culture: Culture | None = None
    seeded_at: Instant | None = None
    misfortunes: Misfortunes = field(default_factory=Misfortunes)
    noise: Array | None = None
    """Standard normal draws, one row for each hour of culture, one column for each signal."""
    trend: Trend | None = None
    """Of the culture in it, or of the last one."""
    _hour: float = 0.0
    _unread: list[Reading] = field(default_factory=list)
    _kept: deque[Reading] = field(default_factory=lambda: deque(maxlen=KEPT))
    _stuck: float | None = None

    def occupy(
        self, coi: str, culture: Culture, at: Instant, misfortunes: Misfortunes, noise: tuple[Array, Array]
    ) -> None:
        """A culture begins. `noise`: of the hourly readings, and of the trend between them."""
        self.coi, self.culture, self.seeded_at = coi, culture, at
        self.misfortunes, self.noise = misfortunes, noise[0]
        self._hour, self._unread, self._stuck = 0.0, [], None
        self.trend = Trend(unit=self.unit, begins=at, noise=noise[1])
        self.trend.add(self._true(culture), {})

    def empty(self) -> None:
        """Nothing is in it any more; the set-points are those of an idle unit."""
        self.coi = self.culture = self.seeded_at = self.noise = None
        self.set_points, self._unread = dict(IDLE), []

    def advance(self, now: Instant) -> None:
        """Let the culture live until `now`; probes measure at every whole hour since seeding."""
        if self.seeded_at is None:
            return
        target = hours_between(self.seeded_at, now)
        while self._hour < target - SOFTEST:
            nearest = min(floor(self._hour + SOFTEST) + 1.0, target)
            self._live(nearest)
            if abs(nearest - round(nearest)) < SOFTEST:
                self._measure(round(nearest))

    def set(self, name: str, value: float) -> None:
        """Write a set-point. Without perfusion, more IL-2 is dosed into the vessel at once."""
        self.set_points[name] = value
        if name == "il2" and self.culture is not None and self.set_points["perfusion_rate"] == 0.0:
            self.change(lambda culture: dosed(culture, value))

    def change(self, change: Callable[[Culture], Culture]) -> None:
        """Do something to the culture (beads, vector, a sample); nothing when there is none."""
        if self.culture is not None:
            self.culture = change(self.culture)

    def read(self, signals: Iterable[str]) -> tuple[Reading, ...]:
        """Readings of `signals` since the last time anybody read."""
        wanted = set(signals)
        readings, self._unread = self._unread, []
        return tuple(reading for reading in readings if reading.signal in wanted)

    def kept(self, since: Instant | None) -> tuple[Reading, ...]:
        """Readings with a time after `since` that are still remembered, oldest first. Asking changes nothing."""
        newest_first = takewhile(lambda reading: since is None or reading.at > since, reversed(self._kept))
        return tuple(newest_first)[::-1]

    def _live(self, until: float) -> None:
        start = self.misfortunes.contamination
        if start is not None and self._hour <= start < until:
            self.change(contaminated)
        environment = Environment(
            perfusion=self._flow() / 24.0, il2=self.set_points["il2"], temperature=self._temperature()
        )
        hours = until - self._hour
        self.change(lambda culture: culture.grown(hours, environment))
        self._hour = until

    def _flow(self) -> float:
        slip = self.misfortunes.pump_slip
        return self.set_points["perfusion_rate"] * (1.0 - (slip.at(self._hour) if slip else 0.0))

    def _temperature(self) -> float:
        excursion = self.misfortunes.excursion
        return self.set_points["temperature"] + (excursion.at(self._hour) if excursion else 0.0)

    def _measure(self, hour: int) -> None:
        if self.culture is None or self.noise is None or self.seeded_at is None:
            return
        row, true = self.noise[hour % len(self.noise)], self._true(self.culture)
        glucose, quality = self._glucose(max(true["glucose"] * (1.0 + 0.06 * row[3]) + 0.1 * row[3], 0.0))
        drift = self.misfortunes.ph_drift
        drifted = drift.at(hour) * (hour - drift.start) if drift else 0.0
        values: dict[str, tuple[float, Quality]] = {
            "temperature": (true["temperature"] + 0.05 * row[0], "good"),
            "ph": (true["ph"] + 0.02 * row[1] + drifted, "good"),
            "dissolved_oxygen": (true["dissolved_oxygen"] + 0.01 * row[2], "good"),
            "glucose": (glucose, quality),
            "perfusion_rate": (max(true["perfusion_rate"] * (1.0 + 0.01 * row[4]), 0.0), "good"),
        }
        readings = [
            Reading(
                signal=signal, value=round(float(value), 4), unit=SIGNALS[signal], at=after(self.seeded_at, hour),
                quality=quality, source=self.unit,
            )
            for signal, (value, quality) in values.items()
        ]  # fmt: skip
        self._unread += readings
        self._kept.extend(readings)
        if self.trend is not None:
            shown = {reading.signal: reading.value for reading in readings}
            self.trend.add({**true, "ph": true["ph"] + drifted}, shown, stuck=quality == "bad")

    def _true(self, culture: Culture) -> dict[str, float]:
        """What probes without noise or faults would show."""
        return {
            "temperature": self._temperature(),
            "ph": 7.35 - 0.012 * culture.solute(LACTATE),
            "dissolved_oxygen": 0.5 - 0.004 * culture.viable,
            "glucose": culture.solute(GLUCOSE),
            "perfusion_rate": self._flow(),
            "volume": culture.volume,
        }

    def _glucose(self, measured: float) -> tuple[float, Quality]:
        """The glucose probe, which may be stuck at its last value and says so."""
        stuck = self.misfortunes.glucose_stuck
        if not (stuck and stuck.at(self._hour)):
            self._stuck = None
            return measured, "good"
        self._stuck = measured if self._stuck is None else self._stuck
        return self._stuck, "bad"
