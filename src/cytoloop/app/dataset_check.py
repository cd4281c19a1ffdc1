"""Dataset check: a dataset against its manifest, and against the record it was taken from."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice, zip_longest
from pathlib import Path
from typing import cast

from cytoloop.adapters.tables import parquet_rows
from cytoloop.app.bundle_entries import Held
from cytoloop.app.dataset_files import MANIFEST
from cytoloop.app.joining import tables_of
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.entry import Recorded, document
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical
from cytoloop.core.store import TreeHead
from cytoloop.feedback.joined.csv import cells_of
from cytoloop.feedback.joined.forms import FORMS, LINEAGE
from cytoloop.feedback.joined.tables import SCHEMA, Cell, Form, TidyTable
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import Tree, leaf_hash

Values = tuple[Cell, ...]
_FORMS: Mapping[str, Form] = {form.name: form for form in (*FORMS, LINEAGE)}
_TOLD = 20
"""Differences of one table that are told one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a dataset says of itself."""

    size: int
    tree_head: str
    line: str | None
    product: str | None
    files: Mapping[str, tuple[str, str]] = field(hash=False)
    """Table -> its file and that file's SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetChecked:
    """What a check came to."""

    files: int
    cells: int | None
    """Cells held against the record; None when there was no record to hold them against."""
    problems: tuple[str, ...]


def check(folder: Path, ledger: Ledger | None = None) -> DatasetChecked:
    """Hold a dataset against its manifest and, with a record, every cell and every entry named against that.

    UserError when there is no dataset in `folder`, or the record is a shorter one.
    """
    manifest = read_manifest(folder)
    problems = [problem for table in manifest.files for problem in _digest(folder, manifest, table)]
    cells: int | None = None
    if ledger is not None:
        expected, told = _derived(ledger, manifest)
        cells, found = 0, list(told)
        for table in expected:
            values, differences = _compared(folder, manifest, table)
            cells += values
            found += differences
        problems += found
    return DatasetChecked(files=len(manifest.files), cells=cells, problems=tuple(problems))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a dataset; UserError when there is none, or it is not one that this version knows."""
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != SCHEMA:
            raise UserError(f"{path}: the dataset is of form {data['format']!r}; this version reads {SCHEMA}")
        files = {str(each["table"]): (str(each["file"]), str(each["sha256"])) for each in data["tables"]}
        record, asked = data["record"], data["asked"]
        return Manifest(
            size=int(record["size"]), tree_head=str(record["tree_head"]), line=asked["line"], product=asked["product"],
            files=files,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"{folder} holds no {MANIFEST} ({error.strerror}); name the folder of a dataset") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the manifest of a dataset ({error}); export it again") from error


def values_of(folder: Path, manifest: Manifest, table: str) -> list[Values]:
    """The rows of a dataset's table; UserError when its file cannot be read or does not have the table's columns."""
    form, file = _form(table), manifest.files[table][0]
    path = folder / Path(file).name
    if path.suffix == ".parquet":
        return [tuple(_plain(cell) for cell in row) for row in parquet_rows(path)]
    try:
        return cells_of(form, file, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); export the dataset again") from error


def _form(table: str) -> Form:
    form = _FORMS.get(table)
    if form is None:
        raise UserError(f"the manifest names a table {table!r}; this version knows {', '.join(_FORMS)}")
    return form


def _plain(cell: object) -> Cell:
    return cell.isoformat() if isinstance(cell, datetime) else cast(Cell, cell)


def _digest(folder: Path, manifest: Manifest, table: str) -> Iterator[str]:
    file, wanted = manifest.files[table]
    try:
        found = sha256((folder / Path(file).name).read_bytes()).hexdigest()
    except OSError as error:
        yield f"{file} cannot be read ({error.strerror})"
        return
    if found != wanted:
        yield f"{file} is not as it was written: its SHA-256 is {found[:16]}…, the manifest says {wanted[:16]}…"


def _derived(ledger: Ledger, manifest: Manifest) -> tuple[tuple[TidyTable, ...], tuple[str, ...]]:
    """The tables as the record gives them, of the entries that the dataset stands on."""
    if ledger.head().size < manifest.size:
        raise UserError(
            f"the record holds {ledger.head().size} entries and the dataset stands on {manifest.size}; name its record"
        )
    recorded = tuple(islice(ledger.entries(), manifest.size))
    root = Tree().extend([_leaf(each) for each in recorded]).root
    told = () if root.hex() == manifest.tree_head else (_OTHER_RECORD,)
    shelf = Shelf(Held(recorded, TreeHead(manifest.size, root)))
    return tables_of(shelf, line=manifest.line, product=manifest.product), told


_OTHER_RECORD = "the record's tree head at that size is another: the dataset was taken from another record"


def _leaf(recorded: Recorded) -> bytes:
    return leaf_hash(canonical(cast(JSON, document(recorded.entry))))


def _compared(folder: Path, manifest: Manifest, table: TidyTable) -> tuple[int, list[str]]:
    """Cells compared, and every difference between the dataset's table and the record's."""
    name = table.form.name
    if name not in manifest.files:
        return 0, [f"table {name} is missing"]
    with suppress(UserError):
        found = values_of(folder, manifest, name)
        differences = list(islice(_differences(table, found), _TOLD + 1))
        more = [f"{name}: and more"] if len(differences) > _TOLD else []
        return len(found) * len(table.form.columns), differences[:_TOLD] + more
    return 0, [f"table {name} cannot be read as the manifest says"]


def _differences(table: TidyTable, found: Iterable[Values]) -> Iterator[str]:
    form = table.form
    for number, (ours, theirs) in enumerate(zip_longest(table.values(), found), start=1):
        if ours is None or theirs is None:
            yield f"{form.name}, row {number}: {'not in the record' if ours is None else 'missing in the dataset'}"
            return
        if ours == theirs:
            continue
        for column, mine, other in zip(form.columns, ours, theirs, strict=True):
            if mine != other and not _same_moment(column.kind, mine, other):
                place = f"{form.name}, row {number}, column {column.name!r}"
                yield f"{place}: {other!r}; {ours[-3]} position {ours[-2]} says {mine!r}"


def _same_moment(kind: str, mine: Cell, other: Cell) -> bool:
    if kind != "instant" or not isinstance(mine, str) or not isinstance(other, str):
        return False
    return datetime.fromisoformat(mine) == datetime.fromisoformat(other)
