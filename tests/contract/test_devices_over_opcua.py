"""Devices of the library keep the contract behind OPC UA too: a real server, a connection that can be cut, the door.

One server for each type, with a fresh device for each test. All seven types in the long form, two otherwise.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from tests.contract.opcua_plant import free_port
from tests.fault.proxy import Proxy

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.devices.library import LIBRARY
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.testing.bench import Bench
from cytoloop.testing.device_contract import DeviceContract

FACTOR = 3600.0
"""The devices' time: an hour in a second."""
SHORT = ("cell_counter", "perfusion_bioreactor")
LONG = "--long" in sys.argv or bool(os.environ.get("CYTOLOOP_LONG"))
"""Known here already, so that the short form is not told of as tests that were skipped."""
TESTS = len([name for name in dir(DeviceContract) if name.startswith("test_")])


@dataclass
class Served:
    """A server with devices of one type that no test has used yet."""

    clock: ScaledClock
    port: int
    fresh: Iterator[tuple[int, Simulator]]
    """With a number, for keys that no other test has used: a key is unique for ever."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LIBRARY if LONG else SHORT)
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    kind = request.param
    clock, port = ScaledClock(factor=FACTOR), free_port()
    devices = [Simulator(LIBRARY[kind], f"{kind}-{number:02d}", clock=clock, seed=7) for number in range(TESTS)]
    endpoint = f"opc.tcp://127.0.0.1:{port}/cytoloop"
    server = DeviceServer(devices=devices, clock=clock, endpoint=endpoint, every=0.5)
    await server.start()
    yield Served(clock, port, enumerate(devices))
    await server.stop()


@pytest.mark.asyncio(loop_scope="module")
class TestLibraryOverOpcUa(DeviceContract):
    """Through a proxy that can be cut."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def bench(self, served: Served) -> AsyncIterator[Bench]:
        doors: list[OpcUaDoor] = []
        number, device = next(served.fresh)
        async with Proxy(served.port) as proxy:

            def door() -> OpcUaDoor:
                doors.append(OpcUaDoor(endpoint=proxy.endpoint, poll=0.005, patience=2.0))
                return doors[-1]

            async def second() -> OpcUaDoor:
                return door()

            async def cut() -> None:
                proxy.partition()

            async def mend() -> None:
                proxy.heal()

            yield Bench(
                driver=door(), device=device, clock=served.clock, cut=cut, mend=mend, second=second,
                parameters=LIBRARY[device.kind.device_type].examples, _keys=1000 * number,
            )  # fmt: skip
            proxy.heal()
            for each in doors:
                await each.close()
