"""Working: carries the batches of a record that several machines share, beside other workers.

A worker takes a batch for a *turn*: reads it from the record, carries it with a runner, and gives it back when it ends,
is held for a person, or waits for a time further away than its patience. What wakes it then is the engine; what it is
and does next stands in the record alone, so that any worker may take the next turn.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from cytoloop import __version__
from cytoloop.adapters import postgres
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.engine import EngineAddress
from cytoloop.adapters.engine import wake as wake_at
from cytoloop.app.permissions import check
from cytoloop.app.production import Reader
from cytoloop.app.quality import Inspector
from cytoloop.app.settings import read_settings
from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Door
from cytoloop.core.errors import ConflictError, CytoloopError, FindingError, StoreError
from cytoloop.core.facts.production import BatchAborted, BatchFinished
from cytoloop.core.store import Row, Store
from cytoloop.core.time import Instant
from cytoloop.production.advance import Fit, advance, always_fit
from cytoloop.production.journal import Journal
from cytoloop.production.runner import Observer, Runner
from cytoloop.production.settle import May
from cytoloop.record.ledger import Ledger

PATIENCE = 1.0
"""Hours that a worker waits with a batch before it gives it back until its time comes."""
CARRIED_ELSEWHERE, UNREACHED, REFUSED, DAMAGED = 1.0, 2.0, 30.0, 600.0
"""Seconds until a batch is read again: somebody else carried it, the store was lost, something stood against it, it is
damaged."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class OpenBatches:
    """Which batches of a record want a worker, kept up by reading only what is new.

    Rows are looked at by name and not decoded: whoever carries a batch reads it with all checks.
    """

    store: Store
    _size: int = 0
    _ends: dict[str, int] = field(default_factory=dict)
    """Batch that has not ended -> how many entries it has."""
    _rested: dict[str, int] = field(default_factory=dict)
    """Batch -> how many entries it had when a turn left it to whoever enters the next."""
    _lock: Lock = field(default_factory=Lock)

    def wanted(self) -> list[str]:
        """Batches that have not ended, and did not get their last entry before they were left to wait for one."""
        with self._lock:
            for row in self.store.rows(self._size):
                self._size = row.sequence + 1
                self._take(row)
        return [number for number, end in list(self._ends.items()) if self._rested.get(number) != end]

    def _take(self, row: Row) -> None:
        kind, _, number = row.stream.partition("/")
        if kind != "batch":
            return
        if row.name in (BatchFinished.NAME, BatchAborted.NAME):
            self._ends.pop(number, None)
        elif row.position == 0 or number in self._ends:
            self._ends[number] = row.position + 1

    def rest(self, batch: Batch) -> None:
        """The batch wants nobody before something is entered."""
        self._rested[batch.number] = batch.position


@dataclass(slots=True, kw_only=True)
class Work:
    """What a worker carries batches with."""

    ledger: Ledger
    journal: Journal
    door: Door
    clock: ScaledClock
    batches: OpenBatches
    tell: Tell
    observers: tuple[Observer, ...] = field(default_factory=lambda: (Inspector().inspect,))
    may: May = check
    fit: Fit = always_fit
    patience: float | None = PATIENCE
    look_every: float | None = None
    """Hours from one look for what people entered into a batch that is waited with to the next."""

    _reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = Reader(self.ledger)

    async def turn(self, number: str) -> float | None:
        """Carry the batch for a while (`adapters.engine.Turn`). Whatever stands against it is told, not raised."""
        try:
            return await self._turn(number)
        except asyncio.CancelledError:
            self.tell(f"{number}: handed over")
            raise
        except ConflictError:
            self.tell(f"{number}: was carried by another worker too; read again")
            return CARRIED_ELSEWHERE
        except CytoloopError as error:
            seconds = _seconds_after(error)
            self.tell(f"{number}: {error} (tried again in {seconds:g} s)")
            return seconds

    async def _turn(self, number: str) -> float | None:
        batch = await asyncio.to_thread(self._reader.batch, number)
        if batch.ended or stands_still(batch):
            self.batches.rest(batch)
            return None
        self.tell(f"{number}: taken at entry {batch.position}")
        batch = await self._runner().carry(batch)
        wake_at = self._wake_at(batch)
        self.tell(f"{number}: {_left(batch, wake_at)}")
        if wake_at is None:
            self.batches.rest(batch)
            return None
        return max(0.0, self.clock.seconds_until(wake_at))

    def _wake_at(self, batch: Batch) -> Instant | None:
        """When the batch wants to be carried on; None: not before somebody enters something."""
        now = self.clock.now()
        if batch.ended or stands_still(batch):
            return None
        todo = advance(batch, now, self.fit)
        return now if todo.drafts or todo.commands else todo.wake_at  # its time may have come meanwhile

    def _runner(self) -> Runner:
        return Runner(
            ledger=self.ledger, door=self.door, clock=self.clock, journal=self.journal, observers=self.observers,
            may=self.may, fit=self.fit, patience=self.patience, look_every=self.look_every,
            release=__version__,
        )  # fmt: skip


def _seconds_after(error: CytoloopError) -> float:
    match error:
        case FindingError():
            return DAMAGED
        case StoreError():
            return UNREACHED
        case _:
            return REFUSED


def stands_still(batch: Batch) -> bool:
    """Whether the batch is held for a person and nothing was entered since: carrying it on would only ask again."""
    return batch.held is not None and batch.held.position == batch.position - 1


def _left(batch: Batch, wake_at: Instant | None) -> str:
    """How a turn has left the batch, for a person."""
    if batch.aborted is not None:
        return f"aborted at entry {batch.position}: {batch.aborted.fact.reason}"
    if batch.ended:
        return f"finished at entry {batch.position}"
    if wake_at is not None:
        return f"waits until {wake_at:%Y-%m-%d %H:%M:%S} UTC, at entry {batch.position}"
    held = batch.held
    why = f": {held.fact.reason}" if held is not None else ""
    return f"held at entry {batch.position}{why}; goes on with the next entry"


def engine_address(store: str) -> EngineAddress:
    """Where the engine of the record at the address `store` is: a schema beside the record's."""
    where = postgres.address(store).beside("_engine")
    return EngineAddress(url=where.url, schema=where.schema, shown=where.shown)


def wake(folder: Path, batch: str) -> None:
    """Have a worker look at the batch now, after something was entered that it waits for.

    A record in a file has no workers: then nothing is done. StoreError when no worker could be told; they find what was
    entered by themselves, later.
    """
    store = read_settings(folder).store
    if store is not None:
        wake_at(engine_address(store), batch)
