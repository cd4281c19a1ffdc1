"""The feed of changes: whatever the connection does, every reading comes out once, and what was missed is filled in."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.opcua_plant import free_port
from tests.fault.proxy import Proxy
from tests.fault.skid import PERIOD, Skid

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.feed import Feed
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.adapters.telemetry import open_telemetry
from cytoloop.core.telemetry import Readings, microseconds, moment
from cytoloop.core.time import Instant
from cytoloop.record.segment import FORM

pytestmark = pytest.mark.asyncio(loop_scope="module")
Row = tuple[str, Instant]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DeviceServer]:
    clock, effects = ScaledClock(), tmp_path_factory.mktemp("skid") / "effects"
    devices = tuple(Skid(clock, effects, unit=unit) for unit in ("skid-01", "skid-02"))
    endpoint = f"opc.tcp://127.0.0.1:{free_port()}/cytoloop"
    server = DeviceServer(devices=devices, clock=clock, endpoint=endpoint, every=0.02 / 3600)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def proxy(served: DeviceServer) -> AsyncIterator[Proxy]:
    async with Proxy(int(served.endpoint.rpartition(":")[2].partition("/")[0])) as proxy:
        yield proxy


async def taken(feed: Feed, seconds: float) -> list[list[Readings]]:
    """Blocks that come within so many seconds."""
    blocks: list[list[Readings]] = []
    async with aclosing(feed.blocks()) as coming:  # type: ignore[type-var]
        try:
            async with asyncio.timeout(seconds):
                async for block in coming:
                    blocks.append(block)
        except TimeoutError:
            pass
    return blocks


def rows(blocks: list[list[Readings]]) -> Counter[Row]:
    return Counter((tag.name, moment(at)) for block in blocks for each in block for tag, at, *_ in each.rows())


def complete(found: Counter[Row], tags: int) -> None:
    """Every reading of each tag from the first to the last, each once."""
    assert set(found.values()) == {1}, f"came twice: {[row for row, n in found.items() if n > 1][:5]}"
    times: dict[str, list[Instant]] = {}
    for tag, at in found:
        times.setdefault(tag, []).append(at)
    assert len(times) == tags
    for tag, measured in times.items():
        steps = {b - a for a, b in pairwise(sorted(measured))}
        assert steps == {PERIOD}, f"{tag}: a reading is missing: {steps}"
        assert len(measured) > 40


async def test_every_change_comes_once_while_the_line_breaks(proxy: Proxy) -> None:
    door = OpcUaDoor(endpoint=proxy.endpoint, patience=3.0)
    feed, dice = door.feed({"skid-01": "B-1", "skid-02": "B-2"}, interval=0.05), random.Random(3)

    async def trouble() -> None:
        for number in range(6):
            await asyncio.sleep(dice.uniform(0.2, 0.5))
            if number % 3 == 0:
                proxy.partition()
                await asyncio.sleep(0.3)
                proxy.heal()
            else:
                proxy.cut() if number % 3 == 1 else proxy.half_open("to_client")

    breaking = asyncio.create_task(trouble())
    blocks = await taken(feed, 8.0)
    await breaking
    assert {each.batch for block in blocks for each in block} == {"B-1", "B-2"}
    assert feed.filled > 0, "nothing was filled from history though the connection was broken"
    assert proxy.passed > 4
    complete(rows(blocks), tags=4)
    await door.close()


async def test_a_queue_that_runs_over_is_filled_from_history(served: DeviceServer) -> None:
    """The server keeps three changes between two publishes and twenty happen."""
    door = OpcUaDoor(endpoint=served.endpoint)
    feed = door.feed({"skid-01": "B-1"}, interval=0.4, queue=3)
    blocks = await taken(feed, 3.0)
    assert feed.filled > 50
    complete(rows(blocks), tags=2)
    await door.close()


async def test_a_feed_goes_on_where_the_store_of_an_earlier_process_ends(served: DeviceServer, tmp_path: Path) -> None:
    """Kept durably, stopped, and begun again by another process: nothing is missing and nothing is kept twice."""
    store = open_telemetry(tmp_path / "telemetry.db", FORM, create=True)
    since: dict[str, Instant] = {}
    for _ in range(3):
        door = OpcUaDoor(endpoint=served.endpoint)
        for block in await taken(door.feed({"skid-01": "B-1"}, interval=0.05, since=since), 0.8):
            written = store.write(block)
            assert written.repeated == written.conflicting == 0
        await door.close()
        kept = rows([[store.read("B-1")]])
        since = {tag: max(at for name, at in kept if name == tag) for tag, _ in kept}
        await asyncio.sleep(0.3)
    complete(rows([[store.read("B-1")]]), tags=2)
    store.close()


async def test_readings_asked_for_late_and_again_are_the_same(served: DeviceServer) -> None:
    """The historian's way: windows that overlap settle to each reading once in the store."""
    door = OpcUaDoor(endpoint=served.endpoint)
    now = ScaledClock().now()
    await asyncio.sleep(0.3)
    first = await door.readings("B-1", "skid-01", now - timedelta(seconds=0.5), now + timedelta(seconds=0.2))
    again = await door.readings("B-1", "skid-01", now - timedelta(seconds=0.5), now + timedelta(seconds=0.2))
    assert first is not None
    assert again is not None
    assert rows([[first]]) == rows([[again]])
    assert all(now - timedelta(seconds=0.5) <= at < now + timedelta(seconds=0.2) for _, at in rows([[first]]))
    assert microseconds(now) > 0
    await door.close()
