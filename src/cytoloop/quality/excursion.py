"""Excursion: a monitored signal outside its limits, or missing, for longer than its tolerance. Pure.

Two ways show one: the readings that a step of the recipe took (`readings-recorded/1`), and telemetry, in which the
historian watches every reading (`excursion-found/1`). What they say of the same signal at the same time is one and the
same excursion, and one deviation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cytoloop.core.batch import Batch, Told
from cytoloop.core.facts.monitoring import ExcursionFound
from cytoloop.core.product import AlarmLimit
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant, hours_between
from cytoloop.quality.expectation import Limits, limits, units, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """One time outside, or without readings."""

    about: tuple[str, str]
    """Equipment id and signal; "missing" for the signal where readings are missing: one unit, one excursion."""
    suffix: str
    """What its deviation's number ends with."""
    since: Instant
    until: Instant | None
    """None while it lasts, as far as is known."""
    position: int
    """Of the entry that showed it."""
    what: str

    def same(self, other: "Excursion") -> bool:
        """Whether both tell of one and the same excursion: the same signal, at a common time."""
        begins_before = other.until is None or self.since <= other.until
        return self.about == other.about and begins_before and (self.until is None or other.since <= self.until)


def excursions(batch: Batch) -> tuple[Excursion, ...]:
    """Every excursion that the batch's entries show, each once, in the order of the entries that showed them.

    Where two entries show the same one, the one that a deviation stands for already is given, else the first.
    """
    found = sorted((*_read(batch), *_monitored(batch)), key=lambda each: (each.position, each.suffix))
    owners: list[Excursion] = [each for each in found if number(batch, each) in batch.deviations]
    for each in found:
        if not any(each.same(owner) for owner in owners):
            owners.append(each)
    return tuple(sorted(owners, key=lambda each: (each.position, each.suffix)))


def number(batch: Batch, excursion: Excursion) -> str:
    """The number of the deviation that an excursion is."""
    return f"{batch.number}-D{excursion.position:04d}{excursion.suffix}"


def _monitored(batch: Batch) -> Iterator[Excursion]:
    """What telemetry showed."""
    for told in batch.excursions:
        fact = told.fact
        unit, _, signal = fact.tag.partition("/")
        missing = fact.kind in ("missing", "unreachable")
        alarm = batch.alarms.get(fact.alarm)
        yield Excursion(
            about=(unit, "missing" if missing else signal),
            suffix=f"-{unit}-{'missing' if missing else signal}",
            since=fact.since,
            until=alarm.cleared.fact.at if alarm and alarm.cleared else fact.until,
            position=told.position,
            what=_told(told, unit, signal),
        )


def _told(told: Told[ExcursionFound], unit: str, signal: str) -> str:
    fact = told.fact
    if fact.kind == "unreachable":
        return f"{unit} could not be asked since {fact.since.isoformat()}, for longer than {fact.tolerance:g} h"
    if fact.kind == "missing":
        return (
            f"no usable reading of {signal} of {unit} came since {fact.since.isoformat()}, for longer than "
            f"{fact.tolerance:g} h"
        )
    reading = Reading(signal=signal, value=fact.value or 0.0, unit=fact.unit, at=fact.at, source=unit)
    return _outside(reading, (fact.low, fact.high), fact.tolerance)


def _outside(reading: Reading, limits: tuple[float | None, float | None], hours: float) -> str:
    limit = " to ".join("–" if each is None else f"{each:g}" for each in limits)
    return (
        f"{reading.signal} of {reading.source} was {reading.value:.4g} {reading.unit} at {reading.at.isoformat()}, "
        f"outside {limit} {reading.unit} for longer than {hours:g} h"
    )


@dataclass(slots=True)
class _Watch:
    """One monitored signal while the readings of steps are read through in order."""

    alarm: AlarmLimit
    limits: Limits
    since: Instant | None = None
    """When the signal left its limits; None while it is inside."""
    noted: bool = False

    def over(self, reading: Reading) -> bool:
        """Whether `reading` makes this an excursion: true once for each time outside."""
        low, high = within(self.limits, reading.at)
        room = 0.0 if self.since is None else self.alarm.deadband
        if low + room <= reading.value <= high - room:
            self.since, self.noted = None, False
            return False
        self.since = self.since or reading.at
        lasted = hours_between(self.since, reading.at)
        if self.noted or not (lasted > self.alarm.tolerance or self.alarm.tolerance == 0):
            return False
        self.noted = True
        return True


def _read(batch: Batch) -> Sequence[Excursion]:
    """What the readings of steps show."""
    watches = {
        (unit, alarm.signal): _Watch(alarm, limits(batch, unit, alarm))
        for unit, kind in units(batch).items()
        for alarm in kind.alarms
    }
    lasting: dict[tuple[str, str], int] = {}
    found: list[Excursion] = []
    for position, reading in ((told.position, each) for told in batch.readings for each in told.fact.readings):
        about = (reading.source, reading.signal)
        watch = watches.get(about)
        # A reading the equipment itself calls bad says nothing of the process.
        if watch is None or reading.quality == "bad":
            continue
        if watch.over(reading):
            lasting[about] = len(found)
            found.append(_seen(watch, reading, position))
        elif watch.since is None and about in lasting:
            place = lasting.pop(about)
            found[place] = replace(found[place], until=reading.at)
    return found


def _seen(watch: _Watch, reading: Reading, position: int) -> Excursion:
    return Excursion(
        about=(reading.source, reading.signal),
        suffix=f"-{reading.source}-{reading.signal}",
        since=watch.since or reading.at,
        until=None,
        position=position,
        what=_outside(reading, within(watch.limits, reading.at), watch.alarm.tolerance),
    )
