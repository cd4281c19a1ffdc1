"""Processes: one function over many items on this machine's cores, each in a fresh process (spawn).

Results come as they are done, in any order; whoever asks must not depend on it. A worker that dies takes nothing with
it: what it had not given back is done again by new ones, which is safe because an item's result hangs on the item
alone.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from os import cpu_count
from typing import Any, TypeVar

from cytoloop.core.errors import FindingError

T = TypeVar("T")
R = TypeVar("R")

DEATHS = 3
"""Times that workers may die over one call: an item that kills its worker would kill every one."""
AHEAD = 3
"""Items for each worker that are handed out before the first comes back."""


def cores() -> int:
    """How many workers this machine has room for."""
    return cpu_count() or 1


@contextmanager
def processes(workers: int) -> Iterator["Processes"]:
    """So many workers on this machine, begun when there is work and ended with the context; one: in this process."""
    made = Processes(workers)
    try:
        yield made
    finally:
        made.end()


@dataclass(slots=True)
class Processes:
    """Workers of this machine."""

    workers: int
    _pool: ProcessPoolExecutor | None = None

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """The result of `work` for each item, as they are done. `work` and items are sent by pickle.

        FindingError when workers died too often.
        """
        if self.workers <= 1:
            yield from map(work, items)
            return
        left = dict(enumerate(items))
        for _ in range(DEATHS):
            try:
                for place, result in self._done(work, left):
                    del left[place]
                    yield result
            except BrokenProcessPool:
                self.end()
                continue
            return
        raise FindingError(f"workers died {DEATHS} times; is there enough memory? What was done is kept")

    def _done(self, work: Callable[[T], R], items: dict[int, T]) -> Iterator[tuple[int, R]]:
        waiting = list(items.items())[::-1]
        running: dict[Future[R], int] = {}
        while waiting or running:
            while waiting and len(running) < AHEAD * self.workers:
                place, item = waiting.pop()
                running[self._begun().submit(work, item)] = place
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield running.pop(each), each.result()

    def _begun(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context: Any = get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_deaf)
        return self._pool

    def end(self) -> None:
        """End the workers; what they have in hand is finished, what waits is not begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _deaf() -> None:
    """A worker leaves Ctrl-C to the one who began it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
