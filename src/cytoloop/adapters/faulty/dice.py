"""Dice: what befalls one thing depends on the seed and on what it is, never on who throws first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Dice:
    """The dice of one world. Equal names give equal draws, in any order, in any process."""

    seed: int

    def draw(self, *names: object) -> float:
        """A number from 0 up to but not including 1."""
        text = f"{self.seed}/{'/'.join(map(str, names))}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest()) / 2.0**64

    def between(self, low: float, high: float, *names: object) -> float:
        """A number from `low` up to but not including `high`."""
        return low + (high - low) * self.draw(*names)

    def gap(self, chance: float, *names: object) -> float:
        """How many tries until one that has this chance each comes true, from 1 on; infinity when it never does."""
        if chance <= 0.0:
            return math.inf
        if chance >= 1.0:
            return 1.0
        return 1.0 + math.floor(math.log1p(-self.draw(*names)) / math.log1p(-chance))

    def pick(self, chances: Mapping[str, float], *names: object) -> str | None:
        """At most one of `chances`, each with its own chance; they are cut short where they add up to more than 1."""
        if not chances:
            return None
        drawn = self.draw(*names)
        for name, chance in chances.items():
            drawn -= chance
            if drawn < 0.0:
                return name
        return None
