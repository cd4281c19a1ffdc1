"""`cytoloop recipe`: show a version, compare two, derive one from another, approve one."""

from pathlib import Path

import typer

from cytoloop.app.approving import sign_approval, to_approve
from cytoloop.app.bootstrap import readable_record
from cytoloop.app.packs import read_adaptation, read_pack, read_recipe
from cytoloop.app.production import approved_version, in_force
from cytoloop.cli.acting import acting, show_what_is_signed
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, say_json, table
from cytoloop.cli.signer import AS, signer
from cytoloop.core.errors import UserError
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant, instant
from cytoloop.production.difference import Difference, difference, lines, whole_difference
from cytoloop.production.levels import derive
from cytoloop.production.recipe_text import content, content_sha256, from_content, recipe_yaml

app = typer.Typer(
    help="Recipes: show a version, compare two, derive one for a site, approve one.", no_args_is_help=True
)

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
    _say(whole_difference(before, after), json=json)


@app.command("compare")
def compare(
    one: str = typer.Argument(..., help="A pack, or a recipe file of any level."),
    other: str = typer.Argument(..., help="Another: a later text, or another site's."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """What a batch would do differently under two recipes that are files: versions, or sites."""
    _say(difference(read_recipe(one), read_recipe(other)), json=json)


@app.command("derive")
def derive_recipe(
    parent: str = typer.Argument(..., help="The recipe above: a general or site recipe's file."),
    adaptation: str = typer.Argument(..., help="What the site or its equipment has otherwise: a YAML file."),
    to: Path = typer.Option(..., "--to", metavar="FILE", help="Where the recipe goes; it must not be there yet."),
) -> None:
    """Make a site or master recipe of the one above it, and show what became different."""
    above, made = read_recipe(parent), read_adaptation(adaptation)
    recipe = derive(above, made)
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(recipe_yaml(recipe))
    except FileExistsError as error:
        raise UserError(f"{to} is there already; name a new file") from error
    except OSError as error:
        raise UserError(f"{to} cannot be written: {error}") from error
    _say(difference(above, recipe), json=False)


@app.command("approve")
def approve(
    pack: str = typer.Argument(..., help="The pack whose master recipe is approved."),
    line: str = LINE,
    change: str | None = typer.Option(None, "--change", help="The change it was assessed in; the first has none."),
    effective_from: str | None = typer.Option(
        None,
        "--effective-from",
        metavar="ISO",
        help="From when batches are made of it, with offset; now when left out.",
    ),
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Show what a recipe version does differently, take the qualified person's signature, and put it in force."""
    master = read_pack(pack).master
    with acting(data) as desk:
        effective, now = _moment(effective_from), desk.people.registrar.clock.now()
        seen = to_approve(desk.ledger, line, master, now=now, change=change, effective_from=effective)
        for text in seen.differences:
            out.print(text, highlight=False, markup=False)
        show_what_is_signed(seen.shown, seen.digest)
        approved = sign_approval(desk.people, signer(user), seen)
    from_when = approved.effective_from.isoformat() if approved.effective_from else "now on"
    out.print(
        f"recipe {approved.recipe} version {approved.version} is in force on {line} from {from_when}", highlight=False
    )


def _moment(text: str | None) -> Instant | None:
    try:
        return instant(text) if text else None
    except ValueError as error:
        raise UserError(f"{error}") from error


def _say(found: tuple[Difference, ...], *, json: bool) -> None:
    if json:
        say_json([{"where": each.where, "what": each.what, "old": each.old, "new": each.new} for each in found])
        return
    for text in lines(found):
        out.print(text, highlight=False, markup=False)


def _approved(folder: Path, line: str, recipe: str, version: int | None) -> MasterRecipe:
    with readable_record(folder) as ledger:
        found = in_force(ledger, line, recipe) if version is None else approved_version(ledger, line, recipe, version)
    return from_content(found.content)
