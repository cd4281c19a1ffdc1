"""Network: a door whose commands and outcomes are lost, delayed and doubled on their way, by seeded dice."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.faults import FaultKind, Rates, some
from cytoloop.core.equipment import Command, Door, Outcome, UnreachableError
from cytoloop.core.time import Clock, Instant

SLOT = timedelta(hours=12)
"""Once in so long it is decided whether a unit is cut off."""
GIVES_UP = timedelta(seconds=30)
"""How long a door waits for an answer before it says that the equipment cannot be asked."""

Note = Callable[[FaultKind, str], None]
"""Is told of each fault: its kind, and what it befell."""


@dataclass(slots=True, kw_only=True)
class Cuts:
    """When nothing passes between the platform and a unit. Known from the dice alone."""

    dice: Dice
    rate: float
    begins: Instant
    _spans: dict[tuple[str, int], tuple[Instant, Instant] | None] = field(default_factory=dict)

    def now(self, unit: str, at: Instant) -> bool:
        """Whether the unit is cut off at this moment."""
        return self.rate > 0 and any(begin <= at < end for begin, end in self._near(unit, at))

    def next(self, unit: str, at: Instant) -> Instant | None:
        """When the next cut of the unit begins, within a slot or two; None when none is near."""
        if self.rate <= 0:
            return None
        return min((begin for begin, _ in self._near(unit, at) if begin > at), default=None)

    def _near(self, unit: str, at: Instant) -> list[tuple[Instant, Instant]]:
        slot = (at - self.begins) // SLOT
        return [span for each in (slot - 1, slot, slot + 1) if (span := self._span(unit, each)) is not None]

    def _span(self, unit: str, slot: int) -> tuple[Instant, Instant] | None:
        place = (unit, slot)
        if place not in self._spans:
            self._spans[place] = self._drawn(unit, slot)
        return self._spans[place]

    def _drawn(self, unit: str, slot: int) -> tuple[Instant, Instant] | None:
        if self.dice.draw("partition", unit, slot) >= self.rate:
            return None
        begin = self.begins + slot * SLOT + SLOT * self.dice.draw("partition begins", unit, slot)
        length = self.dice.draw("partition lasts", unit, slot)
        return begin, begin + timedelta(minutes=1) + timedelta(hours=6) * length * length


@dataclass(slots=True, kw_only=True)
class FaultyDoor:
    """A door over a network that fails. What it loses is lost for who asked; the equipment knows nothing of it.

    `target_of`: where each key was sent, by whomever.
    """

    inner: Door
    clock: Clock
    dice: Dice
    rates: Rates
    cuts: Cuts
    target_of: dict[str, str]
    note: Note = field(default=lambda _kind, _what: None)
    _tries: Counter[str] = field(default_factory=Counter)
    _odds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._odds = some(self.rates, "command-lost", "outcome-lost", "delivered-twice")

    async def perform(self, command: Command) -> Outcome:
        key, target = command.key, command.target
        self.target_of[key] = target
        self._tries[key] += 1
        if self.cuts.now(target, self.clock.now()):
            self.note("partition", f"{key} was not sent to {target}")
            return await self._unreachable(target)
        fault = self.dice.pick(self._odds, "send", key, self._tries[key])
        if fault == "command-lost":
            self.note("command-lost", key)
            return await self._unreachable(target)
        if fault == "delivered-twice":
            self.note("delivered-twice", key)
            await self._through(command)
        outcome = await self._through(command)
        if fault == "outcome-lost":
            self.note("outcome-lost", key)
            return await self._unreachable(target)
        return outcome

    async def recall(self, key: str) -> Outcome | None:
        target = self.target_of.get(key, "")
        if self.cuts.now(target, self.clock.now()):
            self.note("partition", f"{target} could not be asked about {key}")
            return await self._unreachable(target)
        if self.dice.draw("recall", key) < self.rates.get("forgets", 0.0):
            self.note("forgets", f"{target} cannot say what became of {key}")
            raise UnreachableError(f"{target} cannot say what became of {key}")
        return await self.inner.recall(key)

    async def _through(self, command: Command) -> Outcome:
        """Carry the command out; when the unit is cut off meanwhile, it runs on and nobody hears of it."""
        cut = self.cuts.next(command.target, self.clock.now())
        if cut is None:
            return await self.inner.perform(command)
        work = asyncio.ensure_future(self.inner.perform(command))
        waiting = asyncio.ensure_future(self.clock.until(cut))
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if work.done():
            return work.result()
        work.cancel()
        self.note("partition", f"{command.target} was cut off while {command.key} ran")
        return await self._unreachable(command.target)

    async def _unreachable(self, target: str) -> Outcome:
        await self.clock.until(self.clock.now() + GIVES_UP)
        raise UnreachableError(f"{target} does not answer")
