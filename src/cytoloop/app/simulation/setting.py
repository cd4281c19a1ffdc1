"""Setting: what a simulated world is made of before anything happens in it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cytoloop.adapters.faulty.disk import FaultyDisk
from cytoloop.adapters.faulty.equipment import CountedEquipment
from cytoloop.adapters.faulty.faults import Rates
from cytoloop.adapters.faulty.network import FaultyDoor
from cytoloop.adapters.faulty.people import CountedPeople
from cytoloop.app.quality import dispose, inspect
from cytoloop.app.registrar import Registrar
from cytoloop.app.reviewing import ask_review
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft
from cytoloop.core.equipment import Door
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Operation
from cytoloop.production.pack import Pack
from cytoloop.production.runner import Observer, Runner
from cytoloop.quality.obstacles import Obstacle

START = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
"""When every world begins: Monday 1 June 2026, 09:00 in Shanghai."""
LONGEST = timedelta(days=200)
"""How long a world may take; a batch that has not come to its end by then never does."""
ARRIVALS = 40.0
"""Hours from one batch's material to the next one's."""
CULTURE = 264.0
"""Hours of expansion, of 192 in the pack, that make the CAR-T recipe one of fourteen days."""


def fourteen_days(pack: Pack) -> Pack:
    """The pack with the longest culture that the CAR-T recipe's ranges allow."""
    procedure = tuple(
        replace(each, operations=tuple(_long(operation) for operation in each.operations))
        for each in pack.recipe.procedure
    )
    return replace(pack, recipe=replace(pack.recipe, procedure=procedure))


def _long(operation: Operation) -> Operation:
    parameters = operation.parameters
    if "culture_duration" not in parameters:
        return operation
    longer = replace(parameters["culture_duration"], target=CULTURE, nor=(CULTURE - 6.0, CULTURE))
    return replace(operation, parameters={**parameters, "culture_duration": longer})


async def carried(runner: Runner, batch: Batch) -> Batch:
    """The runner carries the batch."""
    return await runner.carry(batch)


def as_it_is(door: Door) -> Door:
    """The door itself."""
    return door


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a world that a test may put wrong ones in the place of, to see that somebody notices."""

    equipment: type[CountedEquipment] = CountedEquipment
    network: type[FaultyDoor] = FaultyDoor
    disk: type[FaultyDisk] = FaultyDisk
    people: type[CountedPeople] = CountedPeople
    door: Callable[[Door], Door] = as_it_is
    """What the platform speaks to in place of all doors."""
    carry: Callable[[Runner, Batch], Awaitable[Batch]] = carried
    observers: tuple[Observer, ...] = (inspect,)
    review: Callable[[Registrar, Batch, Door, str], Awaitable[Draft]] = ask_review
    dispose: Callable[[Registrar, Batch, Door, tuple[Obstacle, ...]], Awaitable[tuple[object, Draft]]] = dispose


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One world."""

    seed: int
    batches: int
    rates: Rates = field(hash=False)
    pack: Pack
    full: bool = False
    """Whether equipment has its biology and batches have patients: from the order to the administration."""
    traced: bool = False
    replay: bool = True
    """Whether every history is read again and decided again at the end."""
    parts: Parts = field(default_factory=Parts)

    @property
    def master(self) -> MasterRecipe:
        """What every batch is pinned to."""
        return self.pack.master
