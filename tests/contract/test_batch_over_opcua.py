"""One whole batch of the CAR-T recipe through a real OPC UA server, from the receipt to the release results.

Nobody touches it while the connection is cut, stalled and half open at moments drawn from a seed.
"""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.contract.opcua_plant import BATCH, carry_one, free_port, plant_process
from tests.fault.proxy import Proxy

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.bootstrap import readable_record
from cytoloop.app.plant import clock_of
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.errors import UserError
from cytoloop.core.facts.production import StepCompleted, StepResolved, StepStarted
from cytoloop.core.time import Instant, hours_between


async def trouble(proxy: Proxy, dice: random.Random, seen: Counter[str]) -> None:
    """Break the connection every now and then, each time in a way that is drawn. Ends when cancelled."""
    while True:
        await asyncio.sleep(dice.uniform(0.2, 1.5))
        kind = dice.choice(["cut", "partition", "half open", "stall", "deaf to us"])
        seen[kind] += 1
        match kind:
            case "cut":
                proxy.cut()
            case "half open":
                proxy.half_open()
            case "deaf to us":
                proxy.half_open("to_client")
            case _:
                proxy.partition() if kind == "partition" else proxy.stall()
                await asyncio.sleep(dice.uniform(0.02, 0.3))
                proxy.heal()


async def carried_through_trouble(port: int, folder: Path, seed: int) -> tuple[Batch, Counter[str]]:
    """The batch as it ended, and how often the connection broke in which way."""
    seen: Counter[str] = Counter()
    async with Proxy(port) as proxy:
        breaking = asyncio.create_task(trouble(proxy, random.Random(seed), seen))
        try:
            return await carry_one(proxy.endpoint, folder), seen
        finally:
            breaking.cancel()
            with suppress(asyncio.CancelledError):
                await breaking


def facts_of(folder: Path) -> list[Fact]:
    with readable_record(folder) as ledger:
        return [each.fact for each in ledger.stream(f"batch/{BATCH}")]


def test_a_whole_batch_runs_through_opc_ua_while_the_line_breaks(tmp_path: Path) -> None:
    port = free_port()
    with plant_process(port):
        batch, seen = asyncio.run(carried_through_trouble(port, tmp_path, seed=11))
    assert batch.finished_at is not None
    assert sum(seen.values()) >= 10, f"the connection hardly broke: {seen}"
    facts = facts_of(tmp_path)
    by_people = [each for each in facts if isinstance(each, StepResolved) and each.resolution != "never-arrived"]
    assert by_people == [], "a person had to say what became of a step"
    keys = Counter(each.key for each in facts if isinstance(each, StepStarted))
    assert max(keys.values()) == 1, "a command was sent under one key twice"
    done = Counter(each.step for each in facts if isinstance(each, StepCompleted))
    assert max(done.values()) == 1, "a step was done twice"
    check_product(batch)
    check_readings(batch)


def check_product(batch: Batch) -> None:
    released = {told.fact.attribute: told.fact.value for told in batch.results if told.fact.stage == "release"}
    assert released["viable_car_cells"] > 0
    assert released["sterility"] == 0
    counts = [told.fact.value for told in batch.results if told.fact.attribute == "viable_cell_density"]
    assert len(counts) == 8
    assert max(counts) > 3 * counts[0], "the culture behind OPC UA did not grow"


def check_readings(batch: Batch) -> None:
    """Every hour of each signal, once, though the connection broke."""
    readings = [reading for told in batch.readings for reading in told.fact.readings]
    assert {reading.source for reading in readings} == {"bioreactor-01"}
    temperatures = [reading for reading in readings if reading.signal == "temperature"]
    spans = [hours_between(a.at, b.at) for a, b in pairwise(temperatures)]
    assert len(temperatures) > 150
    assert {round(span, 6) for span in spans} == {1.0}, "a reading is missing, came twice or out of order"


async def test_a_plant_that_is_not_there_is_named() -> None:
    door = OpcUaDoor(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/cytoloop", patience=1.0)
    with pytest.raises(Exception, match=r"opc\.tcp://127\.0\.0\.1") as refused:
        await clock_of(door, 1.0)
    assert "UnreachableError" in type(refused.value).__name__
    await door.close()


async def test_a_plant_with_another_speed_is_refused() -> None:
    class Slow(OpcUaDoor):
        async def plant_time(self) -> Instant:
            return ScaledClock().now() + timedelta(0)

    with pytest.raises(UserError, match="times as fast as the wall"):
        await clock_of(Slow(endpoint="opc.tcp://none"), 1000.0)
