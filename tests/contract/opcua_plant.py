"""A plant in a process of its own behind OPC UA, and a batch on it: begun, or gone on with."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.bootstrap import Site, simulated_site, writable_record
from cytoloop.app.demo import STUDY
from cytoloop.app.packs import read_pack
from cytoloop.app.plant import clock_of
from cytoloop.app.production import create_batch, free_equipment, in_force, read_batch
from cytoloop.app.proposing import approve_version
from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.production.runner import Runner

BATCH, COI = "B-F001", "DEMO26000001X"
FACTOR = 90_000.0
"""Plant time runs so many times as fast as the wall: eighteen days in twenty seconds."""


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
    """Carry the batch to its end: begin it, or go on where the record in `folder` says it stands."""
    pack = read_pack("car_t_cd19")
    door = OpcUaDoor(endpoint=endpoint, poll=0.005, plant=pack.plant)
    try:
        clock = await clock_of(door, FACTOR)
        with writable_record(folder, clock) as ledger:
            site = simulated_site(ledger, clock, pack, folder, seed=5, plant=door)
            site.coi_of[BATCH] = COI
            known = ledger.streams(f"batch/{BATCH}")
            batch = read_batch(ledger, BATCH) if known else await begin_one(site)
            runner = Runner(ledger=ledger, door=site.door, clock=clock, observers=(inspect,))
            return await runner.carry(batch)
    finally:
        await door.close()


async def begin_one(site: Site) -> Batch:
    """Approve the recipe, receive the material and create the batch."""
    await approve_version(site.registrar, site.door, "fixed", site.pack.master, None)
    await site.receive(COI, "donor-001")
    product = site.pack.product.product
    return create_batch(
        site.registrar,
        number=BATCH,
        order=OrderPlaced(order="O-1", subject="S-1", study=STUDY, product=product, weight=70.0),
        collected=MaterialCollected(order="O-1", coi=COI, collection_site="test"),
        recipe=in_force(site.registrar.ledger, "fixed", site.pack.recipe.recipe),
        equipment=free_equipment(site.pack.plant, frozenset()) or {},
    )


if __name__ == "__main__":
    asyncio.run(carry_one(sys.argv[1], Path(sys.argv[2])))
