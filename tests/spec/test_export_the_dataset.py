"""The page on the dataset runs as it is written: every ```console block, in order, on a demonstration's record."""

import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.spec.test_tutorial import missing, shown_commands

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "export-the-dataset.md"


def test_the_page_runs_as_it_is_written(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cytoloop: Callable[..., CompletedProcess[str]]
) -> None:
    commands = shown_commands(PAGE.read_text(encoding="utf-8"))
    assert len(commands) == 5
    (tmp_path / "cytoloop-data").mkdir()
    (tmp_path / "cytoloop-data" / "demo-1").symlink_to(demo_folder, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    for shown in commands:
        program, *words = shlex.split(shown.command)
        assert program == "cytoloop"
        done = cytoloop(*words)
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {shown.command}\n{output}"
        absent = missing(shown.expected, output)
        assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"
