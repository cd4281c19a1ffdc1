"""The feed: changes of many signals from one subscription as blocks of columns, each reading once, gaps filled.

A monitored item keeps its changes in a queue on the server between two publishes. When the line was lost, a publish was
missed or a queue ran over, what is missing is read from history, from the last source time on. Changes go from the
publish response straight into columns: no object and no task for each.
"""

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.line import PAUSE, Line
from cytoloop.adapters.opcua.reading import NAN, NoHistoryError, Signal, as_columns, history
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.telemetry import EPOCH, Readings, microseconds
from cytoloop.core.time import Instant

OVERFLOW = 0x0480
"""DataValue info bits: the queue ran over, changes are missing (OPC 10000-4 §7.39.2)."""
KEEP_ALIVE = 10
"""Publishing intervals after which a server that has nothing to tell says that it is there."""
LOOK = 0.5
"""Seconds between two looks at whether the line still stands."""
SILENT = 3.0
"""Keep-alives without a word after which the line counts as dead."""


@dataclass(slots=True)
class Columns:
    """Changes of one batch as they gather."""

    tag: "array[int]" = field(default_factory=lambda: array("H"))
    at: "array[int]" = field(default_factory=lambda: array("q"))
    value: "array[float]" = field(default_factory=lambda: array("d"))
    status: "array[int]" = field(default_factory=lambda: array("I"))


