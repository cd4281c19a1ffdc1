"""Clocks: the simulated one, the wall, and the wall made faster."""

import asyncio
import heapq
import time
from collections.abc import Collection, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, cast

from cytoloop.core.time import Clock, Doing, Instant

T = TypeVar("T")


async def _first(clock: Clock, doings: Collection[Doing[Any]], when: Instant | None) -> None:
    """Wait for the first of `doings`, which were begun as tasks here, or for `when`."""
    waited = {cast("asyncio.Task[Any]", doing) for doing in doings}
    if when is not None:
        waited.add(asyncio.create_task(_reached(clock, when)))
    _, left = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for each in left - set(doings):
        each.cancel()


async def _reached(clock: Clock, when: Instant) -> None:
    await clock.until(when)


class SimulatedClock:
    """A clock that jumps to the next moment somebody waits for.

    Every actor that shares it runs inside `together`. When all of them wait, time jumps to the earliest
    moment and exactly one waiter goes on: the order depends on the waiting times alone, so a run is repeatable.
    """

    def __init__(self, start: Instant) -> None:
        self._now = start
        self._order = count()
        self._waiting: list[tuple[Instant, int, asyncio.Future[None]]] = []

    def now(self) -> Instant:
        return self._now

    async def until(self, when: Instant) -> None:
        if when <= self._now:
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (when, next(self._order), future))
        await future

    def begin(self, work: Coroutine[Any, Any, T]) -> Doing[T]:
        return asyncio.create_task(work)

    async def first(self, doings: Collection[Doing[Any]], when: Instant | None = None) -> None:
        await _first(self, doings, when)

    async def together(self, *work: Coroutine[object, object, object]) -> None:
        """Drive time until all of `work` has ended; the first failure ends the rest and is raised."""
        actors = [asyncio.create_task(each) for each in work]
        try:
            while not all(actor.done() for actor in actors):
                await _settle()
                self._raise_failure(actors)
                if self._waiting:
                    self._jump()
                elif not all(actor.done() for actor in actors):
                    await asyncio.wait(actors, return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure(actors)
        finally:
            await _cancel(actors)

    def _jump(self) -> None:
        """Time goes to the earliest moment that is waited for, and that waiter goes on.

        Who was cancelled waits for nothing: time does not pass for them.
        """
        while self._waiting:
            when, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self._now = max(self._now, when)
                future.set_result(None)
                return

    @staticmethod
    def _raise_failure(actors: "list[asyncio.Task[object]]") -> None:
        for actor in actors:
            if actor.done() and not actor.cancelled() and (failure := actor.exception()) is not None:
                raise failure


async def _cancel(actors: "list[asyncio.Task[object]]") -> None:
    for actor in actors:
        actor.cancel()
    await asyncio.gather(*actors, return_exceptions=True)


async def _settle() -> None:
    """Let every task that can go on without time passing go on."""
    for _ in range(10):
        await asyncio.sleep(0)


class ScaledClock:
    """The machine's clock; or, from a chosen start, time that passes `factor` times as fast.

    From a start, time is counted and not read: who sets the machine's clock neither shortens nor lengthens what a
    running batch waits for. Without one it is the machine's clock itself, for single acts of people; when that went
    back, the ledger says so in the record.
    """

    def __init__(self, start: Instant | None = None, factor: float = 1.0) -> None:
        self._factor = factor
        self._start = start or (datetime.now(UTC) if factor != 1.0 else None)
        self._began = _counted()

    def now(self) -> Instant:
        if self._start is None:
            return datetime.now(UTC)
        return self._start + timedelta(seconds=(_counted() - self._began) * self._factor)

    async def until(self, when: Instant) -> None:
        while (left := when - self.now()) > timedelta(0):
            await asyncio.sleep(left.total_seconds() / self._factor)

    def seconds_until(self, when: Instant) -> float:
        """Seconds of the wall until `when`; negative once it has passed."""
        return (when - self.now()).total_seconds() / self._factor

    def begin(self, work: Coroutine[Any, Any, T]) -> Doing[T]:
        return asyncio.create_task(work)

    async def first(self, doings: Collection[Doing[Any]], when: Instant | None = None) -> None:
        await _first(self, doings, when)

    async def together(self, *work: Coroutine[object, object, object]) -> None:
        """Do all of `work` at once; the first failure ends the rest and is raised."""
        actors = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.gather(*actors)
        finally:
            await _cancel(actors)


def _counted() -> float:
    """Seconds that passed since some moment, whatever anybody set a clock to; also while the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
