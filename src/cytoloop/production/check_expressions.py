"""Static checks of expressions: every name exists where it is used, every unit fits, every text compared can occur."""

import ast
from dataclasses import dataclass, replace
from itertools import count

from cytoloop.core.recipe import (
    Calculation,
    Decision,
    Instruction,
    Item,
    MaterialAddition,
    Operation,
    Repeat,
    Sample,
    Selection,
    Wait,
    placed,
)
from cytoloop.production.expression import ExpressionError, Given, Reference, computed, holds, references
from cytoloop.production.own_steps import OTHERWISE
from cytoloop.production.pack_files import Files, listed


@dataclass(frozen=True, slots=True)
class Known:
    """What an expression may speak of where it stands."""

    files: Files
    operation: Operation
    steps: frozenset[str]
    """Paths of the steps before it, rounds left out."""
    path: str
    """Where it stands."""

    def whole(self) -> "Known":
        """The same with every step of the recipe known."""
        every = (placed(each.operation, each.steps) for _, each in self.files.recipe.operations())
        return replace(self, steps=frozenset(path for paths in every for path, _ in paths))


def known(files: Files, operation: Operation, steps: set[str], path: str) -> Known:
    """What is known at `path` behind `steps`."""
    return Known(files, operation, frozenset(steps), path)


def condition(text: str, seen: Known) -> str | None:
    """What is wrong with a condition, as a sentence; None when nothing is."""
    try:
        if not references(text):
            return f"{text!r} speaks of nothing in the batch: it always comes out the same; expected a condition on it"
        holds(text, _Sample(seen))
        return _never(text, seen)
    except ExpressionError as error:
        return str(error)


def quantity(text: str, unit: str, seen: Known) -> str | None:
    """What is wrong with a calculation that gives `unit`; None when nothing is."""
    try:
        computed(text, unit, _Sample(seen))
    except ExpressionError as error:
        return None if "divides by zero" in str(error) or "no finite" in str(error) else str(error)
    return None


def written_parameters(files: Files) -> set[str]:
    """Full names of the parameters that expressions of the recipe speak of."""
    found: set[str] = set()
    for _, operation in files.recipe.operations():
        for _, item in placed(operation.operation, operation.steps):
            for text in _texts(item):
                try:
                    found |= {each.names[0] for each in references(text) if each.source == "parameter"}
                except ExpressionError:
                    continue  # told where it stands
    return found


def _texts(item: Item) -> tuple[str, ...]:
    match item:
        case Repeat() | Wait():
            return (item.until,)
        case Selection():
            return tuple(way.when for way in item.ways if way.when != OTHERWISE)
        case Calculation():
            return (item.value,)
        case _:
            return ()


class _Sample:
    """Looks references up with made-up numbers, all different, in their true units."""

    def __init__(self, seen: Known) -> None:
        self._seen, self._numbers = seen, count(1)

    def __call__(self, reference: Reference) -> Given:
        found = _unit(self._seen, reference)
        if isinstance(found, frozenset):
            return next(iter(found), "")
        return 1.0 + 0.618 * next(self._numbers), found


def _unit(seen: Known, reference: Reference) -> str | frozenset[str]:
    """The unit of what a reference stands for, or the texts it can be. ExpressionError when it stands for nothing."""
    match reference.source:
        case "parameter":
            parameters = seen.files.recipe.parameters()
            (name,) = reference.names
            if name not in parameters:
                raise ExpressionError(f"there is no parameter {name!r}; expected one of {listed(parameters)}")
            return parameters[name].unit
        case "result":
            return _result(seen, *reference.names)
        case "reading":
            return _reading(seen, *reference.names)
        case "value":
            return _value(seen, *reference.names)


def _result(seen: Known, attribute: str) -> str:
    plans = {plan.plan: plan for plan in seen.files.plans}
    taken = [item for path, item in _items(seen) if path in seen.steps and isinstance(item, Sample)]
    tested = {name for item in taken if item.plan in plans for name in plans[item.plan].attributes}
    if attribute not in tested:
        raise ExpressionError(f"no sample before tests {attribute!r}; expected one of {listed(tested)}")
    return next(each.unit for each in seen.files.product.attributes if each.attribute == attribute)


def _reading(seen: Known, equipment_class: str, signal: str) -> str:
    signals = {each.equipment_class: each.signals for each in seen.files.plant.classes}
    if equipment_class not in signals:
        raise ExpressionError(f"there is no equipment class {equipment_class!r}; expected one of {listed(signals)}")
    if signal not in signals[equipment_class]:
        message = f"{equipment_class} has no signal {signal!r}"
        raise ExpressionError(f"{message}; expected one of {listed(signals[equipment_class])}")
    return signals[equipment_class][signal]


def _value(seen: Known, step: str, name: str) -> str | frozenset[str]:
    item = next((item for path, item in _items(seen) if path == step), None)
    if item is None or step not in seen.steps:
        raise ExpressionError(f"no step {step!r} stands before {seen.path}; expected one that does")
    values = _values(seen, item)
    if name not in values:
        raise ExpressionError(f"step {step} has no value {name!r}; expected one of {listed(values)}")
    return values[name]


def _values(seen: Known, item: Item) -> dict[str, str | frozenset[str]]:
    """What a step leaves by name: its unit, or the texts it can be."""
    match item:
        case Calculation():
            return {item.phase: item.unit}
        case Decision():
            return {"decision": frozenset(each.option for each in item.options)}
        case MaterialAddition():
            own = {name: each.unit for _, op in seen.files.recipe.operations() for name, each in op.parameters.items()}
            return {"quantity": own.get(item.quantity, "1")}
        case Instruction():
            return {
                each.name: each.unit
                if each.type == "number"
                else frozenset(("yes", "no") if each.type == "yes_no" else each.choices)
                for each in item.answers
            }
        case _:
            return {}


def _items(seen: Known) -> list[tuple[str, Item]]:
    return [
        found
        for _, operation in seen.files.recipe.operations()
        for found in placed(operation.operation, operation.steps)
    ]


def _never(text: str, seen: Known) -> str | None:
    """A text that is compared with something it can never be."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Call):
            continue
        (right,) = node.comparators
        left = references(ast.unparse(node.left))
        possible = _unit(seen, left[0]) if left else ""
        compared = right.value if isinstance(right, ast.Constant) else None
        if isinstance(compared, str) and isinstance(possible, frozenset) and possible and compared not in possible:
            return f"{left[0]} is never {compared!r}; expected one of {listed(possible)}"
    return None
