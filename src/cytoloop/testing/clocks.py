"""Clocks for tests."""

import asyncio
import heapq
from itertools import count

from cytoloop.core.time import Instant


class EagerClock:
    """A clock that jumps to the next moment somebody waits for, as soon as nobody has anything else to do.

    For tests in one process, where nothing waits for a network: a network's answer would come after the jump.
    """

    def __init__(self, start: Instant) -> None:
        self._now = start
        self._order = count()
        self._waiting: list[tuple[Instant, int, asyncio.Future[None]]] = []
        self._driver: asyncio.Task[None] | None = None

    def now(self) -> Instant:
        return self._now

    async def until(self, when: Instant) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (max(when, self._now), next(self._order), future))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        await future

    def turn(self, to: Instant) -> None:
        """Set it, perhaps back."""
        self._now = to

    async def _drive(self) -> None:
        while self._waiting:
            for _ in range(10):
                await asyncio.sleep(0)  # noqa: TID251  (no time passes: everybody else has a turn)
            when, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self._now = max(self._now, when)
                future.set_result(None)
