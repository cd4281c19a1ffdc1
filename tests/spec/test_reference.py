"""The reference pages are rendered from the program. CYTOLOOP_RENDER=1 writes them anew; otherwise they must fit."""

import ast
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from cytoloop.cli.main import app_of
from cytoloop.core.facts import (
    allotment,
    answer,
    claim,
    clinic,
    compliance,
    equipment,
    feedback,
    foresight,
    monitoring,
    people,
    production,
    quality,
    record,
    shadow,
)
from cytoloop.record.codec import ALL_FACTS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

STAGES: dict[str, ModuleType] = {
    "1 Clinic": clinic,
    "2 Production": production,
    "2 Production: allotment": allotment,
    "2 Production: what people answer": answer,
    "2 Equipment": equipment,
    "3a Quality": quality,
    "3b Compliance": compliance,
    "4 Feedback": feedback,
    "4 Feedback: what a change claims": claim,
    "4 Feedback: the controller and its shadow": shadow,
    "4 Feedback: before a batch": foresight,
    "Monitoring": monitoring,
    "People and rights": people,
    "The record itself": record,
}

RENDERED = "A test renders this page from the program (`CYTOLOOP_RENDER=1 pytest tests/spec/test_reference.py`)."

FACTS_HEAD = f"""# Facts: what the record can hold

{RENDERED}
An entry keeps one fact with its stream, position, actor and two times. A fact's name is permanent: its meaning and
its fields never change again; a new meaning gets a new version number (`step-completed/2`).
"""

COMMANDS_HEAD = f"""# Commands

{RENDERED}
Exit codes: 0 done; 1 something was found (a record that does not fit); 2 the user's mistake, told in one sentence;
130 stopped with Ctrl-C.
"""


def rendered_facts() -> str:
    """The page of facts, from the docstrings and fields of `core/facts/`."""
    return "\n".join([FACTS_HEAD, *(_stage(title, module) for title, module in STAGES.items())])


def _stage(title: str, module: ModuleType) -> str:
    parts = [f"## {title}", "", str(module.__doc__).splitlines()[0], ""]
    classes = {node.name: node for node in _classes(module)}
    for fact in module.FACTS:
        parts += [f"### `{fact.NAME}`", "", _one_line(str(fact.__doc__)), ""]
        rows = list(_fields(classes[fact.__name__]))
        parts += ["| field | type | |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join(parts)


def _classes(module: ModuleType) -> Iterator[ast.ClassDef]:
    tree = ast.parse(inspect.getsource(module))
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """One table row for each field; the string literal below a field says what it is."""
    followers = (*node.body[1:], None)
    for each, follower in zip(node.body, followers, strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id != "NAME":
            kind = ast.unparse(each.annotation).replace("|", "\\|")
            yield f"| `{each.target.id}` | `{kind}` | {_said(follower)} |"


def _said(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return _one_line(node.value.value).replace("|", "\\|")
    return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def rendered_commands() -> str:
    """The page of commands, from what `--help` shows."""
    group: Any = typer.main.get_command(app_of())
    parts = [COMMANDS_HEAD]
    for name, command in group.commands.items():
        below = getattr(command, "commands", None)
        if below is None:
            parts.append(_command(f"cytoloop {name}", command))
        else:
            parts += [_command(f"cytoloop {name} {each}", sub) for each, sub in below.items()]
    return "\n".join(parts)


def _command(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([path, *(_argument(each) for each in arguments), *(["[OPTIONS]"] if options else [])])
    rows = [f"| `{_argument(each)}` | {_text(each.help)} | |" for each in arguments]
    rows += [f"| `{_option(each)}` | {_text(each.help)} | {_default(each)} |" for each in options]
    head = [f"## {path}", "", _one_line(command.help), "", "```sh", usage, "```", ""]
    return "\n".join([*head, "| | | default |", "|---|---|---|", *rows, ""])


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    words = "/".join([*parameter.opts, *parameter.secondary_opts])
    return words if parameter.is_flag else f"{words} {parameter.metavar or parameter.name.upper()}"


def _default(parameter: Any) -> str:
    if parameter.is_flag:
        return parameter.opts[0] if parameter.default else ""
    return "" if parameter.default is None or parameter.required else f"`{parameter.default}`"


def _text(text: str | None) -> str:
    return _one_line(text or "").replace("|", "\\|")


@pytest.mark.parametrize(("file", "page"), [("facts.md", rendered_facts()), ("commands.md", rendered_commands())])
def test_page_fits_the_program(file: str, page: str) -> None:
    path = REFERENCE / file
    if os.environ.get("CYTOLOOP_RENDER"):
        path.write_text(page, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == page, f"docs/reference/{file} is behind the program: {RENDERED}"


def test_every_fact_has_its_place() -> None:
    page = rendered_facts()
    for fact in ALL_FACTS:
        assert f"### `{fact.NAME}`" in page


def test_every_command_has_a_sentence_for_each_option() -> None:
    empty = [line for line in rendered_commands().splitlines() if line.startswith("| `") and "` |  |" in line]
    assert empty == [], "these have no help text"
