"""What the store holds in memory: of each batch that is written its tags and ends, and columns it looked at lately."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cytoloop.adapters.telemetry.columns import Columns
from cytoloop.core.errors import UserError
from cytoloop.core.telemetry import ALWAYS, Tag

MOST_TAGS = 65_536
FAN = 16
"""Parts of one level that are joined to one of the next."""
LEVELS = (1024, 16_384, 262_144)
"""Readings of a part from which it belongs to the next level. Parts of the last level are joined no more."""
REMEMBERED = 4_000_000
"""Readings that are kept in memory to be looked at again: 120 MB."""


TOGETHER = 262_144
"""Readings: parts that follow each other are joined up to so many before a trend is made of them."""


class Stored(NamedTuple):
    """A part or a segment in the file."""

    first: int
    last: int
    readings: int
    number: int
    segment: bool


def groups(found: Iterable[Stored]) -> list[list[Stored]]:
    """Parts and segments in groups of which none begins before the group before it ends: what is to be joined.

    A group of the smallest parts changes at every write, so larger ones do not go with them: a group of one level
    stays as it is the longer the higher the level, and what was joined can be remembered.
    """
    made: list[list[Stored]] = []
    end, size, level = ALWAYS[0], TOGETHER, 0
    for each in sorted(found):
        own = level_of(each.readings)
        if each.first < end or (size + each.readings <= TOGETHER and own == level):
            made[-1].append(each)
            size += each.readings
        else:
            made.append([each])
            size, level = each.readings, own
        end = max(end, each.last)
    return made


def level_of(readings: int) -> int:
    """The level of a part of that many readings."""
    return sum(readings >= least for least in LEVELS)


@dataclass(slots=True)
class BatchState:
    """A batch that is written to."""

    batch: str
    tags: list[Tag]
    last: NDArray[np.int64]
    """Code of a tag -> no reading of it that is known is later than this."""
    levels: list[list[int]]
    """Level -> numbers of its parts."""
    code_of: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.code_of = {tag.name: code for code, tag in enumerate(self.tags)}

    def codes(self, tags: tuple[Tag, ...]) -> tuple[NDArray[np.uint16], list[Tag]]:
        """The batch's code of each tag, and those that are new to it; UserError when a tag changed its unit."""
        new = [tag for tag in dict.fromkeys(tags) if tag.name not in self.code_of]
        if len(self.tags) + len(new) > MOST_TAGS:
            raise UserError(f"batch {self.batch} would have more than {MOST_TAGS} tags; record fewer signals")
        for tag in new:
            self.code_of[tag.name] = len(self.tags)
            self.tags.append(tag)
        self.last = np.append(self.last, np.full(len(new), ALWAYS[0], np.int64))
        for tag in tags:
            if self.tags[self.code_of[tag.name]].unit != tag.unit:
                before = self.tags[self.code_of[tag.name]].unit
                raise UserError(
                    f"{tag.name} of batch {self.batch} was recorded in {before} and comes in {tag.unit}; "
                    "convert it where it enters"
                )
        return np.array([self.code_of[tag.name] for tag in tags], np.uint16), new


class Remembered:
    """Columns that were looked at lately, the oldest given up first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._columns: OrderedDict[object, Columns] = OrderedDict()
        self._most, self._readings = most, 0

    def get(self, key: object) -> Columns | None:
        """What was kept under `key`."""
        found = self._columns.get(key)
        if found is not None:
            self._columns.move_to_end(key)
        return found

    def keep(self, key: object, columns: Columns) -> None:
        """Keep `columns` until others are wanted more."""
        self.forget(key)
        self._columns[key] = columns
        self._readings += len(columns)
        while self._readings > self._most and len(self._columns) > 1:
            self._readings -= len(self._columns.popitem(last=False)[1])

    def forget(self, key: object) -> None:
        """Keep it no more."""
        gone = self._columns.pop(key, None)
        self._readings -= len(gone) if gone is not None else 0

    def clear(self) -> None:
        """Keep nothing."""
        self._columns.clear()
        self._readings = 0
