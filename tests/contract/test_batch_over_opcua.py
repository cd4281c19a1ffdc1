"""One whole batch of the CAR-T recipe through a real OPC UA server, from the receipt to the release results."""

import asyncio
import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.bootstrap import simulated_site, writable_record
from cytoloop.app.demo import PROTOCOL, STUDY
from cytoloop.app.learning import approve_version
from cytoloop.app.packs import read_pack
from cytoloop.app.plant import clock_of
from cytoloop.app.production import create_batch, free_equipment, in_force
from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.time import hours_between
from cytoloop.production.runner import Runner

FACTOR = 60_000.0
"""Plant time runs so many times as fast as the wall: eighteen days in half a minute."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def plant_process(port: int) -> Iterator[str]:
    """`cytoloop plant serve` in a process of its own."""
    arguments = ["plant", "serve", "--port", str(port), "--factor", str(FACTOR), "--seed", "5"]
    program = [sys.executable, "-m", "cytoloop.cli.main", *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("plant: opc.tcp://"), "the plant did not start"
        try:
            yield f"opc.tcp://127.0.0.1:{port}/cytoloop"
        finally:
            process.terminate()


async def carry_one(endpoint: str, folder: Path) -> Batch:
    pack, door = read_pack("car_t_cd19"), OpcUaDoor(endpoint=endpoint, poll=0.005)
    try:
        clock = await clock_of(door, FACTOR)
        with writable_record(folder, clock) as ledger:
            site = simulated_site(ledger, clock, pack, folder, seed=5, plant=door)
            await approve_version(site.registrar, site.door, "fixed", pack.master, None)
            await site.receive("DEMO26000001X", "donor-001")
            order = OrderPlaced(order="O-1", subject="S-1", study=STUDY, product=pack.product.product, weight=70.0)
            collected = MaterialCollected(order="O-1", coi="DEMO26000001X", collection_site="test")
            site.coi_of["B-F001"] = collected.coi
            batch = create_batch(
                site.registrar, number="B-F001", order=order, collected=collected,
                recipe=in_force(ledger, "fixed", pack.recipe.recipe),
                equipment=free_equipment(pack.plant, frozenset()) or {},
            )  # fmt: skip
            runner = Runner(ledger=ledger, door=site.door, clock=clock, observers=(inspect,))
            return await runner.carry(batch)
    finally:
        await door.close()


def test_a_whole_batch_runs_through_opc_ua(tmp_path: Path) -> None:
    with plant_process(free_port()) as endpoint:
        batch = asyncio.run(carry_one(endpoint, tmp_path))
    assert PROTOCOL
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
    spans = [hours_between(a.at, b.at) for a, b in itertools.pairwise(temperatures)]
    assert len(temperatures) > 150
    assert min(spans) > 0, "a reading came twice or out of order"


async def test_a_plant_that_is_not_there_is_named() -> None:
    door = OpcUaDoor(endpoint=f"opc.tcp://127.0.0.1:{free_port()}/cytoloop", patience=1.0)
    with pytest.raises(Exception, match=r"opc\.tcp://127\.0\.0\.1") as refused:
        await clock_of(door, 1.0)
    assert "UnreachableError" in type(refused.value).__name__


async def test_a_plant_with_another_speed_is_refused() -> None:
    class Slow(OpcUaDoor):
        async def plant_time(self):  # type: ignore[no-untyped-def]  # a stand-in
            from cytoloop.adapters.clocks import ScaledClock

            return ScaledClock().now() + timedelta(0)

    with pytest.raises(UserError, match="times as fast as the wall"):
        await clock_of(Slow(endpoint="opc.tcp://none"), 1000.0)
