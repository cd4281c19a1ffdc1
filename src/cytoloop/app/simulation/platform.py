"""Platform: one life of it, from its start to its crash or its end. All it knows it has from the record."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from cytoloop.app.permissions import check
from cytoloop.app.production import free_equipment
from cytoloop.app.quality import released
from cytoloop.app.registrar import Registrar
from cytoloop.app.reviewing import ask_review
from cytoloop.app.simulation.setting import Parts
from cytoloop.core.batch import Batch, apply, fold
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.equipment import Command, Door, Outcome, UnreachableError
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Pace, after
from cytoloop.production.runner import Runner
from cytoloop.record.ledger import Ledger

STARTED_AGAIN = 0.25
"""Hours until somebody starts a batch again that stopped because its record or its people could not be reached."""
LOOKED_AFTER = 12.0
"""Hours until somebody runs a held batch again, or asks anew for a signature that was refused."""
MOST_RUNS = 4
"""Times a held batch is run again before it is left to stand."""
MOST_ASKED = 20
"""Times a signature under a disposition is asked for."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One life."""

    site: Site
    ledger: Ledger
    journal: SlowJournal
    used: dict[str, frozenset[str]] = field(default_factory=dict)
    """Batch number -> units it has to itself."""
    _woken: dict[str, Batch] = field(default_factory=dict)

    def wake(self, plans: Sequence[Plan]) -> None:
        """Read every batch that there is, before anybody looks for free equipment."""
        for plan in plans:
            batch = self._read(plan.number)
            if batch is not None:
                self._woken[plan.number] = batch

    async def live(self, plan: Plan) -> None:
        """Take one batch as far as it goes, starting it again whenever it stops for a reason that passes."""
        for _ in range(1000):
            try:
                return await self._journey(plan)
            except (ConflictError, UnreachableError) as why:
                self.site.said(f"stopped {plan.number}: {why}")
                await self._wait(STARTED_AGAIN)
        raise AssertionError(f"{plan.number} stopped a thousand times")

    async def _journey(self, plan: Plan) -> None:
        await self.site.patient.comes(self.ledger, plan)
        woken = self._woken.pop(plan.number, None)
        batch = woken or self._read(plan.number) or await self._created(plan)
        for _ in range(MOST_RUNS):
            if batch.ended:
                break
            batch = await self._carried(batch)
            if not batch.ended:
                await self._wait(LOOKED_AFTER)
                batch = self._read(plan.number) or batch
        if batch.aborted is not None:
            self.site.clear(batch.created.coi)
        if batch.ended:
            self.used.pop(plan.number, None)
        if batch.ended and batch.disposition is None:
            batch = await self._decided(batch)
        if released(batch.disposition):
            await self.site.patient.is_treated(self.ledger, plan, batch)

    # -- production --------------------------------------------------------------------------------------------------

    async def _created(self, plan: Plan) -> Batch:
        """The batch, once there is equipment for it: units neither given to another one nor with anything in them."""
        while True:
            taken = self.site.occupied().union(*self.used.values())
            equipment = free_equipment(self.site.master.plant, taken)
            if equipment is not None:
                break
            await self._wait(6.0)
        created = self.site.patient.creation(self.ledger, plan, equipment)
        self.used[plan.number] = frozenset(equipment.values())
        draft = Draft(fact=created, actor="system:production", happened_at=self.site.clock.now())
        (recorded,) = await self.journal.append(f"batch/{plan.number}", [draft], expected=0)
        return fold([recorded], self.site.master)

    async def _carried(self, batch: Batch) -> Batch:
        runner = Runner(
            ledger=self.ledger, door=self.site.door, clock=self.site.clock, journal=self.journal,
            observers=self.site.parts.observers, may=check,
        )  # fmt: skip
        if self.site.doubled(batch.number):
            self.site.spawn(partial(self._second, runner, batch))
        return await self.site.parts.carry(runner, batch)

    async def _second(self, runner: Runner, batch: Batch) -> None:
        """Somebody else carries the same batch, until one of the two finds out."""
        try:
            await runner.carry(self._read(batch.number) or batch)
        except (ConflictError, UnreachableError) as why:
            self.site.said(f"the second runner of {batch.number} stopped: {why}")

    # -- quality -----------------------------------------------------------------------------------------------------

    async def _decided(self, batch: Batch) -> Batch:
        """The record is reviewed and the batch decided on; who refuses or is away is asked again."""
        registrar = Registrar(self.ledger, self.site.clock)
        for _ in range(MOST_ASKED):
            try:
                if batch.reviewed is None:
                    batch = await self._kept(batch, await ask_review(registrar, batch, self.site.door, "read"))
                _, draft = await self.site.parts.dispose(registrar, batch, self.site.door, ())
                return await self._kept(batch, draft)
            except RefusedError as why:
                self.site.said(f"refused {batch.number}: {why}")
                await self._wait(LOOKED_AFTER)
        return batch

    async def _kept(self, batch: Batch, draft: Draft) -> Batch:
        for recorded in await self.journal.append(f"batch/{batch.number}", [draft], expected=batch.position):
            batch = apply(batch, recorded)
        return batch

    # -- small things ------------------------------------------------------------------------------------------------

    def _read(self, number: str) -> Batch | None:
        """The batch as the record tells it; None when it was never created."""
        entries = list(self.ledger.stream(f"batch/{number}"))
        if not entries:
            return None
        batch = fold(entries, self.site.master)
        self.site.folded(batch)
        if not batch.ended:
            self.used[number] = frozenset(batch.created.equipment.values())
        return batch

    async def _wait(self, hours: float) -> None:
        await self.site.clock.until(after(self.site.clock.now(), hours))
