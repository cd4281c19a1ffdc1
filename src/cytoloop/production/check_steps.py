"""Static checks of an operation: its parameters, and what each step asks of its unit, its plans and its people."""

import math
from collections.abc import Iterator

from cytoloop.core.product import EquipmentClass
from cytoloop.core.recipe import (
    Answer,
    Calculation,
    Decision,
    Hold,
    Incubation,
    Instruction,
    Item,
    LabelPrint,
    Loop,
    MaterialAddition,
    Operation,
    Parallel,
    Parameter,
    Phase,
    Program,
    Ramp,
    Read,
    Repeat,
    Sample,
    Selection,
    SetPoint,
    Transfer,
    Wait,
)
from cytoloop.production.pack_files import LABORATORY, Files, listed, repeated
from cytoloop.production.yaml_text import Mistake, Path, Text

FORMS = (Loop, Repeat, Parallel, Selection)
RESERVED = ("reason", "verified_by", "signature", "decision")
"""What an outcome holds beside the answers."""
SILENT = (Hold, Incubation, Wait, Calculation)
"""Steps that send no command of their own."""


def check_operation(
    files: Files, operation: Operation, equipment: EquipmentClass | None, at: Path, *, safe: bool = False
) -> Iterator[Mistake]:
    """Every mistake in an operation; `safe`: it brings a unit into a safe state."""
    text = files.recipe_text
    for name, parameter in operation.parameters.items():
        yield from _parameter(text, f"{operation.operation}.{name}", parameter, (*at, "parameters", name))
    for path, phase in phases_at(operation):
        yield from _phase(files, operation, equipment, phase, (*at, *path))
    for path, item in items_at(operation.steps, ("steps",)):
        if safe and isinstance(item, (*FORMS, *SILENT)):
            yield text.mistake((*at, *path), "a safe state is reached by steps that send a command; expected no other")


def items_at(steps: tuple[Item, ...], at: Path) -> Iterator[tuple[Path, Item]]:
    """Every item with its path in the text, those inside forms included."""
    for index, item in enumerate(steps):
        here = (*at, index)
        yield here, item
        match item:
            case Loop() | Repeat():
                yield from items_at(item.steps, (*here, "steps"))
            case Parallel():
                for place, branch in enumerate(item.branches):
                    yield from items_at(branch.steps, (*here, "branches", place, "steps"))
            case Selection():
                for place, way in enumerate(item.ways):
                    yield from items_at(way.steps, (*here, "ways", place, "steps"))
            case _:
                pass


def phases_at(operation: Operation) -> Iterator[tuple[Path, Phase]]:
    """Every step of an operation with its path in it, those of forms and reworks included."""
    found = list(items_at(operation.steps, ("steps",)))
    for name, rework in operation.reworks.items():
        found += items_at(rework.steps, ("reworks", name, "steps"))
    for path, item in found:
        if not isinstance(item, FORMS):
            yield path, item


def hours(text: Text, operation: Operation, name: str, at: Path) -> Iterator[Mistake]:
    """A name that must be a parameter of the operation, in hours."""
    parameter = operation.parameters.get(name)
    if parameter is None:
        yield text.mistake(at, f"found {name!r}, expected a parameter of {operation.operation}")
    elif parameter.unit != "h":
        yield text.mistake(at, f"found {name!r} in {parameter.unit}, expected a parameter in h")


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


def _phase(
    files: Files, operation: Operation, equipment: EquipmentClass | None, phase: Phase, at: Path
) -> Iterator[Mistake]:
    text = files.recipe_text
    if phase.every_nth < 1:
        yield text.mistake((*at, "every_nth"), f"found {phase.every_nth}, expected 1 or more")
    for place, name in named_parameters(phase):
        if name not in operation.parameters:
            message = f"found {name!r}, expected a parameter of {operation.operation}"
            yield text.mistake((*at, *place), f"{message} ({listed(operation.parameters)})")
    match phase:
        case Hold() | Incubation():
            yield from hours(text, operation, phase.duration, (*at, "duration"))
        case Ramp():
            yield from hours(text, operation, phase.over, (*at, "over"))
            if phase.moves < 1:
                yield text.mistake((*at, "moves"), f"found {phase.moves}, expected 1 or more")
        case Wait() if not phase.at_most > 0:
            yield text.mistake((*at, "at_most"), f"found {phase.at_most:g} h, expected more than 0 h")
        case Sample():
            yield from _plan(files, phase, at)
        case Transfer() if phase.to not in {each.equipment_class for each in files.plant.classes}:
            yield text.mistake((*at, "to"), f"found {phase.to!r}, expected a class of {files.plant_text.file}")
        case LabelPrint() if phase.copies < 1:
            yield text.mistake((*at, "copies"), f"found {phase.copies}, expected 1 or more")
        case MaterialAddition() if not 0 <= phase.tolerance < 1:
            yield text.mistake((*at, "tolerance"), f"found {phase.tolerance:g}, expected a fraction from 0 to below 1")
        case Instruction():
            yield from _answers(text, phase, at)
        case Decision():
            for index, name in repeated([option.option for option in phase.options]):
                yield text.mistake((*at, "options", index), f"found option {name!r} a second time")
            if len(phase.options) < 2:
                yield text.mistake((*at, "options"), "found fewer than two options; expected something to decide")
        case _:
            pass
    if equipment is not None:
        yield from _asked(text, operation, equipment, phase, at)


