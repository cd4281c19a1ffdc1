"""A host application: follows edge nodes on a broker and writes to their devices (specification 3.0.0, §5.3, §5.8).

The shell around `session.py`: it connects, registers the STATE death as will, publishes the STATE birth, folds what
comes in, and does what the fold asks for. It connects again by itself, with the same client identifier: the broker then
drops what an earlier connection had sent and not delivered, and nothing arrives after it was counted as lost.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cytoloop.adapters.sparkplug.births import REBIRTH
from cytoloop.adapters.sparkplug.codec import decode, encode
from cytoloop.adapters.sparkplug.convention import milliseconds
from cytoloop.adapters.sparkplug.link import Broker, bounded, broken, client, library, publish, subscribe
from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.session import disconnected, passed, received, unreadable
from cytoloop.adapters.sparkplug.state import NOBODY, Arrived, AskRebirth, Effect, Key, Node, Nodes, Remark, Rules
from cytoloop.adapters.sparkplug.topics import FROM_EDGE, HostState, Topic, check_id, parse_state, parse_topic
from cytoloop.adapters.sparkplug.values import metric
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.time import Clock

FIRST_PAUSE = 0.1
"""Seconds before the first try to connect again; each further pause is twice as long."""
LOOK = 0.05
"""Seconds from one look at what is due to the next."""


@dataclass(slots=True, kw_only=True)
class HostApplication:
    """One host application on one broker."""

    broker: Broker
    host_id: str
    """Its own on this broker; two that share one push each other out."""
    group: str
    nodes: tuple[str, ...]
    """Edge nodes that are asked for a birth when the connection is made: births are not kept by a broker."""
    clock: Clock
    rules: Rules = field(default_factory=Rules)
    longest_pause: float = 5.0
    """Seconds between two tries to connect, at most."""
    heard: Callable[[Effect], None] = lambda _: None
    """Told everything that follows from what comes in."""
    known: Nodes = field(default_factory=lambda: NOBODY)
    trouble: str = ""
    """Why there is no connection; empty while there is one."""
    _mqtt: Any = None
    _running: "asyncio.Task[None] | None" = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        """Connect, and stay connected until `close`; once only. UserError when the settings cannot work."""
        if self._running is not None and self._running.done():
            self._running.result()
        if self._running is None:
            check_id("a host", self.host_id)
            check_id("a group", self.group)
            self._client(HostState(online=False, timestamp=0))
            self.trouble = self.trouble or "it has not answered yet"
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Say that this host leaves, and disconnect. Safe to call twice."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def write(self, topic: Topic, metrics: Iterable[Metric]) -> bool:
        """Publish a command at QoS 0 (§6.4.23, §6.4.24); whether there was a connection to publish it on."""
        mqtt = self._mqtt
        if mqtt is None:
            return False
        payload = Payload(timestamp=milliseconds(self.clock.now()), metrics=tuple(metrics))
        try:
            await publish(mqtt, topic.text, encode(payload))
        except Exception as error:
            if broken(error) is None:
                raise
            return False
        return True

    async def ask_rebirth(self, key: Key) -> None:
        """Ask a node to be born again."""
        wish = metric(REBIRTH, DataType.BOOLEAN, True, milliseconds(self.clock.now()))
        await self.write(Topic("NCMD", *key), (wish,))

    async def until(self, what: Callable[[], bool], seconds: float) -> bool:
        """Wait until `what` holds, `seconds` at most; whether it does."""
        end = time.monotonic() + seconds
        while not what():
            left = end - time.monotonic()
            if left <= 0:
                return False
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait({changed}, timeout=left)
            finally:
                changed.cancel()
        return True

    # -- the connection -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                await self._session()
            except Exception as error:
                why = broken(error)
                if why is None or self._running is not asyncio.current_task():
                    raise
                self.trouble = why
            self._mqtt = None
            self._follow(disconnected(self.known))
            pause = FIRST_PAUSE if time.monotonic() - began > self.longest_pause else min(2 * pause, self.longest_pause)
            await asyncio.sleep(pause)

    def _client(self, death: HostState) -> Any:
        return client(self.broker, self.host_id, (self._state, death.payload, True))

    @property
    def _state(self) -> str:
        return Topic("STATE", "", self.host_id).text

    async def _session(self) -> None:
        at = milliseconds(datetime.now(UTC))  # it must not go back when a plant's clock begins anew
        death, birth = HostState(online=False, timestamp=at), HostState(online=True, timestamp=at)
        async with self._client(death) as mqtt:
            topics = [self._state, *(Topic(kind, self.group, "+").text for kind in FROM_EDGE if kind[0] == "N")]
            topics += [Topic(kind, self.group, "+", "+").text for kind in FROM_EDGE if kind[0] == "D"]
            await subscribe(mqtt, topics)
            await publish(mqtt, self._state, birth.payload, qos=1, retain=True)
            self._mqtt, self.trouble = mqtt, ""
            for key in {*((self.group, node) for node in self.nodes), *self.known}:
                await self.ask_rebirth(key)
            looking = asyncio.ensure_future(self._look())
            try:
                async for message in mqtt.messages:
                    await self._take(mqtt, message, birth)
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                if asyncio.current_task() is not self._running:  # it was closed on purpose
                    with suppress(library().MqttError):
                        await publish(mqtt, self._state, death.payload, qos=1, retain=True)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._do(passed(self.known, time.monotonic(), self.rules))

    # -- what comes in ------------------------------------------------------------------------------------------------

    async def _take(self, mqtt: Any, message: Any, birth: HostState) -> None:
        tick = time.monotonic()
        try:
            topic, data = parse_topic(str(message.topic)), bounded(message.payload)
        except PayloadError as error:
            self.heard(Remark(str(error)))
            return
        if topic.message_type == "STATE":
            if not _online(data):  # the death of an earlier connection of ours came late (§5.3)
                await publish(mqtt, self._state, birth.payload, qos=1, retain=True)
            return
        try:
            payload = decode(data)
        except PayloadError as error:
            await self._do(unreadable(self.known, topic, error, tick))
        else:
            await self._do(received(self.known, Arrived(topic, payload, tick), self.rules))

    async def _do(self, step: tuple[Nodes, tuple[Effect, ...]]) -> None:
        self._follow(step)
        for effect in step[1]:
            if isinstance(effect, AskRebirth):
                await self.ask_rebirth(effect.key)

    def _follow(self, step: tuple[Nodes, tuple[Effect, ...]]) -> None:
        """Take the state over, tell what follows, and wake who waits for a change."""
        self.known, effects = step
        for effect in effects:
            self.heard(effect)
        if effects:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def node(self, name: str) -> Node | None:
        """An edge node of the group, as it is known."""
        return self.known.get((self.group, name))


def _online(data: bytes) -> bool:
    try:
        return parse_state(data).online
    except PayloadError:
        return False
