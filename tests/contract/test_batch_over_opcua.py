"""One whole batch of the CAR-T recipe through a real OPC UA server, from the receipt to the release results."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.contract.opcua_plant import carry_one, free_port, plant_process

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.plant import clock_of
from cytoloop.core.errors import UserError
from cytoloop.core.time import Instant, hours_between


def test_a_whole_batch_runs_through_opc_ua(tmp_path: Path) -> None:
    with plant_process(free_port()) as endpoint:
        batch = asyncio.run(carry_one(endpoint, tmp_path))
    assert batch.finished_at is not None
    released = {told.fact.attribute: told.fact.value for told in batch.results if told.fact.stage == "release"}
    assert released["viable_car_cells"] > 0
    assert released["sterility"] == 0
    counts = [told.fact.value for told in batch.results if told.fact.attribute == "viable_cell_density"]
    assert len(counts) == 8
    assert max(counts) > 3 * counts[0], "the culture behind OPC UA did not grow"
    readings = [reading for told in batch.readings for reading in told.fact.readings]
    assert {reading.source for reading in readings} == {"bioreactor-01"}
    temperatures = [reading for reading in readings if reading.signal == "temperature"]
    spans = [hours_between(a.at, b.at) for a, b in pairwise(temperatures)]
    assert len(temperatures) > 150
    assert min(spans) > 0, "a reading came twice or out of order"


async def test_a_plant_that_is_not_there_is_named() -> None:
    door = OpcUaDoor(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/cytoloop", patience=1.0)
    with pytest.raises(Exception, match=r"opc\.tcp://127\.0\.0\.1") as refused:
        await clock_of(door, 1.0)
    assert "UnreachableError" in type(refused.value).__name__


async def test_a_plant_with_another_speed_is_refused() -> None:
    class Slow(OpcUaDoor):
        async def plant_time(self) -> Instant:
            return ScaledClock().now() + timedelta(0)

    with pytest.raises(UserError, match="times as fast as the wall"):
        await clock_of(Slow(endpoint="opc.tcp://none"), 1000.0)
