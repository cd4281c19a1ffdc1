"""Devices of the library behind a real broker keep the conformance suite; the line is cut by killing the broker."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.mqtt_broker import running_broker
from tests.contract.sparkplug_line import Line

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.devices.library import LIBRARY
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.adapters.sparkplug.door import SparkplugDoor
from cytoloop.core.time import Instant
from cytoloop.testing.bench import Bench
from cytoloop.testing.device_contract import DeviceContract

FACTOR = 15_000.0
"""Device time over wall time: a minute in 4 ms."""
EVERY_RUN = ("incubator",)
"""Types that are tried in every run; the others in the long form."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All types in the long form."""
    long = metafunc.config.getoption("--long") or os.environ.get("CYTOLOOP_LONG")
    metafunc.parametrize("bench", LIBRARY if long else EVERY_RUN, indirect=True)


class TestLibraryOverSparkplug(DeviceContract):
    """The suite, for each type."""

    @pytest_asyncio.fixture
    async def bench(self, request: pytest.FixtureRequest, start: Instant, tmp_path: Path) -> AsyncIterator[Bench]:
        device_type = request.param
        with running_broker() as mosquitto:
            line = Line(mosquitto=mosquitto, folder=tmp_path, clock=ScaledClock(start, FACTOR))
            model = LIBRARY[device_type]
            device = Simulator(model, f"{device_type.replace('_', '-')}-01", clock=line.clock, seed=7)
            await line.edge(device)

            async def cut() -> None:
                mosquitto.kill()

            async def mend() -> None:
                mosquitto.start()

            async def second() -> SparkplugDoor:
                return line.door(patience=1.5, again=0.1)

            door = line.door(patience=1.5, again=0.1)
            await door.recall("B-0/connected")
            yield Bench(
                driver=door, device=device, clock=line.clock, cut=cut, mend=mend, second=second,
                parameters=model.examples,
            )  # fmt: skip
            await line.close()
