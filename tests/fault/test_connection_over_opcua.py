"""The connection to equipment breaks in every way a network knows: each command has its effect exactly once.

What truly happened is counted in a file by the device itself.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import pytest
import pytest_asyncio
from tests.contract.opcua_plant import free_port
from tests.fault.proxy import Proxy, Way
from tests.fault.skid import PERIOD, Skid, effects_in

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.core.equipment import Command, UnreachableError

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 3.0
UNIT = "FunctionalUnitSet/main"
"""What a message that commands the functional unit holds, and a question about a key does not."""
SHORT = 0.4
"""Patience of a door that is to give up."""
_numbers = count(1)


@dataclass
class Served:
    """A skid behind a server."""

    skid: Skid
    server: DeviceServer
    port: int
    ahead: timedelta = timedelta(0)
    """How far the server's clock is ahead of the machine's."""

    def happened(self, key: str) -> int:
        return effects_in(self.skid.effects).count(key)


@dataclass
class Reached:
    """The way to it through a proxy."""

    served: Served
    proxy: Proxy
    door: OpcUaDoor
    said: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    clock, port = ScaledClock(), free_port()
    skid = Skid(clock, tmp_path_factory.mktemp("skid") / "effects")
    made: list[Served] = []
    server = DeviceServer(
        devices=(skid,), clock=clock, endpoint=f"opc.tcp://127.0.0.1:{port}/cytoloop", every=0.05 / 3600,
        time=lambda: datetime.now(UTC) + made[0].ahead,
    )  # fmt: skip
    made.append(Served(skid, server, port))
    await server.start()
    yield made[0]
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def way(served: Served) -> AsyncIterator[Reached]:
    said: list[str] = []
    async with Proxy(served.port) as proxy:
        door = OpcUaDoor(endpoint=proxy.endpoint, poll=0.01, patience=PATIENCE, tell=said.append)
        await door.open({"skid-01": "skid"})
        yield Reached(served, proxy, door, said)
        proxy.heal()
        await door.close()


def mixing(seconds: float = 0.3, **parameters: float) -> Command:
    arguments = {"program": "mix", "coi": "C-1", "parameters": {"seconds": seconds, **parameters}}
    return Command(key=f"B-1/mix#{next(_numbers)}", target="skid-01", verb="program", arguments=arguments)  # type: ignore[arg-type]


def setting(value: float) -> Command:
    return Command(key=f"B-1/set#{next(_numbers)}", target="skid-01", verb="set", arguments={"temperature": value})


def sampling() -> Command:
    return Command(key=f"B-1/sample#{next(_numbers)}", target="skid-01", verb="sample", arguments={"plan": "p"})


async def began(way: Reached, key: str) -> None:
    """Wait until the device has begun it."""
    while not way.served.happened(key):
        await asyncio.sleep(0.01)


async def test_partition_in_the_middle_of_a_program(way: Reached) -> None:
    command = mixing(0.5)
    performing = asyncio.create_task(way.door.perform(command))
    await began(way, command.key)
    way.proxy.partition()
    await asyncio.sleep(0.3)
    way.proxy.heal()
    assert (await performing).ok
    assert way.served.happened(command.key) == 1
    assert way.said == [f"{way.proxy.endpoint}: connected again"]


async def test_partition_longer_than_the_patience_leaves_the_step_in_doubt_and_it_is_read_back(way: Reached) -> None:
    way.door.connection.patience = SHORT
    command = mixing(0.2)
    performing = asyncio.create_task(way.door.perform(command))
    await began(way, command.key)
    way.proxy.partition()
    with pytest.raises(UnreachableError, match="does not answer"):
        await performing
    with pytest.raises(UnreachableError, match="does not answer"):
        await way.door.recall(command.key)
    way.proxy.heal()
    outcome = await way.door.recall(command.key)
    assert outcome is not None
    assert outcome.ok
    assert way.served.happened(command.key) == 1


@pytest.mark.parametrize("ways", [(), ("to_server",), ("to_client",)], ids=["both", "to-server", "to-client"])
async def test_a_stalled_connection_is_unreachable_within_the_patience(way: Reached, ways: tuple[Way, ...]) -> None:
    way.door.connection.patience = SHORT
    command = mixing(0.1)
    way.proxy.stall(*ways)
    with pytest.raises(UnreachableError):
        async with asyncio.timeout(10 * SHORT):
            await way.door.perform(command)
    way.proxy.resume()
    outcome = await way.door.recall(command.key)
    done = way.served.happened(command.key)
    assert (outcome is None and done == 0) or (outcome is not None and outcome.ok and done == 1)


@pytest.mark.parametrize("ways", [(), ("to_server",), ("to_client",)], ids=["both", "to-server", "to-client"])
async def test_a_half_open_connection_is_left_for_a_new_one(way: Reached, ways: tuple[Way, ...]) -> None:
    command = mixing(0.3)
    performing = asyncio.create_task(way.door.perform(command))
    await began(way, command.key)
    way.proxy.half_open(*ways)
    assert (await performing).ok
    assert way.served.happened(command.key) == 1


@pytest.mark.parametrize("make", [mixing, sampling, lambda: setting(31.0)], ids=["program", "sample", "set"])
async def test_cut_after_the_command_and_before_the_answer(way: Reached, make: "Callable[[], Command]") -> None:
    for _ in range(5):
        command = make()
        way.proxy.cut_after(UNIT, command.key)
        before = way.proxy.passed
        assert (await way.door.perform(command)).ok
        assert way.served.happened(command.key) == 1
        assert way.proxy.passed > before, "the connection was cut and made anew"


async def test_what_was_told_as_never_arrived_may_not_arrive_later(way: Reached) -> None:
    """A message stands in a queue of the network; the platform asks, is told no, and repeats under a new key."""
    way.door.connection.patience = SHORT
    command = mixing(0.1)
    way.proxy.hold(UNIT, command.key)
    with pytest.raises(UnreachableError):
        await way.door.perform(command)
    assert way.served.happened(command.key) == 0
    assert await way.door.recall(command.key) is None
    await way.proxy.release()
    await asyncio.sleep(0.3)
    assert way.served.happened(command.key) == 0, "a command that was told as never arrived took effect"
    again = replace(command, key=f"{command.key}-again")
    assert (await way.door.perform(again)).ok
    assert way.served.happened(again.key) == 1


async def test_a_slow_network_is_only_slow(way: Reached) -> None:
    way.proxy.delay = 0.03
    assert (await way.door.perform(mixing(0.05))).ok
    assert (await way.door.perform(setting(33.0))).values == {"temperature": 33.0}


async def test_many_at_once_while_the_line_is_cut_again_and_again(way: Reached) -> None:
    commands = [command for _ in range(6) for command in (mixing(0.2), setting(20.0), sampling())]
    performing = [asyncio.create_task(way.door.perform(command)) for command in commands]
    for _ in range(8):
        await asyncio.sleep(0.1)
        way.proxy.cut()
    outcomes = await asyncio.gather(*performing)
    assert all(outcome.ok for outcome in outcomes)
    assert {way.served.happened(command.key) for command in commands} == {1}


async def test_a_read_is_the_same_when_it_is_recalled_and_covers_each_reading_once(way: Reached) -> None:
    def read(number: int) -> Command:
        key = f"B-R/read#{number}"
        return Command(key=key, target="skid-01", verb="read", arguments={"signals": ["temperature"]})

    taken = []
    for number in range(6):
        way.proxy.cut_after(UNIT, read(number).key)
        taken.append(await way.door.perform(read(number)))
        await asyncio.sleep(0.1)
    times = [reading.at for outcome in taken for reading in outcome.readings]
    assert len(times) > 20
    assert [b - a for a, b in pairwise(times)] == [PERIOD] * (len(times) - 1), "a reading is missing or came twice"
    other = OpcUaDoor(endpoint=way.proxy.endpoint)
    assert [await other.recall(read(number).key) for number in range(6)] == taken
    await other.close()


async def test_a_clock_that_is_off_or_steps_is_said_and_times_are_kept_as_they_come(way: Reached) -> None:
    served, door = way.served, way.door
    assert abs(door.connection.difference or timedelta(9)) < timedelta(seconds=1)
    try:
        for ahead, words in (
            (timedelta(hours=1), r"3[56]\d\d\.\d s ahead of ours"),
            (timedelta(hours=-2), r"7[12]\d\d\.\d s behind ours"),
        ):
            served.ahead = ahead
            way.proxy.cut()
            command = Command(
                key=f"B-{next(_numbers)}/clock#1", target="skid-01", verb="read", arguments={"signals": ["pressure"]}
            )
            reading = (await door.perform(command)).readings[-1]
            assert abs(reading.at - datetime.now(UTC)) < timedelta(seconds=5), "the probe's own time is kept"
            assert any(re.search(words, said) for said in way.said)
            assert abs((door.connection.difference or timedelta(0)) - ahead) < timedelta(seconds=2)
    finally:
        served.ahead = timedelta(0)


async def test_a_clock_step_is_noticed_without_a_new_connection(way: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cytoloop.adapters.opcua.connection.CLOCK_EVERY", 0.0)
    way.served.ahead = timedelta(minutes=10)
    try:
        await way.door.plant_time()
        assert any("ahead of ours" in said for said in way.said)
        assert way.proxy.passed == 1
    finally:
        way.served.ahead = timedelta(0)
