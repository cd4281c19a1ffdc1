"""Table: one csv or tsv text as rows that know their line, with errors that say file, line, column, expectation.

A column may carry its unit in its header, "live count (cells/ml)"; it is found by the name before the bracket.
"""

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.core.errors import UserError

_HEADER = re.compile(r"^(?P<name>.*?)\s*(?:\((?P<unit>[^()]*)\))?$")
_DONOR = re.compile(r"^(?:donor\s*|d)?(\d+)$", re.IGNORECASE)

UNITS: dict[str, tuple[str, float]] = {
    "cells/ml": ("1e6 cells/mL", 1e-6),
    "cells/ul": ("1e6 cells/mL", 1e-3),
    "iu/ml": ("IU/mL", 1.0),
    "u/ml": ("IU/mL", 1.0),
    "ml": ("mL", 1.0),
    "um": ("um", 1.0),
    "%": ("fraction", 0.01),
}
"""Unit as tables write it, in lower case -> house unit and factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table."""

    file: str
    line: int
    cells: Mapping[str, str] = field(hash=False)

    def text(self, column: str) -> str:
        """The cell, without the white space around it."""
        return self.cells[column].strip()

    def number(self, column: str) -> float:
        """The cell as a number from 0 up."""
        try:
            value = float(self.text(column))
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise self.wrong(column, "a number from 0 up")
        return value

    def donor(self, column: str) -> str:
        """The donor in the one spelling of the house, "D10"."""
        match = _DONOR.match(self.text(column))
        if match is None:
            raise self.wrong(column, 'a donor ("D10", "Donor 10" or "10")')
        return f"D{int(match.group(1))}"

    def wrong(self, column: str, expected: str) -> UserError:
        """The error that a cell is not what it should be."""
        return UserError(
            f"{self.file}, line {self.line}, column {column!r}: {self.cells[column]!r}; expected {expected}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with the columns asked for."""

    file: str
    rows: tuple[Row, ...]
    units: Mapping[str, str | None] = field(hash=False)
    """Column -> unit as its header writes it."""

    def factor(self, column: str, house_unit: str, default: float) -> float:
        """What turns the column into `house_unit`; `default` when its header names no unit."""
        unit = self.units[column]
        if unit is None:
            return default
        known = UNITS.get(unit.lower())
        if known is None or known[0] != house_unit:
            raise UserError(
                f"{self.file}, line 1, column {column!r}: unit {unit!r} is not known as {house_unit};"
                f" expected one of {', '.join(name for name, pair in UNITS.items() if pair[0] == house_unit)}"
            )
        return known[1]

    def share_factor(self, column: str) -> float:
        """0.01 when the column holds percents, 1 when it holds fractions; settled over the whole column."""
        largest = max(row.number(column) for row in self.rows)
        if largest > 100:
            row = next(row for row in self.rows if row.number(column) > 100)
            raise row.wrong(column, "a fraction from 0 to 1 or a percentage up to 100")
        return 0.01 if largest > 1 else 1.0


def table(file: str, text: str, columns: tuple[str, ...]) -> Table:
    """The table in `text`; UserError for a column that is missing or a line that is cut off."""
    lines = list(csv.reader(text.splitlines(), delimiter="\t" if file.endswith(".tsv") else ","))
    if not lines:
        raise UserError(f"{file} is empty; expected a header with {', '.join(columns)}")
    heads = [_named(head) for head in lines[0]]
    names = [name for name, _ in heads]
    for column in columns:
        if column not in names:
            raise UserError(f"{file}, line 1: column {column!r} is missing; found {', '.join(names)}")
    rows = [_row(file, number, names, cells) for number, cells in enumerate(lines[1:], start=2) if any(cells)]
    if not rows:
        raise UserError(f"{file} holds a header and no rows; expected measurements below it")
    return Table(file=file, rows=tuple(rows), units=dict(heads))


def _named(head: str) -> tuple[str, str | None]:
    match = _HEADER.match(head.strip())
    return (match["name"], match["unit"]) if match else (head.strip(), None)


def _row(file: str, number: int, names: list[str], cells: list[str]) -> Row:
    if len(cells) != len(names):
        raise UserError(
            f"{file}, line {number}: {len(cells)} cells, expected {len(names)} as in the header; is the table cut off?"
        )
    return Row(file=file, line=number, cells=dict(zip(names, cells, strict=True)))
