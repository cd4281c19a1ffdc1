"""The example of the how-to page keeps the contract, over a real connection that is really cut."""

from collections.abc import AsyncIterator

import pytest
from tests.contract.example_driver import ShakerDriver
from tests.contract.example_shaker import MODEL, Controller

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.core.time import Instant
from cytoloop.testing.bench import Bench
from cytoloop.testing.device_contract import DeviceContract


class TestShaker(DeviceContract):
    """All of the suite, on the shaker."""

    @pytest.fixture
    async def bench(self, start: Instant) -> AsyncIterator[Bench]:
        clock = ScaledClock(start, factor=3600.0)  # an hour of the device passes in a second
        device = Simulator(MODEL, "shaker-01", clock=clock, seed=1)
        controller = Controller(device)
        await controller.start()

        def driver() -> ShakerDriver:
            return ShakerDriver(unit=device.unit, host="127.0.0.1", port=controller.port, clock=clock)

        async def second() -> ShakerDriver:
            return driver()

        yield Bench(
            driver=driver(),
            device=device,
            clock=clock,
            cut=controller.stop,
            mend=controller.start,
            second=second,
            parameters=MODEL.examples,
        )
        await controller.stop()
