"""Following: the readings of one batch on their way into the record.

Readings are kept first, then what is remembered of them, and only then is entered into the record what they showed: a
crash in between makes it say the same again. Seals are entered by whoever carries the batch; alarms, gaps, findings and
excursions at once, beside it, and with an excursion its deviation.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from cytoloop.adapters.intake import stamped
from cytoloop.app.monitor import Monitor
from cytoloop.app.monitored import Key, key_of
from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch, apply
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.errors import ConflictError
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.telemetry import Readings, Segment, microseconds, moment
from cytoloop.core.time import Instant, after
from cytoloop.record.segment import FORM

if TYPE_CHECKING:
    from cytoloop.app.historian import Historian

HISTORIAN = "system:historian"
SEAL_FROM = 1_000_000
"""Readings kept since the last seal from which on the next does not wait: a seal is a bounded piece of work."""
AT_ONCE = 6.0
"""Hours that are asked for in one question; more is asked for in several."""
MOST_HELD = 500_000
"""Readings that are held in memory until they are kept."""
TRIES = 100
"""Times that an entry is tried again when others wrote into the batch's stream first."""


def sealed(segment: Segment) -> TelemetrySealed:
    """The fact that a segment was sealed."""
    return TelemetrySealed(
        segment=segment.name,
        batch=segment.batch,
        format=FORM.name,
        first=moment(segment.first),
        last=moment(segment.last),
        readings=segment.readings,
        tags=segment.tags,
        sha256=segment.sha256,
    )


@dataclass(slots=True, kw_only=True)
class Following:
    """The readings of one batch on their way into the record."""

    by: "Historian"
    monitor: Monitor
    noted: set[Key]
    """What is in the record of what readings showed."""
    unsaid: list[Segment]
    """Segments whose entry is not in the record yet."""
    kept_at: Instant
    sealed_at: Instant
    held: list[Readings] = field(default_factory=list)
    """Judged, and not kept yet."""
    since_seal: int = 0
    task: "asyncio.Task[None] | None" = None

    @property
    def batch(self) -> Batch:
        """The batch as it was read last."""
        return self.monitor.batch

    def observe(self, batch: Batch, now: Instant) -> Sequence[Draft]:
        """Entries for the segments that were sealed meanwhile (`production.runner.Observer`).

        Raises what stopped the taking in, if it stopped: a batch does not go on without its readings being kept.
        """
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()
        self._look()
        return [Draft(fact=sealed(each), actor=HISTORIAN, happened_at=now) for each in self.unsaid]

    async def entered(self, batch: Batch) -> Batch:
        """Enter the seals that nobody entered yet; the batch as it then stands."""
        self._look()
        await self._append([sealed(each) for each in self.unsaid])
        return self.batch if self.batch.position >= batch.position else batch

    async def take_in(self, *, until: Instant | None = None) -> None:
        """Ask every unit for what is new up to `until` (left out: what has settled by now), judge it and keep it."""
        now = self.by.clock.now()
        upto = until or max(after(now, -self.by.settle), self.batch.created_at)
        self._look()
        for unit in self.monitor.units:
            await self._ask(unit, upto, now)
        if self.monitor.waiting or now >= after(self.kept_at, self.by.keep):
            await self._keep(now)
        await self._tell()

    async def seal(self, upto: Instant) -> None:
        """Close what was measured before `upto` as segments."""
        await self._keep(self.by.clock.now())
        self.unsaid += await self.by.aside(self.by.store.seal, self.batch.number, microseconds(upto))
        self.sealed_at, self.since_seal = upto, 0

    async def finish(self) -> None:
        """Take in and seal what there is; all of it once the batch has ended."""
        self._look()
        now = self.by.clock.now()
        await self.take_in(until=now if self.batch.ended else None)
        if self.batch.ended:
            self.monitor.given_up(microseconds(now))
        await self.seal(now)
        await self._tell()

    # -- asking ---------------------------------------------------------------------------------------------------

    async def _ask(self, unit: str, upto: Instant, now: Instant) -> None:
        line = self.monitor.units[unit]
        while line.since < microseconds(upto):
            stop = min(upto, after(moment(line.since), AT_ONCE))
            begin = max(after(moment(line.since), -self.by.again), self.batch.created_at)
            try:
                found = await self.by.source.readings(self.batch.number, unit, begin, stop)
            except UnreachableError:
                self.monitor.away(unit, microseconds(now))
                return
            if found is not None:  # the platform's clock says when, whatever clock the source's door looks at
                found = stamped(found, microseconds(self.by.clock.now()))
            await self.by.aside(self._judge, unit, found, microseconds(stop))
            if sum(map(len, self.held)) > MOST_HELD:
                await self._keep(now)
        self.monitor.back(unit, microseconds(now))

    def _judge(self, unit: str, found: Readings | None, until: int) -> None:
        kept, late = self.monitor.take(unit, found, until)
        self.held += kept
        if late:
            self._write()  # what came late is held against what is stored
        for each in late:
            self.monitor.settle(unit, each, self.by.store)

    async def _keep(self, now: Instant) -> None:
        """Keep what was judged, and then what is remembered of it: never the other way round."""
        await self.by.aside(self._write)
        self.kept_at = now
        if self.since_seal >= SEAL_FROM:
            await self.seal(now)

    def _write(self) -> None:
        self.since_seal += sum(map(len, self.held))
        for unit, blocks in groupby(sorted(self.held, key=_unit), _unit):
            written = self.by.store.write(list(blocks))
            self.monitor.conflicts(unit, written.conflicting)
        self.held = []
        self.by.store.write([], {self.batch.number: self.monitor.state()})

    # -- telling --------------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Enter what readings showed, each occurrence once, and at once the deviations that follow."""
        if not self.monitor.waiting:
            return
        self._look()
        facts = {key_of(fact): fact for fact in self.monitor.waiting}
        await self._append([fact for key, fact in facts.items() if key not in self.noted])
        self.monitor.waiting.clear()

    async def _append(self, facts: Sequence[Fact]) -> None:
        """Append `facts` wherever the batch's stream ends, then what quality finds in the batch by them."""
        if not facts:
            return
        now = self.by.clock.now()
        drafts = [Draft(fact=fact, actor=HISTORIAN, happened_at=now) for fact in facts]
        await self._say(lambda: drafts)
        await self._say(lambda: inspect(self.batch, now))

    async def _say(self, wanted: Callable[[], Sequence[Draft]]) -> None:
        stream = f"batch/{self.batch.number}"
        for _ in range(TRIES):
            if not (drafts := wanted()):
                return
            with suppress(ConflictError):
                await self.by.journal.append(stream, drafts, expected=self.batch.position)
                self._look()
                return
            self._look()
        raise ConflictError(f"{stream} could not be appended to: others appended {TRIES} times first; run it again")

    def _look(self) -> None:
        """Read what was entered into the batch's stream since."""
        stream = f"batch/{self.batch.number}"
        if self.by.ledger.position(stream) > self.batch.position:
            for recorded in self.by.ledger.stream(stream, self.batch.position):
                self.monitor.batch = apply(self.monitor.batch, recorded)
                key, fact = key_of(recorded.fact), recorded.fact
                self.noted |= {key} if key is not None else set()
                if isinstance(fact, TelemetrySealed):
                    self.unsaid = [each for each in self.unsaid if each.name != fact.segment]


def _unit(block: Readings) -> str:
    return block.tags[0].name.partition("/")[0]
