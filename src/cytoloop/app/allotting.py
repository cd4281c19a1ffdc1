"""Allotting: a planner has a batch created, and equipment becomes its own until it ends.

Two who create batches at once, on whatever machines, never get one unit twice: whose equipment is stands in one stream
of the plant, and an allotment is appended where that stream was read. A unit is free again when its batch has ended,
which the batch's own stream tells: nothing has to be given back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cytoloop.app.people import People, Signer
from cytoloop.app.production import SHARED, create_batch, free_equipment, in_force
from cytoloop.app.registrar import Registrar
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft
from cytoloop.core.errors import ConflictError, UserError
from cytoloop.core.facts.allotment import EquipmentAllotted
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.facts.production import BatchAborted, BatchFinished, RecipeApproved
from cytoloop.core.json import JSON, digest
from cytoloop.core.product import Plant
from cytoloop.core.signature import Signature
from cytoloop.production.recipe_text import from_content
from cytoloop.record.ledger import Ledger

MOST_TRIES = 100
"""Times an allotment is decided anew when others allotted first. Each time one of them got through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCreate:
    """A batch as the planner is shown it before it is created."""

    number: str
    order: OrderPlaced
    collected: MaterialCollected
    recipe: RecipeApproved
    plant: Plant

    @property
    def shown(self) -> dict[str, JSON]:
        """What the signature stands over. Which units the batch gets is decided when it is signed."""
        return {
            "batch": self.number,
            "order": self.order.order,
            "subject": self.order.subject,
            "coi": self.collected.coi,
            "line": self.recipe.line,
            "recipe": self.recipe.recipe,
            "version": self.recipe.version,
            "sha256": self.recipe.content_sha256,
            "plant": self.plant.plant,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of what is shown."""
        return digest(self.shown)


def batch_to_create(ledger: Ledger, order: str, line: str, recipe: str | None, number: str | None) -> ToCreate:
    """The batch of an order whose material was collected, on the recipe version in force.

    `recipe`: left out, the only one of the line. `number`: left out, made from the order. UserError when the order, its
    material or the recipe is not there, or the order or the number has its batch already.
    """
    facts = [each.fact for each in ledger.stream(f"order/{order}")]
    placed = next((fact for fact in facts if isinstance(fact, OrderPlaced)), None)
    collected = next((fact for fact in facts if isinstance(fact, MaterialCollected)), None)
    if placed is None or collected is None:
        what = f"there is no order {order}" if placed is None else f"no material was collected for order {order}"
        raise UserError(f"{what} in this record; a batch begins with an order and its collected material")
    approved = in_force(ledger, line, recipe or _only_recipe(ledger, line))
    plant = from_content(approved.content).plant
    given = number or f"B-{order}"
    before = next((each for each in allotments(ledger, plant.plant) if each.order == order), None)
    if number is None and before is not None and (before.batch != given or ledger.position(f"batch/{given}")):
        raise UserError(f"order {order} has its batch {before.batch} already; name another with --number")
    if ledger.position(f"batch/{given}"):
        raise UserError(f"there is a batch {given} already; name another number with --number")
    return ToCreate(number=given, order=placed, collected=collected, recipe=approved, plant=plant)


def sign_creation(people: People, by: Signer, seen: ToCreate) -> Batch:
    """Have `by` sign what is shown, allot equipment and create the batch. Refusals are entries; raises RefusedError.

    A crash between the two leaves equipment allotted to a batch that is not there: asked again, it takes that.
    """
    subject = f"batch/{seen.number}"
    signature = people.sign_for("create-batch", by, meaning="approved", shown=seen.shown, subject=subject)
    allotted = allot(people.registrar, seen, signature)
    return create_batch(
        people.registrar,
        number=seen.number,
        order=seen.order,
        collected=seen.collected,
        recipe=seen.recipe,
        equipment=allotted.equipment,
        actor=f"person:{signature.signer}",
    )


def allot(registrar: Registrar, seen: ToCreate, signature: Signature) -> EquipmentAllotted:
    """Equipment for the batch, its own until it ends; UserError while a class has nothing free."""
    ledger = registrar.ledger
    for _ in range(MOST_TRIES):
        known = allotments(ledger, seen.plant.plant)
        own = next((each for each in known if each.batch == seen.number), None)
        if own is not None:
            return own
        fact = EquipmentAllotted(
            batch=seen.number,
            order=seen.order.order,
            plant=seen.plant.plant,
            equipment=_free(ledger, seen.plant, known),
            signature=signature,
        )
        draft = Draft(fact=fact, actor=f"person:{signature.signer}", happened_at=registrar.clock.now())
        try:
            ledger.append(_stream(seen.plant.plant), [draft], expected=len(known))
        except ConflictError:
            continue
        return fact
    raise ConflictError(f"others allotted equipment of {seen.plant.plant} {MOST_TRIES} times first; try again")


def allotments(ledger: Ledger, plant: str) -> list[EquipmentAllotted]:
    """Every allotment of a plant's equipment, in order."""
    return [each.fact for each in ledger.stream(_stream(plant)) if isinstance(each.fact, EquipmentAllotted)]


def _stream(plant: str) -> str:
    return f"allotment/{plant}"


def _free(ledger: Ledger, plant: Plant, known: Sequence[EquipmentAllotted]) -> dict[str, str]:
    holders = {unit: each.batch for each in known for kind, unit in each.equipment.items() if kind not in SHARED}
    running = {batch for batch in set(holders.values()) if not _ended(ledger, batch)}
    occupied = {unit: batch for unit, batch in holders.items() if batch in running}
    free = free_equipment(plant, frozenset(occupied))
    if free is None:
        whose = ", ".join(f"{unit} ({batch})" for unit, batch in sorted(occupied.items()))
        raise UserError(f"no equipment of {plant.plant} is free: {whose}; wait until one of these batches has ended")
    return free


def _ended(ledger: Ledger, batch: str) -> bool:
    """Whether the batch's production is over; False for one that is not created yet."""
    return any(isinstance(each.fact, BatchFinished | BatchAborted) for each in ledger.stream(f"batch/{batch}"))


def _only_recipe(ledger: Ledger, line: str) -> str:
    found = [stream.rpartition("/")[2] for stream in ledger.streams(f"recipe/{line}/")]
    if len(found) != 1:
        what = f"has the recipes {', '.join(found)}" if found else "has no recipe"
        raise UserError(f"line {line} {what}; name one with --recipe")
    return found[0]
