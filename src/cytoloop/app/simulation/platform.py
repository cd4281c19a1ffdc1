"""Platform: one life of it, from its start to its crash or its end. All it knows it has from the record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from cytoloop.app.permissions import check
from cytoloop.app.production import free_equipment
from cytoloop.app.quality import released
from cytoloop.app.registrar import Registrar
from cytoloop.app.simulation.site import Plan, Site, SlowJournal
from cytoloop.core.batch import Batch, apply, fold
from cytoloop.core.entry import Draft
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.time import after
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
                batch = await self._let_go_on(self._read(plan.number) or batch)
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

    async def _let_go_on(self, batch: Batch) -> Batch:
        """The batch, and when somebody holds it, after they let it go on."""
        if batch.on_hold is None or batch.ended:
            return batch
        await self.site.orders.give(Registrar(self.ledger, self.site.clock), batch, "resume")
        return self._read(batch.number) or batch

    async def order(self, plan: Plan) -> None:
        """Whatever people order on the batch, at its hour: nothing on most, and nothing twice."""
        drawn = self.site.orders.drawn(plan.number)
        while drawn is not None:
            batch = self._read(plan.number)
            if batch is not None and after(batch.created_at, drawn[1]) <= self.site.clock.now():
                if not batch.ended and batch.abort is None and batch.on_hold is None:
                    await self.site.orders.give(Registrar(self.ledger, self.site.clock), batch, drawn[0])
                return
            hour = after(batch.created_at, drawn[1]) if batch is not None else after(self.site.clock.now(), 24.0)
            await self.site.clock.until(hour)

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
                    batch = await self._kept(
                        batch, await self.site.parts.review(registrar, batch, self.site.door, "read")
                    )
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
