"""Committing: many who append at once share one durable write.

A disk makes about as many writes durable a second for one entry as for a hundred. While one group is being written the
next one collects, so the wait stays about one write however many batches run.

What a crash loses, state by state:

* asked: the request waits in this process; a crash loses it, and nobody was told that it is kept.
* sequenced: its group is durable in the store; only then is who asked told so. A crash loses nothing of it.
* integrated: the tree head over it is durable too. A group's entries and the tree head over them are one write, so
  here sequenced and integrated are the same moment.
* published: a checkpoint over it was signed and handed out (`app.publishing`). From then on not even the store's
  owner can take it back unseen.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.errors import UserError
from cytoloop.core.time import Clock
from cytoloop.production.journal import Direct, Journal
from cytoloop.record.group import Answer, Request
from cytoloop.record.ledger import Ledger

MOST = 512
"""Requests in one group: enough for any plant, and few enough to be written in some milliseconds."""

Tell = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Request
    tell: Tell
    """Takes the answer; called by the committing thread."""
    loop: asyncio.AbstractEventLoop | None
    """Where `tell` must be called; None for any thread."""


class GroupCommitter:
    """One thread that appends for everybody. A `Journal` of the runner; `append_now` is for other threads.

    Several requests at once for one stream are judged in the order they were asked. After `close` nothing more is
    taken; what was asked before is still answered.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: SimpleQueue[_Asked | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._thread = Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        """As `Ledger.append`, for a coroutine: it goes on once the entries are durable. Raises what that raises.

        A coroutine that is cancelled meanwhile is not answered, and its entries may be kept.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Recorded, ...]] = loop.create_future()

        def tell(answer: Answer) -> None:
            if future.cancelled():
                return
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self._ask(_Asked(Request(stream, drafts, expected), tell, loop))
        return await future

    def append_now(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        """As `Ledger.append`, for a thread: it waits until the entries are durable. Raises what that raises."""
        future: Future[Answer] = Future()
        self._ask(_Asked(Request(stream, drafts, expected), future.set_result, None))
        answer = future.result()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Write what was asked, answer it, and end. Safe to call twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _ask(self, asked: _Asked) -> None:
        with self._lock:
            if self._closed:
                raise UserError("the record was closed while something was appended to it; start again")
            self._queue.put(asked)

    def _work(self) -> None:
        """Write group after group until `close`."""
        going = True
        while going:
            group, going = self._collected()
            if group:
                _answer(group, self._written(group))

    def _collected(self) -> tuple[list[_Asked], bool]:
        """What is asked now, at least one; and whether more may come."""
        group: list[_Asked] = []
        asked = self._queue.get()
        try:
            while asked is not None:
                group.append(asked)
                if len(group) == MOST:
                    return group, True
                asked = self._queue.get_nowait()
        except Empty:
            return group, True
        return group, False

    def _written(self, group: Sequence[_Asked]) -> list[Answer]:
        try:
            return self._ledger.append_all([asked.request for asked in group])
        except Exception as error:  # noqa: BLE001  (whoever asked must hear of it, or waits for ever)
            return [error] * len(group)


def _answer(group: Sequence[_Asked], answers: Sequence[Answer]) -> None:
    """Tell everybody; each event loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Tell, Answer]]] = {}
    for asked, answer in zip(group, answers, strict=True):
        if asked.loop is None:
            asked.tell(answer)
        else:
            by_loop.setdefault(asked.loop, []).append((asked.tell, answer))
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # the loop has ended: nobody waits there any more
            loop.call_soon_threadsafe(_tell_all, told)


def _tell_all(told: Sequence[tuple[Tell, Answer]]) -> None:
    for tell, answer in told:
        tell(answer)


@contextmanager
def journal_of(ledger: Ledger, clock: Clock) -> Iterator[Journal]:
    """Where lines write their batches: in groups; in simulated time straight into the ledger, to be repeatable."""
    if isinstance(clock, SimulatedClock):
        yield Direct(ledger)
        return
    committer = GroupCommitter(ledger)
    try:
        yield committer
    finally:
        committer.close()
