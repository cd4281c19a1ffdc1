"""What an edge node says for its devices, and what it makes of what it is told. Knows nothing of a connection.

Each method gives messages that must be sent in that order and all of them: they are numbered as they are made. When one
cannot be sent, the session is over and `births` begins the next.

What a device measured is sent once, and sent again as historical values (store and forward) where a connection that was
lost may have swallowed it: everything since `overlap` seconds before the loss, since a death is noticed late.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeAlias

from cytoloop.adapters.sparkplug.births import BD_SEQ, REBIRTH
from cytoloop.adapters.sparkplug.convention import (
    COMMAND_KEY,
    DEVICES,
    HISTORY_KEY,
    HISTORY_SEND,
    HISTORY_SINCE,
    RECALL_KEY,
    STATE,
    KeyState,
    milliseconds,
)
from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.telling import (
    birth_metrics,
    command_of,
    history_metrics,
    outcome_metrics,
    reading_metric,
    set_point_metrics,
)
from cytoloop.adapters.sparkplug.topics import MessageType, Topic, check_id
from cytoloop.adapters.sparkplug.values import Value, metric, value_of
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.device import Device
from cytoloop.core.errors import UserError
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import moment
from cytoloop.core.time import Clock, Instant

TOGETHER = 200
"""Most values in one message."""
AT_ONCE = 1000
"""Readings that are sent again for one request, with those of the same moment as the last."""
TICK = timedelta(microseconds=1)
Message: TypeAlias = tuple[Topic, Payload]


@dataclass(slots=True)
class Sent:
    """How far the readings of a device have been sent, and when."""

    upto: Instant | None = None
    """Source time of the last one; None: none."""
    steps: "deque[tuple[float, Instant | None]]" = field(default_factory=deque)
    """(tick, how far before it) of the sendings of a while, oldest first."""

    def moved(self, tick: float, upto: Instant, overlap: float) -> None:
        """Readings up to `upto` are sent at `tick`."""
        self.steps.append((tick, self.upto))
        while self.steps and self.steps[0][0] < tick - overlap:
            self.steps.popleft()
        self.upto = upto

    def back(self, tick: float, overlap: float) -> None:
        """What was sent in the last `overlap` seconds counts as not sent."""
        while self.steps and self.steps[-1][0] >= tick - overlap:
            self.upto = self.steps.pop()[1]


@dataclass(slots=True, kw_only=True)
class Serving:
    """The devices of one edge node."""

    group: str
    node: str
    devices: Sequence[Device]
    clock: Clock
    overlap: float = 30.0
    """Seconds before a lost connection is noticed, at most."""
    remark: Callable[[str], None] = lambda _: None
    bd_seq: int = 0
    _seq: int = 0
    _sent: dict[str, Sent] = field(default_factory=dict)
    _latest: dict[str, dict[str, Reading]] = field(default_factory=dict)
    _said: dict[str, dict[str, Value | None]] = field(default_factory=dict)
    """Unit -> name -> what was last sent of its state and set-points."""
    _underway: dict[str, set[str]] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)
    _aliases: dict[tuple[str, str], int] = field(default_factory=dict)
    _types: dict[tuple[str, str], int] = field(default_factory=dict)
    _by_unit: Mapping[str, Device] = field(init=False)

    def __post_init__(self) -> None:
        check_id("a group", self.group)
        check_id("an edge node", self.node)
        self._by_unit = {check_id("a device", each.unit): each for each in self.devices}
        if len(self._by_unit) < len(self.devices):
            raise UserError(f"two devices of edge node {self.node} have the same id; give each one of its own")
        self._sent = {unit: Sent() for unit in self._by_unit}

    # -- a session ----------------------------------------------------------------------------------------------------

    def will(self) -> Message:
        """What the broker says for it when it is gone (§6.4.25)."""
        number = metric(BD_SEQ, DataType.INT64, self.bd_seq, milliseconds(self.clock.now()))
        return Topic("NDEATH", self.group, self.node), Payload(timestamp=number.timestamp, metrics=(number,))

    def births(self) -> list[Message]:
        """Everything there is: the node, then each device that can be reached (§6.4.19, §6.4.20)."""
        at = milliseconds(self.clock.now())
        own = (
            metric(BD_SEQ, DataType.INT64, self.bd_seq, at),
            metric(REBIRTH, DataType.BOOLEAN, False, at),
            metric(DEVICES, DataType.STRING_ARRAY, tuple(self._by_unit), at),
        )
        self._seq = -1
        reached = [device for unit, device in self._by_unit.items() if unit not in self._lost]
        return [self._numbered("NBIRTH", "", own), *(self._birth(device) for device in reached)]

    def doubt(self, tick: float) -> None:
        """The connection was lost: what was sent last may not have come through."""
        for sent in self._sent.values():
            sent.back(tick, self.overlap)

    def backlog(self, tick: float) -> list[Message]:
        """What was measured and has not been sent, or may not have come through, as historical values in order."""
        return [message for unit in self._sent for message in self._measured(unit, tick, historical=True)]

    def changes(self, tick: float) -> list[Message]:
        """What is new: readings, state, set-points, commands that ended."""
        messages: list[Message] = []
        for unit, device in self._reached():
            messages += self._measured(unit, tick, historical=False)
            messages += self._data(unit, self._changed(device))
            for key in sorted(self._underway.get(unit, ())):
                if device.outcome(key) is not None:
                    messages += self._answer(device, key)
        return messages

    def lose(self, unit: str) -> list[Message]:
        """The node cannot reach a device any more (§5.7)."""
        self._lost.add(unit)
        return [self._numbered("DDEATH", unit, ())]

    def regain(self, unit: str, tick: float) -> list[Message]:
        """The node reaches the device again; what it measured meanwhile is sent as historical values."""
        self._lost.discard(unit)
        return [self._birth(self._by_unit[unit]), *self._measured(unit, tick, historical=True)]

    # -- what it is told ----------------------------------------------------------------------------------------------

    def told(self, topic: Topic, payload: Payload, tick: float) -> list[Message]:
        """The answers to an NCMD or a DCMD; what cannot be understood is passed over with a remark."""
        try:
            return self._told(topic, payload, tick)
        except PayloadError as error:
            self.remark(f"{topic.message_type} to {topic.where} is passed over: {error}")
            return []

    def _told(self, topic: Topic, payload: Payload, tick: float) -> list[Message]:
        values = {name: value for each in payload.metrics for name, value in [self._value(topic.device, each)]}
        if topic.message_type == "NCMD" and values.get(REBIRTH) is True:
            return [*self.births(), *self.backlog(tick)]
        device = self._by_unit.get(topic.device)
        if device is None or topic.device in self._lost:
            raise PayloadError(f"there is no device {topic.device!r} that can be reached; see its line")
        if COMMAND_KEY in values:
            command = command_of(device.unit, values)
            device.submit(command)
            return [*self._answer(device, command.key), *self._data(device.unit, self._changed(device))]
        if isinstance(key := values.get(RECALL_KEY), str):
            return self._answer(device, key)
        key, since = values.get(HISTORY_KEY), values.get(HISTORY_SINCE)
        if isinstance(key, str) and isinstance(since, int):
            return self._history(device, key, moment(since), values.get(HISTORY_SEND) is True, tick)
        raise PayloadError(f"{', '.join(map(repr, values))} cannot be written; write a command with {COMMAND_KEY}")

    def _value(self, unit: str, each: Metric) -> tuple[str, Value | None]:
        name = each.name
        if name is None:
            name = next((n for (u, n), alias in self._aliases.items() if (u, alias) == (unit, each.alias)), None)
        kind = self._types.get((unit, name or ""))
        if name is None or kind is None:
            raise PayloadError(f"there is no metric {each.name or each.alias!r}; its births say what there is")
        return name, None if each.is_null else value_of(kind, each.held, name)

    def _answer(self, device: Device, key: str) -> list[Message]:
        outcome, known = device.outcome(key), self._underway.setdefault(device.unit, set())
        if outcome is not None:
            known.discard(key)
        elif device.seen(key):
            known.add(key)
        state: KeyState = "ended" if outcome else "underway" if device.seen(key) else "unknown"
        return self._data(device.unit, outcome_metrics(key, state, outcome, self.clock.now()))

    def _history(self, device: Device, key: str, since: Instant, send: bool, tick: float) -> list[Message]:
        """Everything new; what was measured since, if it is to be sent, and not too much of it; how much that is."""
        upto = self.clock.now()  # of what is measured later nothing is promised
        new = self._measured(device.unit, tick, historical=False)
        found = self._known(device, since - TICK)
        if send and len(found) > AT_ONCE:
            upto = found[AT_ONCE - 1].at + TICK
            found = [each for each in found if each.at < upto]
        old = [reading_metric(each, historical=True) for each in found] if send else []
        end = history_metrics(key, found, since, upto)
        return [*new, *self._data(device.unit, old), *self._data(device.unit, end)]

    # -- messages -----------------------------------------------------------------------------------------------------

    def _reached(self) -> Iterator[tuple[str, Device]]:
        return ((unit, device) for unit, device in self._by_unit.items() if unit not in self._lost)

    def _birth(self, device: Device) -> Message:
        latest = self._latest.setdefault(device.unit, {})
        if not latest:
            latest |= {each.signal: each for each in self._known(device, None)}
        metrics = birth_metrics(device, latest, self.clock.now())
        self._changed(device)
        return self._numbered("DBIRTH", device.unit, metrics)

    def _measured(self, unit: str, tick: float, *, historical: bool) -> list[Message]:
        sent = self._sent[unit]
        if unit in self._lost:
            return []
        found = self._known(self._by_unit[unit], sent.upto)
        if not found:
            return []
        self._latest.setdefault(unit, {}).update({each.signal: each for each in found})
        sent.moved(tick, found[-1].at, self.overlap)
        return self._data(unit, [reading_metric(each, historical=historical) for each in found])

    def _known(self, device: Device, since: Instant | None) -> list[Reading]:
        """What it measured of the signals that its type has."""
        return [each for each in device.measured(since) if each.signal in device.kind.signals]

    def _changed(self, device: Device) -> list[Metric]:
        """State and set-points, where they differ from what was last sent."""
        now = self.clock.now()
        metrics = (metric(STATE, DataType.STRING, device.state(), milliseconds(now)), *set_point_metrics(device, now))
        said = self._said.setdefault(device.unit, {})
        changed = []
        for each in metrics:
            value = None if each.held is None else value_of(each.datatype or 0, each.held)
            if each.name is not None and (each.name not in said or said[each.name] != value):
                said[each.name] = value
                changed.append(replace(each, properties=None))
        return changed

    def _data(self, unit: str, metrics: Iterable[Metric]) -> list[Message]:
        """The values by alias, in as few messages as may be."""
        named = [
            replace(each, name=None, datatype=None, alias=self._aliases[unit, each.name or ""]) for each in metrics
        ]
        parts = (named[at : at + TOGETHER] for at in range(0, len(named), TOGETHER))
        return [self._numbered("DDATA", unit, part, aliased=True) for part in parts]

    def _numbered(self, kind: MessageType, unit: str, metrics: Iterable[Metric], *, aliased: bool = False) -> Message:
        self._seq = (self._seq + 1) % 256
        made = tuple(metrics) if aliased or not unit else tuple(self._aliased(unit, each) for each in metrics)
        for each in made:
            if each.name is not None and each.datatype is not None:
                self._types[unit, each.name] = each.datatype
        payload = Payload(timestamp=milliseconds(self.clock.now()), metrics=made, seq=self._seq)
        return Topic(kind, self.group, self.node, unit), payload

    def _aliased(self, unit: str, each: Metric) -> Metric:
        """A metric of a birth with its alias, the same in every birth. The node's own have none (§5.17)."""
        alias = self._aliases.setdefault((unit, each.name or ""), len(self._aliases) + 1)
        return replace(each, alias=alias)
