"""Fate: when the platform dies, its disk is full or slow, and a second runner is started, by seeded dice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.faults import Rates
from cytoloop.core.time import Clock, Instant


@dataclass(slots=True, kw_only=True)
class Fate:
    """What befalls the platform in one world."""

    dice: Dice
    rates: Rates
    clock: Clock
    note: Callable[[str, str], None]
    """Is told of each fault: its kind, and what it befell."""
    acts: int = 0
    """Acts so far at which the platform might have died: writes and commands, before and after each."""
    appends: int = 0
    _dies_at: float = field(init=False)
    _fills_at: float = field(init=False)
    _full_until: Instant | None = None

    def __post_init__(self) -> None:
        self._dies_at = self._next("crash", 0)
        self._fills_at = self._next("full-disk", 0)

    def dies(self) -> bool:
        """One more act; whether the platform dies at it."""
        self.acts += 1
        if self.acts < self._dies_at:
            return False
        self._dies_at = self._next("crash", self.acts)
        return True

    def full(self) -> str | None:
        """One more append; why it cannot be written, if it cannot."""
        self.appends += 1
        now = self.clock.now()
        if self.appends >= self._fills_at:
            self._fills_at = self._next("full-disk", self.appends)
            self._full_until = now + timedelta(hours=2) * self.dice.draw("full for", self.appends)
            self.note("full-disk", f"until {self._full_until:%m-%d %H:%M}")
        return "nothing can be written" if self._full_until is not None and now < self._full_until else None

    async def slow(self, what: str) -> None:
        """Wait as long as a slow disk takes `what`; not at all when it is not slow."""
        rate = self.rates.get("slow-disk", 0.0)
        if rate and self.dice.draw("slow-disk", self.appends, what) < rate:
            lasts = timedelta(seconds=1) + timedelta(minutes=10) * self.dice.draw("slow for", self.appends, what)
            self.note("slow-disk", f"{lasts.total_seconds():.0f} s {what}")
            await self.clock.until(self.clock.now() + lasts)

    def doubled(self, number: str, life: int) -> bool:
        """Whether somebody starts a second runner on the batch in this life of the platform."""
        rate = self.rates.get("second-runner", 0.0)
        doubled = rate > 0 and self.dice.draw("second-runner", number, life) < rate
        if doubled:
            self.note("second-runner", number)
        return doubled

    def down(self, life: int) -> timedelta:
        """How long the platform is down after this life: mostly minutes, at most four hours."""
        drawn = self.dice.draw("down", life)
        return timedelta(minutes=1) + timedelta(hours=4) * drawn * drawn

    def _next(self, kind: str, done: int) -> float:
        return done + self.dice.gap(self.rates.get(kind, 0.0), kind, done)
