"""Clocks: the simulated one, the wall, and the wall made faster."""

import asyncio
import heapq
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count

from cytoloop.core.time import Instant


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
        """Time goes to the earliest moment that is waited for, and that waiter goes on."""
        when, _, future = heapq.heappop(self._waiting)
        self._now = max(self._now, when)
        if not future.done():
            future.set_result(None)

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
    """The wall clock from a chosen start, `factor` times as fast. Factor 1 is the wall itself."""

    def __init__(self, start: Instant | None = None, factor: float = 1.0) -> None:
        self._factor = factor
        self._wall_start = datetime.now(UTC)
        self._start = start or self._wall_start

    def now(self) -> Instant:
        return self._start + (datetime.now(UTC) - self._wall_start) * self._factor

    async def until(self, when: Instant) -> None:
        while (left := when - self.now()) > timedelta(0):
            await asyncio.sleep(left.total_seconds() / self._factor)

    async def together(self, *work: Coroutine[object, object, object]) -> None:
        """Do all of `work` at once; the first failure ends the rest and is raised."""
        actors = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.gather(*actors)
        finally:
            await _cancel(actors)
