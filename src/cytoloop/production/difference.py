"""Difference between two recipe versions, as a QA reviewer reads it: what changed, from what, to what, in which unit.

The order and form of the text do not matter here, only what a batch would do differently.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cytoloop.core.recipe import Loop, Operation, Parameter, Phase, Recipe

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


def lines(differences: tuple[Difference, ...]) -> list[str]:
    """The differences as lines of text, one each; one line that says so when there are none."""
    return [str(each) for each in differences] or ["no difference in what a batch would do"]


def _recipe_fields(recipe: Recipe) -> dict[str, str]:
    return {
        "name": recipe.recipe,
        "version": str(recipe.version),
        "product": recipe.product,
        "words": f"{recipe.words.en} / {recipe.words.zh}",
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
        "words": f"{parameter.words.en} / {parameter.words.zh}",
    }


def _steps(old: Recipe, new: Recipe) -> Iterator[Difference]:
    before, after = _operations(old), _operations(new)
    for name in dict.fromkeys((*before, *after)):
        yield from _order(f"{name} steps", before.get(name, {}), after.get(name, {}))


def _operations(recipe: Recipe) -> dict[str, dict[str, str]]:
    return {
        operation.operation: {f"{operation.operation}/{name}": text for name, text in _listed(operation)}
        for _, operation in recipe.operations()
    }


def _listed(operation: Operation) -> Iterator[tuple[str, str]]:
    """Each step's place in the operation and what it does, in one line."""
    for item in operation.steps:
        if isinstance(item, Loop):
            yield item.loop, f"loop every {item.every:g} h until {item.until} ({_words(item)})"
            for phase in item.steps:
                yield f"{item.loop}/{phase.phase}", _phase(phase)
        else:
            yield item.phase, _phase(item)


def _phase(phase: Phase) -> str:
    """What a phase does, every field but its name."""
    match phase.kind:
        case "identity_scan":
            asks = phase.label
        case "instruction":
            asks = "; ".join(
                f"{answer.name} {_limit(answer.low)} to {_limit(answer.high)} {answer.unit}"
                f" ({answer.words.en} / {answer.words.zh})"
                for answer in phase.answers
            )
        case "set_point":
            asks = ", ".join(phase.parameters)
        case "program":
            asks = f"{phase.program} with {', '.join(phase.parameters) or 'no parameters'}"
        case "hold":
            asks = phase.duration
        case "read":
            asks = ", ".join(phase.signals)
        case "sample":
            asks = f"plan {phase.plan}"
    every = f", every round {phase.every_nth}" if phase.every_nth > 1 else ""
    return f"{phase.kind} {asks}{every} ({_words(phase)})"


def _words(item: Phase | Loop) -> str:
    return f"{item.words.en} / {item.words.zh}"


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
