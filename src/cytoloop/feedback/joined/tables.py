"""Joined: the tidy tables in which finished, failed and running batches leave the record for those who learn from them.

One table for each kind of thing, one row for each thing, one unit for each kind of quantity. Every row names the
entry it stands on, by stream, position and leaf hash; a cell that comes from another entry is named in `lineage`.
Pure: rows come in as plain values (`app/joining.py` reads them from the record), bytes go out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, TypeAlias

from cytoloop.core.words import Words

Cell: TypeAlias = str | float | int | bool | None
CellKind = Literal["text", "number", "whole", "flag", "instant"]
"""What a cell holds. "instant" is ISO 8601 in UTC."""

SCHEMA = "cytoloop-dataset/1"
"""Name and version of the tables' form: a column's name and meaning never change again within a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    kind: CellKind
    unit: str = ""
    """House unit; "row" where each row names its own in `unit`; empty for what has none."""
    meaning: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a table holds."""

    name: str
    meaning: Words
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """The entry that something comes from."""

    stream: str
    position: int
    entry: str
    """Leaf hash of the entry (RFC 6962), hexadecimal: what the record's tree is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyRow:
    """One row with where it comes from."""

    cells: Mapping[str, Cell] = field(hash=False)
    source: Source
    others: Mapping[str, tuple[Source, ...]] = field(default_factory=dict, hash=False)
    """Column -> entries it comes from, where these are not the row's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyTable:
    """One table."""

    form: Form
    rows: tuple[TidyRow, ...]

    def values(self) -> Iterable[tuple[Cell, ...]]:
        """The rows as tuples in the order of the form's columns."""
        for row in self.rows:
            yield (*(row.cells.get(name) for name in self.form.names[:-3]), *_told(row.source))


def table_of(form: Form, rows: Iterable[TidyRow]) -> TidyTable:
    """The table of these rows; ValueError for a cell that the form does not name."""
    kept, names = tuple(rows), set(form.names)
    for row in kept:
        strange = (set(row.cells) | set(row.others)) - names
        if strange:
            raise ValueError(f"table {form.name} has no column {', '.join(sorted(strange))}")
    return TidyTable(form=form, rows=kept)


def lineage_of(tables: Sequence[TidyTable], form: Form) -> TidyTable:
    """The table that names the entries of cells that do not come from their row's own entry."""
    rows = (
        TidyRow(cells={"table": table.form.name, "row": number, "column": column}, source=source)
        for table in tables
        for number, row in enumerate(table.rows, start=1)
        for column, sources in row.others.items()
        for source in sources
    )
    return TidyTable(form=form, rows=tuple(rows))


def sources_of(tables: Iterable[TidyTable]) -> set[Source]:
    """Every entry that the tables name."""
    rows = chain.from_iterable(table.rows for table in tables)
    return {each for row in rows for each in (row.source, *chain.from_iterable(row.others.values()))}


def _told(source: Source) -> tuple[str, int, str]:
    return source.stream, source.position, source.entry
