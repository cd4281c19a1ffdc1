"""Patients: of the full world: an order before each batch, under the rules of law, and an administration after."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cytoloop.adapters.plant.facility import Facility
from cytoloop.app.clinic import Clinic
from cytoloop.app.demo import drawn_patients
from cytoloop.app.line import ORDER_TO_COLLECTION, TO_ADMINISTRATION, TRANSPORT, Patient
from cytoloop.app.production import approve, in_force
from cytoloop.app.registrar import Registrar
from cytoloop.app.simulation.site import Plan
from cytoloop.app.views_loop import dose_of
from cytoloop.clinic.order import Order, order
from cytoloop.core.batch import Batch
from cytoloop.core.facts.clinic import OrderPlaced, ProductAdministered, StudyRegistered
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.signature import Signature
from cytoloop.core.time import Clock, Instant, after
from cytoloop.production.pack import Pack
from cytoloop.record.ledger import Ledger

STUDY, LINE = "ST-SIMULATED", "simulated"


@dataclass(slots=True, kw_only=True)
class Patients:
    """The clinic's side of the full world, in the order of the record: what stands there is not done again."""

    clock: Clock
    facility: Facility
    pack: Pack
    seed: int
    begins: Instant
    _patients: list[Patient] = field(default_factory=list)
    _received: set[str] = field(default_factory=set)
    """Chains of identity whose bag is at the plant."""

    async def found(self, ledger: Ledger, plans: Sequence[Plan]) -> None:
        """Before anything goes wrong: the study is filed, its subjects consented, the recipe is approved."""
        self._patients = drawn_patients(self.seed, len(plans))
        clinic = self._clinic(ledger)
        await clinic.open(
            StudyRegistered(
                study=STUDY, title="Simulation", product=self.pack.product.product, pathway="newtech",
                pathway_basis="simulated", site="simulated hospital", involves_offspring=False, filed_scope="ranges",
            )
        )  # fmt: skip
        for patient in self._patients:
            clinic.enroll(replace(patient.subject, study=STUDY))
        approve(Registrar(ledger, self.clock), LINE, self.pack.master, self._approval())

    async def comes(self, ledger: Ledger, plan: Plan) -> None:
        """Order, collection, transport: whatever of it is not in the record yet."""
        await self.clock.until(after(self.begins, plan.arrives))
        known = self._order(ledger, plan)
        if known is None:
            self._clinic(ledger).order(self._placed(plan))
            known = self._order(ledger, plan)
        assert known is not None, "it was placed"
        if known.collected is None:
            await self.clock.until(after(known.placed_at, ORDER_TO_COLLECTION))
            self._clinic(ledger).collect(known.placed, self._serial(plan))
            known = self._order(ledger, plan)
        assert known is not None, "it was placed"
        assert known.collected_at is not None, "it was collected"
        if plan.coi not in self._received:
            self._received.add(plan.coi)
            donor = self._patients[self._serial(plan) - 1].donor
            self.facility.register_collection(plan.coi, self.facility.draw_donor(donor))
        await self.clock.until(after(known.collected_at, TRANSPORT))

    def creation(self, ledger: Ledger, plan: Plan, equipment: dict[str, str]) -> BatchCreated:
        known, recipe = self._order(ledger, plan), in_force(ledger, LINE, self.pack.recipe.recipe, self.clock.now())
        assert known is not None, "its material is at the plant"
        placed = known.placed
        return BatchCreated(
            batch=plan.number, order=placed.order, subject=placed.subject, study=placed.study,
            coi=known.coi or "", product=placed.product, line=recipe.line, recipe=recipe.recipe,
            recipe_version=recipe.version, recipe_sha256=recipe.content_sha256, weight=placed.weight,
            equipment=equipment,
        )  # fmt: skip

    async def is_treated(self, ledger: Ledger, plan: Plan, batch: Batch) -> None:
        """The product is given, unless it was already."""
        known = self._order(ledger, plan)
        if known is None or known.administered is not None or batch.disposition is None:
            return
        await self.clock.until(after(batch.disposition.happened_at, TO_ADMINISTRATION))
        given = ProductAdministered(
            order=known.placed.order, batch=batch.number, coi=batch.created.coi, viable_car_cells=dose_of(batch) or 0.0
        )
        self._clinic(ledger).administer(known.placed, given)

    # -- small things ------------------------------------------------------------------------------------------------

    def _clinic(self, ledger: Ledger) -> Clinic:
        registrar = Registrar(ledger, self.clock)
        return Clinic(registrar=registrar, study=STUDY, protocol="1.0", consent_form="Simulated consent form 1.0.")

    def _order(self, ledger: Ledger, plan: Plan) -> Order | None:
        return order(ledger.stream(f"order/{_number(plan)}"))

    def _placed(self, plan: Plan) -> OrderPlaced:
        patient = self._patients[self._serial(plan) - 1]
        return OrderPlaced(
            order=_number(plan), subject=patient.subject.subject, study=STUDY, product=self.pack.product.product,
            weight=patient.weight,
        )  # fmt: skip

    def _serial(self, plan: Plan) -> int:
        return int(plan.number.removeprefix("B-"))

    def _approval(self) -> Signature:
        return Signature(
            signer="qp.chen", printed_name="qp.chen", role="qualified_person", meaning="approved",
            signed_at=self.clock.now(), zone="Asia/Shanghai", digest="0" * 64, components=("user-id", "password"),
        )  # fmt: skip


def _number(plan: Plan) -> str:
    return f"O-{plan.number}"
