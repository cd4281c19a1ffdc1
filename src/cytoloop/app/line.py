"""Line: takes patients' orders through the whole loop on one production line.

Order, collection, batch, disposition, administration, outcome; on a learning line also forecasts, moves and changes
of the recipe. One line is one arm of a comparison.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop import __version__
from cytoloop.adapters.plant import clinic as simulated_clinic
from cytoloop.app.bootstrap import Site
from cytoloop.app.clinic import CLINIC, Clinic
from cytoloop.app.foreseeing import Foresight
from cytoloop.app.learning import Learner, ReleasedTwin
from cytoloop.app.permissions import check
from cytoloop.app.production import create_batch, free_equipment, in_force
from cytoloop.app.quality import Inspector, dispose, released
from cytoloop.app.reviewing import ask_review
from cytoloop.app.steering import LEVERS, Steering
from cytoloop.app.views_loop import dose_of
from cytoloop.core.batch import Batch, apply
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.equipment import Command
from cytoloop.core.facts.clinic import (
    MaterialCollected,
    OrderPlaced,
    OutcomeRecorded,
    ProductAdministered,
    SubjectEnrolled,
)
from cytoloop.core.facts.production import StepCompleted, StepFailed
from cytoloop.core.time import Instant, after
from cytoloop.production.runner import RUNNER, Observer, Runner, intent

LEARN_EVERY = 3
"""Finished batches between two fits of the twin."""

ORDER_TO_COLLECTION, TRANSPORT, TO_ADMINISTRATION, OUTCOME_DAY = 48.0, 24.0, 48.0, 28
"""Hours from order to collection, of transport to the plant, from release to administration; day of the visit."""

Tick = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient of a demonstration."""

    subject: SubjectEnrolled
    donor: str
    """Name of the patient's cells in the simulated facility: the same name, the same biology."""
    weight: float
    """kg."""


