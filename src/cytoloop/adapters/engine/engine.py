"""Engine: wakes a batch at its time on any live worker, one at a time, and again if its worker died.

It holds no truth: what a batch is and wants stands in the record, and an engine that was lost is filled from there.
Two workers that carry one batch by mishap do no harm: the record takes one append of two.
"""

import asyncio

from cytoloop.adapters.engine.address import EngineAddress, library
from cytoloop.adapters.engine.jobs import deferrer
from cytoloop.adapters.engine.life import Life, Pulse, Tell, Turn, Wanted
from cytoloop.core.errors import StoreError

__all__ = ["Engine", "Pulse", "Turn", "Wanted", "wake"]

TRY_AGAIN = 1.0
"""Seconds from one try to reach a lost server to the next."""


class Engine:
    """One process's part in the engine at an address."""

    def __init__(self, address: EngineAddress, *, tell: Tell, pulse: Pulse | None = None) -> None:
        self._address, self._tell, self._pulse = address, tell, pulse or Pulse()

    async def work(self, turn: Turn, wanted: Wanted, *, most: int, stop: asyncio.Event) -> None:
        """Take turns, `most` at a time, until `stop` is set; then those underway are cancelled and others take them.

        Batches that are `wanted` and that the engine does not know are woken.
        A lost server is waited for. A worker that the others gave up (paused, cut off) begins anew.
        """
        while not stop.is_set():
            try:
                await Life(self._address, turn, wanted, self._pulse, most, self._tell).run(stop)
            except _lost() as error:
                said = " ".join(str(error.__cause__ or error).split())
                self._tell(f"the engine's {self._address.shown} cannot be reached ({said}); tried again until it can")
            await _within(stop, TRY_AGAIN)


def wake(address: EngineAddress, batch: str) -> None:
    """Have a worker look at the batch now: for whoever entered something that it waits for, after it was entered.

    Safe to call at any time and as often as wanted. StoreError when the engine cannot be reached: then the batch is
    looked at when its own time comes.
    """
    procrastinate = library()
    connector = procrastinate.SyncPsycopgConnector(
        conninfo=address.url, kwargs=address.arguments, min_size=1, max_size=1, timeout=5.0
    )
    try:
        with procrastinate.App(connector=connector).open() as app:
            deferrer(app, batch).defer(batch=batch)
    except procrastinate.exceptions.ConnectorException as error:
        said = " ".join(str(error.__cause__ or error).split())
        raise StoreError(
            f"no worker could be told of batch {batch}: the engine's {address.shown} cannot be reached ({said}); what "
            "was entered is in the record, and workers find it by themselves"
        ) from error


def _lost() -> tuple[type[Exception], ...]:
    """What says that the server cannot be reached, or took the worker's connection away."""
    import psycopg  # noqa: PLC0415  (extra `worker`)

    return (library().exceptions.ProcrastinateException, psycopg.Error, StoreError)


async def _within(stop: asyncio.Event, seconds: float) -> None:
    """Return once `stop` is set, or after so many seconds."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
