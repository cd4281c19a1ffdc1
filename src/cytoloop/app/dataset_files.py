"""Dataset files: the tables of a record in a folder, under a manifest that says what they are and where from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal, cast, get_args

from cytoloop import __version__
from cytoloop.adapters.files import keep
from cytoloop.adapters.tables import to_parquet
from cytoloop.app.joining import tables_of
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.words import Words
from cytoloop.feedback.joined.csv import csv_of
from cytoloop.feedback.joined.tables import SCHEMA, Form, TidyTable

MANIFEST = "manifest.json"
Format = Literal["csv", "parquet"]

HOUR_ZERO = Words(
    en="hours count from hour zero: the end of the seeding, or the creation of a batch that was never seeded",
    zh="小时自零时起计：接种结束时；未接种的批次为批次建立时",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    folder: Path
    batches: int
    rows: Mapping[str, int] = field(hash=False)
    size: int
    """Entries of the record that the tables stand on."""
    tree_head: str
    notes: tuple[str, ...]


def format_named(name: str) -> Format:
    """The file format of that name; UserError for another."""
    for each in get_args(Format):
        if each == name:
            return cast(Format, each)
    raise UserError(f"{name!r} is no format of the dataset; choose one of {', '.join(get_args(Format))}")


def export(
    shelf: Shelf, folder: Path, *, form: Format = "csv", line: str | None = None, product: str | None = None
) -> Exported:
    """Write every table and the manifest into `folder`; UserError when it holds something else, or there is no batch.

    The same record gives the same CSV and the same manifest, to the last byte.
    """
    _check_asked(shelf, line, product)
    _check_folder(folder)
    tables = tables_of(shelf, line=line, product=product)
    held: list[JSON] = [_write(table, folder, form) for table in tables]
    notes, tree_head = tuple(_notes(tables)), shelf.head().root.hex()
    manifest: dict[str, JSON] = {
        "format": SCHEMA,
        "release": __version__,
        "record": {"size": shelf.size, "tree_head": tree_head},
        "asked": {"line": line, "product": product},
        "hour_zero": {"en": HOUR_ZERO.en, "zh": HOUR_ZERO.zh},
        "units": {name: list(units) for name, units in units_in(tables).items()},
        "notes": list(notes),
        "tables": held,
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    keep(folder / MANIFEST, text.encode(), mode=0o644)
    rows = {table.form.name: len(table.rows) for table in tables}
    return Exported(
        folder=folder, batches=rows["batches"], rows=rows, size=shelf.size, tree_head=tree_head, notes=notes
    )


def units_in(tables: Sequence[TidyTable]) -> dict[str, tuple[str, ...]]:
    """Attribute or parameter -> units its values are in. More than one: they may not be compared as they are."""
    found: dict[str, dict[str, None]] = {}
    named = {"parameters": "parameter", "trajectories": "attribute", "results": "attribute"}
    for table in tables:
        name = named.get(table.form.name)
        for row in table.rows if name else ():
            unit = row.cells.get("unit")
            if name and unit is not None:
                found.setdefault(str(row.cells[name]), {})[str(unit)] = None
    return {name: tuple(units) for name, units in sorted(found.items())}


def _check_asked(shelf: Shelf, line: str | None, product: str | None) -> None:
    batches = shelf.batches()
    if not batches:
        raise UserError("this record holds no batch yet; there is nothing to export")
    for what, asked, known in (
        ("line", line, {batch.created.line for batch in batches}),
        ("product", product, {batch.created.product for batch in batches}),
    ):
        if asked is not None and asked not in known:
            raise UserError(f"no batch is of {what} {asked!r}; this record has {', '.join(sorted(known))}")


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the dataset")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise UserError(f"{folder} holds other files and no dataset; name a new folder, or one with a dataset in it")


def _notes(tables: Sequence[TidyTable]) -> Iterator[str]:
    """What whoever learns from the tables must know: several products, one name in several units."""
    products = sorted({str(row.cells["product"]) for row in tables[0].rows})
    if len(products) > 1:
        yield f"batches of {len(products)} products ({', '.join(products)}); a twin learns from one: use --product"
    for name, units in units_in(tables).items():
        if len(units) > 1:
            yield f"{name} stands in {len(units)} units ({', '.join(units)}); turn them into one before comparing"


def _write(table: TidyTable, folder: Path, form: Format) -> JSON:
    content = csv_of(table)
    file = folder / f"{table.form.name}.csv"
    keep(file, content, mode=0o644)
    if form == "parquet":
        columns = {column.name: column.kind for column in table.form.columns}
        file = to_parquet(file, columns)
        content = file.read_bytes()
    return {
        "table": table.form.name, "file": file.name, "rows": len(table.rows), "sha256": sha256(content).hexdigest(),
        "meaning": {"en": table.form.meaning.en, "zh": table.form.meaning.zh}, "columns": _columns(table.form),
    }  # fmt: skip


def _columns(form: Form) -> list[JSON]:
    return [
        {"name": c.name, "kind": c.kind, "unit": c.unit, "meaning": {"en": c.meaning.en, "zh": c.meaning.zh}}
        for c in form.columns
    ]
