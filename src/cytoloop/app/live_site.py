"""Live site: what a line with real people stands on: its people's door, its equipment, and batches to try it with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.operator.door import PersonDoor
from cytoloop.adapters.operator.scripted import ScriptedPeople
from cytoloop.app.answers import find_in, stands_in
from cytoloop.app.bootstrap import Site
from cytoloop.app.cast import enrol_cast
from cytoloop.app.clinic import Clinic
from cytoloop.app.demo import CONSENT_FORM, PROTOCOL, STUDY, drawn_patients
from cytoloop.app.line import Patient
from cytoloop.app.production import Reader, create_batch, free_equipment, in_force
from cytoloop.app.proposing import approve_version
from cytoloop.app.registrar import Registrar
from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Command, Door
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import OrderPlaced, StudyRegistered
from cytoloop.core.time import Clock, Instant, after
from cytoloop.production.asking import PERSON
from cytoloop.production.pack import Pack
from cytoloop.record.ledger import Ledger

LINE = "fixed"
"""The production line that batches of invented patients are made on."""
POLL_SECONDS = 0.5
"""Seconds of the wall from one look for an answer to the next."""


def screens(ledger: Ledger, clock: Clock, poll: float, roles: Sequence[str] = ()) -> dict[str, Door]:
    """The doors to people of these roles, or to everybody, who answer on pages or at consoles.

    `poll`: hours of the clock from one look for an answer to the next.
    """
    targets = [f"{PERSON}{role}" for role in roles] or [PERSON]
    return {
        target: PersonDoor(clock=clock, find=find_in(ledger), stands=stands_in(ledger, target), poll=poll)
        for target in targets
    }


def in_production(ledger: Ledger) -> tuple[Batch, ...]:
    """Every batch whose production is not over."""
    batches = Reader(ledger).batches([stream.partition("/")[2] for stream in ledger.streams("batch/")])
    return tuple(batch for batch in batches if not batch.ended)


def demand_fresh(batches: Sequence[Batch]) -> None:
    """UserError when a batch has begun on equipment, which a facility simulated in a new process knows nothing of."""
    for batch in batches:
        begun = [step for step in batch.steps.values() if not step.target.startswith((PERSON, "system:"))]
        if begun:
            raise UserError(
                f"batch {batch.number} has begun on {begun[0].target}, which only the process that simulated it knows; "
                "name the equipment's address with --plant (`cytoloop plant serve` keeps a facility running)"
            )


async def take_in(site: Site, batches: Sequence[Batch]) -> None:
    """Tell a facility that was just started which bags wait at its door."""
    for batch in batches:
        site.coi_of[batch.number] = batch.created.coi
        await site.receive(batch.created.coi, f"donor-of-{batch.number}")


BEFORE = 24.0 * 14
"""Hours before the batches begin at which an invented study was registered."""


@dataclass(slots=True)
class Jumping:
    """A clock for what is said to have happened before: it is always where it is awaited."""

    at: Instant

    def now(self) -> Instant:
        return self.at

    async def until(self, when: Instant) -> None:
        self.at = max(self.at, when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """Batches of invented patients, as they are made."""

    registrar: Registrar
    clinic: Clinic
    door: Door
    pack: Pack
    seed: int
    begins: Instant

    async def make(self, count: int) -> tuple[Batch, ...]:
        """Order, collect and create that many batches; UserError when the plant has no room for them."""
        patients = drawn_patients(self.seed, count)
        await self.open(patients, LINE)
        await self.registrar.clock.until(self.begins)
        made: list[Batch] = []
        occupied: set[str] = set()
        for number, patient in enumerate(patients, start=1):
            equipment = free_equipment(self.pack.plant, frozenset(occupied))
            if equipment is None:
                raise UserError(f"the plant has equipment for {number - 1} batches at once; ask for fewer patients")
            occupied |= set(equipment.values())
            order = OrderPlaced(
                order=f"O-L{number:03d}",
                subject=patient.subject.subject,
                study=STUDY,
                product=self.pack.product.product,
                weight=patient.weight,
            )
            made.append(self._batch(order, number, equipment))
        return tuple(made)

    def _batch(self, order: OrderPlaced, number: int, equipment: Mapping[str, str]) -> Batch:
        self.clinic.order(order)
        return create_batch(
            self.registrar,
            number=f"B-L{number:03d}",
            order=order,
            collected=self.clinic.collect(order, 5000 + number),
            recipe=in_force(self.registrar.ledger, LINE, self.pack.recipe.recipe),
            equipment=equipment,
        )

    async def open(self, patients: Sequence[Patient], line: str) -> None:
        """Register the study, take the patients in, and put the pack's recipe in force on a line."""
        study = StudyRegistered(
            study=STUDY,
            title="Trial of a line whose operators answer at a screen",
            product=self.pack.product.product,
            pathway="newtech",
            pathway_basis="DEMO-DELIMITATION-1 (invented)",
            site="demonstration hospital",
            involves_offspring=False,
            filed_scope="ranges",
        )
        await self.clinic.open(study)
        for patient in patients:
            self.clinic.enroll(patient.subject)
        await approve_version(self.registrar, self.door, line, self.pack.master, None)


async def make_batches(
    ledger: Ledger, at: Instant, pack: Pack, folder: Path, *, seed: int, count: int
) -> tuple[Batch, ...]:
    """Batches of invented patients that begin `at`; scripted people act for the clinic, in the two weeks before.

    UserError when the record holds a study already.
    """
    if ledger.streams("study/") or ledger.streams("batch/"):
        raise UserError(f"{folder} holds a study or batches already: leave --patients out, and they are carried on")
    before = Jumping(after(at, -BEFORE))
    registrar = Registrar(ledger, before)
    signing, accounts = enrol_cast(registrar, Credentials(folder))
    people = ScriptedPeople(clock=before, signing=signing, people=accounts, scanner=_nothing, seed=seed)
    clinic = Clinic(registrar=registrar, study=STUDY, protocol=PROTOCOL, consent_form=CONSENT_FORM)
    return await Invented(registrar=registrar, clinic=clinic, door=people, pack=pack, seed=seed, begins=at).make(count)


def _nothing(_: Command) -> str:
    return ""
