"""Reading: a value with its unit, source time, quality and source."""

from dataclasses import dataclass
from typing import Literal

from cytoloop.core.time import Instant

Quality = Literal["good", "uncertain", "bad"]
"""OPC UA status, folded to its severity (OPC 10000-8 §6.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one signal of one piece of equipment."""

    signal: str
    """What is measured, in the words of the pack: "temperature", "glucose", ..."""
    value: float
    unit: str
    """A house unit."""
    at: Instant
    """Source time: when the equipment measured."""
    quality: Quality = "good"
    source: str
    """Equipment id."""
