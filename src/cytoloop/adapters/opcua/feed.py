"""The feed: changes of many signals from one subscription as blocks of columns, each reading once, gaps filled.

A monitored item keeps its changes in a queue on the server between two publishes. When the connection was lost, a
publish was missed or a queue ran over, what is missing is read from history, from the last source time on. Changes go
from the publish response straight into columns: no object and no task for each.
"""

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cytoloop.adapters.opcua.connection import PAUSE, Connection
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.reading import NAN, NoHistoryError, Signal, as_columns, history
from cytoloop.adapters.opcua.units import Scale
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.telemetry import EPOCH, Readings, Tag, microseconds
from cytoloop.core.time import Instant

OVERFLOW = 0x0480
"""DataValue info bits: the queue ran over, changes are missing (OPC 10000-4 §7.39.2)."""
KEEP_ALIVE = 10
"""Publishing intervals after which a server that has nothing to tell says that it is there."""
LOOK = 0.5
"""Seconds between two looks at whether the connection still stands."""
SILENT = 3.0
"""Keep-alives without a word after which the connection counts as dead."""


class Columns:
    """Changes of one batch as they gather."""

    __slots__ = ("at", "status", "tag", "value")

    def __init__(self) -> None:
        self.tag, self.at, self.value, self.status = array("H"), array("q"), array("d"), array("I")


class Plan:
    """What a subscription follows: a signal's place is the handle that its changes come with."""

    def __init__(self, signals: Sequence[Signal], batches: Mapping[str, str], last: Mapping[str, Instant]) -> None:
        self.signals = signals
        self.names = [signal.tag.name for signal in signals]
        self.newest = [last.get(name, EPOCH) for name in self.names]
        """Newest source time that was handed out, EPOCH before any."""
        by_batch: dict[str, list[Tag]] = {batch: [] for batch in batches.values()}
        self.places: list[tuple[str, int, Scale]] = []
        """Batch, index among its tags, scale."""
        for signal in signals:
            batch = batches[signal.unit]
            self.places.append((batch, len(by_batch[batch]), signal.scale))
            by_batch[batch].append(signal.tag)
        self.tags = {batch: tuple(tags) for batch, tags in by_batch.items()}

    def reached(self) -> dict[str, Instant]:
        """Tag -> newest source time that was handed out."""
        return {name: at for name, at in zip(self.names, self.newest, strict=True) if at > EPOCH}


