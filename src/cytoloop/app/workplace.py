"""Workplace: where a worker's concrete things meet: record, engine, plant, people, clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.engine import Engine, EngineAddress, Pulse, check_engine
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.operator.scripted import ScriptedPeople
from cytoloop.app.bootstrap import quality_policy
from cytoloop.app.cast import enrol_cast
from cytoloop.app.committing import journal_of
from cytoloop.app.doors import Doors
from cytoloop.app.equipment import Fitness
from cytoloop.app.live_site import POLL_SECONDS, screens
from cytoloop.app.plant import clock_of
from cytoloop.app.records import open_record, writable_record
from cytoloop.app.registrar import Registrar
from cytoloop.app.settings import read_settings
from cytoloop.app.working import PATIENCE, OpenBatches, Tell, Work, engine_address
from cytoloop.core.equipment import Command, Door
from cytoloop.core.errors import UserError
from cytoloop.core.facts.production import BatchCreated
from cytoloop.record.ledger import Ledger

MOST = 200
"""Batches that a worker carries at once: nearly all of them wait, for equipment or for people."""


LOOK = 10.0
"""Seconds of the wall from one look for what people entered into a batch to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a worker is to be run."""

    folder: Path
    """Its own data folder, whose settings name the shared record."""
    plant: str
    """Endpoint of the equipment, the same for all workers: "opc.tcp://host:4840/cytoloop"."""
    factor: float = 1.0
    """How many times as fast as the wall the plant's clock runs; 1 for a plant that is no simulation."""
    most: int = MOST
    scripted: bool = False
    """Whether the invented people of a demonstration answer."""
    patience: float = PATIENCE
    pulse: Pulse = field(default_factory=Pulse)


async def run_worker(asked: Asked, tell: Tell, stop: asyncio.Event) -> None:
    """Carry batches of the shared record until `stop` is set; then hand over those underway.

    UserError when the record is in a file, has no engine beside it, or the folder is in use; UnreachableError when the
    plant does not answer.
    """
    address = address_of(asked.folder)
    async with _plant(asked) as (door, clock):
        tell(f"worker: plant {asked.plant}, record and engine in {address.shown}   (Ctrl-C hands over and stops)")
        await carry_batches(asked, lambda ledger: _doors(ledger, clock, door, asked), clock, tell, stop)


async def carry_batches(
    asked: Asked, doors: Callable[[Ledger], Door], clock: ScaledClock, tell: Tell, stop: asyncio.Event
) -> None:
    """Carry batches through the doors that `doors` makes, until `stop` is set; the folder is held meanwhile."""
    with (
        writable_record(asked.folder, clock) as ledger,
        closing(open_record(asked.folder)) as looked_at,
        journal_of(ledger, clock) as journal,
    ):
        work = Work(
            ledger=ledger,
            journal=journal,
            door=doors(ledger),
            clock=clock,
            batches=OpenBatches(looked_at),
            fit=Fitness(ledger).fit,
            tell=tell,
            patience=asked.patience,
            look_every=LOOK * asked.factor / 3600.0,
        )
        engine = Engine(address_of(asked.folder), tell=tell, pulse=asked.pulse)
        await engine.work(work.turn, work.batches.wanted, most=asked.most, stop=stop)


def address_of(folder: Path) -> EngineAddress:
    """Where the engine of the folder's record is; UserError when the record is a file, or no engine is beside it."""
    store = read_settings(folder).store
    if store is None:
        raise UserError(
            f"the record of {folder} is a file, which one process carries; workers share a record in PostgreSQL "
            "(docs/how-to/add-a-worker.md)"
        )
    address = engine_address(store)
    check_engine(address)
    return address


@asynccontextmanager
async def _plant(asked: Asked) -> AsyncIterator[tuple[Door, ScaledClock]]:
    """The door to the plant, and the clock that goes with it."""
    door = OpcUaDoor(endpoint=asked.plant)
    try:
        yield door, ScaledClock() if asked.factor == 1.0 else await clock_of(door, asked.factor)
    finally:
        await door.close()


def _doors(ledger: Ledger, clock: ScaledClock, plant: Door, asked: Asked) -> Door:
    """People answer through the record, from any page or console; in a demonstration invented ones do."""
    if asked.scripted:
        return Doors({"person:": _people(ledger, clock, asked.folder), "": plant})
    return Doors({**screens(ledger, clock, POLL_SECONDS * asked.factor / 3600.0), "": plant})


def _people(ledger: Ledger, clock: ScaledClock, folder: Path) -> Door:
    """The invented people of a demonstration: they read every label right and answer at once."""

    def scan(command: Command) -> str:
        created = next(ledger.stream(f"batch/{command.key.partition('/')[0]}")).fact
        return created.coi if isinstance(created, BatchCreated) else ""

    signing, people = enrol_cast(Registrar(ledger, clock), Credentials(folder))
    return ScriptedPeople(clock=clock, signing=signing, people=people, scanner=scan, policy=quality_policy)
