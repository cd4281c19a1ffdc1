"""A batch whose equipment says what a test wants, followed by the historian: for tests of what comes in."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryTelemetry
from cytoloop.app.historian import Historian
from cytoloop.app.packs import read_pack
from cytoloop.app.production import read_batch
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.facts import monitoring
from cytoloop.core.facts.production import BatchFinished, StepCompleted, StepStarted
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.master import MasterRecipe
from cytoloop.core.product import AlarmLimit, EquipmentClass, IntakeCheck
from cytoloop.core.telemetry import Readings, Tag, TelemetryStore, microseconds
from cytoloop.core.time import Instant, after
from cytoloop.production.journal import Direct, Journal
from cytoloop.record.segment import FORM
from cytoloop.testing.builders import START, Book, approved, created

BATCH, UNIT = "B-X001", "bioreactor-01"
CELSIUS, PH = Tag(f"{UNIT}/temperature", "°C"), Tag(f"{UNIT}/ph", "pH")
LIMIT = AlarmLimit(signal="temperature", unit="°C", low=36.0, high=38.0, tolerance=1.0)
CHECK = IntakeCheck(signal="temperature", unit="°C", low=0.0, high=60.0, silence=0.5)


@cache
def shipped() -> MasterRecipe:
    """The shipped pack's master recipe."""
    return read_pack("car_t_cd19").master


