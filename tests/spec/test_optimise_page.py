"""The page on optimising with any simulator: its examples run, one after the other."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "optimise-with-any-simulator.md"


def test_the_examples_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), names)  # what a reader would run
    best = names["campaign"].best()
    assert abs(best.parameters["temperature"] - 36.2) < 0.7
    assert best.predicted["titre"][0] > 0.9 * names["simulate"]({"temperature": 36.2, "feed": 1.1547}, 0, 0)["titre"]
    assert "prior" in capsys.readouterr().out or names["led"].explain().prior
