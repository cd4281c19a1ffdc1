"""Levels: from a general recipe to a site's and to a master recipe, and from a batch to its control recipe (ISA-88).

Pure. A recipe that is derived says of which one, with its hash, so that a change above is seen below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cytoloop.core.adaptation import Adaptation, ParameterAdapted
from cytoloop.core.batch import Batch
from cytoloop.core.errors import UserError
from cytoloop.core.json import digest
from cytoloop.core.recipe import (
    Branch,
    Item,
    Loop,
    Operation,
    Parallel,
    Parameter,
    ParentRecipe,
    Phase,
    Recipe,
    Repeat,
    Selection,
    UnitProcedure,
    Way,
    name_of,
    placed,
)
from cytoloop.production.recipe_text import recipe_content

ORDER = ("general", "site", "master")


def derive(parent: Recipe, adaptation: Adaptation) -> Recipe:
    """The recipe that an adaptation makes of its parent recipe. UserError names whatever does not fit."""
    _demand_fit(parent, adaptation)
    origin = ParentRecipe(
        recipe=parent.recipe, level=parent.level, version=parent.version, content_sha256=digest(recipe_content(parent))
    )
    return Recipe(
        recipe=adaptation.recipe,
        version=adaptation.version,
        words=adaptation.words,
        product=parent.product,
        procedure=tuple(_unit(each, adaptation) for each in parent.procedure),
        level=adaptation.level,
        derived_from=origin,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRecipe:
    """What one batch runs: its master recipe with the units allotted and the parameter values in force (ISA-88)."""

    batch: str
    recipe: str
    version: int
    content_sha256: str
    equipment: Mapping[str, str] = field(hash=False)
    """Equipment class -> unit."""
    parameters: Mapping[str, tuple[float, float, str]] = field(hash=False)
    """Full parameter name -> target of the master recipe, value in force, unit."""


def control_recipe(batch: Batch) -> ControlRecipe:
    """The control recipe of a batch as it stands."""
    return ControlRecipe(
        batch=batch.number,
        recipe=batch.created.recipe,
        version=batch.created.recipe_version,
        content_sha256=batch.created.recipe_sha256,
        equipment=batch.created.equipment,
        parameters={
            name: (each.target, batch.parameters[name], each.unit)
            for name, each in batch.master.recipe.parameters().items()
        },
    )


def _demand_fit(parent: Recipe, adaptation: Adaptation) -> None:
    if (parent.recipe, parent.version) != (adaptation.parent, adaptation.parent_version):
        raise UserError(
            f"the adaptation is of {adaptation.parent} version {adaptation.parent_version}, and the recipe given is "
            f"{parent.recipe} version {parent.version}; give that recipe, or review the adaptation anew"
        )
    if ORDER.index(adaptation.level) <= ORDER.index(parent.level):
        raise UserError(f"a {adaptation.level} recipe is not made of a {parent.level} recipe; go down the levels")
    paths = {path for _, operation in parent.operations() for path, _ in placed(operation.operation, operation.steps)}
    _demand("parameter", set(adaptation.parameters), set(parent.parameters()))
    _demand("unit procedure", set(adaptation.equipment), {each.unit_procedure for each in parent.procedure})
    _demand("step", {*adaptation.omitted, *(each.after for each in adaptation.inserted)}, paths)


def _demand(what: str, named: set[str], known: set[str]) -> None:
    unknown = sorted(named - known)
    if unknown:
        raise UserError(
            f"the adaptation names the {what} {unknown[0]!r}; the parent recipe has {', '.join(sorted(known))}"
        )


def _unit(unit: UnitProcedure, adaptation: Adaptation) -> UnitProcedure:
    return replace(
        unit,
        equipment_class=adaptation.equipment.get(unit.unit_procedure, unit.equipment_class),
        operations=tuple(_operation(each, adaptation) for each in unit.operations),
        safe_state=None if unit.safe_state is None else _operation(unit.safe_state, adaptation),
    )


def _operation(operation: Operation, adaptation: Adaptation) -> Operation:
    parameters = {
        name: _parameter(each, adaptation.parameters.get(f"{operation.operation}.{name}"))
        for name, each in operation.parameters.items()
    }
    return replace(operation, parameters=parameters, steps=_steps(operation.operation, operation.steps, adaptation))


def _parameter(parameter: Parameter, adapted: ParameterAdapted | None) -> Parameter:
    if adapted is None:
        return parameter
    return replace(
        parameter,
        target=parameter.target if adapted.target is None else adapted.target,
        nor=adapted.nor or parameter.nor,
        par=adapted.par or parameter.par,
        criticality=adapted.criticality or parameter.criticality,
        dossier_ref=adapted.dossier_ref or parameter.dossier_ref,
    )


def _steps(path: str, steps: Sequence[Item], adaptation: Adaptation) -> tuple[Item, ...]:
    """A sequence without what is omitted and with what is inserted, forms included."""
    made: list[Item] = []
    for item in steps:
        here = f"{path}/{name_of(item)}"
        if here not in adaptation.omitted:
            made.append(_inside(here, item, adaptation))
        for each in adaptation.inserted:
            made += each.steps if each.after == here else ()
    return tuple(made)


def _inside(path: str, item: Item, adaptation: Adaptation) -> Item:
    match item:
        case Loop():
            return replace(item, steps=_phases(path, item.steps, adaptation))
        case Repeat():
            return replace(item, steps=_steps(path, item.steps, adaptation))
        case Parallel():
            return replace(item, branches=tuple(_branch(path, each, adaptation) for each in item.branches))
        case Selection():
            return replace(item, ways=tuple(_way(path, each, adaptation) for each in item.ways))
        case _:
            return item


def _phases(path: str, steps: Sequence[Phase], adaptation: Adaptation) -> tuple[Phase, ...]:
    made = _steps(path, steps, adaptation)
    plain = tuple(each for each in made if not isinstance(each, Loop | Repeat | Parallel | Selection))
    if len(plain) < len(made):
        raise UserError(f"{path} is a timed loop and holds steps only; insert the form behind it")
    return plain


def _branch(path: str, branch: Branch, adaptation: Adaptation) -> Branch:
    return replace(branch, steps=_steps(f"{path}/{branch.branch}", branch.steps, adaptation))


def _way(path: str, way: Way, adaptation: Adaptation) -> Way:
    return replace(way, steps=_steps(f"{path}/{way.way}", way.steps, adaptation))
