"""An edge node: serves devices on a broker (Eclipse Sparkplug specification 3.0.0, §5.4 to §5.7).

The shell around `serving.py`: it connects, registers the death as will, publishes in order, and begins anew when the
connection is lost. With a primary host it is silent while that host is away, and sends afterwards what was measured.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cytoloop.adapters.files import keep
from cytoloop.adapters.sparkplug.codec import decode, encode
from cytoloop.adapters.sparkplug.link import QUEUE, Broker, bounded, broken, client, library, publish, subscribe
from cytoloop.adapters.sparkplug.serving import Message, Serving
from cytoloop.adapters.sparkplug.topics import HostState, Topic, check_id, parse_state, parse_topic
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.errors import UserError

FIRST_PAUSE = 0.1
"""Seconds before the first try to connect again; each further pause is twice as long."""


class _HostAwayError(Exception):
    """The primary host is away: the session ends (§5.5)."""


@dataclass(slots=True, kw_only=True)
class EdgeNode:
    """One edge node on one broker."""

    broker: Broker
    serving: Serving
    scan: float = 0.5
    """Seconds from one look at the devices to the next."""
    primary_host: str = ""
    """Id of the host application without which nothing is sent; empty: none."""
    numbering: Path | None = None
    """Where the last bdSeq is kept, so that a death of an earlier process is known as such. None: begin at 0."""
    longest_pause: float = 5.0
    """Seconds between two tries to connect, at most."""
    remark: Callable[[str], None] = lambda _: None
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while its births are out."""
    _host: HostState = field(default_factory=lambda: HostState(online=False, timestamp=0))
    _last: int = -1
    _told: "asyncio.Queue[Message | Callable[[], list[Message]] | None]" = field(default_factory=asyncio.Queue)
    """What is to be done next, by one at a time: a message, something of our own, or (None) to look at the devices."""

    async def serve(self) -> None:
        """Serve until cancelled. UserError when the settings cannot work; a broker that is away is waited for."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._session()
            except _HostAwayError:
                self.remark(f"primary host {self.primary_host} is away; nothing is sent until it is back")
            except Exception as error:
                why, task = broken(error), asyncio.current_task()
                if why is None or (task is not None and task.cancelling()):
                    raise
                self.remark(f"broker {self.broker.shown}: {why}; trying again")
            pause = FIRST_PAUSE if self.connected.is_set() else min(2 * pause, self.longest_pause)
            self.connected.clear()
            self.serving.doubt(time.monotonic())
            await asyncio.sleep(pause)

    def lose(self, unit: str) -> None:
        """From now on the device cannot be reached."""
        self._told.put_nowait(lambda: self.serving.lose(unit))

    def regain(self, unit: str) -> None:
        """The device can be reached again."""
        self._told.put_nowait(lambda: self.serving.regain(unit, time.monotonic()))

    # -- one session --------------------------------------------------------------------------------------------------

    async def _session(self) -> None:
        self.serving.bd_seq = self._next_number()
        self._host = HostState(online=False, timestamp=self._host.timestamp)
        topic, payload = self.serving.will()
        identifier = f"{self.serving.group}-{self.serving.node}"
        async with client(self.broker, identifier, (topic.text, encode(payload), False)) as mqtt:
            await subscribe(mqtt, self._topics())
            async with self._listening(mqtt) as listening:
                await self._host_online(listening)
                try:
                    await self._speak(mqtt, listening)
                finally:
                    with suppress(library().MqttError):
                        await publish(mqtt, topic.text, encode(payload))

    def _topics(self) -> list[str]:
        node = self.serving
        topics = [Topic("NCMD", node.group, node.node).text, Topic("DCMD", node.group, node.node, "+").text]
        return [*topics, self._state_topic()] if self.primary_host else topics

    def _state_topic(self) -> str:
        return Topic("STATE", "", check_id("a host", self.primary_host)).text

    async def _speak(self, mqtt: Any, listening: "asyncio.Future[None]") -> None:
        await self._publish(mqtt, self.serving.births())
        self.connected.set()
        await self._publish(mqtt, self.serving.backlog(time.monotonic()))
        while True:
            await self._publish(mqtt, self._answers(await self._next(listening)))

    def _answers(self, told: Message | Callable[[], list[Message]] | None) -> list[Message]:
        if told is None:
            return self.serving.changes(time.monotonic())
        if callable(told):
            return told()
        return self.serving.told(*told, time.monotonic())

    async def _next(self, listening: "asyncio.Future[None]") -> Message | Callable[[], list[Message]] | None:
        """What is to be done next; raises what ended the listening."""
        waiting = asyncio.ensure_future(self._told.get())
        either: set[asyncio.Future[Any]] = {waiting, listening}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                listening.result()
            return await waiting
        finally:
            waiting.cancel()

    async def _publish(self, mqtt: Any, messages: Iterable[Message]) -> None:
        for topic, payload in messages:
            await publish(mqtt, topic.text, encode(payload))

    # -- what comes in ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _listening(self, mqtt: Any) -> "AsyncIterator[asyncio.Future[None]]":
        """Meanwhile, messages and looks at the devices are put in line."""
        listening = asyncio.ensure_future(self._listen(mqtt))
        looking = asyncio.ensure_future(self._look())
        try:
            yield listening
        finally:
            listening.cancel()
            looking.cancel()
            await asyncio.gather(listening, looking, return_exceptions=True)
            self._told = _without_messages(self._told)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self.scan)
            if self._told.empty():
                self._told.put_nowait(None)

    async def _listen(self, mqtt: Any) -> None:
        async for message in mqtt.messages:
            try:
                topic, data = parse_topic(str(message.topic)), bounded(message.payload)
                if topic.message_type == "STATE":
                    self._host_said(parse_state(data))
                elif self._told.qsize() < QUEUE:
                    self._told.put_nowait((topic, decode(data)))
                else:
                    self.remark(f"a message on {message.topic} is passed over: too many came before it")
            except PayloadError as error:
                self.remark(f"a message on {message.topic} is passed over: {error}")

    # -- the primary host ---------------------------------------------------------------------------------------------

    def _host_said(self, state: HostState) -> None:
        """A death that is older than the last birth is of an earlier connection (§5.4, §5.5)."""
        if state.timestamp < self._host.timestamp:
            return
        self._host = state
        if not state.online and self.connected.is_set():
            raise _HostAwayError

    async def _host_online(self, listening: "asyncio.Future[None]") -> None:
        while self.primary_host and not self._host.online:
            await asyncio.wait({listening}, timeout=0.02)
            if listening.done():
                listening.result()

    def _next_number(self) -> int:
        """The bdSeq after the last one, 255 followed by 0; kept before it is used."""
        if self.numbering is None:
            self._last += 1
            return self._last % 256
        number = (_kept(self.numbering) + 1) % 256
        keep(self.numbering, b"%d\n" % number)
        return number


def _kept(path: Path) -> int:
    if not path.exists():
        return -1
    try:
        return int(path.read_text(encoding="ascii")) % 256
    except (OSError, ValueError) as error:
        raise UserError(f"{path} should hold a number from 0 to 255 ({error}); correct or remove it") from error


def _without_messages(told: "asyncio.Queue[Any]") -> "asyncio.Queue[Any]":
    """What a session leaves to the next: messages are of their session, our own wishes are not."""
    rest: asyncio.Queue[Any] = asyncio.Queue()
    while not told.empty():
        each = told.get_nowait()
        if callable(each):
            rest.put_nowait(each)
    return rest
