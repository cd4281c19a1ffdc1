"""Report: a document for people as plain data, in one language; doors turn it into HTML or PDF.

What it says is decided once, in `app`; no renderer adds or leaves out a word.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from cytoloop.core.time import Instant
from cytoloop.core.words import Language

Mark = Literal["plain", "changed", "good", "bad", "code", "quiet"]
"""changed   the value was changed after it was first written
good, bad  it meets, or does not meet, what was asked
code      hashes and names, in a typeface of one width
quiet     of less weight"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One piece of text."""

    text: str
    mark: Mark = "plain"
    old: str = ""
    """What stood here before: shown struck through, in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A sentence or more."""

    cell: Cell
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Names with their values."""

    rows: tuple[tuple[str, Cell], ...]
    kind: Literal["pairs"] = "pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns."""

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    """Relative widths of the columns."""
    rows: tuple[tuple[Cell, ...], ...]
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One signal over time, with the limits it is watched by."""

    title: str
    across: str
    """What runs along the bottom, with its unit."""
    unit: str
    points: tuple[tuple[float, float], ...]
    low: float | None = None
    high: float | None = None
    kind: Literal["chart"] = "chart"


Block: TypeAlias = Paragraph | Pairs | Table | Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report under its heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole document."""

    language: Language
    title: str
    subtitle: str
    made_at: Instant
    """The document's date: a rendering never asks a clock."""
    footer: str
    """On every page."""
    sections: tuple[Section, ...]
