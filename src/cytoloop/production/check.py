"""Static checks of a pack: what one file says against what the others say. Finds every mistake at once.

Each check yields mistakes with file, line and path. A warning leaves the pack usable.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cytoloop.core.product import EquipmentClass, Plant, Product, SamplingPlan
from cytoloop.core.recipe import (
    Hold,
    IdentityScan,
    Instruction,
    Loop,
    Operation,
    Parameter,
    Phase,
    Program,
    Read,
    Recipe,
    Sample,
    SetPoint,
)
from cytoloop.production.yaml_text import Mistake, Path, Text

LABORATORY = "qc_laboratory"
"""The equipment class that tests samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The four texts that are checked against each other, with what they say."""

    product_text: Text
    product: Product
    sampling_text: Text
    plans: tuple[SamplingPlan, ...]
    plant_text: Text
    plant: Plant
    recipe_text: Text
    recipe: Recipe


def check(files: Files) -> tuple[Mistake, ...]:
    """Every mistake and warning of the pack, in the order of the files."""
    return (*_product(files), *_sampling(files), *_plant(files), *_recipe(files))


def _repeated(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Index and name of each name that came before."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, name
        seen.add(name)


def _product(files: Files) -> Iterator[Mistake]:
    text, product = files.product_text, files.product
    if product.sampling:
        yield text.mistake(("sampling",), f"found sampling plans; expected them in {files.sampling_text.file}")
    names = [f"{each.attribute} at {each.stage}" for each in product.attributes]
    for index, name in _repeated(names):
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
    for index, name in _repeated([plan.plan for plan in files.plans]):
        yield text.mistake((index, "plan"), f"found plan {name!r} a second time; expected it once")
    for index, plan in enumerate(files.plans):
        known = {each.attribute for each in product.at(plan.stage)}
        if not plan.volume > 0:
            yield text.mistake((index, "volume"), f"found {plan.volume:g} mL, expected more than 0 mL")
        for place, attribute in enumerate(plan.attributes):
            if attribute not in known:
                message = f"found {attribute!r}, expected an attribute of the product with stage {plan.stage}"
                yield text.mistake((index, "attributes", place), f"{message} ({_listed(known)})")
    tested = {name for plan in files.plans if plan.stage == "release" for name in plan.attributes}
    for index, needed in enumerate(product.attributes):
        if needed.stage == "release" and needed.critical and needed.attribute not in tested:
            message = f"no sampling plan with stage release tests {needed.attribute}, a critical attribute"
            yield files.product_text.mistake(("attributes", index), f"{message}; expected one in {text.file}")


def _plant(files: Files) -> Iterator[Mistake]:
    text = files.plant_text
    for index, name in _repeated([each.equipment_class for each in files.plant.classes]):
        yield text.mistake(("classes", index), f"found class {name!r} a second time; expected it once")
    for index, each in enumerate(files.plant.classes):
        where: Path = ("classes", index)
        if each.count < 1:
            yield text.mistake((*where, "count"), f"found {each.count}, expected at least 1 unit")
        for place, alarm in enumerate(each.alarms):
            at = (*where, "alarms", place)
            unit = each.signals.get(alarm.signal)
            if unit is None:
                yield text.mistake(at, f"found {alarm.signal!r}, expected a signal ({_listed(each.signals)})")
            elif unit != alarm.unit:
                yield text.mistake(at, f"found unit {alarm.unit!r}, expected {unit!r} as the signal has")
            if alarm.low > alarm.high or alarm.tolerance < 0:
                yield text.mistake(at, "found limits that nothing can meet; expected low <= high, tolerance >= 0")


def _recipe(files: Files) -> Iterator[Mistake]:
    text, recipe = files.recipe_text, files.recipe
    if recipe.product != files.product.product:
        message = f"found {recipe.product!r}, expected {files.product.product!r} as {files.product_text.file} says"
        yield text.mistake(("product",), message)
    if recipe.version < 1:
        yield text.mistake(("version",), f"found {recipe.version}, expected 1 or more")
    classes = {each.equipment_class: each for each in files.plant.classes}
    counts = Counter(operation.operation for _, operation in recipe.operations())
    for index, unit_procedure in enumerate(recipe.procedure):
        where: Path = ("procedure", index)
        equipment = classes.get(unit_procedure.equipment_class)
        if equipment is None:
            found = f"found {unit_procedure.equipment_class!r}, expected a class of {files.plant_text.file}"
            yield text.mistake((*where, "equipment_class"), f"{found} ({_listed(classes)})")
        for place, operation in enumerate(unit_procedure.operations):
            at: Path = (*where, "operations", place)
            if counts[operation.operation] > 1:
                message = f"found operation {operation.operation!r} more than once; expected unique names"
                yield text.mistake((*at, "operation"), message)
            yield from _operation(files, operation, equipment, at)
    yield from _released(files)


def _released(files: Files) -> Iterator[Mistake]:
    plans = {plan.plan: plan for plan in files.plans}
    taken = {phase.plan for _, op in files.recipe.operations() for _, phase in _phases(op) if isinstance(phase, Sample)}
    tested = {name for plan in taken if plan in plans for name in plans[plan].attributes
              if plans[plan].stage == "release"}  # fmt: skip
    missing = {each.attribute for each in files.product.at("release") if each.critical} - tested
    if missing:
        message = f"no sample step tests {_listed(missing)} for release; expected every critical attribute tested"
        yield files.recipe_text.mistake(("procedure",), message)


def _operation(files: Files, operation: Operation, equipment: EquipmentClass | None, at: Path) -> Iterator[Mistake]:
    text = files.recipe_text
    for name, parameter in operation.parameters.items():
        yield from _parameter(text, f"{operation.operation}.{name}", parameter, (*at, "parameters", name))
    names = [item.loop if isinstance(item, Loop) else item.phase for item in operation.steps]
    for index, name in _repeated(names):
        yield text.mistake((*at, "steps", index), f"found step {name!r} a second time in this operation")
    for index, item in enumerate(operation.steps):
        if isinstance(item, Loop):
            yield from _loop(text, operation, item, (*at, "steps", index))
    for path, phase in _phases(operation):
        yield from _phase(files, operation, equipment, phase, (*at, *path))


def _parameter(text: Text, name: str, parameter: Parameter, at: Path) -> Iterator[Mistake]:
    (nor_low, nor_high), (par_low, par_high) = parameter.nor, parameter.par
    target, unit = parameter.target, parameter.unit
    if not all(map(math.isfinite, (target, nor_low, nor_high, par_low, par_high))):
        yield text.mistake(at, f"found a value of {name} that is not a finite number; expected finite numbers")
    if not nor_low <= target <= nor_high:
        message = f"found target {target:g} outside the normal operating range {nor_low:g} to {nor_high:g} {unit}"
        yield text.mistake((*at, "target"), f"{message}; expected it inside")
    if nor_low > nor_high or par_low > par_high:
        yield text.mistake(at, "found a range whose low is above its high; expected [low, high]")
    if nor_low < par_low or nor_high > par_high:
        message = f"found {par_low:g} to {par_high:g} {unit}, narrower than the normal operating range"
        yield text.mistake((*at, "par"), f"{message} {nor_low:g} to {nor_high:g}; expected it to hold that range")
    if parameter.criticality == "CPP" and not parameter.dossier_ref:
        message = f"{name} is critical and has no dossier_ref: the gate will refuse every move of it"
        yield text.mistake(at, message, warning=True)


def _loop(text: Text, operation: Operation, loop: Loop, at: Path) -> Iterator[Mistake]:
    if not loop.every > 0:
        yield text.mistake((*at, "every"), f"found {loop.every:g} h, expected more than 0 h")
    if not loop.steps:
        yield text.mistake((*at, "steps"), "found no steps; expected at least one to repeat")
    yield from _hours(text, operation, loop.until, (*at, "until"))
    for index, name in _repeated([phase.phase for phase in loop.steps]):
        yield text.mistake((*at, "steps", index), f"found step {name!r} a second time in this loop")


def _hours(text: Text, operation: Operation, name: str, at: Path) -> Iterator[Mistake]:
    """A name that must be a parameter of the operation, in hours."""
    parameter = operation.parameters.get(name)
    if parameter is None:
        yield text.mistake(at, f"found {name!r}, expected a parameter of {operation.operation}")
    elif parameter.unit != "h":
        yield text.mistake(at, f"found {name!r} in {parameter.unit}, expected a parameter in h")


def _phases(operation: Operation) -> Iterator[tuple[Path, Phase]]:
    """Every phase with its path in the operation, those of loops included."""
    for index, item in enumerate(operation.steps):
        if isinstance(item, Loop):
            for place, phase in enumerate(item.steps):
                yield ("steps", index, "steps", place), phase
        else:
            yield ("steps", index), item


def _phase(
    files: Files, operation: Operation, equipment: EquipmentClass | None, phase: Phase, at: Path
) -> Iterator[Mistake]:
    text = files.recipe_text
    if phase.every_nth < 1:
        yield text.mistake((*at, "every_nth"), f"found {phase.every_nth}, expected 1 or more")
    match phase:
        case SetPoint() | Program():
            for place, name in enumerate(phase.parameters):
                if name not in operation.parameters:
                    message = f"found {name!r}, expected a parameter of {operation.operation}"
                    listed = _listed(operation.parameters)
                    yield text.mistake((*at, "parameters", place), f"{message} ({listed})")
        case Hold():
            yield from _hours(text, operation, phase.duration, (*at, "duration"))
        case Sample():
            plans = {plan.plan for plan in files.plans}
            if phase.plan not in plans:
                message = f"found {phase.plan!r}, expected a plan of {files.sampling_text.file}"
                yield text.mistake((*at, "plan"), f"{message} ({_listed(plans)})")
            if LABORATORY not in {each.equipment_class for each in files.plant.classes}:
                yield text.mistake(at, f"a sample needs the class {LABORATORY!r} in {files.plant_text.file}")
        case Instruction():
            for index, name in _repeated([answer.name for answer in phase.answers]):
                yield text.mistake((*at, "answers", index), f"found answer {name!r} a second time")
        case Read() | IdentityScan():
            pass
    if equipment is not None:
        yield from _asked(text, operation, equipment, phase, at)


def _asked(text: Text, operation: Operation, equipment: EquipmentClass, phase: Phase, at: Path) -> Iterator[Mistake]:
    """What the phase asks of the unit against what the unit's class has."""
    unit = equipment.equipment_class
    match phase:
        case Program() if phase.program not in equipment.programs:
            message = f"found {phase.program!r}, expected a program of {unit} ({_listed(equipment.programs)})"
            yield text.mistake((*at, "program"), message)
        case SetPoint():
            for place, name in enumerate(phase.parameters):
                here = (*at, "parameters", place)
                expected = equipment.set_points.get(name)
                parameter = operation.parameters.get(name)
                if expected is None:
                    message = f"found {name!r}, expected a set-point of {unit} ({_listed(equipment.set_points)})"
                    yield text.mistake(here, message)
                elif parameter is not None and parameter.unit != expected:
                    message = f"found {name!r} in {parameter.unit}, expected {expected} as {unit} has it"
                    yield text.mistake(here, message)
        case Read():
            for place, name in enumerate(phase.signals):
                if name not in equipment.signals:
                    message = f"found {name!r}, expected a signal of {unit} ({_listed(equipment.signals)})"
                    yield text.mistake((*at, "signals", place), message)
        case _:
            pass


def _listed(names: Mapping[str, object] | Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "it has none"
