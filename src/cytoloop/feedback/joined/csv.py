"""Joined CSV: the dataset's tables as text and back, the same bytes for the same rows.

RFC 4180 with "\\n" ends and UTF-8; numbers in Python's shortest form that gives the same number back; "true" and
"false"; an empty cell is one without a value.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping

from cytoloop.core.errors import UserError
from cytoloop.core.time import instant
from cytoloop.feedback.joined.tables import Cell, CellKind, Column, Form, TidyTable


def csv_of(table: TidyTable) -> bytes:
    """The table's bytes, header first."""
    return text_of(table.form, table.values()).encode()


def text_of(form: Form, rows: Iterable[tuple[Cell, ...]]) -> str:
    """Rows in the order of the form's columns, as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(form.names)
    writer.writerows([_written(cell) for cell in values] for values in rows)
    return text.getvalue()


def cells_of(form: Form, file: str, text: str) -> list[tuple[Cell, ...]]:
    """The rows of a table as `TidyTable.values` gives them; UserError names line and column of what does not fit."""
    lines = csv.reader(io.StringIO(text, newline=""))
    head = next(lines, [])
    if tuple(head) != form.names:
        raise UserError(f"{file}, line 1: the columns are {', '.join(head)}; expected {', '.join(form.names)}")
    return [_read(form, file, number, cells) for number, cells in enumerate(lines, start=2)]


def _read(form: Form, file: str, line: int, cells: list[str]) -> tuple[Cell, ...]:
    if len(cells) != len(form.columns):
        raise UserError(f"{file}, line {line}: {len(cells)} cells, expected {len(form.columns)}; is it cut off?")
    return tuple(cell_of(column, text, file, line) for column, text in zip(form.columns, cells, strict=True))


def cell_of(column: Column, text: str, file: str, line: int) -> Cell:
    """One cell from its text; UserError with file, line and column when it is not what the column holds."""
    if text == "":
        return None
    try:
        return _KINDS[column.kind](text)
    except ValueError as error:
        raise UserError(
            f"{file}, line {line}, column {column.name!r}: {text!r}; expected {_EXPECTED[column.kind]}"
        ) from error


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return repr(cell) if isinstance(cell, float) else str(cell)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _instant(text: str) -> str:
    instant(text)
    return text


_KINDS: Mapping[CellKind, Callable[[str], Cell]] = {
    "text": str, "number": _number, "whole": int, "flag": _flag, "instant": _instant,
}  # fmt: skip
_EXPECTED: Mapping[CellKind, str] = {
    "text": "a text",
    "number": "a finite number",
    "whole": "a whole number",
    "flag": "true or false",
    "instant": "an ISO 8601 time with its offset",
}
