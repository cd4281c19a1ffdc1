"""Probes: what a device measured, with noise, range and faults, kept for a while. Looking changes nothing."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, get_args

from cytoloop.core.device import DeviceType
from cytoloop.core.errors import UserError
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.time import Instant, after

Fault = Literal["drift", "stuck", "lost"]
"""drift  shows ever more, and says nothing of it
stuck  shows its last value, and says nothing of it
lost   shows its last value, and says that it is bad"""

DRIFT = 0.02
"""Share of its range by which a drifting probe is off after a day; assumed, large enough to be found."""


@dataclass(slots=True, kw_only=True)
class Probes:
    """The probes of one device. Scans come in order of time, each once, so one generator serves all of them."""

    unit: str
    kind: DeviceType
    spread: Mapping[str, float]
    dice: Random
    keeps: float
    """Hours for which readings are kept."""
    faults: dict[str, tuple[Fault, Instant]] = field(default_factory=dict)
    """Signal -> what is wrong with its probe, and since when."""
    _scans: deque[tuple[Reading, ...]] = field(default_factory=deque)
    _last: dict[str, float] = field(default_factory=dict)

    def scan(self, at: Instant, true: Mapping[str, float]) -> None:
        """Measure every signal once; forget what is older than is kept."""
        self._scans.append(tuple(self._reading(signal, true[signal], at) for signal in self.kind.signals))
        while self._scans[0][0].at < after(at, -self.keeps):
            self._scans.popleft()

    def since(self, moment: Instant | None) -> tuple[Reading, ...]:
        """What is kept with a source time after `moment`, oldest first; everything when it is None."""
        found: list[tuple[Reading, ...]] = []
        for scan in reversed(self._scans):
            if moment is not None and scan[0].at <= moment:
                break
            found.append(scan)
        return tuple(reading for scan in reversed(found) for reading in scan)

    def newest(self, signals: Iterable[str]) -> tuple[Reading, ...]:
        """The newest reading of each of these signals."""
        wanted = set(signals)
        return tuple(reading for reading in self._scans[-1] if reading.signal in wanted)

    def disturb(self, fault: str, signal: str, at: Instant) -> None:
        """Something happens to the probe of `signal`; UserError when there is no such fault or signal."""
        named = next((each for each in get_args(Fault) if each == fault), None)
        if named is None or signal not in self.kind.signals:
            faults, signals = ", ".join(get_args(Fault)), ", ".join(self.kind.signals)
            raise UserError(f"a probe of {self.unit} can be one of {faults}, for one of {signals}")
        self.faults[signal] = (named, at)

    def _reading(self, signal: str, true: float, at: Instant) -> Reading:
        quantity, (fault, since) = self.kind.signals[signal], self.faults.get(signal, (None, at))
        value = true + self.dice.gauss(0.0, self.spread.get(signal, 0.0))
        if fault == "drift":
            value += DRIFT * (quantity.high - quantity.low) * (at - since).total_seconds() / 86_400
        if fault in ("stuck", "lost"):
            value = self._last.get(signal, value)
        within = min(max(value, quantity.low), quantity.high)
        # What lies outside a probe's range is shown at its end, and said to be uncertain (OPC 10000-8 §6.3).
        beyond = abs(value - within) > 4.0 * self.spread.get(signal, 0.0)
        quality: Quality = "bad" if fault == "lost" else "uncertain" if beyond else "good"
        shown = self._last[signal] = round(within, 4)
        return Reading(signal=signal, value=shown, unit=quantity.unit, at=at, quality=quality, source=self.unit)
