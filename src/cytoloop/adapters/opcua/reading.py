"""Readings read back: HistoryRead of many signals in one request, turned into house units with their status codes."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from cytoloop.adapters.opcua.library import code_of, library
from cytoloop.adapters.opcua.units import Scale
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import EPOCH, Readings, Tag, microseconds, quality
from cytoloop.core.time import Instant

NAN = float("nan")
PAGES = 10_000
"""Pages of one history that are followed at most: a server that never ends is not followed for ever."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of one unit: where it is and what its values are."""

    unit: str
    name: str
    node: Any
    scale: Scale

    @property
    def tag(self) -> Tag:
        """Its tag in the telemetry."""
        return Tag(f"{self.unit}/{self.name}", self.scale.unit)


@dataclass(frozen=True, slots=True)
class Value:
    """One value as it came: source time, number in house units (NaN: none), status code."""

    at: Instant
    number: float
    status: int


async def history(client: Any, signals: Sequence[Signal], since: Mapping[str, Instant]) -> dict[str, list[Value]]:
    """Values of each signal with a source time after `since` of its tag (all that is kept when it names none).

    Oldest first, each source time once. The library's error when a server does not answer or keeps no history.
    """
    starts: dict[Instant, list[Signal]] = {}
    for signal in signals:
        starts.setdefault(since.get(signal.tag.name, EPOCH), []).append(signal)
    found: dict[str, list[Value]] = {}
    for start, together in starts.items():
        pages = await _pages(client, [signal.node for signal in together], start)
        for signal, values in zip(together, pages, strict=True):
            found[signal.tag.name] = _settled(signal, values, start)
    return found


def _settled(signal: Signal, values: Iterable[Any], start: Instant) -> list[Value]:
    """In order of source time, each once: of two with one source time the first that came stays."""
    once: dict[Instant, Value] = {}
    for each in values:
        value = value_of(signal.scale, each)
        if value is not None and value.at > start:
            once.setdefault(value.at, value)
    return [once[at] for at in sorted(once)]


def value_of(scale: Scale, value: Any) -> Value | None:
    """A DataValue with its own source time and code; None when it has no source time: nobody can say when it was."""
    at = value.SourceTimestamp
    if at is None:
        return None
    variant = value.Value.Value if value.Value is not None else None
    number = scale.house(float(variant)) if isinstance(variant, int | float) else NAN
    return Value(at if at.tzinfo else at.replace(tzinfo=UTC), number, code_of(value))


async def _pages(client: Any, nodes: Sequence[Any], start: Instant) -> list[list[Any]]:
    ua = library().ua
    details = ua.ReadRawModifiedDetails(IsReadModified=False, StartTime=start, EndTime=ua.get_win_epoch())
    details.NumValuesPerNode, details.ReturnBounds = 0, False
    found: list[list[Any]] = [[] for _ in nodes]
    points: dict[int, bytes | None] = dict.fromkeys(range(len(nodes)))
    for _ in range(PAGES):
        parameters = ua.HistoryReadParameters(HistoryReadDetails=details, TimestampsToReturn=ua.TimestampsToReturn.Both)
        parameters.NodesToRead = [ua.HistoryReadValueId(NodeId=nodes[p], ContinuationPoint=at) for p, at in points.items()]
        results = await client.uaclient.session.history_read(parameters)
        following: dict[int, bytes | None] = {}
        for (place, before), result in zip(points.items(), results, strict=True):
            result.StatusCode.check()
            found[place] += getattr(result.HistoryData, "DataValues", None) or []
            if result.ContinuationPoint and result.ContinuationPoint != before:
                following[place] = result.ContinuationPoint
        if not following:
            break
        points = following
    return found


def as_readings(signal: Signal, values: Iterable[Value]) -> list[Reading]:
    """As readings of the batch record. A value that is no number is no reading there; the telemetry keeps it."""
    return [
        Reading(
            signal=signal.name, value=value.number, unit=signal.scale.unit, at=value.at, quality=quality(value.status),
            source=signal.unit,
        )
        for value in values
        if value.number == value.number
    ]  # fmt: skip


def as_columns(batch: str, found: Sequence[tuple[Signal, Sequence[Value]]], received: Instant) -> Readings | None:
    """As columns of the telemetry, with their codes; None when there are none."""
    rows = [(place, value) for place, (_, values) in enumerate(found) for value in values]
    if not rows:
        return None
    return Readings(
        batch=batch,
        tags=tuple(signal.tag for signal, _ in found),
        tag=array("H", [place for place, _ in rows]),
        at=array("q", [microseconds(value.at) for _, value in rows]),
        received=array("q", [microseconds(received)] * len(rows)),
        value=array("d", [value.number for _, value in rows]),
        status=array("I", [value.status for _, value in rows]),
    )
