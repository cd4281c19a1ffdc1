"""Readings read back: HistoryRead of many signals in one request, turned into house units with their status codes."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from cytoloop.adapters.opcua.connection import Connection
from cytoloop.adapters.opcua.directory import Directory
from cytoloop.adapters.opcua.library import code_of, library
from cytoloop.adapters.opcua.units import Scale
from cytoloop.core.errors import UserError
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import EPOCH, Readings, Tag, microseconds, quality
from cytoloop.core.time import Instant

NAN = float("nan")
PAGES = 10_000
"""Pages of one history that are followed at most: a server that never ends is not followed for ever."""

NO_HISTORY = {
    "BadHistoryOperationUnsupported", "BadHistoryOperationInvalid", "BadServiceUnsupported", "BadNotImplemented",
    "BadNotSupported",
}  # fmt: skip


class NoHistoryError(UserError):
    """The device keeps no history: only what comes while the connection stands is to be had."""


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


async def history(
    connection: Connection, signals: Sequence[Signal], since: Mapping[str, Instant]
) -> dict[str, list[Value]]:
    """Values of each signal with a source time after `since` of its tag (all that is kept when it names none).

    Oldest first, each source time once. Page by page: each has the whole patience, and after a lost connection it
    goes on where it stood. UnreachableError when the server does not answer.
    """
    starts: dict[Instant, list[Signal]] = {}
    for signal in signals:
        starts.setdefault(since.get(signal.tag.name, EPOCH), []).append(signal)
    found: dict[str, list[Value]] = {}
    for start, together in starts.items():
        pages = await _all_pages(connection, [signal.node for signal in together], start)
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
    if value.SourceTimestamp is None:
        return None
    variant = value.Value.Value if value.Value is not None else None
    number = scale.house(float(variant)) if isinstance(variant, int | float) else NAN
    return Value(_source_time(value), number, code_of(value))


def _source_time(value: Any) -> Instant:
    at: Instant = value.SourceTimestamp or EPOCH
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Pages:
    """A history that is being read."""

    nodes: Sequence[Any]
    start: Instant
    found: list[list[Any]]
    open: dict[int, bytes | None]
    """Place of a node that has more -> its continuation point."""
    client: Any = None
    """Whose continuation points they are."""

    async def next(self, client: Any, _: Directory) -> None:
        """Ask for the next page of every node that has more."""
        ua = library().ua
        if client is not self.client:
            self._begin_anew(client)
        details = ua.ReadRawModifiedDetails(IsReadModified=False, StartTime=self.start, EndTime=ua.get_win_epoch())
        details.NumValuesPerNode, details.ReturnBounds = 0, False
        asked = ua.HistoryReadParameters(HistoryReadDetails=details, TimestampsToReturn=ua.TimestampsToReturn.Both)
        asked.NodesToRead = [
            ua.HistoryReadValueId(NodeId=self.nodes[n], ContinuationPoint=p) for n, p in self.open.items()
        ]
        for (place, before), result in zip(list(self.open.items()), await _asked(client, asked), strict=True):
            self.found[place] += getattr(result.HistoryData, "DataValues", None) or []
            if result.ContinuationPoint and result.ContinuationPoint != before:
                self.open[place] = result.ContinuationPoint
            else:
                del self.open[place]

    def _begin_anew(self, client: Any) -> None:
        """Continuation points end with their connection: go on from the earliest source time that all have reached."""
        self.client = client
        reached = [max(map(_source_time, self.found[place]), default=self.start) for place in self.open]
        self.start = max(self.start, min(reached))
        self.open = dict.fromkeys(self.open)


async def _asked(client: Any, asked: Any) -> list[Any]:
    """One answer to a HistoryRead; NoHistoryError when the server keeps none."""
    try:
        results: list[Any] = await client.uaclient.session.history_read(asked)
        for result in results:
            result.StatusCode.check()
    except library().ua.UaStatusCodeError as error:
        if type(error).__name__ in NO_HISTORY:
            raise NoHistoryError(f"the device keeps no history ({type(error).__name__}); switch it on there") from error
        raise
    return results


async def present(connection: Connection, signals: Sequence[Signal]) -> dict[str, list[Value]]:
    """The present value of each signal, as a history of one."""

    async def read(client: Any, _: Directory) -> list[Any]:
        ua = library().ua
        found: list[Any] = await client.uaclient.session.read_attributes(
            [s.node for s in signals], ua.AttributeIds.Value
        )
        return found

    values = [value_of(s.scale, each) for s, each in zip(signals, await connection.ask(read), strict=True)]
    return {s.tag.name: [value] if value is not None else [] for s, value in zip(signals, values, strict=True)}


async def _all_pages(connection: Connection, nodes: Sequence[Any], start: Instant) -> list[list[Any]]:
    pages = _Pages(nodes, start, [[] for _ in nodes], dict.fromkeys(range(len(nodes))))
    for _ in range(PAGES):
        if not pages.open:
            break
        await connection.ask(pages.next)
    return pages.found


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
