"""`cytoloop outcome`: what the outcomes of patients can tell of the product."""

from pathlib import Path

import typer

from cytoloop.app.bootstrap import readable_record
from cytoloop.app.outcomes import document, outcome_report
from cytoloop.app.views import Shelf
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, say_json, table
from cytoloop.feedback.samples.outcome import ATTRIBUTES, ENDPOINTS, OutcomeEffect

app = typer.Typer(help="Outcomes of patients beside attributes of the product.", no_args_is_help=True)
_ATTRIBUTES = ", ".join(ATTRIBUTES)
ATTRIBUTE = typer.Option(
    None, "--attribute", metavar="NAME", help=f"Look at this attribute alone, or several; one of {_ATTRIBUTES}."
)


COLUMNS = ("endpoint", "attribute", "for", ">met", ">odds ratio", ">90 % interval", "told")


@app.callback()
def _group() -> None:
    """Outcomes of patients beside attributes of the product."""


@app.command("report")
def report(
    data: Path | None = DATA,
    line: str | None = typer.Option(None, help="Only patients of this production line."),
    attribute: list[str] | None = ATTRIBUTE,
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """How outcomes go with the product, with intervals that hold for few patients. It writes nothing anywhere."""
    with readable_record(newest(data)) as ledger:
        found = outcome_report(Shelf(ledger), line=line, attributes=attribute or tuple(ATTRIBUTES))
    if json:
        say_json(document(found))
        return
    again = f"; {found.again} further treatments of the same patients left out" if found.again else ""
    shown = table(f"{found.patients} patients treated and seen{again}", *COLUMNS)
    for each in found.effects:
        shown.add_row(*_row(each))
    out.print(shown)
    for each in found.effects:
        if each.verdict != "undecided":
            told = f"{ENDPOINTS[each.endpoint].words.en}, {ATTRIBUTES[each.attribute].words.en}: {each.reason.en}"
            out.print(told, highlight=False, soft_wrap=True)
    out.print("associations between patients, not causes; no set-point is read from them", highlight=False)


def _row(each: OutcomeEffect) -> tuple[str, ...]:
    attribute = ATTRIBUTES[each.attribute]
    ratio = each.ratio
    return (
        ENDPOINTS[each.endpoint].words.en,
        attribute.words.en,
        attribute.step.en,
        f"{each.met}/{each.outcomes}",
        "–" if ratio is None else f"{ratio.median:.2g}",
        "–" if ratio is None else f"{ratio.low:.2g}-{ratio.high:.2g}",
        each.verdict,
    )
