"""Monitored: what readings showed, as facts for the record. The same moment gives the same fact, with the same key."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from math import isfinite, isnan

from cytoloop.adapters.intake import Refused
from cytoloop.core.entry import Fact
from cytoloop.core.facts.monitoring import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmKind,
    AlarmRaised,
    ExcursionFound,
    GapKind,
    IntakeFinding,
    TelemetryGap,
)
from cytoloop.core.intake import AHEAD, NEVER, Check, Moment
from cytoloop.core.telemetry import moment as instant_of
from cytoloop.core.time import Instant

HOUR = 3_600_000_000
"""Microseconds."""

Key = tuple[object, ...]


def key_of(fact: Fact) -> Key | None:
    """What makes a fact of monitoring one occurrence; None for a fact of another kind."""
    match fact:
        case AlarmRaised() | AlarmCleared():
            return (fact.NAME, fact.alarm)
        case AlarmAcknowledged():
            return (fact.NAME, fact.alarm)
        case ExcursionFound():
            return (fact.NAME, fact.alarm or fact.tag, fact.since)
        case TelemetryGap():
            return (fact.NAME, fact.equipment, fact.kind, fact.tags, fact.first)
        case IntakeFinding(kind="unit-converted" | "unit-refused"):
            return (fact.NAME, fact.kind, fact.of, fact.what)
        case IntakeFinding():
            return (fact.NAME, fact.kind, fact.of, fact.at)
        case _:
            return None


def alarm_name(tag: str, condition: str, since: int) -> str:
    """The name of an alarm: "bioreactor-01/temperature/limit/20260604T102000Z"."""
    when = instant_of(since)
    stamp = when.strftime("%Y%m%dT%H%M%S.%f" if when.microsecond else "%Y%m%dT%H%M%S")
    return f"{tag}/{condition}/{stamp}Z"


def moments_told(
    unit: str, moments: Iterable[Moment], check: Callable[[str], Check], *, left: bool = False
) -> list[Fact]:
    """The facts that moments of a unit's tags are. `left`: the batch has left the unit, which is why alarms clear."""
    gaps: dict[tuple[GapKind, int, int, int], list[str]] = {}
    facts: list[Fact] = []
    for each in moments:
        if each.kind in ("silence", "sequence", "overflow"):
            kind: GapKind = each.kind
            gaps.setdefault((kind, each.since, each.at, each.count), []).append(each.tag)
        else:
            facts.append(_fact(each, check(each.tag), left=left))
    # Signals that are measured together fall silent together: one gap of several tags.
    facts += [
        TelemetryGap(
            equipment=unit,
            tags=tuple(sorted(set(tags))),
            kind=kind,
            first=instant_of(since),
            last=instant_of(at),
            missing=count or None,
        )
        for (kind, since, at, count), tags in gaps.items()
    ]
    return facts


def _fact(moment: Moment, check: Check, *, left: bool) -> Fact:
    condition, _, what = moment.kind.partition("-")
    name = alarm_name(moment.tag, condition, moment.since)
    match what:
        case "cleared":
            return AlarmCleared(alarm=name, at=instant_of(moment.at), why="out-of-use" if left else "returned")
        case "raised":
            return AlarmRaised(
                alarm=name,
                tag=moment.tag,
                kind=_kind(moment, check),
                priority=check.priority,
                since=instant_of(moment.since),
                at=instant_of(moment.at),
                value=_number(moment.value),
                unit=check.unit,
                low=_number(check.low) if condition == "limit" else None,
                high=_number(check.high) if condition == "limit" else None,
            )
        case "excursion":
            return excursion(moment, check, alarm=name)
        case _:
            return IntakeFinding(
                kind=moment.kind,  # type: ignore[arg-type]  # one of the kinds listed there
                of=moment.tag,
                at=instant_of(moment.at),
                what=_what(moment, check),
            )


def excursion(moment: Moment, check: Check, *, alarm: str, until: Instant | None = None) -> ExcursionFound:
    """The fact that a moment of the kinds "limit-excursion" and "missing-excursion" is."""
    limited = moment.kind == "limit-excursion"
    return ExcursionFound(
        alarm=alarm,
        tag=moment.tag,
        kind=_kind(moment, check),
        since=instant_of(moment.since),
        at=instant_of(moment.at),
        until=until,
        value=_number(moment.value),
        unit=check.unit,
        low=_number(check.low) if limited else None,
        high=_number(check.high) if limited else None,
        tolerance=(check.tolerance if limited else max(check.tolerance, check.silence)) / HOUR,
    )


def units_told(refused: Iterable[Refused]) -> Iterator[IntakeFinding]:
    """What is said of readings that came in another unit than the plant's."""
    for each in refused:
        if each.at == NEVER:
            continue
        if each.why:
            what = f"{each.tag} comes in {each.unit!r} and is not kept: {each.why}"
        else:
            what = f"{each.tag} comes in {each.unit!r} and is converted to {each.house_unit!r} as it comes in"
        yield IntakeFinding(
            kind="unit-refused" if each.why else "unit-converted", of=each.tag, at=instant_of(each.at), what=what
        )


def late(unit: str, at: int, kept: int) -> IntakeFinding:
    """Readings that came after later ones of their tags, and are kept."""
    what = f"{kept} readings of {unit} came after later ones had been judged; they are kept, and judged by themselves"
    return IntakeFinding(kind="late", of=unit, at=instant_of(at), what=what)


def conflict(unit: str, at: int, count: int) -> IntakeFinding:
    """Readings that came again with another value, of which the first stands."""
    what = (
        f"{count} readings of {unit} came again with another value or status for the same signal and source time; the "
        "first that came is kept"
    )
    return IntakeFinding(kind="conflict", of=unit, at=instant_of(at), what=what)


def _kind(moment: Moment, check: Check) -> AlarmKind:
    if moment.kind.startswith("missing"):
        return "missing"
    return "low" if moment.value < check.low + check.hysteresis else "high"


def _what(moment: Moment, check: Check) -> str:
    value = f"{moment.value:.6g} {check.unit}"
    match moment.kind:
        case "range":
            within = f"{check.least:g} to {check.most:g} {check.unit}"
            return f"{moment.tag} showed {value}, which its probe cannot ({within}); the value is kept and called bad"
        case "future":
            ahead = f"{timedelta(microseconds=AHEAD).total_seconds() / 60:g} min"
            return (
                f"{moment.tag} is stamped more than {ahead} after it came in; it is kept, and no alarm is judged by it"
            )
        case "before":
            return f"{moment.tag} is stamped before the batch began; it is not kept"
        case _:
            return f"{moment.tag}: the clocks of source and server differ by {moment.value:.0f} s"


def _number(value: float) -> float | None:
    return None if isnan(value) or not isfinite(value) else value
