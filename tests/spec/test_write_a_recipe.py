"""The page on writing a recipe: its adaptation derives, its pack checks, its commands exist with their options."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cytoloop.app.packs import pack_folder, read_pack
from cytoloop.cli.main import app_of, run
from cytoloop.production.expression import references
from cytoloop.production.recipe_text import recipe_yaml

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "write-a-recipe.md").read_text(encoding="utf-8")
COMMANDS = [line.partition("#")[0].strip() for line in PAGE.splitlines() if line.startswith("cytoloop ")]


def blocks(kind: str) -> list[str]:
    """The page's code blocks of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_pages_adaptation_makes_a_recipe_that_a_pack_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    general = replace(read_pack("car_t_cd19").recipe, recipe="my_therapy", level="general")
    Path("general.yaml").write_text(recipe_yaml(general), encoding="utf-8")
    (adaptation,) = [text for text in blocks("yaml") if "parent:" in text]
    Path("here.yaml").write_text(adaptation, encoding="utf-8")
    shutil.copytree(pack_folder("car_t_cd19"), "my-pack")
    shutil.copytree("my-pack", "my-pack-before")
    Path("my-pack", "recipe.yaml").unlink()
    (derive,) = [command for command in COMMANDS if command.startswith("cytoloop recipe derive")]
    assert run(shlex.split(derive)[1:]) == 0
    capsys.readouterr()
    assert run(["pack", "check", "my-pack"]) == 0
    assert run(["recipe", "compare", "my-pack-before", "my-pack"]) == 0
    assert "~ expansion.il2 target: 100 IU/mL -> 120 IU/mL" in capsys.readouterr().out


def test_every_command_of_the_page_exists_with_its_options() -> None:
    group: Any = typer.main.get_command(app_of())
    assert len(COMMANDS) >= 7
    for command in COMMANDS:
        _, name, below, *rest = shlex.split(command)
        options = {option for each in group.commands[name].commands[below].params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= options, command


def test_the_pages_expressions_can_be_read() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith(("value(", "parameter(", "reading("))]
    assert len(lines) == 3
    assert all(references(line) for line in lines)
