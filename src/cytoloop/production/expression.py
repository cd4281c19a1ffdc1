"""Expression: what a recipe computes and on which conditions it branches, as text that is checked before approval.

Python's arithmetic and comparison, and nothing else:

  parameter("expansion.il2")            value in force for the batch
  result("viability")                   newest result of an attribute
  value("receipt/inspect", "bags")      answer, calculation or decision of a step (in a loop: of its newest round)
  reading("bioreactor", "ph")           newest reading of a unit that is not bad
  quantity(3, "mL")                     a number with a unit
  min(a, b) max(a, b) abs(a) sqrt(a) log(a) exp(a)

Every value carries its house unit, so that a sum of mL and h is found before a batch runs. A plain number beside a
comparison sign or in min and max has the unit of the other side.
"""

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from cytoloop.core.units import quantity_of, registry

Source = Literal["parameter", "result", "value", "reading"]
_ARITY: dict[Source, int] = {"parameter": 1, "result": 1, "value": 2, "reading": 2}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b, ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b, ast.Div: lambda a, b: a / b,
}  # fmt: skip
_PURE: dict[str, Callable[[float], float]] = {"sqrt": math.sqrt, "log": math.log, "exp": math.exp}
LONGEST = 500
"""Characters of an expression: longer ones nobody reviews."""


class ExpressionError(ValueError):
    """Why an expression cannot be used or has no value, as a sentence for who wrote the recipe."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Something of the batch that an expression speaks of."""

    source: Source
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.source}({', '.join(repr(name) for name in self.names)})"


Given = tuple[float, str] | str
"""A number with its house unit, or a text (a choice, a decision)."""
Look = Callable[[Reference], Given]
"""The value of a reference; ExpressionError says why there is none."""


def references(text: str) -> tuple[Reference, ...]:
    """What the expression speaks of, in order; ExpressionError when it is no expression."""
    found = [_reference(node) for node in ast.walk(_tree(text)) if isinstance(node, ast.Call)]
    return tuple(each for each in found if each is not None)


def holds(text: str, look: Look) -> bool:
    """Whether a condition holds; ExpressionError when it is none, or when something it needs is missing."""
    found = _value(_tree(text), look)
    if not isinstance(found, bool):
        raise ExpressionError(f"{text!r} is a quantity and no condition; compare it with something")
    return found


def computed(text: str, unit: str, look: Look) -> float:
    """The value of an expression in `unit`; ExpressionError when it has another kind of unit, or no value."""
    found = _value(_tree(text), look)
    if isinstance(found, bool | str):
        raise ExpressionError(f"{text!r} is no quantity; expected a number in {unit}")
    try:
        number = float(_with_unit(found).to(quantity_of(1.0, unit).units).magnitude)
    except Exception as error:
        raise ExpressionError(f"{text!r} gives {_unit(found)}, which does not convert to {unit}") from error
    if not math.isfinite(number):
        raise ExpressionError(f"{text!r} gives no finite number")
    return number


@cache
def _tree(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters; write it in {LONGEST} or fewer")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{text!r} cannot be read: {error}") from error


def _value(node: ast.expr, look: Look) -> Any:
    match node:
        case ast.Constant(value=bool()):
            raise ExpressionError("true and false are no values here; compare something")
        case ast.Constant(value=int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, look)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _truth(operand, look)
        case ast.BoolOp(op=ast.And(), values=values):
            return False not in [_truth(each, look) for each in values]  # all are looked at: none hides a mistake
        case ast.BoolOp(values=values):
            return True in [_truth(each, look) for each in values]
        case ast.BinOp():
            return _calculated(node, look)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _compared(type(op), _value(left, look), _value(right, look))
        case ast.Call():
            return _called(node, look)
        case _:
            raise ExpressionError(f"{ast.unparse(node)!r} may not stand in an expression")


def _truth(node: ast.expr, look: Look) -> bool:
    found = _value(node, look)
    if not isinstance(found, bool):
        raise ExpressionError(f"{ast.unparse(node)!r} is no condition; compare it with something")
    return found


