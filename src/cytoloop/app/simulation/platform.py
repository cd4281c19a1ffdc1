"""Platform: one life of it, from its start to its crash or its end. All it knows it has from the record."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cytoloop.app.permissions import check
from cytoloop.app.production import free_equipment
from cytoloop.app.registrar import Registrar
from cytoloop.app.reviewing import ask_review
from cytoloop.app.simulation.setting import Parts
from cytoloop.core.batch import Batch, apply, fold
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.equipment import Command, Door, Outcome, UnreachableError
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Clock, after
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
    """Hours from the world's beginning to the arrival of its material."""


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

    clock: Clock
    door: Door
    master: MasterRecipe
    parts: Parts
    occupied: Callable[[], frozenset[str]]
    """Units with somebody's material in them, as people see."""
    clear: Callable[[str], None]
    """People clear away what is left of an aborted batch's material."""
    doubled: Callable[[str], bool]
    """Whether a second runner is started on the batch, by mistake."""
    spawn: Callable[[Any], Any]
    folded: Callable[[Batch], None]
    said: Callable[[str], None]
    begins: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One life."""

    site: Site
    ledger: Ledger
    journal: SlowJournal
    plans: tuple[Plan, ...]

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
        batch = self._read(plan.number) or await self._created(plan)
        for _ in range(MOST_RUNS):
            if batch.ended:
                break
            batch = await self._carried(batch)
            if batch.held is not None:
                await self._wait(LOOKED_AFTER)
                batch = self._read(plan.number) or batch
        if batch.aborted is not None:
            self.site.clear(batch.created.coi)
        if batch.ended and batch.disposition is None:
            await self._decided(batch)

    # -- production -------------------------------------------------------------------------------------------------

    async def _created(self, plan: Plan) -> Batch:
        await self.site.clock.until(after(self.site.begins, plan.arrives))
        while (equipment := free_equipment(self.site.master.plant, self._occupied())) is None:
            await self._wait(6.0)
        draft = Draft(fact=self._creation(plan, equipment), actor="system:production", happened_at=self._now())
        (recorded,) = await self.journal.append(f"batch/{plan.number}", [draft], expected=0)
        return fold([recorded], self.site.master)

    def _creation(self, plan: Plan, equipment: dict[str, str]) -> BatchCreated:
        master = self.site.master
        return BatchCreated(
            batch=plan.number, order=f"O-{plan.number}", subject=f"S-{plan.number}", study="ST-SIMULATED",
            coi=plan.coi, product=master.product.product, line="simulated", recipe=master.recipe.recipe,
            recipe_version=master.recipe.version, recipe_sha256="0" * 64, weight=70.0, equipment=equipment,
        )  # fmt: skip

    def _occupied(self) -> frozenset[str]:
        """Units that a batch of the record has to itself, and those with something in them."""
        units: set[str] = set(self.site.occupied())
        for plan in self.plans:
            batch = self._read(plan.number)
            if batch is not None and not batch.ended:
                units.update(batch.created.equipment.values())
        return frozenset(units)

    async def _carried(self, batch: Batch) -> Batch:
        runner = Runner(
            ledger=self.ledger, door=self.site.door, clock=self.site.clock, journal=self.journal,
            observers=self.site.parts.observers, may=check,
        )  # fmt: skip
        if self.site.doubled(batch.number):
            self.site.spawn(partial(self._second, runner, batch))
        carried = await self.site.parts.carry(runner, batch)  # type: ignore[misc]  # an awaitable of a batch
        assert isinstance(carried, Batch), "carrying gives the batch back"
        return carried

    async def _second(self, runner: Runner, batch: Batch) -> None:
        """Somebody else carries the same batch, until one of the two finds out."""
        try:
            await runner.carry(self._read(batch.number) or batch)
        except (ConflictError, UnreachableError) as why:
            self.site.said(f"the second runner of {batch.number} stopped: {why}")

    # -- quality ----------------------------------------------------------------------------------------------------

    async def _decided(self, batch: Batch) -> None:
        """The record is reviewed and the batch decided on; who refuses or is away is asked again."""
        registrar = Registrar(self.ledger, self.site.clock)
        for _ in range(MOST_ASKED):
            try:
                if batch.reviewed is None:
                    batch = await self._kept(batch, await ask_review(registrar, batch, self.site.door, "read"))
                _, draft = await self.site.parts.dispose(registrar, batch, self.site.door, ())  # type: ignore[misc]
                await self._kept(batch, draft)
                return
            except RefusedError as why:
                self.site.said(f"refused {batch.number}: {why}")
                await self._wait(LOOKED_AFTER)

    async def _kept(self, batch: Batch, draft: Draft) -> Batch:
        for recorded in await self.journal.append(f"batch/{batch.number}", [draft], expected=batch.position):
            batch = apply(batch, recorded)
        return batch

    # -- small things -----------------------------------------------------------------------------------------------

    def _read(self, number: str) -> Batch | None:
        """The batch as the record tells it; None when it was never created."""
        entries = list(self.ledger.stream(f"batch/{number}"))
        if not entries:
            return None
        batch = fold(entries, self.site.master)
        self.site.folded(batch)
        return batch

    def _now(self) -> Any:
        return self.site.clock.now()

    async def _wait(self, hours: float) -> None:
        await self.site.clock.until(after(self._now(), hours))
