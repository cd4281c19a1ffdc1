"""`cytoloop pack`: check a therapy's data."""

import typer

from cytoloop.app.packs import pack_files
from cytoloop.cli.output import err, out, say_json
from cytoloop.core.json import JSON
from cytoloop.production.pack import Pack, load_pack
from cytoloop.production.yaml_text import Mistake

app = typer.Typer(help="Packs: therapies as data.", no_args_is_help=True)


@app.command("check")
def check(
    pack: str = typer.Argument(..., help="Folder of a pack, or the name of a shipped one."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Check every file of a pack: each mistake with file, line, path and what was expected (exit 2)."""
    loaded = load_pack(pack_files(pack))
    found = loaded.warnings if isinstance(loaded, Pack) else loaded
    if json:
        say_json({"pack": pack, "usable": isinstance(loaded, Pack), "found": [_line(each) for each in found]})
    else:
        for each in found:
            (out if each.warning else err).print(str(each), highlight=False, markup=False, soft_wrap=True)
    if not isinstance(loaded, Pack):
        counted = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
        err.print(f"{counted}: the pack {pack} cannot be used", highlight=False, soft_wrap=True)
        raise typer.Exit(2)
    if not json:
        parameters, attributes = len(loaded.recipe.parameters()), len(loaded.product.attributes)
        out.print(
            f"the pack {pack} can be used: {parameters} parameters, {attributes} attributes, {len(found)} warnings",
            highlight=False,
            soft_wrap=True,
        )


def _line(mistake: Mistake) -> JSON:
    return {
        "file": mistake.file,
        "line": mistake.line,
        "path": mistake.path,
        "message": mistake.message,
        "warning": mistake.warning,
    }
