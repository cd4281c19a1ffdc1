"""Figures of real donors, from the tables of Kodysh et al. 2018 (PeerJ Preprints 26993): how `donors.yaml` was made.

Pure: takes parsed rows (one mapping of text for each line), gives a mean and a standard deviation between donors
on a logit or log scale. Technical repeats of a donor are one value (their median, which shrugs off the two counts
in the tables with a live fraction of 0.11 and 0.16 beside repeats of 0.7).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import mean, median, stdev
from typing import Literal, TypeAlias

Row: TypeAlias = Mapping[str, str]
Scale = Literal["logit", "log"]

CD3_TABLE = "tsubset-prevalence/cd3-cd4-cd8.tsv"
MEMORY_TABLE = "tsubset-prevalence/naive-eff-central-memory.tsv"
YIELD_TABLE = "buffy-pbmc-tcell/counts.tsv"
ACTIVATION_TABLE = "pre-post-activation-cell-counts/counts.tsv"
IL2_TABLE = "il2-titration/il2-sigma-nih-counts.tsv"
IL2_LONG_TABLE = "il2-titration/il2-count-long.tsv"
TABLES = (CD3_TABLE, MEMORY_TABLE, YIELD_TABLE, ACTIVATION_TABLE, IL2_TABLE, IL2_LONG_TABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Mean and standard deviation between donors on `scale`."""

    scale: Scale
    mean: float
    sd: float
    donors: int
    source: str
    """The table, or "assumed"."""


def logit(fraction: float) -> float:
    """ln(p / (1 - p)), p kept off 0 and 1 by a thousandth."""
    p = min(max(fraction, 0.001), 0.999)
    return log(p / (1.0 - p))


def fit(tables: Mapping[str, Sequence[Row]]) -> dict[str, Figure]:
    """Every figure that the tables can give, by name. KeyError names a table or column that is missing."""
    return {**_subsets(tables), **_counts(tables), **_il2(tables)}


def _figure(scale: Scale, values: Iterable[float], source: str) -> Figure:
    values = tuple(values)
    return Figure(
        scale=scale, mean=mean(values), sd=stdev(values), donors=len(values), source=source
    )  # fmt: skip


def _donor(text: str) -> str:
    """One spelling: "D15" for "D15", "15" and "Donor 15"."""
    return "D" + "".join(letter for letter in text if letter.isdigit())


def _grouped(rows: Iterable[Row], key: Callable[[Row], str], value: Callable[[Row], float]) -> dict[str, float]:
    """Median value of each group."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(value(row))
    return {name: median(values) for name, values in groups.items()}


def _subsets(tables: Mapping[str, Sequence[Row]]) -> dict[str, Figure]:
    cd3, memory = tables[CD3_TABLE], tables[MEMORY_TABLE]
    parent = " | Freq. of Parent"

    def percent(row: Row, gate: str) -> float:
        return float(row[gate + parent]) / 100.0

    def cd4(row: Row) -> float:
        four, eight = percent(row, "Live/CD3+/CD4+ CD8-"), percent(row, "Live/CD3+/CD4- CD8+")
        return logit(four / (four + eight))

    def against_effector_memory(gate: str) -> Figure:
        values = (log(percent(row, gate) / percent(row, "Live/CCR7- CD45RO+")) for row in memory)
        return _figure("log", values, MEMORY_TABLE)

    return {
        "cd3_fraction": _figure("logit", (logit(percent(row, "Live/CD3+")) for row in cd3), CD3_TABLE),
        "cd4_fraction": _figure("logit", map(cd4, cd3), CD3_TABLE),
        "naive": against_effector_memory("Live/CCR7+ CD45RO-"),
        "central_memory": against_effector_memory("Live/CCR7+ CD45RO+"),
        "emra": against_effector_memory("Live/CCR7- CD45RO-"),
    }


def _counts(tables: Mapping[str, Sequence[Row]]) -> dict[str, Figure]:
    rows = tables[ACTIVATION_TABLE]

    def at(condition: str, column: str) -> dict[str, float]:
        chosen = (row for row in rows if row["Condition"] == condition)
        return _grouped(chosen, lambda row: _donor(row["Donor"]), lambda row: float(row[column]))

    thawed = at("Thawed", "Live fraction")
    before, after = at("Pre-activation", "Total cells"), at("Debeaded", "Total cells")
    yields = (float(row["T cell count"]) / float(row["PBMC count"]) for row in tables[YIELD_TABLE])
    return {
        "thaw_viability": _figure("logit", map(logit, thawed.values()), ACTIVATION_TABLE),
        "activation_survival": _figure("log", (log(after[d] / before[d]) for d in before), ACTIVATION_TABLE),
        "t_cell_yield": _figure("logit", map(logit, yields), YIELD_TABLE),
    }


def _il2(tables: Mapping[str, Sequence[Row]]) -> dict[str, Figure]:
    """Response: log ratio of the count with much IL-2 (250 IU/mL or more; "+IL2") to the count without."""
    titration, long = tables[IL2_TABLE], tables[IL2_LONG_TABLE]

    def titrated(keep: Callable[[float], bool]) -> dict[str, float]:
        chosen = (row for row in titration if keep(float(row["IL-2 conct"])))
        column = "live count (cells/ml)"
        return _grouped(chosen, lambda row: _donor(row["donor id"]), lambda row: float(row[column]))

    def lasting(condition: str) -> dict[str, float]:
        chosen = (row for row in long if row["Condition"] == condition and row["Day"] == "8")
        return _grouped(chosen, lambda row: _donor(row["Donor"]), lambda row: float(row["Live count"]))

    much, none, fed = titrated(lambda dose: dose >= 250), titrated(lambda dose: dose == 0), titrated(lambda d: d > 0)
    responses: dict[str, list[float]] = defaultdict(list)
    for with_il2, without in ((much, none), (lasting("+IL2"), lasting("-IL2"))):
        for donor in with_il2:
            responses[donor].append(log(with_il2[donor] / without[donor]))
    return {
        "il2_response": _figure("log", map(mean, responses.values()), f"{IL2_TABLE}, {IL2_LONG_TABLE}"),
        "expansion": _figure("log", map(log, fed.values()), IL2_TABLE),
    }
