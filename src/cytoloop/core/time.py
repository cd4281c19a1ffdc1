"""Time: UTC instants, durations in hours, and a clock that is always handed in.

A running process takes a `Clock`; nothing else may ask what time it is. The same code then runs a real
fourteen-day batch, a rehearsal in seconds and a seeded simulation, step for step the same.
"""

from collections.abc import Collection, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

Instant: TypeAlias = datetime
"""A moment in UTC. Always aware; two of them are kept for every fact (happened, recorded)."""


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> Instant:
        """The present moment, UTC. Never goes backwards."""
        ...

    async def until(self, when: Instant) -> None:
        """Return once `now()` has reached `when`; at once if it already has."""
        ...


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Doing(Protocol[T_co]):
    """Work that goes on beside the one who began it."""

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def result(self) -> T_co:
        """What it came to; raises what it ended with. Only once it is done."""
        ...

    def cancel(self) -> bool:
        """End it where it stands."""
        ...


class Pace(Clock, Protocol):
    """A clock by which several things go on at the same time."""

    def begin(self, work: Coroutine[Any, Any, T]) -> Doing[T]:
        """Let `work` go on beside the caller."""
        ...

    async def first(self, doings: Collection[Doing[Any]], when: Instant | None = None) -> None:
        """Return once one of `doings` has ended, or at `when` if that comes before."""
        ...


def instant(text: str) -> Instant:
    """The instant that an ISO 8601 text with an offset names; ValueError when it has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC; write it with one, for example 2026-06-01T08:00:00Z")
    return moment.astimezone(UTC)


def after(start: Instant, hours: float) -> Instant:
    """The instant `hours` later, to the microsecond."""
    return start + timedelta(hours=hours)


def hours_between(start: Instant, end: Instant) -> float:
    """Hours from `start` to `end`; negative when `end` is earlier."""
    return (end - start).total_seconds() / 3600.0
