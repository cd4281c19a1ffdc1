"""Life: one life of a worker in an engine, from its registration until it stops or is given up.

One job follows a batch from its creation to its end, under the batch's lock: `doing` while a worker has it, `todo`
until the moment when the batch wants to be woken. Whoever wants it woken sooner adds a job of higher priority; the job
that runs first takes the place of all others of the lock.

The library lets a worker that was given up end a job that another has taken over. So a worker asks whether a job is
still its own before it says anything about it, and when it is not, it lets go of the engine as a whole.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from cytoloop.adapters.engine.address import EngineAddress, library
from cytoloop.adapters.engine.jobs import CARRY, NOW, QUEUE, LaterError, again, app_at, deferrer, lock_of

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.jobs import Job

Turn = Callable[[str], Awaitable[float | None]]
"""Carries the batch of that number for a while. Seconds until it wants to be woken; None: not by itself."""
Wanted = Callable[[], Iterable[str]]
"""Batches that the record says want a worker. Called from another thread."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How soon a worker that died is noticed, in seconds."""

    beat: float = 5.0
    """From one sign of life to the next."""
    dead: float = 20.0
    """Without a sign of life for so long, a worker's batches are taken over."""
    poll: float = 1.0
    """From one look for batches whose time has come to the next."""
    sweep: float = 60.0
    """From one look for batches that the engine does not know to the next."""

    @classmethod
    def of(cls, dead: float) -> "Pulse":
        """Signs of life so often that some may be lost before a worker counts as dead after `dead` seconds."""
        return cls(beat=dead / 4, dead=dead)


@dataclass(slots=True)
class Life:
    """One registration with the engine."""

    address: EngineAddress
    turn: Turn
    wanted: Wanted
    pulse: Pulse
    most: int
    tell: Tell
    app: "App" = field(init=False)
    held: "dict[int, Job]" = field(default_factory=dict)
    """Jobs of turns that are being taken here."""
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    awake_since: float = field(default_factory=monotonic)
    looked: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        self.app = app_at(self.address)

        async def carry(context: Any, batch: str) -> None:
            await self._take(context.job, batch)

        self.app.task(name=CARRY, queue=QUEUE, pass_context=True, retry=again())(carry)

    async def run(self, stop: asyncio.Event) -> None:
        """Take turns until `stop`, or until this life is over; raises what the engine raised."""
        async with self.app.open_async():
            ends = [asyncio.create_task(each) for each in (
                self._work(), self._watch(), self._sweep(), stop.wait(), self.given_up.wait(),
            )]  # fmt: skip
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                failures = [each.exception() for each in ends if each.done()]
                for each in reversed(ends):
                    each.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
        for failure in failures:
            if failure is not None and not self.given_up.is_set():
                raise failure

    async def _work(self) -> None:
        await self.app.run_worker_async(
            queues=[QUEUE],
            concurrency=self.most,
            install_signal_handlers=False,
            fetch_job_polling_interval=self.pulse.poll,
            update_heartbeat_interval=self.pulse.beat,
            stalled_worker_timeout=self.pulse.dead,
            shutdown_graceful_timeout=0,
            delete_jobs="always",
        )

    # -- one turn -------------------------------------------------------------------------------------------------

    async def _take(self, job: "Job", batch: str) -> None:
        """Take a turn. Put back when the batch waits, when this worker stops, or after a fault; else it is over."""
        assert job.id is not None
        self.held[job.id] = job
        try:
            await self._replace(job)
            seconds = await self.turn(batch)
        finally:
            await self._fence(job)
            self.held.pop(job.id, None)
        if self.given_up.is_set():
            await asyncio.Event().wait()  # this life ends by itself: nothing more is said of the job
        if seconds is not None:
            raise LaterError(seconds)

    async def _replace(self, job: "Job") -> None:
        """Take the place of what else waits for the batch: the turn that begins now reads all there is."""
        manager = self.app.job_manager
        for other in await manager.list_jobs_async(queue=QUEUE, status="todo", lock=job.lock):
            if other.id is not None and other.id != job.id:
                await manager.cancel_job_by_id_async(other.id, delete_job=True)

    async def _fence(self, job: "Job") -> None:
        """Let go of the engine when the job is another's: nothing that is said in its name may reach the server."""
        if self.given_up.is_set():
            return
        with suppress(library().exceptions.ConnectorException):  # who cannot ask cannot say anything either
            if not await self._is_mine(job):
                await self._let_go()

    async def _is_mine(self, job: "Job") -> bool:
        found = list(await self.app.job_manager.list_jobs_async(id=job.id))
        return bool(found) and (found[0].status, found[0].worker_id) == ("doing", job.worker_id)

    # -- looking around -------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Take over from workers that gave no sign of life, and see whether this one was given up itself."""
        while True:
            await asyncio.sleep(self.pulse.beat)
            if monotonic() - self.looked > 2 * self.pulse.beat:
                self.awake_since = monotonic()  # who was away itself cannot say yet who else is
            self.looked = monotonic()
            if await self._was_given_up():
                await self._let_go()
                return
            if monotonic() - self.awake_since >= self.pulse.dead:
                await self._take_over()

    async def _take_over(self) -> None:
        manager = self.app.job_manager
        for job in await manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self.pulse.dead):
            if job.id in self.held:
                continue
            with suppress(library().exceptions.ConnectorException):  # another worker was first
                await manager.retry_job(job, priority=NOW)
                self.tell(f"{job.task_kwargs['batch']}: its worker gave no sign of life and is given up")

    async def _sweep(self) -> None:
        """Wake the batches that no job follows: what the engine has lost, or never heard of, the record has."""
        while True:
            wanted = await asyncio.to_thread(self.wanted)
            followed = {job.lock for job in await self.app.job_manager.list_jobs_async(queue=QUEUE)}
            for batch in wanted:
                if lock_of(batch) not in followed:
                    await deferrer(self.app, batch).defer_async(batch=batch)
            await asyncio.sleep(self.pulse.sweep)

    async def _was_given_up(self) -> bool:
        held = list(self.held.values())
        if not held:
            return False
        jobs = await self.app.job_manager.list_jobs_async(queue=QUEUE, status="doing", worker_id=held[0].worker_id)
        mine = {job.id for job in jobs}
        return any(job.id not in mine and job.id in self.held for job in held)

    async def _let_go(self) -> None:
        """Give back what is still this worker's and close the engine: turns end without a word about their jobs."""
        if self.given_up.is_set():
            return
        self.given_up.set()
        self.tell("this worker was away for too long and was given up; it begins anew")
        with suppress(library().exceptions.ConnectorException):
            for job in list(self.held.values()):
                if await self._is_mine(job):
                    await self.app.job_manager.retry_job(job, priority=NOW)
        await self.app.close_async()
