"""The pages about devices are rendered: the types from the library, the suite from its docstrings, the example from
the code that runs. CYTOLOOP_RENDER=1 writes them anew; otherwise they must fit.
"""

import ast
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract import example_driver, example_shaker, test_example_driver

from cytoloop.adapters.devices.library import LIBRARY, types
from cytoloop.app.equipment import unverified
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.testing.device_contract import DeviceContract

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO, REFERENCE = DOCS / "how-to" / "write-a-driver.md", DOCS / "reference" / "devices.md"

HEAD = """# Devices: the library of types 装置类型

A test renders this page from the program (`CYTOLOOP_RENDER=1 pytest tests/spec/test_devices_pages.py`).
Each type has a driver's contract and a simulator that obeys physics (`src/cytoloop/adapters/devices/`). **No driver of
this library has met a real device unless its line says so.** Ranges are what the device itself takes; figures of the
simulators are assumed where their files name no source. How to add one: [Write a driver](../how-to/write-a-driver.md).

| type | 中文 | equipment class | proven on |
|---|---|---|---|
"""


def rendered_types() -> str:
    """The reference page."""
    rows = [
        f"| [`{k.device_type}`](#{k.device_type}) | {k.words.zh} | `{k.equipment_class}` | {_met(k)} |" for k in types()
    ]
    return HEAD + "\n".join([*rows, "", *(_section(kind) for kind in types())])


def _met(kind: DeviceType) -> str:
    return kind.met or f"**{unverified(kind).partition(';')[0]}**"


def _section(kind: DeviceType) -> str:
    model = LIBRARY[kind.device_type]
    module = inspect.getmodule(model.body)
    parts = [f"## {kind.device_type}", "", " ".join(str(module.__doc__).split()), ""]
    parts += _table("signal", kind.signals) + _table("set-point", kind.set_points)
    programs = [f"`{name}` ({', '.join(needed) or 'no parameter'})" for name, needed in kind.programs.items()]
    parts += [f"Programs: {', '.join(programs)}.", ""]
    if kind.attributes:
        parts += [f"Tests: {', '.join(f'`{each}`' for each in kind.attributes)}.", ""]
    return "\n".join([*parts, f"Mishaps of the simulator: {', '.join(f'`{each}`' for each in model.mishaps)}.", ""])


def _table(what: str, quantities: object) -> list[str]:
    assert isinstance(quantities, dict)
    if not quantities:
        return [f"It takes no {what}s.", ""]
    rows = [f"| `{name}` | {each.unit} | {_range(each)} |" for name, each in quantities.items()]
    return [f"| {what} | unit | range |", "|---|---|---|", *rows, ""]


def _range(quantity: Quantity) -> str:
    return f"{quantity.low:g} to {quantity.high:g}"


def rendered_suite() -> str:
    """Every test of the suite with what it demands, in the order and under the headings of its source."""
    lines = ["", "| test | demands |", "|---|---|"]
    lines += [f"| `{name}` | {_one_line(said)} |" for name, said in demands()]
    return "\n".join([*lines, ""])


def demands() -> Iterator[tuple[str, str]]:
    """(test, what it demands)."""
    for name, test in vars(DeviceContract).items():
        if name.startswith("test_"):
            yield name, str(inspect.getdoc(test))


def rendered_example(what: str) -> str:
    """A part of the example's code."""
    shaker = inspect.getsource(example_shaker)
    code = {
        "type": _between(shaker, "SPEED = ", "@dataclass"),
        "body": _between(shaker, "@dataclass(slots=True, kw_only=True)\nclass Shaker", "@dataclass\nclass Controller"),
        "driver": inspect.getsource(example_driver),
        "bench": inspect.getsource(test_example_driver),
    }[what]
    return f"\n```python\n{code.strip()}\n```\n"


def _between(text: str, start: str, stop: str) -> str:
    begin = text.index(start)
    return text[begin : text.index(stop, begin + 1)]


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def rendered_how_to(page: str) -> str:
    """The page with its rendered parts as they must be."""
    page = re.sub(
        r"(<!-- example: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: found[1] + rendered_example(found[2]) + "\n" + found[3],
        page,
        flags=re.DOTALL,
    )
    return re.sub(
        r"(<!-- suite -->\n).*?(<!-- end -->)",
        lambda found: found[1] + rendered_suite() + "\n" + found[2],
        page,
        flags=re.DOTALL,
    )


@pytest.mark.parametrize("path", [HOW_TO, REFERENCE], ids=lambda path: path.name)
def test_page_fits_the_program(path: Path) -> None:
    shown = path.read_text(encoding="utf-8") if path.exists() else ""
    page = rendered_types() if path == REFERENCE else rendered_how_to(shown)
    if os.environ.get("CYTOLOOP_RENDER"):
        path.write_text(page, encoding="utf-8")
        shown = page
    assert shown == page, f"{path.name} is behind the program: CYTOLOOP_RENDER=1 pytest {Path(__file__).name}"


def test_every_test_of_the_suite_says_what_it_demands() -> None:
    silent = [name for name, said in demands() if len(said.split()) < 6 or not said.rstrip().endswith(".")]
    assert silent == []
    assert len(list(demands())) > 25


def test_the_page_is_not_behind_the_suite() -> None:
    page = HOW_TO.read_text(encoding="utf-8")
    assert {name for name, _ in demands()} == set(re.findall(r"^\| `(test_\w+)` \|", page, re.MULTILINE))


def test_the_examples_are_code() -> None:
    for what in ("driver", "bench"):
        ast.parse(rendered_example(what).removeprefix("\n```python\n").removesuffix("\n```\n"))
