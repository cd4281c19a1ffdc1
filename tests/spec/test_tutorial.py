"""The tutorial runs as it is written: every ```console block, in order, in an empty folder."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first-loop.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of the page with the output that the page shows for it."""

    command: str
    expected: tuple[str, ...]


def shown_commands(page: str) -> list[Shown]:
    """The commands of a page: `$ ` begins one, `> ` continues it, other lines are its output."""
    found: list[Shown] = []
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Shown(line[2:], ()))
            elif line.startswith(">"):
                found[-1] = Shown(f"{found[-1].command}\n{line[2:]}", ())
            else:
                found[-1] = Shown(found[-1].command, (*found[-1].expected, line))
    return found


def missing(expected: tuple[str, ...], output: str) -> str | None:
    """The first expected line that does not follow in the output; None when all do.

    `…` stands for anything inside a line, white space for white space of any length; lines between do not matter.
    """
    lines = iter(output.splitlines())
    for line in expected:
        pattern = re.compile(_pattern(line))
        if not any(pattern.search(each) for each in lines):
            return line
    return None


def _pattern(line: str) -> str:
    return ".*".join(r"\s*".join(map(re.escape, part.split())) for part in line.split("…"))


def run_in(folder: Path, command: str) -> str:
    """Output and errors of a shell command; the platform's own errors are part of what a reader sees."""
    beside_python = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{beside_python}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout


def test_tutorial(tmp_path: Path) -> None:
    commands = shown_commands(TUTORIAL.read_text(encoding="utf-8"))
    assert len(commands) > 15
    for shown in commands:
        output = run_in(tmp_path, shown.command)
        absent = missing(shown.expected, output)
        assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"


def test_a_line_that_is_not_there_is_missed() -> None:
    assert missing(("a … c",), "a b c") is None
    assert missing(("a … c", "d"), "d\na b c") == "d"
    assert missing(("a\tb",), "a   b") is None
