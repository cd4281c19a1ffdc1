"""Static checks of how steps follow one another: names, bounds, ways out, waits, reworks, conditions.

What a batch could run into after days (a way that is never taken, a repeat that never ends, a wait for a step that
comes later) is found here before anybody signs.
"""

import re
from collections.abc import Iterator

from cytoloop.core.recipe import (
    Calculation,
    Common,
    Item,
    Loop,
    Operation,
    Parallel,
    Repeat,
    Selection,
    Wait,
    name_of,
    placed,
    sequences,
)
from cytoloop.production.check_expressions import Known, condition, known, quantity, written_parameters
from cytoloop.production.check_steps import hours, items_at, named_parameters, phases_at
from cytoloop.production.own_steps import OTHERWISE
from cytoloop.production.pack_files import Files, listed, repeated
from cytoloop.production.yaml_text import Mistake, Path

PLAIN = re.compile(r"[^/\[\]~#\s]+")
"""What a step may be called: its id is a path."""
MOST_ROUNDS = 10_000


def check_flow(files: Files) -> Iterator[Mistake]:
    """Every mistake in the flow of the recipe, operation by operation."""
    before: list[str] = []
    for index, unit_procedure in enumerate(files.recipe.procedure):
        for place, operation in enumerate(unit_procedure.operations):
            at: Path = ("procedure", index, "operations", place)
            yield from _operation(files, operation, at, before)
            before += [path for path, _ in placed(operation.operation, operation.steps)]


def _operation(files: Files, operation: Operation, at: Path, before: list[str]) -> Iterator[Mistake]:
    yield from _names(files, operation.steps, (*at, "steps"))
    looped = {path for path, _ in _inside_loops(operation)}
    here = [path for path, _ in placed(operation.operation, operation.steps)]
    items = items_at(operation.steps, (*at, "steps"))
    for path, (where, item) in zip(here, items, strict=True):
        seen = known(files, operation, {*before, *here[: here.index(path)]}, path)
        yield from _form(files, operation, item, where, seen)
        if isinstance(item, Common):
            yield from _waits(files, item, where, seen, looped=path in looped)
            yield from _rework(files, operation, item, where, looped=path in looped)
    yield from _reworks(files, operation, at)
    yield from _unused(files, operation, at)


def _names(files: Files, steps: tuple[Item, ...], at: Path) -> Iterator[Mistake]:
    """Names in one sequence: each once, and fit for a path."""
    text = files.recipe_text
    for index, name in repeated([name_of(item) for item in steps]):
        yield text.mistake((*at, index), f"found step {name!r} a second time in this sequence; expected it once")
    for index, item in enumerate(steps):
        if not PLAIN.fullmatch(name_of(item)):
            yield text.mistake(
                (*at, index), f"found the name {name_of(item)!r}; expected one without / [ ] ~ # or space"
            )
        if not isinstance(item, Loop):
            yield from _inner_names(files, item, (*at, index))
        else:
            yield from _names(files, item.steps, (*at, index, "steps"))


def _inner_names(files: Files, item: Item, at: Path) -> Iterator[Mistake]:
    held = {"branches": "branch", "ways": "way"}
    key = "branches" if isinstance(item, Parallel) else "ways"
    for index, name in repeated([path.rpartition("/")[2] for path, _ in sequences(item)]):
        yield files.recipe_text.mistake((*at, key, index), f"found {held[key]} {name!r} a second time")
    for place, (_, inner) in enumerate(sequences(item)):
        where: Path = (*at, "steps") if isinstance(item, Repeat) else (*at, key, place, "steps")
        yield from _names(files, inner, where)


def _form(files: Files, operation: Operation, item: Item, at: Path, seen: Known) -> Iterator[Mistake]:
    text = files.recipe_text
    match item:
        case Loop():
            yield from _loop(files, operation, item, at)
        case Repeat():
            if not item.steps:
                yield text.mistake((*at, "steps"), "found no steps; expected at least one to repeat")
            if not 1 <= item.at_most <= MOST_ROUNDS:
                yield text.mistake((*at, "at_most"), f"found {item.at_most}, expected 1 to {MOST_ROUNDS} rounds")
            inner = known(
                files, operation, {*seen.steps, *(path for path, _ in placed(seen.path, item.steps))}, seen.path
            )
            yield from _said(files, condition(item.until, inner), (*at, "until"))
        case Parallel():
            if len(item.branches) < 2:
                yield text.mistake((*at, "branches"), "found fewer than two branches; expected two or more")
        case Selection():
            yield from _selection(files, item, at, seen)
        case Wait():
            # What it waits for may happen in another branch, so every step is known to it.
            yield from _said(files, condition(item.until, seen.whole()), (*at, "until"))
        case Calculation():
            yield from _said(files, quantity(item.value, item.unit, seen), (*at, "value"))
        case _:
            pass