@dataclass(slots=True, kw_only=True)
class Line:
    """One production line at work. The record holds the truth; this holds what is under way."""

    name: str
    prefix: str
    """Of its batch and order numbers: "F", "C"."""
    site: Site
    clinic: Clinic
    seed: int
    serial: int
    """First serial number of its chains of identity."""
    learner: Learner | None = None
    twin: ReleasedTwin | None = None
    tick: Tick = field(default=lambda _: None)
    ended: list[Batch] = field(default_factory=list)
    occupied: set[str] = field(default_factory=set)
    learning: bool = False
    learned_on: int = 0
    foresight: Foresight = field(default_factory=Foresight)

    async def run(self, patients: Sequence[Patient], every: float) -> None:
        """Take all patients through, one arriving each `every` hours."""
        clock, begins = self.site.clock, self.site.clock.now()
        work = [self._treat(number, patient, after(begins, every * number)) for number, patient in enumerate(patients)]
        await clock.together(*work)

    async def _treat(self, number: int, patient: Patient, arrives: Instant) -> None:
        clock = self.site.clock
        await clock.until(arrives)
        order = OrderPlaced(
            order=f"O-{self.prefix}{number + 1:03d}",
            subject=patient.subject.subject,
            study=self.clinic.study,
            product=self.site.pack.product.product,
            weight=patient.weight,
        )
        self.clinic.order(order)
        if self.learner is not None and self.twin is not None:
            self.foresight.on_line(self.site.registrar, self.name, order, self.ended, self.twin.twin)
        await clock.until(after(clock.now(), ORDER_TO_COLLECTION))
        collected = self.clinic.collect(order, self.serial + number)
        await self.site.receive(collected.coi, patient.donor)
        await clock.until(after(clock.now(), TRANSPORT))
        batch = await self._start(f"B-{self.prefix}{number + 1:03d}", order, collected)
        batch = await self._carry(batch)
        if not batch.ended:
            return  # held: it stands in the record why, and its equipment stays with it
        batch = await self._clear(batch)
        self.occupied -= set(batch.created.equipment.values())
        batch = await self._review(batch)
        batch = await self._dispose(batch)
        self.ended.append(batch)
        self.tick(batch.number)
        await self._learn()
        if released(batch.disposition):
            await self._administer(order, batch)

    async def _start(self, number: str, order: OrderPlaced, collected: MaterialCollected) -> Batch:
        """Create the batch on the recipe version in force, once equipment is free."""
        clock, registrar = self.site.clock, self.site.registrar
        while (equipment := free_equipment(self.site.pack.plant, frozenset(self.occupied))) is None:
            await clock.until(after(clock.now(), 6.0))
        self.occupied |= set(equipment.values())
        self.site.coi_of[number] = collected.coi
        recipe = in_force(registrar.ledger, self.name, self.site.pack.recipe.recipe, clock.now())
        return create_batch(
            registrar, number=number, order=order, collected=collected, recipe=recipe, equipment=equipment
        )

    async def _carry(self, batch: Batch) -> Batch:
        """Carry the batch through production while its readings are kept."""
        if self.site.historian is None:
            return await self._runner(batch).carry(batch)
        async with self.site.historian.following(batch) as followed:
            batch = await self._runner(batch, followed.observe).carry(batch)
        return await followed.entered(batch)

    def _runner(self, batch: Batch, *observers: Observer) -> Runner:
        observers = (Inspector().inspect, *observers)
        if self.twin is not None:
            observers = (*observers, self._steering(self.twin, batch.created.recipe_version).observe)
        return Runner(
            ledger=self.site.registrar.ledger,
            door=self.site.door,
            clock=self.site.clock,
            journal=self.site.journal,
            observers=observers,
            may=check,
            release=__version__,
            fit=self.site.fit,
        )

    async def _clear(self, batch: Batch) -> Batch:
        """An aborted batch leaves material in its bioreactor: discard it before anything else comes there."""
        if batch.aborted is None:
            return batch
        unit, step = batch.created.equipment["bioreactor"], "discard"
        command = Command(
            key=f"{batch.number}/{step}#1",
            target=unit,
            verb="program",
            arguments={"program": "discard", "coi": batch.created.coi, "parameters": {}},
        )
        batch = await self._note(batch, intent(step, 1, command), actor=RUNNER)
        outcome = await self.site.door.perform(command)
        done = StepCompleted(step=step, attempt=1, values=outcome.values)
        failed = StepFailed(step=step, attempt=1, reason=outcome.note, values=outcome.values)
        return await self._note(batch, done if outcome.ok else failed, actor=outcome.by)

    async def _note(self, batch: Batch, fact: Fact, actor: str) -> Batch:
        draft = Draft(fact=fact, actor=actor, happened_at=self.site.clock.now())
        return await self._append(batch, draft)

    async def _append(self, batch: Batch, draft: Draft) -> Batch:
        journal = self.site.journal
        for recorded in await journal.append(f"batch/{batch.number}", [draft], expected=batch.position):
            batch = apply(batch, recorded)
        return batch

    def _steering(self, twin: ReleasedTwin, version: int) -> Steering:
        """What a batch of recipe `version` is steered by; only batches of that version tell whether a target creeps."""
        like = [batch for batch in self.ended if batch.created.recipe_version == version]
        study = self.clinic.view
        return Steering(
            twin=twin.twin,
            released_at=twin.at,
            mode=twin.mode,
            decree_818=study.pathway == "newtech",
            filed_scope=study.filed_scope,
            recent={name: tuple(batch.parameters[name] for batch in like) for name in LEVERS},
            seed=self.seed,
        )

    async def _review(self, batch: Batch) -> Batch:
        """Somebody of quality assurance who took no part reads the record before anybody decides on the batch."""
        deviations, corrections = len(batch.deviations), len(batch.corrections)
        remarks = f"entries read: {batch.position}; deviations closed: {deviations}; values corrected: {corrections}"
        return await self._append(batch, await ask_review(self.site.registrar, batch, self.site.door, remarks))

    async def _dispose(self, batch: Batch) -> Batch:
        _, draft = await dispose(self.site.registrar, batch, self.site.door, ())
        return await self._append(batch, draft)

    async def _learn(self) -> None:
        """Test open claims on the ended batches, then learn from them, one lesson at a time."""
        if self.learner is None or self.twin is None or self.learning:
            return
        self.learning = True
        try:
            await self.learner.follow(self.ended, self.clinic.view)
            if len(self.ended) - self.learned_on >= LEARN_EVERY:
                self.learned_on = len(self.ended)
                learned = await self.learner.learn(self.ended, self.clinic.view, self.twin.twin.version + 1)
                self.twin = learned or self.twin
        finally:
            self.learning = False

    async def _administer(self, order: OrderPlaced, batch: Batch) -> None:
        clock, dose = self.site.clock, dose_of(batch)
        await clock.until(after(clock.now(), TO_ADMINISTRATION))
        given = ProductAdministered(
            order=order.order, batch=batch.number, coi=batch.created.coi, viable_car_cells=dose or 0.0
        )
        self.clinic.administer(order, given)
        await clock.until(after(clock.now(), 24.0 * OUTCOME_DAY))
        self.site.registrar.say(f"order/{order.order}", self._outcome(order, batch), actor=CLINIC)

    def _outcome(self, order: OrderPlaced, batch: Batch) -> OutcomeRecorded:
        """How the simulated patient fares, by the product as it was released."""
        released = {told.fact.attribute: told.fact.value for told in batch.results if told.fact.stage == "release"}
        response, grade = simulated_clinic.outcome(
            np.random.default_rng([self.seed, int(batch.number[-3:])]),
            dose=released["viable_car_cells"] / order.weight,
            memory_fraction=released["memory_fraction"],
        )
        return OutcomeRecorded(
            order=order.order,
            batch=batch.number,
            visit_day=OUTCOME_DAY,
            response=response,
            cytokine_release_grade=grade,
        )
