"""The page on driving the feedback from Python: its examples run, one after the other."""

import re
from pathlib import Path
from typing import Any

from cytoloop import feedback

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "feedback-api.md"


def test_the_examples_of_the_page_run() -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), names)  # what a reader would run
    true = float(names["simulate"]({"perfusion": 0.5}, 99, seed=1)["true"][-1])
    count = names["count"]
    assert abs(count.median / true - 1.0) < 0.25
    assert count.low < count.median < count.high
    assert names["decision"].why.en
    assert names["decision"].why.zh
    best = names["simulate"](names["campaign"].best().parameters, 0, seed=1)["true"][-1]
    assert best > 0.95 * names["simulate"]({"perfusion": 2.0}, 0, seed=1)["true"][-1]


def test_every_public_name_is_there() -> None:
    for name in feedback.__all__:
        assert getattr(feedback, name).__name__ == name
