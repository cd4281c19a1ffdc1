"""T-cell guide: reader of the tables of Kodysh et al., "Human Primary T Cells: A Practical Guide" (about 20 donors).

The tables disagree in spelling and units. The reader settles each question once and says so in `Guide.notes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from cytoloop.core.errors import UserError
from cytoloop.feedback.published.table import Row, Table, table

ACTIVATION = "pre-post-activation-cell-counts/counts.tsv"
IL2_DOSES = "il2-titration/il2-sigma-nih-counts.tsv"
IL2_LONG = "il2-titration/il2-count-long.tsv"
SUBSETS = "tsubset-prevalence/cd3-cd4-cd8.tsv"
MEMORY = "tsubset-prevalence/naive-eff-central-memory.tsv"
FLOW_DOSES = "il2-titration/il2-sigma-nih-flow.tsv"
FLOW_LONG = "il2-titration/il2-flow-long.tsv"

_PLUS = "Live/CCR7+ CD45RO+ | Freq. of Parent"
_NAIVE = "Live/CCR7+ CD45RO- | Freq. of Parent"
_CD3 = "Live/CD3+ | Freq. of Parent"
_CD4_OF_CD3 = "Live/CD3+/CD4+ CD8- | Freq. of Parent"
_CD4 = "Live/CD4+ CD8- | Freq. of Parent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One count of live cells."""

    table: str
    line: int
    donor: str
    condition: str
    """ "Thawed", "Pre-activation", "Debeaded"; "+IL2", "-IL2"; "Sigma", "NIH"."""
    day: int | None
    il2: float | None
    """IU/mL where the table gives a dose."""
    replicate: str
    repeat: int
    density: float
    """1e6 live cells/mL, multiplied by the dilution."""
    viability: float
    outlier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One fraction from flow cytometry."""

    table: str
    line: int
    donor: str
    attribute: str
    """cd3_purity, cd4_fraction (of CD3+), memory_fraction (CCR7+ of live)."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """The tables, settled."""

    counts: tuple[Count, ...]
    shares: tuple[Share, ...]
    notes: tuple[str, ...]
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Donor -> the spellings found."""

    def of(self, name: str) -> tuple[Count, ...]:
        """The counts of one table that are no outliers."""
        return tuple(count for count in self.counts if count.table == name and not count.outlier)

    def shares_of(self, attribute: str) -> dict[str, float]:
        """Donor -> fraction, of tables that give one per donor."""
        single = (SUBSETS, MEMORY)
        return {s.donor: s.value for s in self.shares if s.attribute == attribute and s.table in single}


def read_guide(tables: Mapping[str, str]) -> Guide:
    """The tables by name below their folder, as text -> settled rows and notes.

    UserError names file, line and column of what cannot be read, or that no table of the guide is there.
    """
    present = [name for name in _READERS if name in tables]
    if not present:
        raise UserError(f"none of the guide's tables is there; expected for example {ACTIVATION}")
    counts: list[Count] = []
    shares: list[Share] = []
    notes = [f"{name}: not in the folder, left out" for name in _READERS if name not in tables]
    spellings: dict[str, set[str]] = {}
    for name in present:
        columns, read = _READERS[name]
        found = table(name, tables[name], columns)
        rows, said = read(found)
        notes += [f"{name}: {note}" for note in said]
        counts += [row for row in rows if isinstance(row, Count)]
        shares += [row for row in rows if isinstance(row, Share)]
        for row in found.rows:
            spellings.setdefault(row.donor(columns[0]), set()).add(row.text(columns[0]))
    flagged = _flagged(counts)
    return Guide(
        counts=flagged,
        shares=tuple(shares),
        notes=(*_spelling_notes(spellings), *notes, *_outlier_notes(flagged)),
        spellings={donor: tuple(sorted(found)) for donor, found in spellings.items()},
    )


def _read_activation(found: Table) -> tuple[list[Count | Share], list[str]]:
    share = found.share_factor("Live fraction")
    rows: list[Count | Share] = [
        _count(found, row, "Live count per ml", ("Live fraction", share), donor="Donor",
               condition=row.text("Condition"), day=_day(row), replicate="1", repeat=int(row.number("Count")))
        for row in found.rows
    ]  # fmt: skip
    return rows, [_share_note("Live fraction", share), "two counts of one sample are technical repeats"]


def _read_doses(found: Table) -> tuple[list[Count | Share], list[str]]:
    share = found.share_factor("live %")
    dose = found.factor("IL-2 conct", "IU/mL", 1.0)
    rows: list[Count | Share] = [
        replace(
            _count(found, row, "live count", ("live %", share), donor="donor id", condition=row.text("IL2 Source"),
                   day=None, replicate=row.text("Replicate"), repeat=1),
            il2=row.number("IL-2 conct") * dose,
        )
        for row in found.rows
    ]  # fmt: skip
    notes = [_share_note("live %", share)]
    if found.units["IL-2 conct"] is None:
        notes.append("column 'IL-2 conct' names no unit: taken as IU/mL, as the flow table of the same doses says")
    return rows, [*notes, "the day of the count is not in the table"]


