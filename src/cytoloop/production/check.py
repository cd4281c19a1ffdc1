"""Static checks of a pack: what one file says against what the others say. Finds every mistake at once.

Each check yields mistakes with file, line and path. A warning leaves the pack usable.
"""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from cytoloop.core.product import Stage
from cytoloop.core.recipe import Sample, phases
from cytoloop.production.check_flow import check_flow
from cytoloop.production.check_signals import check_signals
from cytoloop.production.check_steps import check_operation
from cytoloop.production.pack_files import LABORATORY, Files, listed, repeated
from cytoloop.production.yaml_text import Mistake, Path

STAGES: tuple[Stage, ...] = get_args(Stage)

__all__ = ["LABORATORY", "Files", "check"]


def check(files: Files) -> tuple[Mistake, ...]:
    """Every mistake and warning of the pack, in the order of the files."""
    return (*_product(files), *_sampling(files), *_plant(files), *_recipe(files))


def _product(files: Files) -> Iterator[Mistake]:
    text, product = files.product_text, files.product
    if product.sampling:
        yield text.mistake(("sampling",), f"found sampling plans; expected them in {files.sampling_text.file}")
    names = [f"{each.attribute} at {each.stage}" for each in product.attributes]
    for index, name in repeated(names):
        yield text.mistake(("attributes", index), f"found {name} a second time; expected it once")
    for index, attribute in enumerate(product.attributes):
        low, high = attribute.low, attribute.high
        if low is not None and high is not None and low > high:
            yield text.mistake(("attributes", index), f"found low {low:g} above high {high:g}")
    if product.dose_attribute not in {each.attribute for each in product.at("release")}:
        yield text.mistake(
            ("dose_attribute",),
            f"found {product.dose_attribute!r}, expected an attribute with stage release",
        )


def _sampling(files: Files) -> Iterator[Mistake]:
    text, product = files.sampling_text, files.product
    for index, name in repeated([plan.plan for plan in files.plans]):
        yield text.mistake((index, "plan"), f"found plan {name!r} a second time; expected it once")
    for index, plan in enumerate(files.plans):
        known = {each.attribute for each in product.at(plan.stage)}
        if not plan.volume > 0:
            yield text.mistake((index, "volume"), f"found {plan.volume:g} mL, expected more than 0 mL")
        for place, attribute in enumerate(plan.attributes):
            if attribute not in known:
                message = f"found {attribute!r}, expected an attribute of the product with stage {plan.stage}"
                yield text.mistake((index, "attributes", place), f"{message} ({listed(known)})")
    tested = {name for plan in files.plans if plan.stage == "release" for name in plan.attributes}
    for index, needed in enumerate(product.attributes):
        if needed.stage == "release" and needed.critical and needed.attribute not in tested:
            message = f"no sampling plan with stage release tests {needed.attribute}, a critical attribute"
            yield files.product_text.mistake(("attributes", index), f"{message}; expected one in {text.file}")


def _plant(files: Files) -> Iterator[Mistake]:
    text = files.plant_text
    for index, name in repeated([each.equipment_class for each in files.plant.classes]):
        yield text.mistake(("classes", index), f"found class {name!r} a second time; expected it once")
    for index, each in enumerate(files.plant.classes):
        where: Path = ("classes", index)
        if each.count < 1:
            yield text.mistake((*where, "count"), f"found {each.count}, expected at least 1 unit")
        yield from check_signals(text, each, where)


def _recipe(files: Files) -> Iterator[Mistake]:
    text, recipe = files.recipe_text, files.recipe
    if recipe.product != files.product.product:
        message = f"found {recipe.product!r}, expected {files.product.product!r} as {files.product_text.file} says"
        yield text.mistake(("product",), message)
    if recipe.level != "master":
        message = f"found a {recipe.level} recipe, expected a master recipe; `cytoloop recipe derive` makes one of it"
        yield text.mistake(("level",), message)
    if recipe.version < 1:
        yield text.mistake(("version",), f"found {recipe.version}, expected 1 or more")
    classes = {each.equipment_class: each for each in files.plant.classes}
    counts = Counter(operation.operation for _, operation in recipe.operations())
    for index, unit_procedure in enumerate(recipe.procedure):
        where: Path = ("procedure", index)
        equipment = classes.get(unit_procedure.equipment_class)
        if equipment is None:
            found = f"found {unit_procedure.equipment_class!r}, expected a class of {files.plant_text.file}"
            yield text.mistake((*where, "equipment_class"), f"{found} ({listed(classes)})")
        for place, operation in enumerate(unit_procedure.operations):
            at: Path = (*where, "operations", place)
            if counts[operation.operation] > 1:
                message = f"found operation {operation.operation!r} more than once; expected unique names"
                yield text.mistake((*at, "operation"), message)
            yield from check_operation(files, operation, equipment, at)
        if unit_procedure.safe_state is not None:
            yield from check_operation(files, unit_procedure.safe_state, equipment, (*where, "safe_state"), safe=True)
    yield from check_flow(files)
    yield from _sampled(files)


def _sampled(files: Files) -> Iterator[Mistake]:
    """Every critical quality attribute is tested, at each of its stages, by a sample that the recipe takes."""
    plans = {plan.plan: plan for plan in files.plans}
    steps = [phase for _, operation in files.recipe.operations() for phase in phases(operation.steps)]
    taken = [plans[phase.plan] for phase in steps if isinstance(phase, Sample) and phase.plan in plans]
    for stage in STAGES:
        tested = {name for plan in taken for name in plan.attributes if plan.stage == stage}
        missing = {each.attribute for each in files.product.at(stage) if each.critical} - tested
        if missing:
            message = f"no sample step tests {listed(missing)} for {stage}; expected every critical attribute tested"
            yield files.recipe_text.mistake(("procedure",), message)
