"""Loop: an event loop of its own in which time is simulated, nothing is left to chance, and a process can be killed.

It runs asyncio's own tasks and futures, so whatever runs on asyncio runs here unchanged. There is no I/O and no thread:
callbacks run in the order they were asked for; when none is left, time jumps to the next moment somebody waits for.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, cast

from cytoloop.core.time import Doing, Instant

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LIFE: ContextVar[int] = ContextVar("LIFE", default=0)
"""Which life of the platform a callback belongs to; 0: to the world, which does not die."""


class StuckError(Exception):
    """Everybody waits and nobody waits for a moment: nothing can ever happen again."""


class Asked:
    """A callback that was asked for; what asyncio calls a handle."""

    __slots__ = ("args", "callback", "context", "gone", "when_")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], context: Context | None) -> None:
        self.callback, self.args = callback, args
        self.context = context if context is not None else copy_context()
        self.gone = False
        self.when_ = 0.0

    def cancel(self) -> None:
        """It is not called."""
        self.gone = True

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.gone

    def when(self) -> float:
        """Seconds of the loop's time at which it is called."""
        return self.when_


class SimulatedLoop:
    """The loop, and the clock of everything in it (`core.time.Clock`).

    `tie` orders those who wait for the same moment: given dice, another seed is another order.
    """

    def __init__(self, start: Instant, tie: Callable[[int], float] = float) -> None:
        self._now, self._tie = start, tie
        self._ready: deque[Asked] = deque()
        self._waiting: list[tuple[Instant, float, int, Asked | asyncio.Future[None]]] = []
        self._order = count()
        self._dead: set[int] = set()
        self._never: list[Asked] = []
        self._held: dict[asyncio.Task[Any], None] = {}
        self._failed: BaseException | None = None

    @property
    def _itself(self) -> asyncio.AbstractEventLoop:
        """The loop as asyncio takes it: all that tasks and futures ask of one is here, what needs I/O is not."""
        return cast("asyncio.AbstractEventLoop", self)

    # -- the clock ---------------------------------------------------------------------------------------------------

    def now(self) -> Instant:
        """The present moment."""
        return self._now

    async def until(self, when: Instant) -> None:
        """Return once `now()` has reached `when`."""
        if when > self._now:
            future = self.create_future()
            self._wait(when, future)
            await future

    def begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Let `work` go on beside the caller (`core.time.Pace`)."""
        return asyncio.Task(work, loop=self._itself)

    async def first(self, doings: Collection[Doing[Any]], when: Instant | None = None) -> None:
        """Return once one of `doings`, which were begun here, has ended, or at `when` if that comes before."""
        waited = {cast("asyncio.Task[Any]", doing): None for doing in doings}
        if any(doing.done() for doing in waited):
            return
        woken = self.create_future()
        if when is not None:
            self._wait(max(when, self._now), woken)

        def wake(_: object) -> None:
            if not woken.done():
                woken.set_result(None)

        for doing in waited:
            doing.add_done_callback(wake)
        try:
            await woken
        finally:
            for doing in waited:
                doing.remove_done_callback(wake)
            woken.cancel()

    def _wait(self, when: Instant, what: "Asked | asyncio.Future[None]") -> None:
        number = next(self._order)
        heapq.heappush(self._waiting, (when, self._tie(number), number, what))

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, None], until: Instant) -> bool:
        """Run `work` to its end, or as far as time goes to `until`; whether it ended. Its failure is raised."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self._itself)  # for those who write event loops
        try:
            task = self.create_task(work)
            while not task.done():
                self._settle()
                if self._failed is not None:
                    raise self._failed
                if not task.done() and not self._jump(until):
                    return False
            task.result()
            return True
        finally:
            asyncio._set_running_loop(before)

    def spawn(self, work: Coroutine[Any, Any, Any], life: int) -> "asyncio.Task[Any]":
        """A task that belongs to one life of the platform, as does every task that it makes."""
        context = copy_context()
        context.run(LIFE.set, life)
        return asyncio.Task(work, loop=self._itself, context=context)

    def kill(self, life: int) -> None:
        """Whatever belongs to `life` never runs again: no clean-up, no last word."""
        self._dead.add(life)
        self._held.update(dict.fromkeys(asyncio.all_tasks(self._itself)))  # nothing of it is cleaned up before the end

    def fail(self, failure: BaseException) -> None:
        """End the run with this failure as soon as the callback at hand is over."""
        self._failed = self._failed or failure

    def bury(self) -> None:
        """Close what will never run again. Whatever it tries on its way out is its own affair."""
        for task in sorted(asyncio.all_tasks(self._itself), key=lambda each: each.get_name()):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio says that it is known
            coroutine = cast("Coroutine[Any, Any, Any]", task.get_coro())
            with suppress(BaseException):
                coroutine.close()
        for each in (self._ready, self._waiting, self._never, self._held):
            each.clear()

    def _settle(self) -> None:
        """Run every callback that is asked for now."""
        ready, dead = self._ready, self._dead
        while ready and self._failed is None:
            asked = ready.popleft()
            if asked.gone:
                continue
            if dead and asked.context.get(LIFE, 0) in dead:
                self._never.append(asked)
                continue
            asked.context.run(asked.callback, *asked.args)

    def _jump(self, until: Instant) -> bool:
        """Time goes to the next moment somebody waits for; False when that is after `until`."""
        while self._waiting:
            when, _, _, what = self._waiting[0]
            if when > until:
                self._now = until
                return False
            heapq.heappop(self._waiting)
            if isinstance(what, Asked):
                if not what.gone:
                    self._now = max(self._now, when)
                    self._ready.append(what)
                    return True
            elif not what.done():
                self._now = max(self._now, when)
                what.set_result(None)
                return True
        raise StuckError("everybody waits for somebody and nobody for a moment")

    # -- what asyncio asks of a loop ---------------------------------------------------------------------------------

    def time(self) -> float:
        return (self._now - EPOCH).total_seconds()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        asked = Asked(callback, args, context)
        self._ready.append(asked)
        return asked

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        asked = Asked(callback, args, context)
        asked.when_ = when
        self._wait(max(EPOCH + timedelta(seconds=when), self._now), asked)
        return asked

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self._itself)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Any:
        return asyncio.Task(coro, loop=self._itself, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A failure that nobody took is the loop's; a task of a life that ended is nobody's loss."""
        failure = context.get("exception")
        if failure is not None:
            self._failed = failure
