"""`cytoloop dataset`: the record's batches as tidy tables, checked against the record they came from."""

from pathlib import Path

import typer

from cytoloop.app.bootstrap import readable_record
from cytoloop.app.dataset_check import check
from cytoloop.app.dataset_files import export, format_named
from cytoloop.app.dataset_tables import batches_from_tables
from cytoloop.app.views import Shelf
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import err, out, plain, say_json
from cytoloop.core.errors import FindingError
from cytoloop.core.json import JSON

app = typer.Typer(
    help="The batches of a record as tidy tables, each row with the entry it stands on.", no_args_is_help=True
)


@app.command("export")
def export_dataset(
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder to write the tables into."),
    data: Path | None = DATA,
    format: str = typer.Option("csv", "--format", help="csv, or parquet (needs the extra 'parquet')."),
    line: str | None = typer.Option(None, help="Only the batches of this production line."),
    product: str | None = typer.Option(None, help="Only the batches of this product."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Write every batch, failed and aborted ones too, as tables with a manifest. Pseudonyms only."""
    form = format_named(format)
    with readable_record(newest(data)) as ledger:
        done = export(Shelf(ledger), folder, form=form, line=line, product=product)
    for note in done.notes:
        err.print(f"[yellow]note:[/] {plain(note)}", highlight=False, soft_wrap=True)
    if json:
        rows: dict[str, JSON] = dict(done.rows)
        say_json({"folder": str(folder), "batches": done.batches, "rows": rows, "tree_head": done.tree_head})
        return
    told = ", ".join(f"{count:,} {name}" for name, count in done.rows.items())
    out.print(f"{told}", highlight=False, soft_wrap=True)
    out.print(
        f"from {done.size:,} entries, tree head {done.tree_head[:16]}…; check it: cytoloop dataset check {folder}",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip


@app.command("check")
def check_dataset(
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder of a dataset."),
    data: Path | None = typer.Option(None, "--data", metavar="DIR", help="Data folder of the record it came from."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Hold a dataset's files against its manifest and, with --data, every cell against the record. 1: a difference."""
    if data is None:
        found = check(folder)
    else:
        with readable_record(data) as ledger:
            found = check(folder, ledger)
    if json:
        problems: list[JSON] = list(found.problems)
        say_json({"files": found.files, "cells": found.cells, "problems": problems})
    else:
        for problem in found.problems:
            out.print(plain(problem), highlight=False, soft_wrap=True)
    if found.problems:
        raise FindingError(f"the dataset in {folder} is not as it was taken from the record; export it again")
    if not json:
        cells = "not held against a record (--data)" if found.cells is None else f"{found.cells:,} cells as the record"
        out.print(f"{found.files} files as the manifest says; {cells}", highlight=False, soft_wrap=True)


@app.command("about")
def about(
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder of a dataset, or of tables of your own."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Read tables as a twin would, and say what they can teach it and what they cannot."""
    read = batches_from_tables(folder)
    if json:
        names: list[JSON] = [batch.batch for batch in read.batches]
        notes: list[JSON] = [{"en": note.en, "zh": note.zh} for note in read.notes]
        say_json({"batches": names, "notes": notes})
        return
    out.print(f"{len(read.batches)} batches that a twin can learn from", highlight=False)
    for note in read.notes:
        out.print(f"note: {note.en}", highlight=False, markup=False, soft_wrap=True)
