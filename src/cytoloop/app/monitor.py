"""Monitor: the readings of one batch held against what is expected of them, unit by unit.

Knows the batch as the record tells it, and what its intake remembers. What it tells waits in `waiting` until it is in
the record. `state` is everything that it needs to go on after a stop; `resumed` goes on.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from cytoloop.adapters.intake import Intake, between, untold
from cytoloop.app import monitored
from cytoloop.app.monitor_unit import Unit
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Entry, Fact
from cytoloop.core.errors import FindingError
from cytoloop.core.facts import monitoring
from cytoloop.core.intake import QUIET, Check, Moment
from cytoloop.core.json import JSON, canonical
from cytoloop.core.telemetry import ALWAYS, Readings, TelemetryStore, microseconds
from cytoloop.core.telemetry import moment as instant_of
from cytoloop.quality.expectation import changes, checks
from cytoloop.quality.expectation import units as units_of
from cytoloop.record.codec import Codec

FORMAT = "cytoloop-monitor/1"
CODEC = Codec(monitoring.FACTS)


@dataclass(slots=True)
class _Held:
    """What a unit's tags are held against, and for which state of the batch that was worked out."""

    position: int = -1
    changes: tuple[int, ...] = ()
    regime: int = -1
    """Number of changes that have come into force."""
    checks: tuple[Check, ...] = ()