@dataclass(slots=True, kw_only=True)
class Feed:
    """Changes of the signals of some units. One `blocks` at a time."""

    line: Line
    batches: Mapping[str, str]
    """Equipment id -> batch."""
    signals: Callable[[str], Awaitable[list[Signal]]]
    interval: float
    queue: int
    received: Callable[[], Instant]
    since: Mapping[str, Instant] = field(default_factory=dict)
    """Tag -> newest source time that was kept before this process: what came after it is read from history first."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a subscription stands: what changes from now on comes."""
    filled: int = 0
    """Readings that came from history instead of the subscription."""
    _signals: list[Signal] = field(default_factory=list)
    _last: dict[str, Instant] = field(default_factory=dict)
    """Tag -> newest source time that was handed out."""
    _handed: "set[tuple[str, Instant]]" = field(default_factory=set)
    """Tag and source time of what came from history."""
    _arrived: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)

    async def blocks(self) -> AsyncIterator[list[Readings]]:
        """Blocks of readings, one for each batch with changes, until the caller stops.

        Goes on by itself after a lost line, for as long as it takes; UserError when a signal's unit does not convert.
        """
        self._last = {**self.since, **self._last}
        while True:
            try:
                client, _ = await self.line.client()
                self._signals = [each for unit in self.batches for each in await self.signals(unit)]
                async for block in self._connected(client):
                    yield block
            except (UnreachableError, OSError, TimeoutError, library().ua.UaError):
                await asyncio.sleep(PAUSE)

    async def _connected(self, client: Any) -> AsyncIterator[list[Readings]]:
        """Blocks of one connection: first what was missed before it, then what comes. Ends when it is lost."""
        self._arrived = asyncio.Queue()
        missed = dict(self._last)
        subscription = await self._subscribe(client)
        self.ready.set()
        try:
            if missed:
                yield await self._fill(self._signals, missed, set())
            sequence = 0
            async for message, changes in self._messages(client):
                gap, sequence, before = bool(sequence) and message > sequence + 1, message, dict(self._last)
                block, overrun = self._columns(changes)
                if gap or overrun:
                    handed = {(self._signals[c.ClientHandle].tag.name, _at(c.Value)) for c in changes}
                    yield await self._fill(self._signals if gap else overrun, before, handed)
                if block:
                    yield block
        finally:
            self.ready.clear()
            await self._unsubscribe(client, subscription)

    async def _subscribe(self, client: Any) -> int:
        ua, session = library().ua, client.uaclient.session
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=1000.0 * self.interval, RequestedLifetimeCount=100 * KEEP_ALIVE,
            RequestedMaxKeepAliveCount=KEEP_ALIVE, MaxNotificationsPerPublish=0, PublishingEnabled=True, Priority=0,
        )  # fmt: skip
        created = await session.create_subscription(parameters, callback=self._arrived.put_nowait)
        items = ua.CreateMonitoredItemsParameters(
            SubscriptionId=created.SubscriptionId, TimestampsToReturn=ua.TimestampsToReturn.Source
        )
        items.ItemsToCreate = [self._item(place, signal) for place, signal in enumerate(self._signals)]
        for signal, result in zip(self._signals, await session.create_monitored_items(items), strict=True):
            if not result.StatusCode.is_good():
                raise UnreachableError(f"{signal.tag.name} cannot be followed: {result.StatusCode.name}")
        return int(created.SubscriptionId)

    def _item(self, place: int, signal: Signal) -> Any:
        """Every change of value, status or source time is reported: a repeated value is a reading too."""
        ua = library().ua
        trigger = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
        wanted = ua.MonitoringParameters(
            ClientHandle=place, SamplingInterval=0.0, QueueSize=self.queue, DiscardOldest=True, Filter=trigger
        )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=signal.node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=wanted,
        )

    async def _unsubscribe(self, client: Any, subscription: int) -> None:
        """Tell the server that nobody listens any more, when it can be told."""
        if self._alive(client):
            with suppress(OSError, TimeoutError, library().ua.UaError):
                await client.uaclient.session.delete_subscriptions([subscription])

    async def _fill(
        self, signals: Sequence[Signal], since: Mapping[str, Instant], handed: "set[tuple[str, Any]]"
    ) -> list[Readings]:
        """What the equipment kept of these signals after `since`, without what was `handed` out already."""
        try:
            found = await history(self.line, signals, since)
        except NoHistoryError:
            self.line.tell(f"{self.line.endpoint} keeps no history: readings of the time without a line are missing")
            return []
        known = [(s, [v for v in found[s.tag.name] if (s.tag.name, v.at) not in handed]) for s in signals]
        for signal, values in known:
            self._handed.update((signal.tag.name, value.at) for value in values)
            if values:
                self._last[signal.tag.name] = max(values[-1].at, self._last.get(signal.tag.name, EPOCH))
        batches = dict.fromkeys(self.batches.values())
        now = self.received()
        blocks = [as_columns(b, [each for each in known if self.batches[each[0].unit] == b], now) for b in batches]
        full = [block for block in blocks if block is not None]
        self.filled += sum(len(block) for block in full)
        return full

    def _alive(self, client: Any) -> bool:
        return self.line.current is client and client.state.value == "connected"

    async def _messages(self, client: Any) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Sequence number and changes of each publish; ends when the server is silent or the subscription is gone."""
        loop, silent = asyncio.get_running_loop(), SILENT * KEEP_ALIVE * self.interval + self.line.patience
        heard = loop.time()
        while self._alive(client) and loop.time() - heard < silent:
            try:
                result = await asyncio.wait_for(self._arrived.get(), LOOK)
            except TimeoutError:
                continue
            heard = loop.time()
            data = result.NotificationMessage.NotificationData or ()
            if any(type(each).__name__ == "StatusChangeNotification" for each in data):
                break
            if data:
                changes = [item for each in data for item in getattr(each, "MonitoredItems", None) or ()]
                yield int(result.NotificationMessage.SequenceNumber), changes
        await self.line.lost(client)

    def _columns(self, changes: Sequence[Any]) -> tuple[list[Readings], list[Signal]]:
        """Changes as columns by batch, and the signals whose queue ran over."""
        found: dict[str, Columns] = {}
        overrun = self._full(changes)
        for item in changes:
            value, signal = item.Value, self._signals[item.ClientHandle]
            at = _at(value)
            if at is None:
                continue  # nobody can say when that was
            name, status = signal.tag.name, value.StatusCode.value if value.StatusCode is not None else 0
            last = self._last.get(name, EPOCH)
            if at == last or (self._handed and (name, at) in self._handed):
                continue  # the present value, which a new monitored item tells first, or one that history gave
            if status & OVERFLOW == OVERFLOW:
                overrun.append(signal)
            self._last[name] = max(at, last)
            number = value.Value.Value if value.Value is not None else None
            columns = found.setdefault(self.batches[signal.unit], Columns())
            columns.tag.append(item.ClientHandle)
            columns.at.append(microseconds(at))
            columns.value.append(signal.scale.house(number) if isinstance(number, int | float) else NAN)
            columns.status.append(status)
        return [self._readings(batch, columns) for batch, columns in found.items()], overrun

    def _full(self, changes: Sequence[Any]) -> list[Signal]:
        """Signals whose queue came back full: it may have run over, whether the server says so or not."""
        if len(changes) < self.queue:
            return []
        counts = Counter(item.ClientHandle for item in changes)
        return [self._signals[handle] for handle, count in counts.items() if count >= self.queue]

    def _readings(self, batch: str, columns: Columns) -> Readings:
        received = array("q", [microseconds(self.received())]) * len(columns.at)
        return Readings(
            batch=batch, tags=tuple(signal.tag for signal in self._signals), tag=columns.tag, at=columns.at,
            received=received, value=columns.value, status=columns.status,
        )  # fmt: skip


def _at(value: Any) -> Instant | None:
    """Source time of a DataValue."""
    at: Instant | None = value.SourceTimestamp
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
