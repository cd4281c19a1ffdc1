"""Nobody: batches of the light world, which have no patients: their material comes at its time."""

from dataclasses import dataclass

from cytoloop.app.simulation.site import Plan
from cytoloop.core.batch import Batch
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Clock, Instant, after
from cytoloop.record.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """In a patient's place."""

    clock: Clock
    master: MasterRecipe
    begins: Instant

    async def comes(self, ledger: Ledger, plan: Plan) -> None:
        await self.clock.until(after(self.begins, plan.arrives))

    def creation(self, ledger: Ledger, plan: Plan, equipment: dict[str, str]) -> BatchCreated:
        return created(self.master, plan, equipment)

    async def is_treated(self, ledger: Ledger, plan: Plan, batch: Batch) -> None:
        return None


def created(master: MasterRecipe, plan: Plan, equipment: dict[str, str]) -> BatchCreated:
    """The first fact of a batch of nobody's."""
    return BatchCreated(
        batch=plan.number, order=f"O-{plan.number}", subject=f"S-{plan.number}", study="ST-SIMULATED",
        coi=plan.coi, product=master.product.product, line="simulated", recipe=master.recipe.recipe,
        recipe_version=master.recipe.version, recipe_sha256="0" * 64, weight=70.0, equipment=equipment,
    )  # fmt: skip
