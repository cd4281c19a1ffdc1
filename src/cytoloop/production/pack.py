"""Pack: a therapy as data. The app reads the files; this turns their texts into a checked pack."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.product import Plant, Product, SamplingPlan
from cytoloop.core.recipe import Recipe
from cytoloop.production.check import Files, check
from cytoloop.production.recipe_text import read, read_mapping
from cytoloop.production.yaml_text import Mistake

PACK_FILES = ("product.yaml", "sampling.yaml", "plant.yaml", "recipe.yaml", "twin.yaml", "donors.yaml")
"""The files of a pack; there is no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A therapy that can run: its master recipe and the data of its twin and donors."""

    product: Product
    recipe: Recipe
    plant: Plant
    twin: Mapping[str, JSON] = field(hash=False)
    donors: Mapping[str, JSON] = field(hash=False)
    warnings: tuple[Mistake, ...] = ()

    @property
    def master(self) -> MasterRecipe:
        """What a batch is pinned to."""
        return MasterRecipe(recipe=self.recipe, product=self.product, plant=self.plant)


def load_pack(files: Mapping[str, str]) -> Pack | tuple[Mistake, ...]:
    """The pack whose texts `files` holds (file name -> text), or every mistake in it."""
    missing = tuple(
        Mistake(file=name, line=1, path="", message="the file is missing; expected it in the pack's folder")
        for name in PACK_FILES
        if name not in files
    )
    if missing:
        return missing
    product = read(files["product.yaml"], "product.yaml", Product)
    sampling = read(files["sampling.yaml"], "sampling.yaml", tuple[SamplingPlan, ...])
    plant = read(files["plant.yaml"], "plant.yaml", Plant)
    recipe = read(files["recipe.yaml"], "recipe.yaml", Recipe)
    twin = read_mapping(files["twin.yaml"], "twin.yaml")
    donors = read_mapping(files["donors.yaml"], "donors.yaml")
    documents = (product, sampling, plant, recipe, twin, donors)
    if (
        product.value is None
        or sampling.value is None
        or plant.value is None
        or recipe.value is None
        or twin.value is None
        or donors.value is None
    ):
        return tuple(mistake for document in documents for mistake in document.mistakes)
    found = check(
        Files(
            product_text=product.text,
            product=product.value,
            sampling_text=sampling.text,
            plans=sampling.value,
            plant_text=plant.text,
            plant=plant.value,
            recipe_text=recipe.text,
            recipe=recipe.value,
        )
    )
    if any(not mistake.warning for mistake in found):
        return found
    return Pack(
        product=replace(product.value, sampling={plan.plan: plan for plan in sampling.value}),
        recipe=recipe.value,
        plant=plant.value,
        twin=twin.value,
        donors=donors.value,
        warnings=found,
    )


def pack_or_error(files: Mapping[str, str], name: str) -> Pack:
    """The pack, or a UserError that lists every mistake in it."""
    loaded = load_pack(files)
    if isinstance(loaded, Pack):
        return loaded
    mistakes = "\n".join(str(mistake) for mistake in loaded)
    raise UserError(f"the pack {name} cannot be used; correct what follows (`cytoloop pack check {name}`):\n{mistakes}")