def named_parameters(phase: Phase) -> Iterator[tuple[Path, str]]:
    """Parameters of the operation that a step names, but for its hours, with their places in the text."""
    match phase:
        case SetPoint() | Program() | Incubation():
            yield from ((("parameters", place), name) for place, name in enumerate(phase.parameters))
        case Ramp():
            yield ("parameter",), phase.parameter
        case MaterialAddition():
            yield ("quantity",), phase.quantity
        case _:
            pass


def _plan(files: Files, phase: Sample, at: Path) -> Iterator[Mistake]:
    text, plans = files.recipe_text, {plan.plan for plan in files.plans}
    if phase.plan not in plans:
        message = f"found {phase.plan!r}, expected a plan of {files.sampling_text.file}"
        yield text.mistake((*at, "plan"), f"{message} ({listed(plans)})")
    if LABORATORY not in {each.equipment_class for each in files.plant.classes}:
        yield text.mistake(at, f"a sample needs the class {LABORATORY!r} in {files.plant_text.file}")


def _answers(text: Text, phase: Instruction, at: Path) -> Iterator[Mistake]:
    for index, name in repeated([answer.name for answer in phase.answers]):
        yield text.mistake((*at, "answers", index), f"found answer {name!r} a second time")
    for index, answer in enumerate(phase.answers):
        problem = _answer(answer)
        if answer.name in RESERVED:
            problem = f"found answer {answer.name!r}, a name that the platform uses; expected another"
        if problem:
            yield text.mistake((*at, "answers", index), problem)


def _answer(answer: Answer) -> str | None:
    low, high, offered = answer.low, answer.high, ("yes", "no") if answer.type == "yes_no" else answer.choices
    if low is not None and high is not None and low > high:
        return f"found low {low:g} above high {high:g}"
    if answer.type != "number" and (low is not None or high is not None):
        return f"found a range for a {answer.type}; expected low and high for a number only"
    if answer.type == "choice" and len(answer.choices) < 2:
        return "found fewer than two choices; expected something to choose from"
    if answer.type != "choice" and answer.choices:
        return f"found choices for a {answer.type}; expected them for a choice only"
    if answer.expected and answer.type in ("choice", "yes_no") and not set(answer.expected) <= set(offered):
        return f"found expected {listed(answer.expected)}, expected some of {listed(offered)}"
    if answer.expected and answer.type in ("number", "text"):
        return f"found expected answers for a {answer.type}; expected them for a choice or yes_no"
    return None


def _asked(text: Text, operation: Operation, equipment: EquipmentClass, phase: Phase, at: Path) -> Iterator[Mistake]:
    """What the phase asks of the unit against what the unit's class has."""
    unit = equipment.equipment_class
    match phase:
        case Program() if phase.program not in equipment.programs:
            message = f"found {phase.program!r}, expected a program of {unit} ({listed(equipment.programs)})"
            yield text.mistake((*at, "program"), message)
        case SetPoint() | Incubation() | Ramp():
            for place, name in named_parameters(phase):
                yield from _set_point(text, operation, equipment, name, (*at, *place))
        case _:
            pass
    if isinstance(phase, Read | Incubation):
        for index, name in enumerate(phase.signals):
            if name not in equipment.signals:
                message = f"found {name!r}, expected a signal of {unit} ({listed(equipment.signals)})"
                yield text.mistake((*at, "signals", index), message)


def _set_point(text: Text, operation: Operation, equipment: EquipmentClass, name: str, at: Path) -> Iterator[Mistake]:
    unit, expected = equipment.equipment_class, equipment.set_points.get(name)
    parameter = operation.parameters.get(name)
    if expected is None:
        message = f"found {name!r}, expected a set-point of {unit} ({listed(equipment.set_points)})"
        yield text.mistake(at, message)
    elif parameter is not None and parameter.unit != expected:
        message = f"found {name!r} in {parameter.unit}, expected {expected} as {unit} has it"
        yield text.mistake(at, message)