@dataclass(slots=True, kw_only=True)
class Monitor:
    """See the module."""

    batch: Batch
    units: dict[str, Unit]
    """Those that measure anything, as the plant says."""
    intake: Intake = field(default_factory=Intake)
    waiting: list[Fact] = field(default_factory=list)
    """Told, and not in the record yet."""
    _held: dict[str, _Held] = field(default_factory=dict)

    @classmethod
    def resumed(cls, batch: Batch, state: bytes | None) -> "Monitor":
        """Go on from `state`, or from the batch's beginning when there is none. FindingError when it is damaged."""
        begins = microseconds(batch.created_at)
        units = {unit: Unit(since=begins) for unit, kind in sorted(units_of(batch).items()) if kind.signals}
        if state is None:
            return cls(batch=batch, units=units)
        line, _, body = state.partition(b"\n")
        try:
            head = json.loads(line)
            if head["format"] != FORMAT:
                raise ValueError(f"it is of format {head['format']}")
            units |= {unit: Unit(**kept) for unit, kept in head["units"].items()}
            waiting = [_decoded(batch, each["name"], each["data"]) for each in head["waiting"]]
        except (KeyError, TypeError, ValueError) as error:
            raise FindingError(
                f"what was kept of the intake of {batch.number} cannot be read ({error}); restore the telemetry"
            ) from error
        return cls(batch=batch, units=units, intake=Intake(state=body), waiting=waiting)

    def state(self) -> bytes:
        """Everything needed to go on."""
        head: JSON = {
            "format": FORMAT,
            "units": {unit: asdict(kept) for unit, kept in self.units.items()},
            "waiting": [{"name": each.NAME, "data": CODEC.encode(each)} for each in self.waiting],
        }
        return canonical(head) + b"\n" + self.intake.state()

    # -- what came ------------------------------------------------------------------------------------------------

    def take(self, unit: str, found: Readings | None, until: int) -> tuple[list[Readings], list[Readings]]:
        """Judge what a unit gave of the time up to `until`: (to be stored, late ones to be settled)."""
        line, kept, late = self.units[unit], list[Readings](), list[Readings]()
        until = max(until, line.since)
        for start, stop, part in self._parts(unit, found, line.since, until):
            self._arm(unit, start)
            if part is not None and len(part):
                taken = self.intake.take(part)
                kept, late = [*kept, taken.kept], [*late, taken.late]
                line.filled += taken.checked
                self.waiting += monitored.units_told(taken.units)
                self._tell(unit, taken.moments)
            self._tell(unit, self.intake.passed(self._tags(unit), stop))
        self._arm(unit, until)
        line.since = until
        return [each for each in kept if len(each)], [each for each in late if len(each)]

    def away(self, unit: str, now: int) -> None:
        """The unit cannot be asked at `now`."""
        self._arm(unit, now)
        self.waiting += self.units[unit].away(unit, now, self._held[unit].checks)

    def back(self, unit: str, now: int) -> None:
        """The unit was asked, and gave what it had up to now."""
        self.waiting += self.units[unit].back(unit, now, self._tags(unit))

    def given_up(self, now: int) -> None:
        """The batch is over: what units that cannot be asked measured meanwhile is not known to it."""
        for unit, line in self.units.items():
            self.waiting += line.back(unit, now, self._tags(unit), left=True)

    def settle(self, unit: str, late: Readings, store: TelemetryStore) -> None:
        """Keep of late readings what the store does not have, and tell of it; an excursion they show is one."""
        (first, last), tags = _ends(late), tuple(tag.name for tag in late.tags)
        reach = max(self.intake.check(tag).heartbeat for tag in tags) or QUIET
        stored = store.read(late.batch, first - reach, last + 1, tags)
        new, conflicts = untold(late, stored, self.intake)
        written = store.write([new])
        if written.kept:
            first, last = _ends(new)
            fact = monitored.late(unit, first, written.kept)
            self.waiting += self.units[unit].once("late", last, fact)
            self.waiting += self._excursions(new, first, last, store)
        self.conflicts(unit, conflicts + written.conflicting)

    def conflicts(self, unit: str, count: int) -> None:
        """So many readings of the unit came again with another value."""
        at = self.units[unit].since
        if count:
            self.waiting += self.units[unit].once("conflict", at, monitored.conflict(unit, at, count))

    def _excursions(self, late: Readings, first: int, last: int, store: TelemetryStore) -> Iterator[Fact]:
        """Read the stretch again with what came late in it, and tell the excursions that lie in it."""
        held = [check for tag in late.tags if (check := self.intake.check(tag.name)).tolerance >= 0]
        if not held:
            return
        reach = max(check.tolerance for check in held) + QUIET
        tags = [check.tag for check in held]
        again = Intake(held).take(store.read(late.batch, first - reach, last + reach, tags))
        for each in again.moments:
            if each.kind == "limit-excursion" and each.since <= last and each.at >= first:
                check = self.intake.check(each.tag)
                yield monitored.excursion(each, check, alarm="", until=instant_of(each.at))

    # -- what it is held against ----------------------------------------------------------------------------------

    def _parts(
        self, unit: str, found: Readings | None, since: int, until: int
    ) -> Iterator[tuple[int, int, Readings | None]]:
        """The time from `since` to `until` and what came of it, parted where other checks come into force.

        What lies before goes to the first part, what lies after to the last.
        """
        edges = [since, *(each for each in self._changes(unit).changes if since < each < until), until]
        for place, (start, stop) in enumerate(pairwise(edges)):
            low = start if place else ALWAYS[0]
            high = stop if place < len(edges) - 2 else ALWAYS[1]
            yield start, stop, between(found, low, high) if found is not None else None

    def _changes(self, unit: str) -> _Held:
        held = self._held.setdefault(unit, _Held())
        if held.position != self.batch.position:
            held.changes = tuple(map(microseconds, changes(self.batch, unit)))
            held.position, held.regime = self.batch.position, -1
        return held

    def _arm(self, unit: str, at: int) -> None:
        """Hold the unit's tags against what is in force from `at` on."""
        held = self._changes(unit)
        regime = sum(each <= at for each in held.changes)
        if regime == held.regime:
            return
        held.regime, before = regime, held.checks
        now = checks(self.batch, unit, instant_of(at))
        if now == before:
            return
        if _armed(before) and not _armed(now):
            left = self.intake.disarmed([each.tag for each in before], at)
            self._tell(unit, left, left=True)
        held.checks = now
        self.intake.arm(now)

    def _tags(self, unit: str) -> list[str]:
        held = self._held.get(unit)
        return [each.tag for each in held.checks] if held is not None else []

    def _tell(self, unit: str, moments: tuple[Moment, ...], *, left: bool = False) -> None:
        self.waiting += monitored.moments_told(unit, moments, self.intake.check, left=left)


def _ends(readings: Readings) -> tuple[int, int]:
    """Source times of the earliest and the latest."""
    at = memoryview(readings.at).cast("B").cast("q").tolist()
    return min(at), max(at)


def _armed(checks: tuple[Check, ...]) -> bool:
    unarmed = Check(tag="", unit="").armed
    return any(each.armed != unarmed for each in checks)


def _decoded(batch: Batch, name: str, data: dict[str, JSON]) -> Fact:
    """A fact that waited."""
    at, stream = batch.created_at, f"batch/{batch.number}"
    entry = Entry(
        sequence=-1, stream=stream, position=-1, name=name, actor="", happened_at=at, recorded_at=at, data=data
    )
    return CODEC.decode(entry).fact
