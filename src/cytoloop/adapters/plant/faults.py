"""Faults: how often things go wrong in the facility, and what a given batch will meet."""

from dataclasses import dataclass
from typing import TypeVar

from numpy.random import Generator

T = TypeVar("T")
LONGEST = 312.0
"""h: the longest culture the recipe's ranges allow (48 h before the loop, 264 h in it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Chances for one batch (for one command where it says so). Figures chosen here: about 0.3 deviations a batch."""

    temperature_excursion: float = 0.10
    ph_drift: float = 0.05
    glucose_stuck: float = 0.08
    pump_slip: float = 0.06
    program_failure: float = 0.008
    """For one program."""
    wrong_label: float = 0.01
    """For one scan."""
    contamination: float = 0.006

    @classmethod
    def none(cls) -> "Faults":
        """A facility in which nothing goes wrong."""
        return cls(
            temperature_excursion=0.0, ph_drift=0.0, glucose_stuck=0.0, pump_slip=0.0, program_failure=0.0,
            wrong_label=0.0, contamination=0.0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that lasts: culture hours from `start` to `end`, and how strong it is."""

    start: float
    end: float
    size: float

    def at(self, hour: float) -> float:
        """`size` inside the span, 0 outside."""
        return self.size if self.start <= hour < self.end else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfortunes:
    """What one culture will meet, in hours since it was seeded."""

    excursion: Span | None = None
    """°C off the set-point."""
    ph_drift: Span | None = None
    """pH units per hour that the probe, not the culture, drifts."""
    glucose_stuck: Span | None = None
    pump_slip: Span | None = None
    """Share of the flow that is lost."""
    contamination: float | None = None


def draw_misfortunes(faults: Faults, rng: Generator) -> Misfortunes:
    """What a culture will meet. Always takes the same draws, so that rates can differ between two runs."""
    chance = rng.random(5)
    start = rng.uniform(2.0, LONGEST - 72.0, size=5)
    length = rng.uniform(0.0, 1.0, size=4)
    size = rng.uniform(0.0, 1.0, size=3)
    sign = 1.0 if rng.random() < 0.5 else -1.0

    def kept(index: int, rate: float, value: T) -> T | None:
        return value if chance[index] < rate else None

    def span(index: int, hours: float, strength: float) -> Span:
        return Span(start=float(start[index]), end=float(start[index]) + hours, size=strength)

    warm = span(0, 3.0 + 5.0 * length[0], sign * (1.8 + 1.2 * size[0]))
    drift = span(1, LONGEST, sign * (0.006 + 0.010 * size[1]))
    return Misfortunes(
        excursion=kept(0, faults.temperature_excursion, warm),
        ph_drift=kept(1, faults.ph_drift, drift),
        glucose_stuck=kept(2, faults.glucose_stuck, span(2, 8.0 + 40.0 * length[2], 1.0)),
        pump_slip=kept(3, faults.pump_slip, span(3, 12.0 + 24.0 * length[3], 0.3 + 0.4 * size[2])),
        contamination=kept(4, faults.contamination, float(start[4])),
    )
