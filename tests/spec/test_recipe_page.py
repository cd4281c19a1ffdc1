"""The manual of the recipe language is its examples: each is read, checked, run, and shown as it ran.

CYTOLOOP_RENDER=1 writes `docs/reference/recipe.md` anew; otherwise it must fit.
"""

import ast
import asyncio
import inspect
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from tests.flows import PARAMETERS, START, World, master

from cytoloop.core import recipe
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Loop, Operation, Parallel, Phase, Repeat, Selection
from cytoloop.core.time import hours_between
from cytoloop.production.recipe_text import read
from cytoloop.testing.doors import decided

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "recipe.md"
EXAMPLES = sorted((Path(__file__).parent / "recipe_examples").glob("*.yaml"))
HEAD = """# The recipe language

A test runs every example of this page and renders it (`CYTOLOOP_RENDER=1 pytest tests/spec/test_recipe_page.py`).
How to write a recipe, from the first line to the signature: [Write a recipe](../how-to/write-a-recipe.md).

The examples are operations on one bioreactor with the parameters `hours` (6 h), `long` (24 h), `temperature` (37 °C)
and `volume` (5 mL); a sample finds a viability of 0.5; programs and people answer at once, so that every hour below
comes from the recipe.
"""
HIDDEN = ("batch-created", "step-started", "readings-recorded", "result-recorded", "deviation-closed")
"""Entries that the tables leave out: what they say stands in the row of the step."""
WORDS = "operation: work\nwords: {en: Work, zh: 操作}\n"


def told(path: Path) -> dict[str, Any]:
    """An example as data."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def world_of(example: dict[str, Any]) -> World:
    """The example's operation in a world whose people and equipment answer as it says."""
    document = read(WORDS + example["text"], "example.yaml", Operation)
    assert document.value is not None, [str(each) for each in document.mistakes]
    operation = replace(document.value, parameters=PARAMETERS)
    world = World(master(*operation.steps, reworks=operation.reworks))
    world.door.results = {"viability": {"value": 0.5, "unit": "fraction", "method": "count"}}
    for step, answer in example.get("answers", {}).items():
        if isinstance(answer, str):
            world.door.refuse[f"B-1/{step}#1"] = answer
        else:
            world.door.answers[f"B-1/{step}#1"] = lambda _, values=answer: values  # type: ignore[misc]
    return world


def ran(example: dict[str, Any]) -> World:
    """The example after it ran; quality assurance chooses a rework where one is offered."""
    world = world_of(example)
    for position in range(60):
        world.door.answers[f"B-1/deviation/B-1-D{position:04d}#1"] = lambda command: _decide(world, command)
    asyncio.run(world.carry())
    return world


def _decide(world: World, command: Command) -> dict[str, JSON]:
    offered = command.arguments["options"]
    chosen = "rework" if isinstance(offered, list) and "rework" in offered else "continue"
    return decided(command, "reviewed", world.clock, chosen, "seen")


def rendered() -> str:
    """The page."""
    return "\n".join([HEAD, *(_example(path) for path in EXAMPLES), *_kinds()])


def _example(path: Path) -> str:
    example = told(path)
    rows = [f"| {row} |" for row in _rows(ran(example))]
    text = ["```yaml", example["text"].rstrip(), "```", ""]
    head = [f"## {example['title']}", "", example["says"], "", *text]
    return "\n".join([*head, "| hour | step | |", "|---|---|---|", *rows, ""])


def _rows(world: World) -> Iterator[str]:
    for each in world.ledger.stream("batch/B-1"):
        name, fact = each.entry.name.partition("/")[0], each.fact
        step = getattr(fact, "step", None)
        if name in HIDDEN:
            continue
        hour = hours_between(START, each.entry.happened_at)
        detail = getattr(fact, "way", "") or getattr(fact, "reason", "") if name != "batch-finished" else ""
        yield f"{hour:g} | {f'`{step}`' if step else ''} | {name}{f': {detail}' if detail else ''}"


def _kinds() -> list[str]:
    """Every kind of step and form with its fields."""
    classes = {node.name: node for node in ast.parse(inspect.getsource(recipe)).body if isinstance(node, ast.ClassDef)}
    parts = ["## Every kind of step", "", _docstring(classes["Common"]), ""]
    parts += [*_table(classes["Common"]), ""]
    for kind in get_args(Phase):
        parts += [
            f"### `{_kind(kind)}`",
            "",
            _docstring(classes[kind.__name__]),
            "",
            *_table(classes[kind.__name__]),
            "",
        ]
    parts += ["## Every form", ""]
    for form, inner in ((Loop, None), (Repeat, None), (Parallel, "Branch"), (Selection, "Way")):
        parts += [
            f"### `{_kind(form)}`",
            "",
            _docstring(classes[form.__name__]),
            "",
            *_table(classes[form.__name__]),
            "",
        ]
        if inner:
            parts += [_docstring(classes[inner]), "", *_table(classes[inner]), ""]
    parts += ["## What stands beside the steps", ""]
    for name in ("Answer", "Option", "Within", "Rework", "Parameter", "Operation", "UnitProcedure", "Recipe"):
        parts += [f"### {name}", "", _docstring(classes[name]), "", *_table(classes[name]), ""]
    return parts


def _kind(kind: Any) -> str:
    return str(get_args(get_type_hints(kind)["kind"])[0])


def _docstring(node: ast.ClassDef) -> str:
    return " ".join((ast.get_docstring(node) or "").split())


def _table(node: ast.ClassDef) -> list[str]:
    """One row for each field; the text below a field says what it is."""
    rows = []
    for each, follower in zip(node.body, (*node.body[1:], None), strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id != "kind":
            said = ast.literal_eval(follower.value) if isinstance(follower, ast.Expr) else ""
            kind = ast.unparse(each.annotation).replace("|", "\\|").replace("'", "")
            written = ast.unparse(each.value) if each.value is not None else ""
            default = f"`{written}`" if written and "field(" not in written else ""
            rows.append(f"| `{each.target.id}` | `{kind}` | {default} | {' '.join(str(said).split())} |")
    return ["| field | type | default | |", "|---|---|---|---|", *rows] if rows else []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_to_its_end(path: Path) -> None:
    batch = ran(told(path)).batch()
    assert batch.finished_at is not None
    assert not batch.open_deviations


def test_the_page_shows_the_examples_as_they_ran_today() -> None:
    page = rendered()
    if os.environ.get("CYTOLOOP_RENDER"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "docs/reference/recipe.md is behind the program"


def test_every_kind_of_step_is_shown_in_an_example() -> None:
    texts = "".join(told(path)["text"] for path in EXAMPLES)
    kinds = [_kind(each) for each in (*get_args(Phase), Loop, Repeat, Parallel, Selection)]
    assert [kind for kind in kinds if f"kind: {kind}" not in texts] == []
