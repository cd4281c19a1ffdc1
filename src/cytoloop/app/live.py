"""Live: a line with real people on this machine. Carries every batch of the record that is in production.

People answer elsewhere, on pages or at a console: this process serves nothing. It holds the data folder as any line
does; whoever answers appends to the same store, which orders the appends of several processes.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from cytoloop import __version__
from cytoloop.app.bootstrap import Site
from cytoloop.app.historian import Following
from cytoloop.app.permissions import check
from cytoloop.app.production import Reader
from cytoloop.app.quality import Inspector
from cytoloop.core.batch import Batch
from cytoloop.core.errors import ConflictError
from cytoloop.core.time import after
from cytoloop.production.runner import Runner

BATCH = "batch/"
Tell = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class LiveLine:
    """One process that carries batches whose people are real."""

    site: Site
    look: float
    """Hours of the clock from one look to the next: for new batches, and for what people entered beside the run."""
    tell: Tell
    _left: dict[str, int] = field(default_factory=dict)
    """Batch -> where its stream ended when it needed no carrying any more."""
    _carried: "dict[str, asyncio.Task[int]]" = field(default_factory=dict)
    _reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = Reader(self.site.registrar.ledger)

    async def run(self, *, until_done: bool = False) -> None:
        """Carry what there is and what comes, until cancelled; `until_done`: until nothing is left to carry.

        A batch that stands still is carried on once somebody entered something to it. Raises what stopped a batch, when
        the record or the telemetry could not be written.
        """
        try:
            while True:
                for batch in self._due():
                    self._carried[batch.number] = asyncio.create_task(self._carry(batch))
                if until_done and not self._carried:
                    return
                await self._wait()
        finally:
            await self._stop()

    def _due(self) -> Iterator[Batch]:
        """Batches that have to be carried and are not: new ones, and those that grew while they stood still."""
        ledger = self.site.registrar.ledger
        for stream in ledger.streams(BATCH):
            number = stream.removeprefix(BATCH)
            if number in self._carried or self._left.get(number) == ledger.position(stream):
                continue
            batch = self._reader.batch(number)
            if batch.ended:
                self._left[number] = batch.position
            else:
                yield batch

    async def _wait(self) -> None:
        """Until it is time to look again, or a batch needs carrying no more."""
        clock = self.site.clock
        again = asyncio.ensure_future(clock.until(after(clock.now(), self.look)))
        await asyncio.wait([again, *self._carried.values()], return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        for number, task in list(self._carried.items()):
            if task.done():
                del self._carried[number]
                self._left[number] = task.result()

    async def _carry(self, batch: Batch) -> int:
        """Carry a batch as far as it goes now; where its stream ends then."""
        ledger, number = self.site.registrar.ledger, batch.number
        self.tell(f"{number}: carried from entry {batch.position} on")
        try:
            async with self._following(batch) as followed:
                batch = await self._runner(followed).carry(batch)
            batch = batch if followed is None else await followed.entered(batch)
        except ConflictError as why:
            self.tell(f"{number}: {why}")
        else:
            self.tell(f"{number}: {_said(batch)}")
        return ledger.position(f"{BATCH}{number}")

    def _following(self, batch: Batch) -> AbstractAsyncContextManager[Following | None]:
        historian = self.site.historian
        return historian.following(batch) if historian is not None else nullcontext()

    def _runner(self, followed: Following | None) -> Runner:
        site = self.site
        return Runner(
            ledger=site.registrar.ledger,
            door=site.door,
            clock=site.clock,
            journal=site.journal,
            observers=(Inspector().inspect,) if followed is None else (Inspector().inspect, followed.observe),
            may=check,
            fit=self.site.fit,
            release=__version__,
            look_every=self.look,
        )

    async def _stop(self) -> None:
        for task in self._carried.values():
            task.cancel()
        await asyncio.gather(*self._carried.values(), return_exceptions=True)


def _said(batch: Batch) -> str:
    if batch.aborted is not None:
        return f"aborted: {batch.aborted.fact.reason}"
    if batch.finished_at is not None:
        return "every step is done; its record waits for review and disposition"
    if batch.on_hold is not None:
        return f"on hold: {batch.on_hold.fact.reason}"
    return f"stands still: {batch.held.fact.reason if batch.held else 'nothing is left that this line waits for'}"
