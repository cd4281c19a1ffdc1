"""Historian: takes the readings of running batches in, has them judged, keeps them, and tells what they showed.

Every `poll` hours each unit is asked for what it measured since it was asked last; a unit that cannot be asked is asked
again from where it stopped, so that what it remembers is filled in. `app/following.py` does it for one batch.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.app.following import HISTORIAN, Following, sealed
from cytoloop.app.monitor import Monitor
from cytoloop.app.monitored import key_of
from cytoloop.app.records import TELEMETRY
from cytoloop.core.batch import Batch
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.telemetry import Source, TelemetryStore
from cytoloop.core.time import Clock, after
from cytoloop.production.journal import Direct, Journal
from cytoloop.record.ledger import Ledger
from cytoloop.record.segment import FORM

__all__ = ["HISTORIAN", "SEAL_EVERY", "Following", "Historian", "readable_telemetry", "sealed", "writable_telemetry"]

SEAL_EVERY = 24.0
"""Hours of a batch from one seal to the next."""
P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def writable_telemetry(folder: Path) -> Iterator[TelemetryStore]:
    """The telemetry of a data folder for writing, made when it is not there."""
    with closing(open_telemetry(folder / TELEMETRY, FORM, create=True)) as store:
        yield store


@contextmanager
def readable_telemetry(folder: Path) -> Iterator[TelemetryStore | None]:
    """The telemetry of a data folder for reading, also while another process writes; None when there is none."""
    if not (folder / TELEMETRY).exists():
        yield None
        return
    with closing(open_telemetry(folder / TELEMETRY, FORM, read_only=True)) as store:
        yield store


@dataclass(frozen=True, slots=True, kw_only=True)
class Historian:
    """Follows batches."""

    store: TelemetryStore
    source: Source
    ledger: Ledger
    clock: Clock
    poll: float
    """Hours from one question to the next."""
    keep: float = 0.0
    """Hours from one durable write to the next, when nothing is to be told: what a crash may leave to the equipment's
    own memory."""
    settle: float = 0.0
    """Hours that readings are given to arrive: nothing younger is judged, and what comes later than that is late."""
    again: float = 0.0
    """Hours of what was judged already that are asked for again, for what came late."""
    every: float = SEAL_EVERY
    to: Journal | None = None
    """Where it enters what readings showed; left out, straight into the ledger."""
    threads: bool = False
    """Whether to judge, write and seal beside the event loop. Not in simulated time, which would not wait."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def journal(self) -> Journal:
        """Where it writes."""
        return self.to or Direct(self.ledger)

    async def aside(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do `work` without holding up the event loop; one batch at a time."""
        if not self.threads:
            return work(*arguments, **named)
        async with self._turn:
            doing = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
            try:
                return await asyncio.shield(doing)
            except asyncio.CancelledError:
                await asyncio.wait([doing])  # a thread is never left behind that still works on the batch
                raise

    @asynccontextmanager
    async def following(self, batch: Batch) -> AsyncIterator[Following]:
        """Follow the batch until the block ends; then what is left is taken in and sealed, see `Following.entered`."""
        facts = [each.fact for each in self.ledger.stream(f"batch/{batch.number}")]
        said = {fact.segment for fact in facts if isinstance(fact, TelemetrySealed)}
        there = await self.aside(self.store.segments, batch.number)
        followed = Following(
            by=self,
            monitor=Monitor.resumed(batch, await self.aside(self.store.state, batch.number)),
            noted={key for key in map(key_of, facts) if key is not None},
            unsaid=[each for each in there if each.name not in said],
            kept_at=self.clock.now(),
            sealed_at=batch.created_at,
        )
        followed.task = asyncio.create_task(self._follow(followed))
        try:
            yield followed
        finally:
            followed.task.cancel()
            await asyncio.gather(followed.task, return_exceptions=True)
        await followed.finish()

    async def _follow(self, followed: Following) -> None:
        """Take in and seal in turn. Ends when cancelled, or with the error of a store that cannot write."""
        next_at = max(after(followed.batch.created_at, self.poll), self.clock.now())
        while True:
            await self.clock.until(next_at)
            next_at = after(next_at, self.poll)
            await followed.take_in()
            settled = after(self.clock.now(), -self.settle)
            if settled >= after(followed.sealed_at, self.every):
                await followed.seal(settled)
            next_at = max(next_at, self.clock.now())
