"""Site: what a life of the platform finds around it, and the places at which it may die."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cytoloop.app.simulation.orders import Orders
from cytoloop.app.simulation.setting import Parts
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.equipment import Command, Door, Outcome
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Pace
from cytoloop.record.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One batch that is to be made."""

    number: str
    coi: str
    arrives: float
    """Hours from the world's beginning until its patient comes."""


class Patient(Protocol):
    """What stands around a batch: whose it is. Called again after a crash, with the record as it is then."""

    async def comes(self, ledger: Ledger, plan: Plan) -> None:
        """Everything that is done before the batch's material is at the plant."""
        ...

    def creation(self, ledger: Ledger, plan: Plan, equipment: dict[str, str]) -> BatchCreated:
        """The fact that makes the batch."""
        ...

    async def is_treated(self, ledger: Ledger, plan: Plan, batch: Batch) -> None:
        """Everything that is done with a batch that was released."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mortal:
    """A door at which the platform may die: before a command is sent, and after its outcome came."""

    inner: Door
    may_die: Callable[[str], Awaitable[None]]

    async def perform(self, command: Command) -> Outcome:
        await self.may_die(f"before {command.key} was sent")
        outcome = await self.inner.perform(command)
        await self.may_die(f"when {command.key} had ended")
        return outcome

    async def recall(self, key: str) -> Outcome | None:
        outcome = await self.inner.recall(key)
        await self.may_die(f"when {key} was recalled")
        return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowJournal:
    """A journal on a disk that is slow now and then: before the entries are kept, and before that is told."""

    ledger: Ledger
    slow: Callable[[str], Awaitable[None]]

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        if not drafts:
            return ()
        await self.slow("to write")
        kept = self.ledger.append(stream, drafts, expected=expected)
        await self.slow("to say that it has written")
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a life of the platform finds around it."""

    clock: Pace
    door: Door
    master: MasterRecipe
    patient: Patient
    orders: Orders
    parts: Parts
    occupied: Callable[[], frozenset[str]]
    """Units with somebody's material in them, as people see."""
    clear: Callable[[str], None]
    """People clear away what is left of an aborted batch's material."""
    doubled: Callable[[str], bool]
    """Whether a second runner is started on the batch, by mistake."""
    spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], object]
    """Lets something go on in this life."""
    folded: Callable[[Batch], None]
    """Is told of each batch as it was folded from the record."""
    said: Callable[[str], None]