def _calculated(node: ast.BinOp, look: Look) -> Any:
    left, right = _value(node.left, look), _value(node.right, look)
    if isinstance(left, str | bool) or isinstance(right, str | bool):
        raise ExpressionError(f"{ast.unparse(node)!r} does not compute with numbers")
    if isinstance(node.op, ast.Pow):
        if not isinstance(node.right, ast.Constant) or not isinstance(right, int) or not 0 < right <= 4:
            raise ExpressionError(f"{ast.unparse(node)!r}: a power is a whole number from 1 to 4")
        return left**right
    act = _ARITHMETIC.get(type(node.op))
    if act is None:
        raise ExpressionError(f"{ast.unparse(node)!r} may not stand in an expression")
    return _tried(act, left, right, ast.unparse(node))


def _compared(op: type[ast.cmpop], left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        if op not in (ast.Eq, ast.NotEq) or not (isinstance(left, str) and isinstance(right, str)):
            raise ExpressionError(f"a text is compared with a text, by == or !=; found {left!r} and {right!r}")
        return bool(_COMPARE[op](left, right))
    return bool(_tried(_COMPARE[op], *_alike(left, right), "the comparison"))


def _called(node: ast.Call, look: Look) -> Any:
    reference = _reference(node)
    if reference is not None:
        given = look(reference)
        return given if isinstance(given, str) else quantity_of(*given)
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if node.keywords:
        raise ExpressionError(f"{ast.unparse(node)!r}: give values by place, without names")
    if name == "quantity":
        return _quantity(node)
    values = [_value(each, look) for each in node.args]
    if name in ("min", "max") and len(values) == 2:
        return _tried(min if name == "min" else max, *_alike(values[0], values[1]), name)
    if name == "abs" and len(values) == 1:
        return abs(values[0])
    if name in _PURE and len(values) == 1:
        return _pure(name, values[0])
    raise ExpressionError(f"{ast.unparse(node)!r} is no function of an expression")


def _reference(node: ast.Call) -> Reference | None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in _ARITY:
        return None
    source: Source = name
    names = tuple(each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str))
    if len(names) != len(node.args) or len(names) != _ARITY[source] or node.keywords:
        raise ExpressionError(f"{ast.unparse(node)!r}: expected {_ARITY[source]} names in quotes")
    return Reference(source, names)


def _quantity(node: ast.Call) -> Any:
    match node.args:
        case [ast.Constant(value=int() | float() as number), ast.Constant(value=str() as unit)]:
            try:
                return quantity_of(float(number), unit)
            except Exception as error:
                raise ExpressionError(f"{unit!r} is no unit; write a house unit") from error
        case _:
            raise ExpressionError(f"{ast.unparse(node)!r}: expected a number and a unit in quotes")


def _pure(name: str, value: Any) -> Any:
    try:
        if name == "sqrt":
            return value**0.5
        return _PURE[name](float(_with_unit(value).to("dimensionless").magnitude))
    except Exception as error:
        raise ExpressionError(f"{name} of {value} has no value; it takes a positive number without a unit") from error


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides, a plain number having taken the unit of the other."""
    units = registry()
    if isinstance(left, units.Quantity) and not isinstance(right, units.Quantity):
        return left, units.Quantity(right, left.units)
    if isinstance(right, units.Quantity) and not isinstance(left, units.Quantity):
        return units.Quantity(left, right.units), right
    return left, right


def _tried(act: Callable[[Any, Any], Any], left: Any, right: Any, where: str) -> Any:
    try:
        return act(left, right)
    except ZeroDivisionError as error:
        raise ExpressionError(f"{where} divides by zero") from error
    except Exception as error:
        raise ExpressionError(f"{where}: {_unit(left)} and {_unit(right)} do not go together") from error


def _with_unit(value: Any) -> Any:
    units = registry()
    return value if isinstance(value, units.Quantity) else units.Quantity(value, "dimensionless")


def _unit(value: Any) -> str:
    return f"{_with_unit(value).units:~}" or "a plain number"
