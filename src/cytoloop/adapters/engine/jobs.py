"""Jobs: what the engine's library is told of a batch, and when a job that did not simply end is taken again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cytoloop.adapters.engine.address import EngineAddress, library

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.jobs import Job
    from procrastinate.retry import RetryDecision

QUEUE, CARRY = "batches", "carry"
NOW, LATER = 1, 0
"""Priorities. Of one lock the higher goes first, so that a batch that waits for its time can be woken before it."""
AFTER_A_FAULT = 60.0
"""Seconds after which a turn that ended with an unforeseen error is taken again."""


class LaterError(Exception):
    """The batch wants to be woken in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:g} s")
        self.seconds = seconds


def lock_of(batch: str) -> str:
    """The lock under which one job at a time may be `doing`."""
    return f"batch/{batch}"


def app_at(address: EngineAddress) -> "App":
    """The library's way to the engine at `address`, for coroutines. Not open yet."""
    procrastinate = library()
    connector = procrastinate.PsycopgConnector(
        conninfo=address.url, kwargs=address.arguments, min_size=1, max_size=4, timeout=10.0
    )
    app: App = procrastinate.App(connector=connector)
    return app


def deferrer(app: "App", batch: str) -> Any:
    """What puts a job for the batch into the queue, to be taken at once."""
    return app.configure_task(CARRY, queue=QUEUE, lock=lock_of(batch), priority=NOW)


def again() -> Any:
    """When a job that did not simply end is taken again."""
    procrastinate = library()

    class Again(procrastinate.BaseRetryStrategy):  # type: ignore[misc,name-defined]
        def get_retry_decision(self, *, exception: BaseException, job: "Job") -> "RetryDecision":
            if isinstance(exception, asyncio.CancelledError):
                return _decision(0.0, NOW)
            return _decision(exception.seconds if isinstance(exception, LaterError) else AFTER_A_FAULT, LATER)

    return Again()


def _decision(seconds: float, priority: int) -> "RetryDecision":
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    decision: RetryDecision = library().RetryDecision(retry_at=at, priority=priority)
    return decision