def watched(*limits: AlarmLimit, checks: Sequence[IntakeCheck] = (CHECK,)) -> MasterRecipe:
    """The shipped master recipe with these alarm limits and checks on its bioreactors."""

    def of(each: EquipmentClass) -> EquipmentClass:
        return replace(each, alarms=limits, checks=tuple(checks)) if each.equipment_class == "bioreactor" else each

    master = shipped()
    return replace(master, plant=replace(master.plant, classes=tuple(map(of, master.plant.classes))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A reading that the equipment has; times are hours of the batch."""

    at: float
    value: float
    tag: Tag = CELSIUS
    status: int = 0
    arrives: float | None = None
    """When it can be had; None: at once."""
    server: float | None = None


def steady(start: float, stop: float, value: float = 37.0, every: float = 1 / 12, tag: Tag = CELSIUS) -> list[Row]:
    """A reading every five minutes, or `every` hours, from `start` up to `stop`."""
    return [Row(at=start + every * n, value=value, tag=tag) for n in range(round((stop - start) / every))]


@dataclass
class Scripted:
    """A source that has these rows, cannot be asked `away`, and gives what it has in any order, some of it twice."""

    rows: list[Row]
    clock: SimulatedClock
    away: tuple[tuple[float, float], ...] = ()
    dice: np.random.Generator | None = None

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        now = self.clock.now()
        if any(after(START, start) <= now < after(START, stop) for start, stop in self.away):
            raise UnreachableError(f"{unit} does not answer")
        found = [
            row
            for row in self.rows
            if row.tag.name.startswith(f"{unit}/")
            and since <= after(START, row.at) < until
            and after(START, row.at if row.arrives is None else row.arrives) <= now
        ]
        if self.dice is not None and found:
            found += [found[place] for place in self.dice.integers(len(found), size=3)]
            found = [found[place] for place in self.dice.permutation(len(found))]
        return _block(batch, found, now) if found else None


def _block(batch: str, rows: list[Row], now: Instant) -> Readings:
    tags = tuple(dict.fromkeys(row.tag for row in rows))
    server = [microseconds(after(START, row.server)) for row in rows if row.server is not None]
    return Readings(
        batch=batch,
        tags=tags,
        tag=np.array([tags.index(row.tag) for row in rows], np.uint16).data,
        at=np.array([microseconds(after(START, row.at)) for row in rows], np.int64).data,
        received=np.full(len(rows), microseconds(now)).data,
        value=np.array([row.value for row in rows]).data,
        status=np.array([row.status for row in rows], np.uint32).data,
        server=np.array(server, np.int64).data if len(server) == len(rows) else b"",
    )


class CrashError(Exception):
    """The process is gone."""


@dataclass
class Followed:
    """A batch on a bioreactor that it entered at hour 0, and a historian that can be stopped and started again."""

    rows: list[Row]
    master: MasterRecipe = field(default_factory=lambda: watched(LIMIT))
    store: TelemetryStore = field(default_factory=lambda: MemoryTelemetry(FORM))
    away: tuple[tuple[float, float], ...] = ()
    poll: float = 0.25
    settle: float = 0.0
    again: float = 0.0
    dice: np.random.Generator | None = None
    book: Book = field(default_factory=Book)
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(START))
    journal: Journal | None = None

    def __post_init__(self) -> None:
        self.source = Scripted(self.rows, self.clock, self.away, self.dice)
        self.book.tell(f"recipe/fixed/{self.master.recipe.recipe}", approved(self.master, line="fixed"))
        self.enter(created(self.master, BATCH, line="fixed"), 0.0)
        self.step("activation/seed", "program", 0.0)

    def enter(self, fact: Fact, hours: float) -> Recorded:
        """Enter a fact into the batch's stream as of that hour of the batch."""
        ledger, stream = self.book.ledger, f"batch/{BATCH}"
        draft = Draft(fact=fact, actor="system:test", happened_at=after(START, hours))
        return ledger.append(stream, [draft], expected=ledger.position(stream))[0]

    def step(self, step: str, verb: str, hours: float, **arguments: float) -> None:
        """A step on the bioreactor that begins and ends at that hour."""
        key = f"{BATCH}/{step}#1"
        started = StepStarted(step=step, attempt=1, key=key, target=UNIT, verb=verb, arguments=dict(arguments))
        self.enter(started, hours)
        self.enter(StepCompleted(step=step, attempt=1, values={}), hours)

    @property
    def batch(self) -> Batch:
        """The batch as the record tells it."""
        return read_batch(self.book.ledger, BATCH)

    def historian(self) -> Historian:
        """A historian as it would be started now."""
        return Historian(
            store=self.store, source=self.source, ledger=self.book.ledger, clock=self.clock, poll=self.poll,
            settle=self.settle, again=self.again, to=self.journal or Direct(self.book.ledger),
        )  # fmt: skip

    async def run(self, until: float, *, crash: bool = False) -> None:
        """Follow the batch up to that hour; then stop in order, or, with `crash`, as a process that is killed."""

        async def followed() -> None:
            with suppress(CrashError):
                async with self.historian().following(self.batch) as following:
                    while self.clock.now() < after(START, until):
                        await self.clock.until(min(after(self.clock.now(), 1.0), after(START, until)))
                        following.observe(following.batch, self.clock.now())
                    if crash:
                        raise CrashError
                await following.entered(self.batch)

        await self.clock.together(followed())

    def go(self, *hours: float, finish: bool = False) -> "Followed":
        """Run to each of these hours in turn; at all but the last the process is killed. `finish`: the batch ends."""
        for place, until in enumerate(hours):
            last = place == len(hours) - 1
            if last and finish:
                self.enter(BatchFinished(), until)
            asyncio.run(self.run(until, crash=not last))
        return self

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        """Facts of these kinds in the batch's stream, of monitoring when none is named."""
        wanted = kinds or monitoring.FACTS
        return [each.fact for each in self.book.ledger.stream(f"batch/{BATCH}") if isinstance(each.fact, wanted)]

    def told(self) -> list[str]:
        """What readings showed, in short: "alarm-raised high 2.0"."""
        return [_short(fact) for fact in self.facts()]

    def deviations(self) -> list[str]:
        """What the deviations say."""
        return [fact.what for fact in self.facts(DeviationOpened) if isinstance(fact, DeviationOpened)]

    def stored(self, tag: Tag = CELSIUS) -> list[float]:
        """Hours of the readings of a tag that are in the store."""
        rows = self.store.read(BATCH, tags=[tag.name]).rows()
        return [round((at - microseconds(START)) / 3.6e9, 4) for _, at, *_ in rows]


def _short(fact: Fact) -> str:
    name = fact.NAME.partition("/")[0]
    kind = getattr(fact, "kind", getattr(fact, "why", ""))
    moment = getattr(fact, "since", getattr(fact, "first", getattr(fact, "at", None)))
    return f"{name} {kind} {(moment - START).total_seconds() / 3600:.2f}" if moment is not None else name
