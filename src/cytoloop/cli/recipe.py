"""`cytoloop recipe`: show a version, compare two."""

from pathlib import Path

import typer

from cytoloop.app.bootstrap import readable_record
from cytoloop.app.packs import read_pack
from cytoloop.app.production import approved_version, in_force
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, say_json, table
from cytoloop.core.master import MasterRecipe
from cytoloop.production.difference import difference, lines
from cytoloop.production.recipe_text import content, content_sha256, from_content

app = typer.Typer(help="Recipes: show a version, compare two.", no_args_is_help=True)

LINE = typer.Option("closed_loop", "--line", help="Production line of the record.")
RECIPE = typer.Option("car_t_cd19", "--recipe", help="Recipe.")


@app.command("show")
def show(
    version: int | None = typer.Argument(None, help="Approved version in the record; the one in force when left out."),
    line: str = LINE,
    recipe: str = RECIPE,
    pack: str | None = typer.Option(None, help="Show a pack's recipe, not one of a record."),
    data: Path | None = DATA,
    json: bool = typer.Option(False, "--json", help="The whole master recipe as JSON."),
) -> None:
    """The parameters of a recipe with target, ranges and criticality."""
    master = read_pack(pack).master if pack else _approved(newest(data), line, recipe, version)
    if json:
        say_json(content(master))
        return
    title = f"{master.recipe.words.en}, version {master.recipe.version} ({content_sha256(master)[:12]}…)"
    shown = table(title, "parameter", ">target", ">NOR", ">PAR", "unit", "criticality")
    for name, each in master.recipe.parameters().items():
        nor, par = (f"{low:g}…{high:g}" for low, high in (each.nor, each.par))
        shown.add_row(name, f"{each.target:g}", nor, par, each.unit, each.criticality)
    out.print(shown)


@app.command("diff")
def diff(
    old: int = typer.Argument(..., help="Version before."),
    new: int = typer.Argument(..., help="Version after."),
    line: str = LINE,
    recipe: str = RECIPE,
    data: Path | None = DATA,
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """What a batch would do differently under two approved versions."""
    folder = newest(data)
    before, after = (_approved(folder, line, recipe, version) for version in (old, new))
    found = difference(before.recipe, after.recipe)
    if json:
        say_json([{"where": each.where, "what": each.what, "old": each.old, "new": each.new} for each in found])
        return
    for text in lines(found):
        out.print(text, highlight=False, markup=False)


def _approved(folder: Path, line: str, recipe: str, version: int | None) -> MasterRecipe:
    with readable_record(folder) as ledger:
        found = in_force(ledger, line, recipe) if version is None else approved_version(ledger, line, recipe, version)
    return from_content(found.content)
