"""Demo: patients' orders through the loop twice on the same donors: the fixed recipe, then the closed loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.bootstrap import Site, simulated_site
from cytoloop.app.clinic import Clinic
from cytoloop.app.committing import journal_of
from cytoloop.app.historian import writable_telemetry
from cytoloop.app.learning import Learner
from cytoloop.app.line import Line, Patient, Tick
from cytoloop.app.proposing import approve_version
from cytoloop.app.views import LineView, Shelf, lines_view
from cytoloop.clinic.subject import Subject, pseudonym
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import StudyRegistered, SubjectEnrolled
from cytoloop.core.json import JSON
from cytoloop.feedback.twin import Twin
from cytoloop.production.pack import Pack
from cytoloop.record.ledger import Ledger

START = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
"""When a demonstration begins: Monday 1 June 2026, 09:00 in Shanghai; Decree 818 is in force."""

ARMS = {"fixed": "F", "closed_loop": "C"}
"""Production line -> letter of its numbers."""

ARRIVALS = 168.0
"""Hours between two patients' orders on a line: one a week."""

STUDY = "ST-DEMO-1"
PROTOCOL = "1.0"
CONSENT_FORM = "Demonstration consent form 1.0: purpose, protocol, risks, rights."

Progress = Callable[[str], Tick]
"""Given an arm's name, what is told each time one of its batches has its disposition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What a demonstration came to, read from its record."""

    seed: int
    patients: int
    arms: dict[str, LineView]
    recipe_versions: int
    entries: int
    tree_head: str

    def document(self, seconds: float) -> dict[str, JSON]:
        """As plain JSON."""
        return {
            "seed": self.seed,
            "patients": self.patients,
            "arms": {name: _arm(view) for name, view in self.arms.items()},
            "recipe_versions": self.recipe_versions,
            "record": {"entries": self.entries, "tree_head": self.tree_head},
            "seconds": round(seconds, 2),
        }


async def demonstrate(
    ledger: Ledger,
    clock: SimulatedClock | ScaledClock,
    pack: Pack,
    folder: Path,
    *,
    seed: int,
    patients: Sequence[Patient],
    progress: Progress,
    plant: OpcUaDoor | None = None,
) -> Demonstration:
    """Run both arms on the same donors, one after the other, and read the comparison from the record.

    `plant`: a facility behind OPC UA, whose clock `clock` follows; left out, it is simulated in this process.
    """
    with journal_of(ledger, clock) as journal, writable_telemetry(folder) as telemetry:
        site = simulated_site(ledger, clock, pack, folder, seed=seed, plant=plant, journal=journal, telemetry=telemetry)
        await _both_arms(site, seed, patients, progress)
    return summary(ledger, seed, len(patients))


async def _both_arms(site: Site, seed: int, patients: Sequence[Patient], progress: Progress) -> None:
    clock = site.clock
    clinic = Clinic(registrar=site.registrar, study=STUDY, protocol=PROTOCOL, consent_form=CONSENT_FORM)
    await clock.together(_prepare(site, clinic, patients))
    for number, name in enumerate(ARMS):
        line = Line(
            name=name,
            prefix=ARMS[name],
            site=site,
            clinic=clinic,
            seed=seed,
            serial=1 + 1000 * number,
            tick=progress(name),
        )
        if name == "closed_loop":
            line.learner = Learner(site.registrar, site.door, name, Twin.from_data(dict(site.pack.twin)), seed)
            await clock.together(_release_first_twin(line, line.learner))
        await line.run(patients, ARRIVALS)
    clinic.end("every patient of the demonstration was followed up")


def summary(ledger: Ledger, seed: int, patients: int) -> Demonstration:
    """The comparison of the arms as the record tells it."""
    shelf = Shelf(ledger)
    arms = {view.line: view for view in lines_view(shelf)}
    versions = {view.recipe_version for view in arms.values()}
    head = ledger.head()
    return Demonstration(
        seed=seed,
        patients=patients,
        arms=arms,
        recipe_versions=max(version or 0 for version in versions),
        entries=head.size,
        tree_head=head.root.hex(),
    )


def drawn_patients(seed: int, count: int) -> list[Patient]:
    """Made-up patients, the same for the same seed. They have nothing to hide, so their key is the seed's."""
    key = sha256(f"made-up patients of seed {seed}".encode()).digest()
    return [_drawn(key, seed, number) for number in range(count)]


def patients_of(subjects: Sequence[Subject], seed: int, count: int | None) -> list[Patient]:
    """Imported subjects as patients of the demonstration; a weight nobody measured is measured in the simulation.

    UserError when more are asked for than were imported.
    """
    if count is not None and count > len(subjects):
        raise UserError(f"{count} patients were asked for and {len(subjects)} were imported; ask for fewer")
    return [_imported(each, seed, number) for number, each in enumerate(subjects[:count])]


def _imported(known: Subject, seed: int, number: int) -> Patient:
    weight = known.weight or weight_of(seed, number)
    enrolled = replace(known.enrolled, study=STUDY, weight=weight, capacity="full")
    return Patient(subject=enrolled, donor=f"donor-{number + 1:03d}", weight=weight)


def weight_of(seed: int, number: int) -> float:
    """Body weight of a made-up adult in kg: normal around 68 with spread 12, kept between 42 and 110."""
    drawn = np.random.default_rng([seed, number, 68]).normal(68.0, 12.0)
    return round(float(np.clip(drawn, 42.0, 110.0)), 1)


def _drawn(key: bytes, seed: int, number: int) -> Patient:
    weight = weight_of(seed, number)
    subject = SubjectEnrolled(
        subject=pseudonym(f"simulated|{seed}|{number}", key),
        study=STUDY,
        source="simulated",
        weight=weight,
        capacity="full",
    )
    return Patient(subject=subject, donor=f"donor-{number + 1:03d}", weight=weight)


async def _prepare(site: Site, clinic: Clinic, patients: Sequence[Patient]) -> None:
    """The study is registered, reviewed and filed; subjects consent; the first recipe version is approved."""
    await clinic.open(
        StudyRegistered(
            study=STUDY,
            title="Demonstration of autologous anti-CD19 CAR-T in a closed loop",
            product=site.pack.product.product,
            pathway="newtech",
            pathway_basis="DEMO-DELIMITATION-1 (invented)",
            site="demonstration hospital",
            involves_offspring=False,
            filed_scope="ranges",
        )
    )
    for patient in patients:
        clinic.enroll(replace(patient.subject, study=STUDY))
    for name in ARMS:
        await approve_version(site.registrar, site.door, name, site.pack.master, None)


async def _release_first_twin(line: Line, learner: Learner) -> None:
    line.twin = await learner.release(
        learner.prior, "the pack's figures, validated with the master recipe", mode="shadow"
    )


def _arm(view: LineView) -> JSON:
    return {
        "batches": view.batches,
        "released_in_specification": view.released,
        "viable_car_cells_median": view.viable_car_cells_median,
        "vein_to_vein_days_median": view.vein_to_vein_days_median,
        "deviations": view.deviations,
    }
