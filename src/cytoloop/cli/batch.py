"""`cytoloop batch`: list, show, export."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from cytoloop.app.bootstrap import ZONE, readable_record
from cytoloop.app.production import read_batch
from cytoloop.app.story import story_of
from cytoloop.app.telling import tell
from cytoloop.app.views import Shelf, batch_list_view
from cytoloop.cli import acts_on_batch, bundle
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import number, out, say_json, table
from cytoloop.core.entry import document
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.words import LANGUAGES, Language
from cytoloop.production.levels import control_recipe

app = typer.Typer(help="Batches: list them, read one from order to outcome, take one out.", no_args_is_help=True)
app.command("create")(acts_on_batch.create)
app.command("correct")(acts_on_batch.correct)
app.command("review")(acts_on_batch.review)
app.command("decide")(acts_on_batch.decide)
app.command("dispose")(acts_on_batch.dispose)
app.command("hold")(acts_on_batch.hold)
app.command("resume")(acts_on_batch.resume)
app.command("abort")(acts_on_batch.abort)
app.command("export")(bundle.export_batch)


@app.command("recipe")
def control(
    batch: str = typer.Argument(..., help="Batch number."),
    data: Path | None = DATA,
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """The batch's control recipe: its units, and the parameter values in force beside the master recipe's targets."""
    with readable_record(newest(data)) as ledger:
        found = control_recipe(read_batch(ledger, batch))
    if json:
        values: dict[str, JSON] = {
            name: {"target": t, "in_force": v, "unit": u} for name, (t, v, u) in found.parameters.items()
        }
        units: dict[str, JSON] = dict(found.equipment)
        say_json(
            {
                "batch": found.batch,
                "recipe": found.recipe,
                "version": found.version,
                "content_sha256": found.content_sha256,
                "equipment": units,
                "parameters": values,
            }
        )
        return
    title = f"{found.batch}: {found.recipe} version {found.version} ({found.content_sha256[:12]}…)"
    shown = table(title, "parameter", ">target", ">in force", "unit")
    for name, (target, value, unit) in found.parameters.items():
        shown.add_row(name, f"{target:g}", f"{value:g}", unit)
    out.print(shown)
    for kind, unit in found.equipment.items():
        out.print(f"{kind}: {unit}", highlight=False)


@app.command("list")
def list_batches(data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="Say it as JSON.")) -> None:
    """Every batch with its state and disposition."""
    with readable_record(newest(data)) as ledger:
        lines = batch_list_view(Shelf(ledger))
    if json:
        say_json(
            [
                {
                    "batch": each.number,
                    "order": each.order,
                    "line": each.line,
                    "recipe_version": each.recipe_version,
                    "state": each.state,
                    "disposition": each.disposition,
                    "viable_car_cells": each.viable_car_cells,
                    "deviations": each.deviations,
                    "created_at": each.created_at.isoformat(),
                }
                for each in lines
            ]
        )
        return
    shown = table(None, "batch", "line", ">recipe", "state", "disposition", ">CAR+ 1e6", ">deviations", ">days")
    for each in lines:
        shown.add_row(
            each.number,
            each.line,
            str(each.recipe_version),
            each.state,
            each.disposition or "–",
            number(each.viable_car_cells),
            str(each.deviations),
            number(each.day),
        )
    out.print(shown)


@app.command("show")
def show(
    batch: str = typer.Argument(..., help="Batch number."),
    data: Path | None = DATA,
    lang: str = typer.Option("en", help="en or zh."),
    steps: bool = typer.Option(True, help="Also every single step and reading, not the turning points alone."),
    json: bool = typer.Option(False, "--json", help="Say the entries as JSON."),
) -> None:
    """Every entry of a batch in order: from the study and the order to the patient's outcome and the next recipe."""
    language = language_named(lang)
    with readable_record(newest(data)) as ledger:
        told = story_of(Shelf(ledger), batch, whole=steps)
    if json:
        say_json([document(each.entry) for each in told])
        return
    for each in told:
        when = each.entry.happened_at.astimezone(ZoneInfo(ZONE))
        out.print(
            f"[dim]{each.entry.sequence:>6}[/] {_stamp(when)} [cyan]{each.entry.actor:<24}[/] "
            f"{_escaped(tell(each.fact).text(language))}",
            highlight=False,
            soft_wrap=True,
        )


def language_named(named: str) -> Language:
    """The language of that name; UserError when it is none of the house."""
    for language in LANGUAGES:
        if named == language:
            return language
    raise UserError(f"--lang {named} is no language of the house; name one of {', '.join(LANGUAGES)}")


def _stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M")


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
