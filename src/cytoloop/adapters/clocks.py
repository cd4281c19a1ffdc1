"""Clocks: the simulated one, the wall, and the wall made faster."""

import asyncio
import fcntl
import heapq
import json
import os
import time
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
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

    @property
    def told(self) -> bytes:
        """What another process of this machine needs to show the same time."""
        start = self._start.isoformat() if self._start else ""
        return json.dumps({"start": start, "factor": self._factor, "began": self._began}).encode()

    @classmethod
    def as_told(cls, told: bytes) -> "ScaledClock":
        """The clock that shows the same time as the one that `told` it; ValueError when that is not readable."""
        said = json.loads(told)
        clock = cls(datetime.fromisoformat(said["start"]) if said["start"] else None, float(said["factor"]))
        clock._began = float(said["began"])
        return clock

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


LINE_CLOCK = "line-clock.json"
"""The file of a data folder in which a running line says what its clock shows. Held by a lock while the line runs."""
LOOK_AGAIN = 0.5
"""Seconds for which a look at that file holds."""


@contextmanager
def kept_clock(folder: Path, clock: ScaledClock) -> Iterator[None]:
    """Inside, other processes that act on the folder show the same time as `clock`."""
    descriptor = os.open(folder / LINE_CLOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, clock.told, 0)
        yield
    finally:
        os.close(descriptor)


class FolderClock:
    """Shows what the line of a data folder shows while one runs there, and what the machine shows otherwise."""

    def __init__(self, folder: Path) -> None:
        self._path, self._wall = folder / LINE_CLOCK, ScaledClock()
        self._line: ScaledClock | None = None
        self._looked = -LOOK_AGAIN

    @property
    def line_runs(self) -> bool:
        """Whether a line runs on the folder, on this machine."""
        return self._now() is not self._wall

    def now(self) -> Instant:
        return self._now().now()

    async def until(self, when: Instant) -> None:
        await self._now().until(when)

    def _now(self) -> ScaledClock:
        if time.monotonic() - self._looked >= LOOK_AGAIN:
            self._line, self._looked = self._read(), time.monotonic()
        return self._line or self._wall

    def _read(self) -> ScaledClock | None:
        """The line's clock; None when no line holds the file, whatever one that was killed left in it."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _told(os.pread(descriptor, 4096, 0))
        else:
            return None
        finally:
            os.close(descriptor)


def _told(text: bytes) -> ScaledClock | None:
    try:
        return ScaledClock.as_told(text)
    except (ValueError, KeyError, TypeError):
        return None