@dataclass(slots=True, kw_only=True)
class Feed:
    """Changes of the signals of some units. One `blocks` at a time."""

    connection: Connection
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
    _plan: Plan = field(default_factory=lambda: Plan([], {}, {}))
    _last: dict[str, Instant] = field(default_factory=dict)
    """Tag -> newest source time that was handed out, as it was when the connection began."""
    _handed: "set[tuple[int, Instant]]" = field(default_factory=set)
    """Place and source time of what history gave last."""
    _arrived: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)

    async def blocks(self) -> AsyncIterator[list[Readings]]:
        """Blocks of readings, one for each batch with changes, until the caller stops.

        Goes on by itself after a lost connection, however long that takes; UserError when a unit does not convert.
        """
        self._last = {**self.since, **self._last}
        while True:
            try:
                client, _ = await self.connection.client()
                signals = [each for unit in self.batches for each in await self.signals(unit)]
                self._plan = Plan(signals, self.batches, self._last)
                async for block in self._connected(client):
                    if block:
                        yield block
            except (UnreachableError, OSError, TimeoutError, library().ua.UaError):
                await asyncio.sleep(PAUSE)
            finally:
                self._last |= self._plan.reached()

    async def _connected(self, client: Any) -> AsyncIterator[list[Readings]]:
        """Blocks of one connection: first what was missed before it, then what comes. Ends when it is lost."""
        self._arrived, self._handed = asyncio.Queue(), set()
        missed, everything = self._plan.reached(), range(len(self._plan.signals))
        subscription = await self._subscribe(client)
        self.ready.set()
        try:
            if missed:
                yield await self._fill(everything, missed, set())
            sequence = 0
            async for message, changes in self._messages(client):
                gap, sequence = bool(sequence) and message > sequence + 1, message
                overrun = everything if gap else self._full(changes)
                since = self._plan.reached() if overrun else {}
                block = self._columns(changes)
                if overrun:
                    handed = {(each.ClientHandle, each.Value.SourceTimestamp) for each in changes}
                    yield await self._fill(overrun, since, handed)
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
        signals = self._plan.signals
        items.ItemsToCreate = [self._item(place, signal) for place, signal in enumerate(signals)]
        for signal, result in zip(signals, await session.create_monitored_items(items), strict=True):
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
        self, places: Sequence[int], since: Mapping[str, Instant], handed: "set[tuple[int, Any]]"
    ) -> list[Readings]:
        """What the equipment kept of these signals after `since`, without what was `handed` out already."""
        plan = self._plan
        try:
            found = await history(self.connection, [plan.signals[place] for place in places], since)
        except NoHistoryError:
            self.connection.tell(
                f"{self.connection.endpoint} keeps no history: readings of the time without a connection are missing"
            )
            return []
        known = {n: [v for v in found[plan.names[n]] if (n, v.at) not in handed] for n in places}
        self._handed = {(place, value.at) for place, values in known.items() for value in values}
        now, blocks = self.received(), []
        for batch, tags in plan.tags.items():
            of_batch = [(plan.signals[n], values) for n, values in known.items() if plan.places[n][0] == batch]
            columns = as_columns(batch, of_batch, now) if tags else None
            blocks += [columns] if columns is not None else []
        for place, values in known.items():
            if values:
                plan.newest[place] = max(values[-1].at, plan.newest[place])
        self.filled += sum(len(block) for block in blocks)
        return blocks

    def _alive(self, client: Any) -> bool:
        return self.connection.current is client and client.state.value == "connected"

    async def _messages(self, client: Any) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Sequence number and changes of each publish; ends when the server is silent or the subscription is gone."""
        loop, silent = asyncio.get_running_loop(), SILENT * KEEP_ALIVE * self.interval + self.connection.patience
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
        await self.connection.lost(client)

    def _columns(self, changes: Sequence[Any]) -> list[Readings]:
        """Changes as columns by batch. This is run for every change: no call and no object where none is needed."""
        newest, places, handed = self._plan.newest, self._plan.places, self._handed
        found: dict[str, Columns] = {}
        stamps: dict[Instant, int] = {}
        for item in changes:
            value, place = item.Value, item.ClientHandle
            at = value.SourceTimestamp
            if at is None:
                continue  # nobody can say when that was
            if at == newest[place] or (handed and (place, at) in handed):
                continue  # the present value, which a new monitored item tells first, or one that history gave
            newest[place] = max(newest[place], at)
            if at not in stamps:
                stamps[at] = microseconds(at)
            batch, tag, scale = places[place]
            columns = found.get(batch) or found.setdefault(batch, Columns())
            number = value.Value.Value if value.Value is not None else None
            columns.tag.append(tag)
            columns.at.append(stamps[at])
            columns.value.append(scale.house(number) if isinstance(number, int | float) else NAN)
            columns.status.append(value.StatusCode.value if value.StatusCode is not None else 0)
        return [self._readings(batch, columns) for batch, columns in found.items()]

    def _full(self, changes: Sequence[Any]) -> Sequence[int]:
        """Signals whose queue ran over: the server says so, or it came back full and may have."""
        said = {
            c.ClientHandle for c in changes if c.Value.StatusCode and c.Value.StatusCode.value & OVERFLOW == OVERFLOW
        }
        if len(changes) >= self.queue:
            counts = Counter(change.ClientHandle for change in changes)
            said |= {place for place, count in counts.items() if count >= self.queue}
        return sorted(said)

    def _readings(self, batch: str, columns: Columns) -> Readings:
        received = array("q", [microseconds(self.received())]) * len(columns.at)
        return Readings(
            batch=batch, tags=self._plan.tags[batch], tag=columns.tag, at=columns.at, received=received,
            value=columns.value, status=columns.status,
        )  # fmt: skip
