"""The page about OPC UA runs as it is written: every ```console block, in order, in an empty folder."""

import re
from pathlib import Path

from tests.spec.test_tutorial import missing, run_in, shown_commands

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-over-opc-ua.md"


def test_the_page_runs(tmp_path: Path) -> None:
    commands = shown_commands(PAGE.read_text(encoding="utf-8"))
    assert len(commands) > 15
    try:
        for shown in commands:
            output = run_in(tmp_path, re.sub(r"\n", " ", shown.command))
            absent = missing(shown.expected, output)
            assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"
    finally:
        run_in(tmp_path, "kill $(cat plant.pid) 2>/dev/null || true")
