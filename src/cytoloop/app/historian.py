"""Historian: takes the readings of a running batch into the telemetry store, seals them, and checks what was sealed.

Readings are taken in now and then, sealed every `every` hours of the batch and at its end; each seal is an entry of the
batch. A seal that a crash kept out of the record is entered when the batch is carried on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.app.records import TELEMETRY, readable_store
from cytoloop.app.settings import Settings, read_settings
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Entry
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.store import Row
from cytoloop.core.telemetry import Segment, Source, TelemetryStore, microseconds, moment
from cytoloop.core.time import Clock, Instant, after
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger, entry_of
from cytoloop.record.segment import FORM, header

HISTORIAN = "system:historian"
SEAL_EVERY = 24.0
"""Hours of a batch from one seal to the next."""


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

    batch: str
    units: tuple[str, ...]
    store: TelemetryStore
    source: Source
    since: Instant
    """Readings before it were taken in."""
    noted: set[str]
    """Segments whose entry is in the record, or on its way into it."""
    task: "asyncio.Task[None] | None" = None

    def take_in(self, until: Instant) -> None:
        """Keep what was measured before `until`. Asking again repeats nothing: the store drops what it has."""
        found = (self.source.readings(self.batch, unit, self.since, until) for unit in self.units)
        self.store.write([readings for readings in found if readings is not None])
        self.since = until

    def observe(self, batch: Batch, now: Instant) -> Sequence[Draft]:
        """Entries for the segments that were sealed meanwhile (`production.runner.Observer`).

        Raises what stopped the taking in, if it stopped: a batch does not go on without its readings being kept.
        """
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()
        new = [each for each in self.store.segments(self.batch) if each.name not in self.noted]
        self.noted |= {each.name for each in new}
        return [Draft(fact=sealed(each), actor=HISTORIAN, happened_at=now) for each in new]


@dataclass(frozen=True, slots=True, kw_only=True)
class Historian:
    """Follows batches."""

    store: TelemetryStore
    source: Source
    ledger: Ledger
    clock: Clock
    poll: float
    """Hours from one taking in to the next: what a crash may leave to the equipment's own memory."""
    every: float = SEAL_EVERY

    @asynccontextmanager
    async def following(self, batch: Batch) -> AsyncIterator[Following]:
        """Follow the batch until the block ends; then all of its readings are sealed, and `observe` tells of it."""
        stream = self.ledger.stream(f"batch/{batch.number}")
        followed = Following(
            batch=batch.number,
            units=tuple(sorted(set(batch.created.equipment.values()))),
            store=self.store,
            source=self.source,
            since=batch.created_at,
            noted={each.fact.segment for each in stream if isinstance(each.fact, TelemetrySealed)},
        )
        followed.task = asyncio.create_task(self._follow(followed, batch.created_at))
        try:
            yield followed
        finally:
            followed.task.cancel()
            await asyncio.gather(followed.task, return_exceptions=True)
        followed.take_in(self.clock.now())
        self.store.seal(batch.number, microseconds(self.clock.now()))

    async def _follow(self, followed: Following, begins: Instant) -> None:
        """Take in and seal in turn. Ends when cancelled, or with the error of a store that cannot write."""
        sealed_at = begins
        while True:
            await self.clock.until(after(max(followed.since, begins), self.poll))
            followed.take_in(self.clock.now())
            if followed.since >= after(sealed_at, self.every):
                sealed_at = followed.since
                self.store.seal(followed.batch, microseconds(sealed_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryChecked:
    """Telemetry in which every sealed reading is as the record says."""

    segments: int
    readings: int
    unsealed: int
    """Readings in the store that no entry protects yet."""
    elsewhere: int = 0
    """Segments that other folders of the same record keep: not checked here."""


def verify_telemetry_of(folder: Path, settings: Settings | None = None) -> TelemetryChecked:
    """Check the telemetry of a data folder whose record was verified; see `verify_telemetry`.

    `settings`: those that hold for it, when they are not in it.
    """
    part = (settings or read_settings(folder)).telemetry == "part"
    with readable_store(folder) as store, readable_telemetry(folder) as telemetry:
        return verify_telemetry(store.rows(), telemetry, part=part)


def verify_telemetry(rows: Iterable[Row], store: TelemetryStore | None, *, part: bool = False) -> TelemetryChecked:
    """Check that every segment the record speaks of is there, whole and as it was sealed.

    `rows`: of the record, verified before. `part`: what is not there is in another folder of the same record, and is
    only counted. FindingError names batch, segment and entry of the first that is not as it must be.
    """
    segments = readings = elsewhere = 0
    known: set[str] = set()
    here = frozenset(store.batches()) if store is not None else frozenset[str]()
    codec = Codec((TelemetrySealed,))
    for row in rows:
        if row.name == TelemetrySealed.NAME:
            entry = entry_of(row)
            fact = codec.decode(entry).fact
            assert isinstance(fact, TelemetrySealed), "it has the name"
            known.add(fact.segment)
            if part and fact.batch not in here:  # a folder keeps all readings of a batch, or none
                elsewhere += 1
                continue
            readings += _checked(entry, fact, store)
            segments += 1
    unsealed = _unprotected(store, known)
    return TelemetryChecked(segments=segments, readings=readings, unsealed=unsealed, elsewhere=elsewhere)


def _checked(entry: Entry, fact: TelemetrySealed, store: TelemetryStore | None) -> int:
    """Readings of the segment; FindingError when it is not what the entry says."""
    about = f"segment {fact.segment} of batch {fact.batch}, sealed by entry {entry.sequence},"
    if store is None:
        raise FindingError(
            f"{about} is missing with all telemetry; restore {TELEMETRY} from a copy, or, when other folders "
            "that share the record keep it, say `telemetry: part` in cytoloop.yaml"
        )
    try:
        data = store.segment(fact.segment)
    except (FindingError, UserError) as error:
        raise FindingError(f"{about} is missing or damaged: {error}") from error
    if sha256(data).hexdigest() != fact.sha256:
        raise FindingError(f"{about} was changed after it was sealed; restore {TELEMETRY} from a copy")
    told = next((each for each in store.segments(fact.batch) if each.name == fact.segment), None)
    if told is None or sealed(told) != fact or header(data)["segment"] != fact.segment:
        raise FindingError(f"{about} is filed under another description; restore {TELEMETRY} from a copy")
    return fact.readings


def _unprotected(store: TelemetryStore | None, known: set[str]) -> int:
    """Readings that no entry protects: open ones, and segments whose entry a crash kept out of the record."""
    if store is None:
        return 0
    batches = store.batches()
    waiting = (each.readings for batch in batches for each in store.segments(batch) if each.name not in known)
    return sum(store.unsealed(batch) for batch in batches) + sum(waiting)
