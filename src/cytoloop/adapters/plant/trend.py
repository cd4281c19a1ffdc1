"""Trend: what the probes of a bioreactor show every ten minutes, remembered by the unit until it is asked.

Looking at a trend changes nothing: the culture is known at each whole hour, where the probes are read for the batch
record too and the trend shows the same numbers; between them it runs straight, with noise of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cytoloop.core.telemetry import STATUS, Readings, Tag, microseconds
from cytoloop.core.time import Instant

SIGNALS = {
    "temperature": "°C",
    "ph": "pH",
    "dissolved_oxygen": "fraction",
    "glucose": "mmol/L",
    "perfusion_rate": "1/d",
    "volume": "mL",
}
"""Signal of a trend -> house unit."""
SPREAD = (0.05, 0.02, 0.01, 0.1, 0.005, 0.5)
"""Standard deviation of each probe's noise, in its unit."""
GLUCOSE = list(SIGNALS).index("glucose")
PER_HOUR = 6
INTERVAL = 3_600_000_000 // PER_HOUR
"""Microseconds from one reading to the next."""

Array = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Trend:
    """The trend of one culture in one unit."""

    unit: str
    begins: Instant
    """When the culture was seeded: hour 0."""
    noise: Array
    """Standard normal draws, one row for each reading, one column for each signal; repeated when there are too few."""
    _true: list[list[float]] = field(default_factory=list)
    """For each whole hour what a probe without noise would show."""
    _shown: list[list[float]] = field(default_factory=list)
    """For each whole hour what the probes showed."""
    _stuck: list[bool] = field(default_factory=list)
    """For each whole hour whether the glucose probe said that it is stuck."""

    def add(self, true: Mapping[str, float], shown: Mapping[str, float], *, stuck: bool = False) -> None:
        """One more whole hour; what no probe showed is shown as it is."""
        self._true.append([true[signal] for signal in SIGNALS])
        self._shown.append([shown.get(signal, true[signal]) for signal in SIGNALS])
        self._stuck.append(stuck)

    def readings(self, batch: str, since: Instant, until: Instant, received: Instant) -> Readings | None:
        """What was measured from `since` up to but not including `until`; None when nothing was."""
        begin = microseconds(self.begins)
        first = max(-((begin - microseconds(since)) // INTERVAL), 0)
        last = min(-((begin - microseconds(until)) // INTERVAL) - 1, PER_HOUR * (len(self._true) - 1))
        places = np.arange(first, last + 1)
        if not len(places):
            return None
        values, stuck = self._values(places)
        count, signals = values.shape
        status = np.zeros(values.shape, np.uint32)
        status[stuck, GLUCOSE] = STATUS["bad"]
        return Readings(
            batch=batch,
            tags=tuple(Tag(f"{self.unit}/{signal}", unit) for signal, unit in SIGNALS.items()),
            tag=np.tile(np.arange(signals, dtype=np.uint16), count).data,
            at=np.repeat(begin + places * INTERVAL, signals).data,
            received=np.full(count * signals, microseconds(received)).data,
            value=values.ravel().data,
            status=status.ravel().data,
        )

    def _values(self, places: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
        """Values at these places, and at which of them the glucose probe was stuck."""
        true, shown, stuck = np.array(self._true), np.array(self._shown), np.array(self._stuck)
        hour, between = np.divmod(places, PER_HOUR)
        following = np.minimum(hour + 1, len(true) - 1)
        share = (between / PER_HOUR)[:, None]
        noise = self.noise[places % len(self.noise)] * SPREAD
        values = np.maximum(true[hour] * (1.0 - share) + true[following] * share + noise, 0.0)
        values[:, GLUCOSE] = np.where(stuck[hour], shown[hour, GLUCOSE], values[:, GLUCOSE])
        values = np.where(between[:, None] == 0, shown[hour], np.round(values, 4))
        return np.ascontiguousarray(values), stuck[hour]
