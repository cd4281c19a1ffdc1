"""What every part of the report needs to say things: the language, the zone, numbers and times."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cytoloop.app.names import Names, named, unit
from cytoloop.app.permissions import ROLE_WORDS
from cytoloop.core.json import JSON, canonical
from cytoloop.core.report import Cell, Mark, Pairs, Table
from cytoloop.core.time import Instant
from cytoloop.core.words import Language, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """Says things in one language, and times in the site's zone."""

    language: Language
    zone: str

    def __call__(self, en: str, zh: str) -> str:
        """The one of the two that this report is in."""
        return zh if self.language == "zh" else en

    def words(self, words: Words) -> str:
        """The words in this report's language."""
        return words.text(self.language)

    def role(self, role: str) -> str:
        """The role as people say it; a role of another version as it stands."""
        known = next((words for each, words in ROLE_WORDS.items() if each == role), None)
        return self.words(known) if known else role

    def named(self, names: Names, name: str) -> str:
        """The name in words; one that is not known as it stands."""
        return self.words(named(names, name))

    def amount(self, value: str, house_unit: str) -> str:
        """A value as text with its unit behind it, when it has one."""
        return f"{value} {self.words(unit(house_unit))}".rstrip()

    def unit(self, house_unit: str) -> str:
        """A unit by itself, for the title of a chart."""
        return self.words(unit(house_unit)).strip("（）") or "1"

    def time(self, at: Instant | None, zone: str | None = None) -> str:
        """Local time with its offset, "2026-06-01 16:00:00 +08:00"; a dash when there is none."""
        if at is None:
            return "–"
        local = at.astimezone(ZoneInfo(zone or self.zone)).isoformat(sep=" ", timespec="seconds")
        return f"{local[:-6]} {local[-6:]}"

    def range(self, low: float | None, high: float | None, house_unit: str) -> str:
        """Limits with their unit, both included."""
        if low is None and high is None:
            return "–"
        if low is None or high is None:
            return self.amount(f"≤ {number(high)}" if low is None else f"≥ {number(low)}", house_unit)
        return self.amount(f"{number(low)} – {number(high)}", house_unit)


def number(value: float | None) -> str:
    """A number as it is read, six digits at most."""
    return "–" if value is None else f"{value:.6g}"


def shown(value: JSON) -> str:
    """Any value of an entry as text."""
    if isinstance(value, bool) or value is None:
        return {True: "✓", False: "✗", None: "–"}[value]
    if isinstance(value, int | float):
        return number(value)
    return value if isinstance(value, str) else canonical(value).decode()


def cell(text: str, mark: Mark = "plain", old: str = "") -> Cell:
    """One piece of text."""
    return Cell(text=text, mark=mark, old=old)


def pairs(*rows: tuple[str, str | Cell]) -> Pairs:
    """Names with their values."""
    return Pairs(rows=tuple((name, cell(value) if isinstance(value, str) else value) for name, value in rows))


def row(*values: str | Cell) -> tuple[Cell, ...]:
    """One row of a table."""
    return tuple(cell(value) if isinstance(value, str) else value for value in values)


def table(columns: tuple[tuple[str, int], ...], rows: list[tuple[Cell, ...]]) -> Table:
    """Rows under columns, each named with its relative width."""
    names, widths = zip(*columns, strict=True)
    return Table(columns=names, widths=widths, rows=tuple(rows))
