"""The readings of one device as they come over Sparkplug: each once, and from when to when they are all here.

A device says how many readings it has of a stretch of time. Who holds as many of it has them all, whatever a network
lost or sent twice, since a reading is the same however often it comes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import STATUS, Readings, Tag, microseconds, readings
from cytoloop.core.time import Instant

KEPT = 200_000
"""Readings of one device that are kept here; older ones are asked for again when somebody wants them."""
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Count:
    """What a device says of its readings."""

    number: int
    begin: Instant
    """Source time of the first that it still has."""
    upto: Instant
    """Up to when (not including) they are counted."""


@dataclass(slots=True)
class Collected:
    """What came, live and as history, in any order and any number of times."""

    whole: tuple[Instant, Instant] | None = None
    """From and up to (not including) which everything measured is here."""
    _rows: dict[tuple[Instant, str], Reading] = field(default_factory=dict)

    def take(self, found: Iterable[Reading]) -> None:
        """Keep the readings; one that has come before is the same one (signal and source time)."""
        for each in found:
            self._rows.setdefault((each.at, each.signal), each)
        if len(self._rows) > KEPT:
            self._forget()

    def missing(self, since: Instant, until: Instant) -> Instant | None:
        """From when on it must be asked whether all is here, for `since` to `until` to be; None: all is."""
        if self.whole is None or not self.whole[0] <= since <= self.whole[1]:
            return since
        return None if until <= self.whole[1] else self.whole[1]

    def counted(self, since: Instant, count: Count) -> bool:
        """Whether all is here that the device says it still has from `since` on."""
        upto = count.upto
        if sum(count.begin <= at < upto for at, _ in self._rows) != count.number:
            return False
        if self.whole is not None and self.whole[0] <= since <= self.whole[1]:
            since, upto = self.whole[0], max(self.whole[1], upto)
        self.whole = (since, upto) if since < upto else None
        return True

    def within(self, batch: str, since: Instant, until: Instant, received: Instant) -> Readings | None:
        """The readings from `since` up to `until`, in order of source time; None when there is none."""
        found = sorted(key for key in self._rows if since <= key[0] < until)
        rows = [_row(self._rows[key], received) for key in found]
        return readings(batch, rows) if rows else None

    def _forget(self) -> None:
        """Let go of the older half."""
        keys = sorted(self._rows)
        gone, rest = keys[: len(keys) // 2], keys[len(keys) // 2 :]
        for key in gone:
            del self._rows[key]
        if self.whole is not None:
            begin = max(self.whole[0], rest[0][0] + TICK)  # some of that instant may be gone
            self.whole = (begin, self.whole[1]) if begin < self.whole[1] else None


def _row(reading: Reading, received: Instant) -> tuple[Tag, int, int, float, int]:
    tag = Tag(f"{reading.source}/{reading.signal}", reading.unit)
    return tag, microseconds(reading.at), microseconds(received), reading.value, STATUS[reading.quality]
