"""Difference between two recipe versions or two sites' recipes, as a QA reviewer reads it: what changed, from what, to
what, in which unit.

The order and form of the text do not matter here, only what a batch would do differently.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import (
    Answer,
    Common,
    Item,
    Loop,
    Operation,
    Option,
    Parallel,
    Parameter,
    Recipe,
    Repeat,
    Selection,
    Within,
    placed,
)
from cytoloop.core.words import Words

What = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that two versions say differently."""

    where: str
    """ "expansion.il2 target", "expansion/expand/daily_sample", "procedure"."""
    what: What
    old: str
    """Empty when added."""
    new: str
    """Empty when removed."""

    def __str__(self) -> str:
        match self.what:
            case "added":
                return f"+ {self.where}: {self.new}"
            case "removed":
                return f"- {self.where}: {self.old}"
            case "moved" | "changed":
                return f"~ {self.where}: {self.old} -> {self.new}"


def difference(old: Recipe, new: Recipe) -> tuple[Difference, ...]:
    """What `new` asks for differently than `old`; empty when a batch would run the same."""
    return (
        *_fields("recipe", _recipe_fields(old), _recipe_fields(new)),
        *_order("operations", _units(old), _units(new)),
        *_parameters(old, new),
        *_steps(old, new),
    )


def whole_difference(old: MasterRecipe, new: MasterRecipe) -> tuple[Difference, ...]:
    """What two master recipes say differently: recipe, specification, sampling plans and the plant's limits."""
    return (
        *difference(old.recipe, new.recipe),
        *_order("specification", _specification(old), _specification(new)),
        *_order("sampling plans", _plans(old), _plans(new)),
        *_order("plant", _plant(old), _plant(new)),
    )


def _specification(master: MasterRecipe) -> dict[str, str]:
    return {
        f"specification of {each.attribute} at {each.stage}": f"{_limit(each.low)} to {_limit(each.high)} {each.unit}"
        f"{' per kg' if each.per_kg else ''}, {'critical' if each.critical else 'not critical'}, by {each.method} "
        f"({_words(each.words)}; {each.source})"
        for each in master.product.attributes
    }


def _plans(master: MasterRecipe) -> dict[str, str]:
    return {
        f"sampling plan {name}": f"{plan.volume:g} mL at {plan.stage} for {', '.join(plan.attributes)}"
        for name, plan in master.product.sampling.items()
    }


def _plant(master: MasterRecipe) -> dict[str, str]:
    told: dict[str, str] = {}
    for each in master.plant.classes:
        told[f"class {each.equipment_class}"] = (
            f"{each.count} units, programs {', '.join(each.programs) or 'none'}, "
            f"set-points {_all(each.set_points) or 'none'}, signals {_all(each.signals) or 'none'}"
        )
        for alarm in each.alarms:
            limits = f"{alarm.low:g} to {alarm.high:g} {alarm.unit} for {alarm.tolerance:g} h"
            told[f"alarm of {each.equipment_class} {alarm.signal}"] = limits
    return told


def lines(differences: tuple[Difference, ...]) -> list[str]:
    """The differences as lines of text, one each; one line that says so when there are none."""
    return [str(each) for each in differences] or ["no difference in what a batch would do"]


def _recipe_fields(recipe: Recipe) -> dict[str, str]:
    origin = recipe.derived_from
    return {
        "name": recipe.recipe,
        "version": str(recipe.version),
        "level": recipe.level,
        "product": recipe.product,
        "derived from": f"{origin.level} recipe {origin.recipe} version {origin.version}" if origin else "nothing",
        "words": _words(recipe.words),
    }


def _units(recipe: Recipe) -> dict[str, str]:
    return {
        operation.operation: f"{unit_procedure.unit_procedure} on {unit_procedure.equipment_class}"
        for unit_procedure, operation in recipe.operations()
    }


def _parameters(old: Recipe, new: Recipe) -> Iterator[Difference]:
    before = {name: _parameter(parameter) for name, parameter in old.parameters().items()}
    after = {name: _parameter(parameter) for name, parameter in new.parameters().items()}
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            yield Difference(where=name, what="removed", old=_all(before[name]), new="")
        elif name not in before:
            yield Difference(where=name, what="added", old="", new=_all(after[name]))
        else:
            yield from _fields(name, before[name], after[name])


