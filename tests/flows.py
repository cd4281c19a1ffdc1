"""Small recipes for tests of how steps follow one another, and a world to run them in."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.master import MasterRecipe
from cytoloop.core.product import Attribute, EquipmentClass, Plant, Product, SamplingPlan
from cytoloop.core.recipe import Item, Operation, Parameter, Recipe, Rework, SetPoint, UnitProcedure
from cytoloop.core.words import Words
from cytoloop.production.runner import Runner
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger
from cytoloop.testing.doors import CountingDoor

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
COI = "COI-TEST"
CODEC = Codec()
W = Words(en="words", zh="词")


def parameter(target: float, unit: str = "h") -> Parameter:
    """A parameter with room around its target."""
    low, high = target - 1.0, target + 1.0
    return Parameter(
        words=W, unit=unit, target=target, nor=(low, high), par=(low - 1, high + 1), criticality="non-critical"
    )


PARAMETERS: Mapping[str, Parameter] = {
    "hours": parameter(6.0),
    "long": parameter(24.0),
    "temperature": parameter(37.0, "°C"),
    "volume": parameter(5.0, "mL"),
}
SAFE = Operation(
    operation="make_safe",
    words=W,
    parameters={"safe_temperature": parameter(20.0, "°C")},
    steps=(SetPoint(phase="cool", words=W, parameters=("safe_temperature",)),),
)


def master(
    *steps: Item,
    reworks: Mapping[str, Rework] | None = None,
    safe: Operation | None = None,
    then: tuple[Item, ...] = (),
) -> MasterRecipe:
    """A master recipe of one operation "work" on a bioreactor with `steps`, and one "after" with `then`."""
    work = Operation(operation="work", words=W, parameters=PARAMETERS, steps=steps, reworks=reworks or {})
    operations = (work, Operation(operation="after", words=W, steps=then)) if then else (work,)
    unit = UnitProcedure(
        unit_procedure="culture", words=W, equipment_class="bioreactor", operations=operations, safe_state=safe
    )
    viability = Attribute(
        attribute="viability",
        words=W,
        stage="in_process",
        unit="fraction",
        critical=False,
        method="count",
        source="test",
    )
    plan = SamplingPlan(plan="daily", words=W, stage="in_process", volume=1.0, attributes=("viability",))
    product = Product(
        product="p", words=W, autologous=True, dose_attribute="viability", attributes=(viability,),
        sampling={"daily": plan},
    )  # fmt: skip
    bioreactor = EquipmentClass(
        equipment_class="bioreactor", words=W, count=1, programs=("run",),
        set_points={"temperature": "°C", "safe_temperature": "°C"}, signals={"temperature": "°C"},
    )  # fmt: skip
    laboratory = EquipmentClass(equipment_class="qc_laboratory", words=W, count=1)
    recipe = Recipe(recipe="r", version=1, words=W, product="p", procedure=(unit,))
    return MasterRecipe(
        recipe=recipe, product=product, plant=Plant(plant="x", words=W, classes=(bioreactor, laboratory))
    )


class World:
    """A record, a clock and a door, with one batch of a recipe."""

    def __init__(self, master: MasterRecipe) -> None:
        self.master, self.store, self.clock = master, MemoryStore(), SimulatedClock(START)
        self.ledger = Ledger(self.store, self.clock, CODEC)
        self.door = CountingDoor(self.clock, COI)
        self.say(
            BatchCreated(
                batch="B-1", order="O-1", subject="S-1", study="ST-1", coi=COI, product="p", line="l", recipe="r",
                recipe_version=1, recipe_sha256="0" * 64, weight=70.0,
                equipment={"bioreactor": "bioreactor-01", "qc_laboratory": "qc-laboratory-01"},
            )
        )  # fmt: skip

    @property
    def runner(self) -> Runner:
        return Runner(ledger=self.ledger, door=self.door, clock=self.clock, observers=(inspect,))

    def say(self, *facts: Fact) -> None:
        drafts = [Draft(fact=fact, actor="person:qa.1", happened_at=self.clock.now()) for fact in facts]
        self.ledger.append("batch/B-1", drafts, expected=self.ledger.position("batch/B-1"))

    def batch(self) -> Batch:
        return fold(self.ledger.stream("batch/B-1"), self.master)

    async def carry(self, **changes: object) -> Batch:
        """Carry the batch as far as a runner does, with `changes` to it."""
        runner = replace(self.runner, **changes)  # type: ignore[arg-type]
        await self.clock.together(runner.carry(self.batch()))
        return self.batch()

    def done(self) -> list[str]:
        """Steps that are done, in the order in which they were first started."""
        return [name for name, step in self.batch().steps.items() if step.state == "done"]
