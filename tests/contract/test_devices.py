"""Every device of the library keeps the contract, through a door in this process whose line can be cut."""

import pytest

from cytoloop.adapters.devices.door import LocalDoor
from cytoloop.adapters.devices.library import LIBRARY
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.core.time import Instant
from cytoloop.testing.bench import Bench
from cytoloop.testing.clocks import EagerClock
from cytoloop.testing.device_contract import DeviceContract


def bench_of(device_type: str, start: Instant) -> Bench:
    """The device on a bench in this process."""
    clock, whole = EagerClock(start), [True]
    model = LIBRARY[device_type]
    device = Simulator(model, f"{device_type.replace('_', '-')}-01", clock=clock, seed=7)

    def door() -> LocalDoor:
        return LocalDoor(devices=[device], clock=clock, reachable=lambda: whole[0])

    async def line(held: bool) -> None:
        whole[0] = held

    async def second() -> LocalDoor:
        return door()

    return Bench(
        driver=door(),
        device=device,
        clock=clock,
        cut=lambda: line(False),
        mend=lambda: line(True),
        second=second,
        parameters=model.examples,
    )


class TestLibraryInProcess(DeviceContract):
    """All seven, in process."""

    @pytest.fixture(params=LIBRARY)
    def bench(self, request: pytest.FixtureRequest, start: Instant) -> Bench:
        return bench_of(request.param, start)
