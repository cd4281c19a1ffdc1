"""What a facility's equipment measures in a day, made up block by block: for the benchmark of what comes in.

Every batch has some trouble in its day: a signal outside its limits, one that calls itself bad, one that falls silent,
a value that no probe can show, readings that come twice, a minute that comes again later. So much and no more, so that
a run can be checked.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cytoloop.core.intake import Check
from cytoloop.core.telemetry import Readings, Tag

SECOND = 1_000_000
BEGINS = 1_780_000_000 * SECOND
SIGNALS = 100
OUTSIDE, BAD, SILENT, SPIKED = 0, 1, 2, 3
"""Signals that have trouble, by number."""
FROM, TO = 0.3, 0.5
"""Share of the day from which to which the trouble lasts."""
TWICE = 997
"""One in so many readings comes again at once."""
AGAIN = 6000
"""Readings that each unit sends again in the middle of its day, with the block that follows."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of some seconds."""

    seconds: int

    def share(self, part: float) -> int:
        """Microseconds of a share of the day."""
        return round(part * self.seconds) * SECOND

    def checks(self, unit: str, deadband: float) -> list[Check]:
        """What the signals of a unit are held against."""
        return [
            Check(
                tag=f"{unit}/signal-{number:03d}", unit="1", begins=BEGINS, least=0.0, most=100.0, deadband=deadband,
                heartbeat=60 * SECOND, silence=self.share(0.05), armed=BEGINS, low=34.0, high=40.0, hysteresis=0.5,
                on_delay=10 * SECOND, off_delay=10 * SECOND, tolerance=self.share(0.1),
            )
            for number in range(SIGNALS)
        ]  # fmt: skip


EXPECTED = {
    "limit-raised": 1, "limit-excursion": 1, "limit-cleared": 1, "missing-raised": 2, "missing-excursion": 2,
    "missing-cleared": 2, "silence": 1, "range": 1,
}  # fmt: skip
"""Moments of a batch's day, by kind."""


class Reactor:
    """One bioreactor's signals, block after block."""

    def __init__(self, batch: str, unit: str, day: Day, seed: int) -> None:
        self._batch, self._day = batch, day
        self._tags = tuple(Tag(f"{unit}/signal-{number:03d}", "1") for number in range(SIGNALS))
        self._dice = np.array([seed | 1], np.uint64)
        self._again: list[NDArray[Any]] = []

    def block(self, start: int, stop: int) -> Readings:
        """What it measured in these seconds of the day, once a second; received half a second later."""
        room = (stop - start) * (SIGNALS + 1) + SIGNALS
        kinds: tuple[Any, ...] = (np.uint16, np.int64, np.int64, np.float64, np.uint32)
        columns = tuple(np.empty(room, kind) for kind in kinds)
        trouble = (round(FROM * self._day.seconds), round(TO * self._day.seconds))
        count = _measured((start, stop), trouble, columns, self._dice)
        made = [column[:count] for column in columns]
        if self._again:
            made = [np.concatenate(pair) for pair in zip(self._again, made, strict=True)]
        middle = self._day.seconds // 2
        self._again = [column[-AGAIN:].copy() for column in made] if start <= middle < stop else []
        tag, at, received, value, status = (column.data for column in made)
        return Readings(
            batch=self._batch, tags=self._tags, tag=tag, at=at, received=received, value=value, status=status
        )


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True)(function)


@_compiled
def _drawn(dice: Any) -> float:
    """A number between -1 and 1, mostly near 0 (xorshift64*, sum of two)."""
    word = dice[0]
    word ^= word >> np.uint64(12)
    word ^= word << np.uint64(25)
    word ^= word >> np.uint64(27)
    dice[0] = word
    word *= np.uint64(2685821657736338717)
    low, high = word & np.uint64(0xFFFFFF), (word >> np.uint64(32)) & np.uint64(0xFFFFFF)
    return (float(low) + float(high)) / 16777216.0 - 1.0


@_compiled
def _measured(seconds: tuple[int, int], trouble: tuple[int, int], columns: Any, dice: Any) -> int:
    """Write what was measured in these seconds into the columns; how many readings that was."""
    tag, at, received, value, status = columns
    count = 0
    for second in range(seconds[0], seconds[1]):
        wave, troubled = math.sin(second / 3000.0), trouble[0] <= second < trouble[1]
        for signal in range(SIGNALS):
            if troubled and signal == SILENT:
                continue
            shown = 37.0 + wave * (0.5 + 0.01 * signal) + 0.15 * _drawn(dice)
            if troubled and signal == OUTSIDE:
                shown += 9.0
            elif second == trouble[0] and signal == SPIKED:
                shown = 1000.0
            stamp = BEGINS + second * SECOND + signal * 100
            for _ in range(2 if (second * SIGNALS + signal) % TWICE == 0 else 1):
                tag[count], at[count], received[count] = signal, stamp, stamp + 500_000
                value[count] = math.floor(shown * 1000.0 + 0.5) / 1000.0
                status[count] = 0x8000_0000 if troubled and signal == BAD else 0
                count += 1
    return count
