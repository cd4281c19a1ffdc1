"""Production, as the app runs it: approve recipes, create batches, allot equipment, read batches back."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from cytoloop.app.registrar import Registrar
from cytoloop.core.batch import Batch, fold
from cytoloop.core.entry import Draft
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.facts.production import BatchCreated, RecipeApproved
from cytoloop.core.master import MasterRecipe
from cytoloop.core.product import Plant
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.recipe_text import content, content_sha256, from_content
from cytoloop.record.ledger import Ledger

SHARED = frozenset({"receiving_station", "qc_laboratory", "controlled_rate_freezer", "closed_processor"})
"""Equipment classes that serve one batch after the other; the rest is one batch's own until it ends."""


def recipe_stream(line: str, recipe: str) -> str:
    """The stream of a recipe's versions on a production line."""
    return f"recipe/{line}/{recipe}"


def approve(
    registrar: Registrar,
    line: str,
    master: MasterRecipe,
    signature: Signature,
    *,
    change: str | None = None,
    effective_from: Instant | None = None,
) -> RecipeApproved:
    """Put a master recipe in force on a line for batches that start from now on, or from `effective_from`."""
    approved = RecipeApproved(
        recipe=master.recipe.recipe,
        version=master.recipe.version,
        content_sha256=content_sha256(master),
        content=content(master),
        line=line,
        change=change,
        signature=signature,
        effective_from=effective_from,
    )
    registrar.say(recipe_stream(line, approved.recipe), approved, actor=f"person:{signature.signer}")
    return approved


def in_force(ledger: Ledger, line: str, recipe: str, now: Instant | None = None) -> RecipeApproved:
    """The newest approved version on the line that is effective by `now` (left out: whenever it is).

    UserError when there is none.
    """
    stream = recipe_stream(line, recipe)
    versions = [each.fact for each in ledger.stream(stream) if isinstance(each.fact, RecipeApproved)]
    if not versions:
        raise UserError(f"no version of recipe {recipe} is approved on line {line}; approve one first")
    effective = [each for each in versions if now is None or each.effective_from is None or each.effective_from <= now]
    if not effective:
        first = min(each.effective_from for each in versions if each.effective_from is not None)
        raise UserError(f"no version of recipe {recipe} is in force on line {line} before {first.isoformat()}")
    return effective[-1]


def approved_version(ledger: Ledger, line: str, recipe: str, version: int) -> RecipeApproved:
    """One approved version; UserError when the record has none of that number."""
    for each in ledger.stream(recipe_stream(line, recipe)):
        if isinstance(each.fact, RecipeApproved) and each.fact.version == version:
            return each.fact
    raise UserError(f"recipe {recipe} has no approved version {version} on line {line}; see `cytoloop recipe show`")


def create_batch(
    registrar: Registrar,
    *,
    number: str,
    order: OrderPlaced,
    collected: MaterialCollected,
    recipe: RecipeApproved,
    equipment: Mapping[str, str],
    actor: str = "system:production",
) -> Batch:
    """A new batch, pinned to the recipe version in force at its creation; ConflictError when the number is taken.

    RefusedError when a target of the version is no number inside its approved range: no batch runs on it.
    """
    master = runnable(recipe)
    created = BatchCreated(
        batch=number,
        order=order.order,
        subject=order.subject,
        study=order.study,
        coi=collected.coi,
        product=order.product,
        line=recipe.line,
        recipe=recipe.recipe,
        recipe_version=recipe.version,
        recipe_sha256=recipe.content_sha256,
        weight=order.weight,
        equipment=dict(equipment),
    )
    draft = Draft(fact=created, actor=actor, happened_at=registrar.clock.now())
    recorded = registrar.ledger.append(f"batch/{number}", [draft], expected=0)
    return fold(recorded, master)


def runnable(recipe: RecipeApproved) -> MasterRecipe:
    """The master recipe of an approval, fit to run; RefusedError when it is not what was approved, or out of range."""
    master = from_content(recipe.content)
    if (master.recipe.recipe, master.recipe.version) != (recipe.recipe, recipe.version):
        raise RefusedError(f"what was approved as {recipe.recipe} version {recipe.version} is another recipe")
    unsafe = unsafe_target(master)
    if unsafe is not None:
        raise RefusedError(f"no batch is created on {recipe.recipe} version {recipe.version}: {unsafe}")
    return master


@dataclass(slots=True)
class Reader:
    """Reads many batches of one record: each recipe version that they are pinned to is read once."""

    ledger: Ledger
    masters: dict[str, MasterRecipe] = field(default_factory=dict)
    """Hash of the content -> the master recipe."""

    def batch(self, number: str) -> Batch:
        """A batch as the record tells it; UserError when there is none of that number."""
        return read_batch(self.ledger, number, self)

    def batches(self, numbers: Sequence[str]) -> list[Batch]:
        """Many batches at once. What is read stays, so that nobody looks for what could be let go of meanwhile."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            return [self.batch(number) for number in numbers]
        finally:
            if collecting:
                gc.enable()

    def master(self, created: BatchCreated) -> MasterRecipe:
        """What the batch is pinned to."""
        known = self.masters.get(created.recipe_sha256)
        if known is None:
            approved = approved_version(self.ledger, created.line, created.recipe, created.recipe_version)
            known = self.masters[created.recipe_sha256] = from_content(approved.content)
        return known


def read_batch(ledger: Ledger, number: str, reader: Reader | None = None) -> Batch:
    """A batch as the record tells it; UserError when there is none of that number. `reader`: of many of them."""
    entries = list(ledger.stream(f"batch/{number}"))
    if not entries:
        raise UserError(
            Words(
                en=f"there is no batch {number} in this record; see `cytoloop batch list`",
                zh=f"记录中没有批次 {number}；请在批次页面查看已有批次",
            )
        )
    created = entries[0].fact
    if not isinstance(created, BatchCreated):
        raise UserError(f"batch/{number} does not begin with its creation; run `cytoloop verify`")
    return fold(entries, (reader or Reader(ledger)).master(created))


def unsafe_target(master: MasterRecipe) -> str | None:
    """The first target that no batch may run with, and why; None when each is a number inside its approved range."""
    for name, each in master.recipe.parameters().items():
        if not isfinite(each.target) or not each.par[0] <= each.target <= each.par[1]:
            return (
                f"{name} {each.target:g} {each.unit} is outside its approved range {each.par[0]:g} to {each.par[1]:g}"
            )
    return None


def free_equipment(plant: Plant, occupied: frozenset[str]) -> dict[str, str] | None:
    """Equipment for one batch, class by class; None while a class that serves one batch has nothing free."""
    allotted: dict[str, str] = {}
    for each in plant.classes:
        identifiers = [f"{each.equipment_class.replace('_', '-')}-{n:02d}" for n in range(1, each.count + 1)]
        free = [one for one in identifiers if each.equipment_class in SHARED or one not in occupied]
        if not free:
            return None
        allotted[each.equipment_class] = free[0]
    return allotted
