"""Looking: what the references of an expression stand for in a batch."""

import re

from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.recipe import Calculation, Instruction, MaterialAddition, phases
from cytoloop.production.expression import ExpressionError, Given, Look, Reference

ROUND = re.compile(r"\[\d+\]")


def look(batch: Batch) -> Look:
    """Looks references up in the batch as it stands."""

    def found(reference: Reference) -> Given:
        match reference.source:
            case "parameter":
                return _parameter(batch, *reference.names)
            case "result":
                return _result(batch, *reference.names)
            case "reading":
                return _reading(batch, *reference.names)
            case "value":
                return _answer(batch, *reference.names)

    return found


def told(batch: Batch, text: str, references: tuple[Reference, ...]) -> str:
    """The expression with the values it was judged on, for the record."""
    find = look(batch)
    values = ", ".join(f"{each} = {_shown(find(each))}" for each in dict.fromkeys(references))
    return f"{text} with {values}" if values else text


def unit_of(batch: Batch, step: str, name: str) -> str | None:
    """The unit of a step's value, as the recipe says; None when it is a text or the recipe says none."""
    plain, recipe = ROUND.sub("", step), batch.master.recipe
    phase = plain.rpartition("/")[2]
    operation = next((each for _, each in recipe.operations() if each.operation == plain.partition("/")[0]), None)
    for each in phases(operation.steps) if operation is not None else ():
        if each.phase != phase:
            continue
        match each:
            case Calculation():
                return each.unit
            case MaterialAddition() if name == "quantity" and operation is not None:
                return operation.parameters[each.quantity].unit
            case Instruction():
                return next((a.unit for a in each.answers if a.name == name and a.type == "number"), None)
            case _:
                return None
    return None


def _parameter(batch: Batch, name: str) -> Given:
    if name not in batch.parameters:
        raise ExpressionError(f"there is no parameter {name}")
    return batch.parameters[name], batch.master.recipe.parameters()[name].unit


def _result(batch: Batch, attribute: str) -> Given:
    for each in reversed(batch.results):
        if each.fact.attribute == attribute:
            return each.fact.value, each.fact.unit
    raise ExpressionError(f"there is no result of {attribute} yet")


def _reading(batch: Batch, equipment_class: str, signal: str) -> Given:
    unit = batch.created.equipment.get(equipment_class)
    for each in reversed(batch.readings):
        for reading in reversed(each.fact.readings):
            if reading.source == unit and reading.signal == signal and reading.quality != "bad":
                return reading.value, reading.unit
    raise ExpressionError(f"there is no reading of {signal} of {unit or equipment_class} yet")


def _answer(batch: Batch, step: str, name: str) -> Given:
    record = _newest(batch, step)
    if record is None or record.state != "done" or name not in record.values:
        raise ExpressionError(f"step {step} has no value {name} yet")
    value = record.values[name]
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"value {name} of step {step} is no number and no text")
    return float(value), unit_of(batch, step, name) or "1"


def _newest(batch: Batch, step: str) -> StepRecord | None:
    """The step itself, or its newest round when `step` names it without rounds."""
    if step in batch.steps:
        return batch.steps[step]
    rounds = [each for name, each in batch.steps.items() if ROUND.sub("", name) == step and each.state == "done"]
    return rounds[-1] if rounds else None


def _shown(given: Given) -> str:
    return given if isinstance(given, str) else f"{given[0]:g} {given[1]}"
