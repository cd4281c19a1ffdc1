"""A network between edge node and host that loses, repeats and delays messages; a broker killed again and again.

A bridge on a real broker carries the messages from the group in which the edge node speaks to the one in which the door
listens, and back, and treats each by dice. However bad it is: each command acts once, each reading comes once.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.kept_device import KeptDevice
from tests.contract.mqtt_broker import Mosquitto, running_broker
from tests.contract.sparkplug_line import Line, measured, reached, rows, setting, stirring, stopped, tried

from cytoloop.adapters.sparkplug.door import SparkplugDoor
from cytoloop.adapters.sparkplug.topics import parse_topic


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with running_broker() as broker:
        yield broker


@pytest_asyncio.fixture
async def line(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Line]:
    line = Line(mosquitto=mosquitto, folder=tmp_path, group="far")
    yield line
    await line.close()


@dataclass(slots=True)
class Noise:
    """What becomes of a message."""

    dice: random.Random
    lost: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    count: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("lost", "twice", "late", "sent"), 0))

    def fate(self) -> tuple[float, ...]:
        """After how many seconds each copy of it arrives; none: it is lost."""
        kind = self.dice.random()
        if kind < self.lost:
            return self._counted("lost")
        if kind < self.lost + self.twice:
            return self._counted("twice", 0.0, self.dice.random() * 0.1)
        if kind < self.lost + self.twice + self.late:
            return self._counted("late", self.dice.random() * 0.2)
        return self._counted("sent", 0.0)

    def _counted(self, what: str, *delays: float) -> tuple[float, ...]:
        self.count[what] += 1
        return delays


@asynccontextmanager
async def bridge(port: int, noise: Noise) -> AsyncIterator[None]:
    """Carries what the edge node says in group "far" to group "site", and commands back."""
    import aiomqtt

    crossing = set[asyncio.Task[None]]()
    async with aiomqtt.Client("127.0.0.1", port, identifier="bridge") as mqtt:
        await mqtt.subscribe([("spBv1.0/far/#", 0), ("spBv1.0/site/#", 0)])

        async def cross(topic: str, data: bytes, after: float) -> None:
            await asyncio.sleep(after)
            with suppress(aiomqtt.MqttError):
                await mqtt.publish(topic, data)

        async def carry() -> None:
            async for message in mqtt.messages:
                topic = parse_topic(str(message.topic))
                command = topic.message_type in ("NCMD", "DCMD")
                if command == (topic.group == "site"):
                    to = replace(topic, group="far" if command else "site").text
                    for after in noise.fate():
                        crossing.add(task := asyncio.create_task(cross(to, bytes(message.payload), after)))
                        task.add_done_callback(crossing.discard)

        task = asyncio.create_task(carry())
        yield
        await stopped(task)
        await asyncio.gather(*crossing)


async def act(door: SparkplugDoor, device: KeptDevice, number: int) -> None:
    """A set-point and a short program; each succeeds and has acted once."""
    for command in (setting(number, 30.0 + number / 10), stirring(number, 0.05)):
        outcome = await reached(lambda command=command: door.perform(command), 30.0)  # type: ignore[misc]
        assert outcome.ok, outcome.note
        assert device.effects[command.key] == 1


NOISES = ({"lost": 0.03, "twice": 0.15, "late": 0.15}, {"twice": 0.3}, {"late": 0.3}, {"lost": 0.04})
"""All at once; and, in the long form, each by itself."""


@pytest.mark.parametrize("noise", NOISES, ids=str)
async def test_whatever_the_network_does_commands_act_once_and_readings_come_once(
    line: Line, noise: dict[str, Any], long: bool
) -> None:
    if not long and noise is not NOISES[0]:
        pytest.skip("in the long form only: --long")
    device = line.device()
    dice = Noise(random.Random(7), **noise)
    async with bridge(line.mosquitto.port, dice):
        await line.edge(device)
        line.group = "site"
        door = line.door(patience=3.0)
        begin = line.clock.now()
        for number in range(40 if long else 3):
            await act(door, device, number)
        until = line.clock.now()
        found = await reached(lambda: door.readings("B-1", "tank-01", begin, until), 60.0)
        assert rows(found) == measured(device, begin, until)
        assert rows(found), "it measured meanwhile"
    assert all(dice.count[name] for name in noise), "the dice did what the test is about"


async def test_a_broker_killed_at_any_moment_costs_nothing(line: Line, long: bool) -> None:
    device, dice = line.device(), random.Random(3)
    await line.edge(device)
    door = line.door(patience=1.0)
    begin = line.clock.now()
    await reached(lambda: door.perform(setting(0, 33.0)))
    for number in range(1, 40 if long else 5):
        command = stirring(number, 0.15)
        sending = asyncio.create_task(tried(door.perform(command)))
        await asyncio.sleep(dice.random() * 0.2)
        line.mosquitto.kill()
        await asyncio.sleep(dice.random() * 0.2)
        line.mosquitto.start()
        first = await sending
        outcome = await reached(lambda command=command: door.perform(command), 30.0)  # type: ignore[misc]
        assert outcome.ok
        assert first in (None, outcome)
        assert device.effects[command.key] == 1
    until = line.clock.now()
    found = rows(await reached(lambda: door.readings("B-1", "tank-01", begin, until), 30.0))
    assert found == measured(device, begin, until)


async def test_an_edge_node_killed_at_any_moment_is_recalled(line: Line, long: bool) -> None:
    edge, dice = line.edge_process("tank-01").start(), random.Random(5)
    door = line.door(patience=0.5)
    begin = line.clock.now()
    await reached(lambda: door.perform(setting(0, 33.0)), 20.0)
    device = KeptDevice("tank-01", line.clock, line.folder)
    for number in range(1, 15 if long else 3):
        command = setting(number, 30.0 + number / 10)
        sending = asyncio.create_task(tried(door.perform(command)))
        await asyncio.sleep(dice.random() * 0.03)
        edge.kill()
        first = await sending
        edge.start()
        recalled = await reached(lambda command=command: door.recall(command.key), 20.0)  # type: ignore[misc]
        assert (recalled is not None) == (device.effects.get(command.key, 0) == 1)
        assert first in (None, recalled)
        assert (await reached(lambda command=command: door.perform(command), 20.0)).ok  # type: ignore[misc]
        assert device.effects[command.key] == 1
    until = line.clock.now()
    found = rows(await reached(lambda: door.readings("B-1", "tank-01", begin, until), 20.0))
    assert found == measured(device, begin, until)
