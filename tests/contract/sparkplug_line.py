"""A line over Sparkplug on a table: edge nodes with kept devices, doors to them, and somebody who listens in."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.contract.kept_device import KeptDevice
from tests.contract.mqtt_broker import Mosquitto

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sparkplug.codec import decode, encode
from cytoloop.adapters.sparkplug.door import SparkplugDoor
from cytoloop.adapters.sparkplug.edge import EdgeNode
from cytoloop.adapters.sparkplug.host import HostApplication
from cytoloop.adapters.sparkplug.link import Broker, broker
from cytoloop.adapters.sparkplug.payload import Payload
from cytoloop.adapters.sparkplug.serving import Serving
from cytoloop.adapters.sparkplug.state import Rules
from cytoloop.adapters.sparkplug.topics import Topic, parse_topic
from cytoloop.core.device import Device
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.json import JSON
from cytoloop.core.telemetry import STATUS, Readings, microseconds
from cytoloop.core.time import Clock, Instant

ROOT = Path(__file__).parents[2]
RULES = Rules(reorder=0.2, again=0.2)


@dataclass(slots=True)
class Line:
    """What a test makes, on one broker and in one group; everything is gone at its end."""

    mosquitto: Mosquitto
    folder: Path
    group: str = "site"
    clock: Clock = field(default_factory=lambda: ScaledClock(factor=1.0))
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _hosts: "count[int]" = field(default_factory=count)

    def broker(self, **options: Any) -> Broker:
        return broker(self.mosquitto.address, **{"keepalive": 2, **options})

    def device(self, unit: str = "tank-01") -> KeptDevice:
        return KeptDevice(unit, self.clock, self.folder)

    async def edge(self, *devices: Device, node: str = "line-1", to: Broker | None = None, **options: Any) -> EdgeNode:
        """An edge node in this process, with its births out unless it waits for a host."""
        serving = Serving(group=self.group, node=node, devices=devices, clock=self.clock, overlap=3.0)
        edge = EdgeNode(broker=to or self.broker(), serving=serving, scan=0.02, longest_pause=0.2, **options)
        serving.remark = edge.remark
        task = asyncio.create_task(edge.serve())
        self._stack.push_async_callback(stopped, task)
        if not edge.primary_host:
            await asyncio.wait_for(edge.connected.wait(), 10)
        return edge

    def edge_process(self, *units: str, node: str = "line-1") -> "EdgeProcess":
        """An edge node in a process of its own."""
        process = EdgeProcess(self, units, node)
        self._stack.callback(process.kill)
        return process

    def door(self, *nodes: str, to: Broker | None = None, host_id: str = "", **options: Any) -> SparkplugDoor:
        """A door that was never there before."""
        host = HostApplication(
            broker=to or self.broker(),
            host_id=host_id or f"host-{next(self._hosts)}",
            group=self.group,
            nodes=nodes or ("line-1",),
            clock=self.clock,
            rules=RULES,
            longest_pause=0.2,
        )
        door = SparkplugDoor(host=host, **{"patience": 5.0, "again": 0.2, **options})
        self._stack.push_async_callback(door.close)
        return door

    async def spy(self) -> "Spy":
        """Somebody who hears everything."""
        return await self._stack.enter_async_context(listening_in(self.mosquitto.port))

    async def close(self) -> None:
        await self._stack.aclose()


@dataclass(slots=True)
class EdgeProcess:
    """An edge node that can be killed and started again."""

    line: Line
    units: Sequence[str]
    node: str
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "EdgeProcess":
        settings = {
            "folder": str(self.line.folder), "units": list(self.units), "group": self.line.group, "node": self.node,
            "broker": self.line.mosquitto.address,
        }  # fmt: skip
        with (self.line.folder / "edge.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/contract/edge_process.py"), json.dumps(settings)],
                stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        return self

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()


@dataclass(slots=True)
class Spy:
    """What was heard, in order; and a mouth of one's own."""

    mqtt: Any
    heard: list[tuple[str, bytes, bool]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def payloads(self, kind: str) -> list[Payload]:
        return [decode(data) for topic, data, _ in self.heard if parse_topic(topic).message_type == kind]

    def note(self, message: Any) -> None:
        self.heard.append((str(message.topic), bytes(message.payload), bool(message.retain)))
        self._changed.set()

    async def until(self, what: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not what():
                self._changed.clear()
                await self._changed.wait()

    async def say(self, topic: Topic, payload: Payload | bytes, **options: Any) -> None:
        data = payload if isinstance(payload, bytes) else encode(payload)
        await self.mqtt.publish(topic.text, data, **options)

    async def again(self, kind: str, **changes: Any) -> None:
        """Say the last message of that kind again, with changes."""
        topic, data, _ = next(each for each in reversed(self.heard) if f"/{kind}/" in each[0])
        await self.say(parse_topic(topic), replace(decode(data), **changes) if changes else data)


@asynccontextmanager
async def listening_in(port: int) -> AsyncIterator[Spy]:
    import aiomqtt

    async with aiomqtt.Client("127.0.0.1", port) as mqtt:
        await mqtt.subscribe("spBv1.0/#", qos=1)
        spy = Spy(mqtt)

        async def listen() -> None:
            with suppress(aiomqtt.MqttError):
                async for message in mqtt.messages:
                    spy.note(message)

        task = asyncio.create_task(listen())
        try:
            yield spy
        finally:
            await stopped(task)


async def stopped(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def setting(number: int, value: float, unit: str = "tank-01") -> Command:
    return Command(key=f"B-1/set-{number}", target=unit, verb="set", arguments={"temperature": value})


def stirring(number: int, seconds: float, unit: str = "tank-01") -> Command:
    arguments: dict[str, JSON] = {"program": "stir", "parameters": {"hours": seconds / 3600}}
    return Command(key=f"B-1/stir-{number}", target=unit, verb="program", arguments=arguments)


def rows(found: Readings | None) -> list[tuple[int, str, str, str, int]]:
    """Source time, tag, unit, value and status of each reading; values as text, since some are not numbers."""
    if found is None:
        return []
    return sorted((at, tag.name, tag.unit, repr(value), status) for tag, at, _, value, status in found.rows())


def measured(device: Device, since: Instant, until: Instant) -> list[tuple[int, str, str, str, int]]:
    """What the device itself keeps of that time."""
    return sorted(
        (microseconds(each.at), f"{each.source}/{each.signal}", each.unit, repr(each.value), STATUS[each.quality])
        for each in device.measured(None)
        if since <= each.at < until
    )


async def reached(act: "Callable[[], Any]", seconds: float = 10.0) -> Any:
    """What `act` gives once the equipment can be reached."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await act()
            except UnreachableError:
                await asyncio.sleep(0.02)


async def tried(act: "Any") -> Outcome | None:
    """The outcome; None when the equipment cannot be reached."""
    try:
        found: Outcome | None = await act
    except UnreachableError:
        return None
    return found