def _parameter(parameter: Parameter) -> dict[str, str]:
    unit = parameter.unit
    return {
        "target": f"{parameter.target:g} {unit}",
        "NOR": f"{parameter.nor[0]:g} to {parameter.nor[1]:g} {unit}",
        "PAR": f"{parameter.par[0]:g} to {parameter.par[1]:g} {unit}",
        "criticality": parameter.criticality,
        "dossier reference": parameter.dossier_ref or "none",
        "words": _words(parameter.words),
    }


def _steps(old: Recipe, new: Recipe) -> Iterator[Difference]:
    before, after = _operations(old), _operations(new)
    for name in dict.fromkeys((*before, *after)):
        yield from _order(f"{name} steps", before.get(name, {}), after.get(name, {}))


def _operations(recipe: Recipe) -> dict[str, dict[str, str]]:
    """Operation -> its items by path, with what each does in one line; reworks and safe states are among them."""
    safe = [each.safe_state for each in recipe.procedure if each.safe_state is not None]
    operations = [operation for _, operation in recipe.operations()]
    listed = {operation.operation: dict(_listed(operation)) for operation in operations}
    return listed | {f"safe state {each.operation}": dict(_listed(each)) for each in safe}


def _listed(operation: Operation) -> Iterator[tuple[str, str]]:
    for path, item in placed(operation.operation, operation.steps):
        yield path, _item(item)
        for way in item.ways if isinstance(item, Selection) else ():
            yield f"{path}/{way.way}", f"when {way.when} ({_words(way.words)})"
    for name, rework in operation.reworks.items():
        yield f"{operation.operation}~{name}", f"rework at most {rework.at_most} times ({_words(rework.words)})"
        for path, item in placed(f"{operation.operation}~{name}", rework.steps):
            yield path, _item(item)


def _item(item: Item) -> str:
    """What an item does, every field but its name."""
    match item:
        case Loop():
            return f"loop every {item.every:g} h until {item.until} ({_words(item.words)})"
        case Repeat():
            return f"repeat until {item.until}, at most {item.at_most} rounds ({_words(item.words)})"
        case Parallel():
            return f"parallel {', '.join(each.branch for each in item.branches)} ({_words(item.words)})"
        case Selection():
            return f"selection of {', '.join(each.way for each in item.ways)} ({_words(item.words)})"
        case _:
            return f"{item.kind} {_asks(item)} ({_words(item.words)})"


def _asks(phase: Common) -> str:
    """The fields of a step that are not their default, as "name value"."""
    common = {field.name for field in fields(Common)} - {"every_nth"}
    said = [
        f"{field.name} {_said(value)}"
        for field in sorted(fields(phase), key=lambda field: field.name in common)
        if field.name not in ("kind", "phase", "words", "every_nth")
        and (value := getattr(phase, field.name)) != field.default
    ]
    every = [f"every round {phase.every_nth}"] if phase.every_nth > 1 else []
    return ", ".join([*said, *every]) or "as it is"


def _said(value: object) -> str:
    match value:
        case Within():
            return f"{value.hours:g} h after {value.after}"
        case Answer():
            asked = f"{value.name} {_limit(value.low)} to {_limit(value.high)} {value.unit}"
            chosen = f"{value.type} of {', '.join(value.choices)}, expected {', '.join(value.expected)}"
            return f"{asked if value.type == 'number' else f'{value.name} {chosen}'} ({_words(value.words)})"
        case Option():
            return f"{value.option} ({_words(value.words)})"
        case tuple():
            return "; ".join(_said(each) for each in value) or "nothing"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _words(words: Words) -> str:
    return f"{words.en} / {words.zh}"


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _all(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _fields(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name, value in old.items():
        if value != new[name]:
            yield Difference(where=f"{where} {name}", what="changed", old=value, new=new[name])


def _order(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    """Named things in order: removed, added, changed, and whether what stayed was put in another order."""
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Difference(where=name, what="removed", old=old[name], new="")
        elif name not in old:
            yield Difference(where=name, what="added", old="", new=new[name])
        elif old[name] != new[name]:
            yield Difference(where=name, what="changed", old=old[name], new=new[name])
    before, after = [n for n in old if n in new], [n for n in new if n in old]
    if before != after:
        yield Difference(where=f"order of {where}", what="moved", old=", ".join(before), new=", ".join(after))