def _loop(files: Files, operation: Operation, loop: Loop, at: Path) -> Iterator[Mistake]:
    text = files.recipe_text
    if not loop.every > 0:
        yield text.mistake((*at, "every"), f"found {loop.every:g} h, expected more than 0 h")
    if not loop.steps:
        yield text.mistake((*at, "steps"), "found no steps; expected at least one to repeat")
    yield from hours(text, operation, loop.until, (*at, "until"))
    parameter = operation.parameters.get(loop.until)
    if parameter is not None and loop.every > 0 and parameter.par[1] / loop.every > MOST_ROUNDS:
        yield text.mistake((*at, "every"), f"found more than {MOST_ROUNDS} rounds; expected longer ones")
    first = loop.steps[0] if loop.steps else None
    if first is not None and first.every_nth > 1:
        yield text.mistake(
            (*at, "steps", 0, "every_nth"), "the first step of a loop is done in every round; expected 1"
        )


def _selection(files: Files, selection: Selection, at: Path, seen: Known) -> Iterator[Mistake]:
    text, conditions = files.recipe_text, [way.when for way in selection.ways]
    if len(selection.ways) < 2:
        yield text.mistake((*at, "ways"), "found fewer than two ways; expected something to select from")
    if OTHERWISE not in conditions:
        message = f"no way out when no condition holds; expected a last way with when: {OTHERWISE}"
        yield text.mistake((*at, "ways"), message)
    for index, way in enumerate(selection.ways):
        where: Path = (*at, "ways", index, "when")
        if OTHERWISE in conditions[:index] or way.when in conditions[:index]:
            yield text.mistake(where, f"way {way.way!r} is never taken: one before it always is; expected it before")
        if way.when != OTHERWISE:
            yield from _said(files, condition(way.when, seen), where)


def _waits(files: Files, item: Common, at: Path, seen: Known, *, looped: bool) -> Iterator[Mistake]:
    text, within = files.recipe_text, item.within
    if item.every_nth > 1 and not looped:
        yield text.mistake((*at, "every_nth"), "every_nth says something in a loop only; expected 1 or none here")
    if within is None:
        return
    if looped:
        yield text.mistake((*at, "within"), "a maximum wait says nothing in a loop or repeat; expected it outside")
    if not within.hours > 0:
        yield text.mistake((*at, "within", "hours"), f"found {within.hours:g} h, expected more than 0 h")
    if within.after not in seen.steps:
        message = f"found {within.after!r}, expected a step that stands before this one"
        yield text.mistake((*at, "within", "after"), f"{message} (for example {', '.join(sorted(seen.steps)[:3])})")


def _rework(files: Files, operation: Operation, item: Common, at: Path, *, looped: bool) -> Iterator[Mistake]:
    if item.rework is None:
        return
    if item.rework not in operation.reworks:
        message = f"found {item.rework!r}, expected a rework of {operation.operation} ({listed(operation.reworks)})"
        yield files.recipe_text.mistake((*at, "rework"), message)


def _reworks(files: Files, operation: Operation, at: Path) -> Iterator[Mistake]:
    text, used = files.recipe_text, {phase.rework for _, phase in phases_at(operation)}
    for name, rework in operation.reworks.items():
        where: Path = (*at, "reworks", name)
        if name not in used:
            yield text.mistake(where, f"rework {name!r} is never taken: no step of {operation.operation} names it")
        if rework.at_most < 1:
            yield text.mistake((*where, "at_most"), f"found {rework.at_most}, expected 1 or more")
        if not rework.steps:
            yield text.mistake((*where, "steps"), "found no steps; expected at least one")
        for index, phase in enumerate(rework.steps):
            if phase.rework or phase.within:
                yield text.mistake((*where, "steps", index), "a step of a rework has no rework and no maximum wait")
        yield from _names(files, rework.steps, (*where, "steps"))


def _unused(files: Files, operation: Operation, at: Path) -> Iterator[Mistake]:
    """A critical parameter that no step uses is held in range by nobody."""
    used = {name for _, phase in phases_at(operation) for _, name in named_parameters(phase)}
    for _, item in items_at(operation.steps, ()):
        used |= {str(getattr(item, name)) for name in ("duration", "over", "until") if hasattr(item, name)}
    written = written_parameters(files)
    for name, parameter in operation.parameters.items():
        if parameter.criticality == "CPP" and name not in used and f"{operation.operation}.{name}" not in written:
            message = f"{operation.operation}.{name} is critical and no step uses it; expected one that does"
            yield files.recipe_text.mistake((*at, "parameters", name), message)


def _inside_loops(operation: Operation) -> Iterator[tuple[str, Item]]:
    for path, item in placed(operation.operation, operation.steps):
        if isinstance(item, Loop | Repeat):
            yield from placed(path, item.steps)


def _said(files: Files, problem: str | None, at: Path) -> Iterator[Mistake]:
    if problem:
        yield files.recipe_text.mistake(at, problem)
