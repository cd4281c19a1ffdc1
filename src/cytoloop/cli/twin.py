"""`cytoloop twin`: fit the twin to tables."""

from pathlib import Path

import typer

from cytoloop.adapters.tables import read_tables
from cytoloop.app.packs import read_pack
from cytoloop.cli import twin_tables
from cytoloop.cli.output import number, out, progress, say_json, table
from cytoloop.cli.twin_ivt import fit_transcription
from cytoloop.core.json import JSON
from cytoloop.feedback.published.ivt_tables import is_ivt
from cytoloop.feedback.published.real_fit import RealFit, Score, TableScore, real_fit
from cytoloop.feedback.published.tcell_guide import read_guide
from cytoloop.feedback.twin import Twin

app = typer.Typer(help="The culture twin.", no_args_is_help=True)
app.command("calibrate")(twin_tables.calibrate)
app.command("forecast")(twin_tables.forecast)
app.command("propose")(twin_tables.propose)


@app.command("fit")
def fit(
    folder: Path = typer.Argument(
        ..., metavar="DIR", help="Folder of the primary T-cell tables, or of the transcription tables."
    ),
    pack: str = typer.Option("car_t_cd19", help="Pack whose twin is fitted."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Fit the twin to real tables; print how well what was left out is foretold.

    T-cell tables: the donors' and IL-2 response of the pack's twin, whole donors held out. Transcription tables
    (Stover 2024): the parameters of the in-vitro transcription model, each trajectory and each table held out.
    """
    tables = read_tables(folder)
    if is_ivt(tables):
        fit_transcription(tables, json=json)
        return
    with progress() as bars:
        task = bars.add_task("fit", total=2)
        guide = read_guide(tables)
        bars.advance(task)
        found = real_fit(guide, Twin.from_data(dict(read_pack(pack).twin)))
        bars.advance(task)
    if json:
        say_json(_document(found))
    else:
        _show(found)


def _show(found: RealFit) -> None:
    for note in found.notes:
        out.print(f"settled: {note}", highlight=False, markup=False, soft_wrap=True)
    columns = ("table", ">donors", ">counts", ">noise", ">seen", ">error", ">others", ">in 90 %")
    shown = table("Donors held out in turn (seen: samples of the donor; others: the other donors' mean)", *columns)
    for each in found.tables:
        noise = number(each.noise, 2)
        shown.add_row(_short(each.table), str(each.donors), str(each.counts), noise, "0", *_score(each.cold))
        if each.after_first is not None:
            shown.add_row("", "", str(each.after_first.counts), "", "1", *_score(each.after_first))
    out.print(shown)
    figures = table("Figures of the twin", "parameter", ">mean", ">between donors")
    for name, (mean, sd) in found.changed.items():
        figures.add_row(name, number(mean, 4), number(sd, 4))
    for name, value in found.fixed.items():
        figures.add_row(name, number(value, 4), "fixed")
    out.print(figures)
    out.print(f"twin {found.twin.twin} version {found.twin.version}, {found.twin.sha256[:16]}…", highlight=False)


def _short(name: str) -> str:
    """A table's file name, or its folder's where the file's says nothing."""
    path = Path(name)
    return path.parent.name if path.stem == "counts" else path.stem


def _score(score: Score) -> tuple[str, str, str]:
    return f"{score.error:.1%}", f"{score.naive_error:.1%}", f"{score.coverage:.0%}"


def _document(found: RealFit) -> JSON:
    return {
        "twin": found.twin.key,
        "changed": {name: list(pair) for name, pair in found.changed.items()},
        "fixed": dict(found.fixed),
        "tables": [_table(each) for each in found.tables],
        "notes": list(found.notes),
    }


def _table(each: TableScore) -> JSON:
    return {
        "table": each.table,
        "donors": each.donors,
        "counts": each.counts,
        "outliers": each.outliers,
        "noise": each.noise,
        "cold": _score_document(each.cold),
        "after_first": _score_document(each.after_first) if each.after_first else None,
    }


def _score_document(score: Score) -> JSON:
    return {
        "counts": score.counts,
        "error": score.error,
        "naive_error": score.naive_error,
        "coverage": score.coverage,
    }