def _read_long(found: Table) -> tuple[list[Count | Share], list[str]]:
    share = found.share_factor("Live Fraction")
    rows: list[Count | Share] = []
    for row in found.rows:
        count = _count(
            found, row, "Live count", ("Live Fraction", share), donor="Donor", condition=row.text("Condition"),
            day=_day(row), replicate=row.text("Replicate"), repeat=int(row.number("Count No")),
        )  # fmt: skip
        rows.append(replace(count, density=count.density * row.number("Dilution")))
    diluted = sorted({row.number("Dilution") for row in found.rows if row.number("Dilution") != 1})
    notes = [_share_note("Live Fraction", share), "two counts of one replicate are technical repeats"]
    if diluted:
        notes.append(f"counts multiplied by their dilution ({', '.join(f'{value:g}' for value in diluted)})")
    return rows, notes


def _read_shares(found: Table, columns: Mapping[str, tuple[str, ...]]) -> tuple[list[Count | Share], list[str]]:
    """Each attribute is the sum of its columns, each settled to a fraction."""
    factor = min(found.share_factor(column) for names in columns.values() for column in names)
    rows: list[Count | Share] = [
        Share(
            table=found.file, line=row.line, donor=row.donor("Donor"), attribute=attribute,
            value=sum(row.number(column) for column in names) * factor,
        )
        for row in found.rows
        for attribute, names in columns.items()
    ]  # fmt: skip
    return rows, [_share_note("Freq. of Parent", factor)]


def _read_subsets(found: Table) -> tuple[list[Count | Share], list[str]]:
    return _read_shares(found, {"cd3_purity": (_CD3,), "cd4_fraction": (_CD4_OF_CD3,)})


def _read_memory(found: Table) -> tuple[list[Count | Share], list[str]]:
    rows, notes = _read_shares(found, {"memory_fraction": (_PLUS, _NAIVE)})
    return rows, [*notes, "memory fraction is CCR7+, with or without CD45RO"]


def _read_flow(found: Table) -> tuple[list[Count | Share], list[str]]:
    return _read_shares(found, {"cd4_fraction": (_CD4,)})


_READERS = {
    ACTIVATION: (("Donor", "Condition", "Day", "Count", "Live count per ml", "Live fraction"), _read_activation),
    IL2_DOSES: (("donor id", "IL-2 conct", "live count", "live %", "IL2 Source", "Replicate"), _read_doses),
    IL2_LONG: (
        ("Donor", "Day", "Condition", "Replicate", "Count No", "Live count", "Live Fraction", "Dilution"),
        _read_long,
    ),
    SUBSETS: (("Donor", _CD3, _CD4_OF_CD3), _read_subsets),
    MEMORY: (("Donor", _PLUS, _NAIVE), _read_memory),
    FLOW_DOSES: (("Donor", "IL2 Source", _CD4), _read_flow),
    FLOW_LONG: (("Donor", "Day", "Condition", _CD4), _read_flow),
}  # fmt: skip
"""Table -> its columns, the donor's first, and what reads it."""


def _count(
    found: Table,
    row: Row,
    column: str,
    share: tuple[str, float],
    *,
    donor: str,
    condition: str,
    day: int | None,
    replicate: str,
    repeat: int,
) -> Count:
    density = row.number(column) * found.factor(column, "1e6 cells/mL", 1e-6)
    if density <= 0:
        raise row.wrong(column, "a count above 0")
    return Count(
        table=found.file,
        line=row.line,
        donor=row.donor(donor),
        condition=condition,
        day=day,
        il2=None,
        replicate=replicate,
        repeat=repeat,
        density=density,
        viability=row.number(share[0]) * share[1],
    )


def _day(row: Row) -> int:
    text = row.text("Day").removeprefix("D")
    if not text.isdigit():
        raise row.wrong("Day", 'a day ("D4" or "5")')
    return int(text)


def _flagged(counts: Sequence[Count]) -> tuple[Count, ...]:
    """Counts whose viability is less than half of the median of their sample, or whose density is far from it."""
    groups: dict[tuple[str, str, str, int | None], list[Count]] = {}
    for count in counts:
        groups.setdefault((count.table, count.donor, count.condition, count.day), []).append(count)
    return tuple(
        replace(count, outlier=_apart(count, groups[(count.table, count.donor, count.condition, count.day)]))
        for count in counts
    )


def _apart(count: Count, group: Sequence[Count]) -> bool:
    if len(group) < 3:
        return False
    ratio = count.density / median(other.density for other in group)
    dim = count.viability < 0.5 * median(other.viability for other in group)
    return dim or not 1 / 3 < ratio < 3


def _spelling_notes(spellings: Mapping[str, set[str]]) -> list[str]:
    several = {donor: sorted(found) for donor, found in spellings.items() if found != {donor}}
    if not several:
        return []
    said = "; ".join(f"{', '.join(found)} -> {donor}" for donor, found in sorted(several.items(), key=_by_number))
    return [f"donor spellings settled: {said}"]


def _by_number(pair: tuple[str, object]) -> int:
    return int(pair[0][1:])


def _outlier_notes(counts: Sequence[Count]) -> list[str]:
    return [
        f"{count.table}, line {count.line}: {count.donor} {count.condition} {count.replicate}: live fraction"
        f" {count.viability:.2f}, {count.density:.2f}e6/mL beside its repeats: an outlier, left out of the fit"
        for count in counts
        if count.outlier
    ]


def _share_note(column: str, factor: float) -> str:
    return f"column {column!r} holds {'percents, divided by 100' if factor == 0.01 else 'fractions, kept as they are'}"
