"""The page on the simulation lists faults and invariants from the program. CYTOLOOP_RENDER=1 writes them anew."""

import inspect
import os
import re
from pathlib import Path

from cytoloop.adapters.faulty.faults import FAULTS
from cytoloop.app.simulation import invariants

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "simulation.md"


def rendered_faults() -> str:
    """The table of faults."""
    rows = [f"| `{each.kind}` | {each.place} | {each.rate:g} of each {each.per} | {each.what} |" for each in FAULTS]
    return "\n".join(["| kind | where | rate | what happens |", "|---|---|---|---|", *rows])


def rendered_invariants() -> str:
    """The list of invariants, by when they are asked."""
    parts: list[str] = []
    for title, group in invariants.ALL.items():
        parts += [f"**{title}**", ""]
        parts += [f"- `{each.__name__}`: {' '.join(str(inspect.getdoc(each)).split())}" for each in group]
        parts += [""]
    return "\n".join(parts).rstrip()


def with_section(page: str, name: str, text: str) -> str:
    """The page with what stands between the marks of `name` replaced."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    assert marks.search(page), f"the page has no place for {name}"
    return marks.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def test_the_page_fits_the_program() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_section(with_section(page, "faults", rendered_faults()), "invariants", rendered_invariants())
    if os.environ.get("CYTOLOOP_RENDER"):
        PAGE.write_text(wanted, encoding="utf-8")
        page = wanted
    assert page == wanted, "docs/explanation/simulation.md is behind the program: CYTOLOOP_RENDER=1 renders it"
