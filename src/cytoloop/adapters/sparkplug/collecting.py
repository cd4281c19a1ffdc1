"""The readings of one device as they come over Sparkplug: each once, and from when to when they are all here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import STATUS, Readings, Tag, microseconds, readings
from cytoloop.core.time import Instant

KEPT = 200_000
"""Readings of one device that are kept here; older ones are asked for again when somebody wants them."""
TICK = timedelta(microseconds=1)


@dataclass(slots=True)
class Collected:
    """What came, live and as history, in any order and any number of times."""

    whole: tuple[Instant, Instant] | None = None
    """From and up to (not including) which everything measured is here."""
    breaks: int = 0
    """How often something may have been missed."""
    joined: int = 0
    """`breaks` when `whole` was true last."""
    _rows: dict[tuple[Instant, str], Reading] = field(default_factory=dict)

    def take(self, found: Iterable[Reading]) -> None:
        """Keep the readings; one that has come before is the same one (signal and source time)."""
        for each in found:
            self._rows.setdefault((each.at, each.signal), each)
        if len(self._rows) > KEPT:
            self._forget()

    def asking(self, since: Instant, until: Instant) -> Instant | None:
        """From when on the device must send again for `since` to `until` to be whole; None: it is.

        `until` or later: nothing again, only what is on its way.
        """
        if self.whole is None or not self.whole[0] <= since <= self.whole[1]:
            return since
        if until <= self.whole[1]:
            return None
        return until if self.joined == self.breaks else self.whole[1]

    def answered(self, since: Instant, until: Instant, breaks: int) -> None:
        """The device has sent again what `asking` said, and nothing was missed since `breaks` was read."""
        begin, end = since, until
        if self.whole is not None and self.whole[0] <= since <= self.whole[1]:
            begin, end = self.whole[0], max(until, self.whole[1])
        self.whole, self.joined = (begin, end) if begin < end else None, breaks

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
