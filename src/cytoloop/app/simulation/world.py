"""World: one seed's facility, people, network and disk, and the platform that lives, dies and lives again in it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.disk import FaultyDisk
from cytoloop.adapters.faulty.equipment import CountedEquipment
from cytoloop.adapters.faulty.network import Cuts
from cytoloop.adapters.faulty.people import CountedPeople
from cytoloop.adapters.faulty.telemetry import FaultyReadings
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.app.doors import Doors
from cytoloop.app.simulation import at_the_end
from cytoloop.app.simulation.biology import CountedFacility, faults_of
from cytoloop.app.simulation.fate import Fate
from cytoloop.app.simulation.loop import LIFE, SimulatedLoop, StuckError
from cytoloop.app.simulation.nobody import Nobody
from cytoloop.app.simulation.orders import Orders
from cytoloop.app.simulation.patients import Patients
from cytoloop.app.simulation.platform import Platform
from cytoloop.app.simulation.setting import ARRIVALS, LONGEST, START, Setting
from cytoloop.app.simulation.site import Mortal, Plan, Site, SlowJournal
from cytoloop.app.simulation.story import Stories
from cytoloop.app.simulation.watch import Violation, Watch, WatchedLedger
from cytoloop.clinic.order import coi_number
from cytoloop.core.errors import StoreError
from cytoloop.core.store import TreeHead
from cytoloop.core.time import after
from cytoloop.record.codec import Codec

CODEC = Codec()
"""Building one takes longer than some batches."""


class CrashError(BaseException):
    """The process died here. No error that anybody may handle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a world."""

    seed: int
    violation: Violation | None
    batches: int
    released: int
    rejected: int
    held: int
    aborted: int
    entries: int
    effects: int
    lives: int
    days: float
    head: TreeHead | None
    faults: Counter[str] = field(default_factory=Counter)
    trace: tuple[str, ...] = ()


@dataclass(slots=True)
class World:
    """One world. `run` once."""

    setting: Setting
    dice: Dice = field(init=False)
    loop: SimulatedLoop = field(init=False)
    disk: FaultyDisk = field(init=False)
    watch: Watch = field(init=False)
    fate: Fate = field(init=False)
    equipment: CountedEquipment | CountedFacility = field(init=False)
    people: CountedPeople = field(init=False)
    patient: Nobody | Patients = field(init=False)
    lines: list[str] = field(default_factory=list)
    life: int = 0
    _violation: Violation | None = None
    _died: "asyncio.Future[None] | None" = None
    _targets: dict[str, str] = field(default_factory=dict)
    _plans: tuple[Plan, ...] = ()

    def __post_init__(self) -> None:
        setting = self.setting
        self.dice = dice = Dice(setting.seed)
        self.loop = loop = SimulatedLoop(START, lambda number: dice.draw("tie", number))
        self.disk = setting.parts.disk(full=self._full, told=self._written)
        self.watch = watch = Watch(
            store=self.disk, codec=CODEC, stories=Stories(setting.master), clock=loop, violated=self._violated,
            trace=self._trace if setting.traced else None,
        )  # fmt: skip
        self.fate = Fate(dice=dice, rates=setting.rates, clock=loop, note=watch.fault)
        self.equipment = self._with_biology() if setting.full else self._light()
        self.people = setting.parts.people(
            clock=loop, dice=dice, rates=setting.rates, fetch=self._fetched, looked=self.equipment.worked,
            told=watch.effect, note=watch.fault,
        )  # fmt: skip
        self._plans = tuple(
            Plan(number=f"B-{n + 1}", coi=coi_number("DEMO", START.year, n + 1), arrives=ARRIVALS * n)
            for n in range(setting.batches)
        )

    def _light(self) -> CountedEquipment:
        setting = self.setting
        self.patient = Nobody(clock=self.loop, master=setting.master, begins=START)
        return setting.parts.equipment(
            plant=setting.master.plant, product=setting.master.product, clock=self.loop, dice=self.dice,
            rates=setting.rates, begins=START, readings=self._readings(), told=self.watch.effect,
            note=self.watch.fault,
        )  # fmt: skip

    def _with_biology(self) -> CountedFacility:
        setting = self.setting
        facility = Facility(
            seed=setting.seed, clock=self.loop, donors=Distribution.from_data(setting.pack.donors),
            plant=setting.master.plant, faults=faults_of(setting.rates),
        )  # fmt: skip
        counted = CountedFacility(
            facility=facility, clock=self.loop, readings=self._readings(), told=self.watch.effect,
            note=self.watch.fault,
        )  # fmt: skip
        self.watch.stories.looked = counted.worked
        self.patient = Patients(
            clock=self.loop, facility=facility, pack=setting.pack, seed=setting.seed, begins=after(START, 24.0 * 14)
        )
        return counted

    def _readings(self) -> FaultyReadings:
        return FaultyReadings(dice=self.dice, rates=self.setting.rates, note=self.watch.fault)

    def run(self) -> Ended:
        """Let it run to its end, or to the first invariant that does not hold."""
        try:
            if not self.loop.run(self._operate(), START + LONGEST):
                self.watch.said("time is over")
            self.watch.conclude(replay=self.setting.replay)
        except ViolatedError:
            pass
        except StuckError as why:
            self._violation = self._violation or Violation(invariant="comes_to_an_end", batch="", what=str(why))
        except Exception as error:  # noqa: BLE001  (whatever the platform stumbles over is what is looked for)
            what = at_the_end.runs_without_mistake(error) or ""
            self._violation = self._violation or Violation(invariant="runs_without_mistake", batch="", what=what)
        self._bury()
        return self._ended()

    # -- the platform, life after life -------------------------------------------------------------------------------

    async def _operate(self) -> None:
        if isinstance(self.patient, Patients):
            await self.patient.found(WatchedLedger(self.disk, self.loop, CODEC, self.watch), self._plans)
        while not await self._lived():
            await self.loop.until(self.loop.now() + self.fate.down(self.life))

    async def _lived(self) -> bool:
        """One life of the platform; whether it did all there was to do."""
        self.life += 1
        self._died = self.loop.create_future()
        self.watch.said(f"START   life {self.life} of the platform")
        # The record is opened in the life that uses it: a disk may be full, or the process die, even then.
        work = self.loop.spawn(self._worked(self.life), self.life)
        await asyncio.wait((work, self._died), return_when=asyncio.FIRST_COMPLETED)
        if work.done() and not self._died.done():
            work.result()
            return True
        return False

    async def _worked(self, life: int) -> None:
        ledger = WatchedLedger(self.disk, self.loop, CODEC, self.watch)
        journal = SlowJournal(ledger=ledger, slow=self.fate.slow)
        platform = Platform(site=self._site(), ledger=ledger, journal=journal)
        platform.wake(self._plans)
        work = [self.loop.spawn(self._guarded(partial(platform.live, plan)), life) for plan in self._plans]
        for plan in self._plans:
            self.loop.spawn(self._guarded(partial(platform.order, plan)), life)
        await asyncio.gather(*work)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work of the platform: where it dies it stays, and when the record cannot be written all of it stops."""
        try:
            await work()
        except CrashError:
            await self.loop.create_future()
        except StoreError as why:
            self.watch.said(f"STOP    {why}")
            self._ends()
            await self.loop.create_future()

    def _site(self) -> Site:
        setting = self.setting
        cuts = Cuts(dice=self.dice, rate=setting.rates.get("partition", 0.0), begins=START)
        network = setting.parts.network(
            inner=self.equipment, clock=self.loop, dice=self.dice, rates=setting.rates, cuts=cuts,
            target_of=self._targets, note=self.watch.fault,
        )  # fmt: skip
        doors = Doors({"person:": self.people, "": network})
        mortal = Mortal(inner=doors, may_die=self._may_die)
        return Site(
            clock=self.loop, door=setting.parts.door(mortal), master=setting.master, patient=self.patient,
            orders=Orders(dice=self.dice, rates=setting.rates, note=self.watch.fault),
            parts=setting.parts, occupied=lambda: frozenset(self.equipment.holds), clear=self.equipment.clear,
            doubled=lambda number: self.fate.doubled(number, self.life),
            spawn=lambda work: self.loop.spawn(self._guarded(work), self.life),
            folded=self.watch.folded, said=self.watch.said,
        )  # fmt: skip

    # -- where it dies ------------------------------------------------------------------------------------------------

    def _dead(self) -> bool:
        return LIFE.get() not in (0, self.life) or (self._died is not None and self._died.done())

    async def _may_die(self, where: str) -> None:
        if self.fate.dies() or self._dead():
            self._killed(where)
            await self.loop.create_future()

    def _written(self, when: str) -> None:
        if self.life and (self.fate.dies() or self._dead()):
            self._killed(f"{when} a write")
            raise CrashError

    def _killed(self, where: str) -> None:
        if self._ends():
            self.watch.fault("crash", where)

    def _ends(self) -> bool:
        """Everything that belongs to this life stands still for good; whether it did not already."""
        if self._died is None or self._died.done():
            return False
        self.loop.kill(self.life)
        self._died.set_result(None)
        return True

    def _full(self) -> str | None:
        return self.fate.full() if self.life else None

    def _fetched(self, number: str, wrong: bool) -> str:
        own = next(plan.coi for plan in self._plans if plan.number == number)
        others = [plan.coi for plan in self._plans if plan.coi != own] or [f"{own}-OTHER"]
        fetched = others[int(self.dice.draw("fetched", number, self.fate.acts) * len(others))] if wrong else own
        self.equipment.at_hand[own] = fetched
        return fetched

    # -- the end -----------------------------------------------------------------------------------------------------

    def _violated(self, violation: Violation) -> None:
        self._violation = self._violation or violation
        error = ViolatedError(str(violation))
        self.loop.fail(error)
        raise error

    def _trace(self, line: str) -> None:
        self.lines.append(f"{self.loop.now():%m-%d %H:%M:%S} {line}")

    def _bury(self) -> None:
        """What never runs again is closed; it finds a dead disk and a dead door, should it try to use them."""
        self.life += 1
        self.loop.bury()

    def _ended(self) -> Ended:
        batches = [story.batch for story in self.watch.stories.by_number.values() if story.batch is not None]
        dispositions = Counter(each.disposition.fact.disposition for each in batches if each.disposition is not None)
        return Ended(
            seed=self.setting.seed, violation=self._violation, batches=len(batches),
            released=dispositions["released"], rejected=dispositions["rejected"],
            held=sum(each.held is not None and not each.ended for each in batches),
            aborted=sum(each.aborted is not None for each in batches), entries=len(self.disk.kept),
            effects=sum(story.acts for story in self.watch.stories.by_number.values()),
            lives=self.life - 1, days=(self.loop.now() - START) / timedelta(days=1), head=self.disk.head(),
            faults=self.watch.faults, trace=tuple(self.lines),
        )  # fmt: skip


class ViolatedError(BaseException):
    """An invariant does not hold: the world ends here. No error that anybody may handle."""


Told = Callable[[str], None]
