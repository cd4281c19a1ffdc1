"""The page of the mechanistic models is rendered from the models. CYTOLOOP_RENDER=1 writes it anew; otherwise it must
fit.
"""

import os
import re
from pathlib import Path

import pytest

from cytoloop.feedback.models import ivt, msc, t_cell
from cytoloop.feedback.models.model import Parameter, State

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "models.md"

HEAD = """# Models: equations, figures, sources 机理模型

A test renders this page from the program (`CYTOLOOP_RENDER=1 pytest tests/spec/test_models_page.py`).
Equations are the docstrings of `src/cytoloop/feedback/models/`, where the compiled form stands below each. Figures are
what is believed before the first batch; a pack states its own with spreads between donors, and fits change them. How
they are integrated, and how exactly: [decision 28](../decisions/0028-models-and-integrator.md). Measured on tables:
`cytoloop twin fit DIR`.
"""

SECTIONS = (
    (t_cell.MODEL.name, t_cell.__doc__, t_cell.MODEL.states, t_cell.MODEL.parameters, t_cell.MODEL.fixed),
    (msc.MODEL.name, msc.__doc__, msc.MODEL.states, msc.MODEL.parameters, msc.MODEL.fixed),
    ("ivt", ivt.__doc__, ivt.STATES, ivt.PARAMETERS, ivt.FIXED),
)
OBSERVABLES = {"t_cell": t_cell.MODEL.observables, "msc": msc.MODEL.observables, "ivt": ivt.OBSERVABLES}


def rendered() -> str:
    """The page."""
    parts = [HEAD]
    for name, equations, states, parameters, fixed in SECTIONS:
        parts += [f"## {name}", "", "```text", str(equations).strip(), "```", ""]
        parts += [*_states(states), *_observed(name), *_figures(parameters, fixed)]
    return "\n".join(parts)


def _states(states: tuple[State, ...]) -> list[str]:
    rows = [f"| `{each.name}` | {each.symbol} | {each.unit} | {each.floor:g} |" for each in states]
    return ["| state | symbol | unit | errors are relative to it, or to |", "|---|---|---|---|", *rows, ""]


def _observed(name: str) -> list[str]:
    rows = [f"| `{each}` | {unit} | {how} |" for each, (unit, how) in OBSERVABLES[name].items()]
    return ["| observable | unit | is |", "|---|---|---|", *rows, ""]


def _figures(parameters: tuple[Parameter, ...], fixed: tuple[Parameter, ...]) -> list[str]:
    rows = [
        f"| `{each.name}` | {each.figure:.4g} | {each.unit} | {each.scale} | {each.source} |"
        for each in (*parameters, *fixed)
    ]
    return ["| parameter | figure | unit | scale | source |", "|---|---|---|---|---|", *rows, ""]


def test_the_page_fits_the_models() -> None:
    if os.environ.get("CYTOLOOP_RENDER"):
        PAGE.write_text(rendered(), encoding="utf-8")
    assert PAGE.exists(), "CYTOLOOP_RENDER=1 renders it"
    assert PAGE.read_text(encoding="utf-8") == rendered(), f"{PAGE.name} is behind the models: CYTOLOOP_RENDER=1"


@pytest.mark.parametrize(("name", "equations"), [section[:2] for section in SECTIONS])
def test_equations_are_numbered_without_a_gap_and_cite(name: str, equations: str) -> None:
    numbers = [int(each) for each in re.findall(r"^\((\d+)\)", equations, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)), name
    assert len(numbers) >= 9
    assert len(re.findall(r"\b(?:19|20)\d\d\b", equations)) >= 4, "years of the papers"
    assert "leave out" in equations, "what the model leaves out is said"
