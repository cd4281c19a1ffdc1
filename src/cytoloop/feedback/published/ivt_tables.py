"""IVT tables: reader of the in-vitro transcription data that Stover, Ganko & Braatz 2024 put together (MIT).

Akama 2012 measured RNA and pyrophosphate over two hours under 13 conditions, RNA after five minutes, and the magnesium
left in solution beside pyrophosphate; Rosa 2022 and Pfizer's scientists measured long mRNA. Units are in the headers.
What the files do not hold is in the paper: 7.4 nmol/L template and 40 mmol/L buffer in Akama's reactions, 4 mmol/L
magnesium and 24 h in the solubility table; its doses of pyrophosphatase are not, so that table is left aside.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.core.errors import UserError
from cytoloop.feedback.models.ivt import PARAMETERS, Reaction
from cytoloop.feedback.models.kernel import Floats

TRAJECTORIES = "akama_reaction_trajectories.csv"
RATES = "akama_initial_rate.csv"
SOLUBILITY = "akama_mg2ppi_solubility.csv"
ROSA, PFIZER = "rosadata.csv", "pfizerNTP.csv"
PUBLISHED = "fittedparameters.csv"

_BASES = (231.0, 246.0, 189.0, 202.0)
"""A, U, C, G of Akama's RNA (868 bases)."""
_SPECIES = {2: "rna", 4: "atp", 5: "utp", 6: "ctp", 7: "gtp", 10: "phosphate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One reaction and what was measured of it."""

    table: str
    name: str
    reaction: Reaction
    times: Floats
    """h."""
    seen: Mapping[str, tuple[Floats, Floats]] = field(hash=False)
    """Observable -> values and standard deviations, in the observable's unit, one per time."""


def is_ivt(tables: Mapping[str, str]) -> bool:
    """Whether a folder's tables are these."""
    return TRAJECTORIES in tables


def read_runs(tables: Mapping[str, str]) -> list[Run]:
    """Every run of the tables that are there; UserError names file, line and what was expected."""
    readers = {TRAJECTORIES: _trajectories, RATES: _rates, SOLUBILITY: _solubility, ROSA: _long, PFIZER: _long}
    return [run for name, read in readers.items() if name in tables for run in read(name, tables[name])]


def published(tables: Mapping[str, str]) -> Floats | None:
    """The paper's fitted parameters in their units, in the order of PARAMETERS; None when the file is not there."""
    if PUBLISHED not in tables:
        return None
    logs = [_number(PUBLISHED, line, text) for line, text in enumerate(tables[PUBLISHED].split(), start=1)]
    if len(logs) != len(PARAMETERS):
        raise UserError(f"{PUBLISHED} holds {len(logs)} figures; expected log10 of {len(PARAMETERS)} parameters")
    return np.asarray(10.0 ** np.array(logs), dtype=np.float64)


def _trajectories(name: str, text: str) -> list[Run]:
    rows = _numbers(name, text, 8)
    rna_sd = float(np.sqrt(np.mean(rows[rows[:, 0] > 0, 5] ** 2)))
    ppi_sd = float(np.sqrt(np.mean(rows[rows[:, 0] > 0, 7] ** 2)))
    runs = []
    for polymerase, ntp, mg in dict.fromkeys((row[1], row[2], row[3]) for row in rows):
        of = (rows[:, 1] == polymerase) & (rows[:, 2] == ntp) & (rows[:, 3] == mg) & (rows[:, 0] > 0)
        kept = rows[of]
        runs.append(
            Run(
                table=name,
                name=f"T7RNAP {polymerase:g} uM, NTP {ntp:g} mM each, Mg {mg:g} mM",
                reaction=_akama(ntp, mg, polymerase=1e-6 * polymerase),
                times=kept[:, 0] / 60.0,
                seen={
                    "rna": (kept[:, 4], np.maximum(kept[:, 5], rna_sd)),
                    "ppi": (kept[:, 6], np.maximum(kept[:, 7], ppi_sd)),
                },
            )
        )
    return runs


def _akama(ntp: float, mg: float, *, polymerase: float, template: float = 7.4, ppi: float = 0.0) -> Reaction:
    each = max(1e-3 * ntp, 1e-12)
    return Reaction(
        polymerase=polymerase,
        template=template,
        atp=each,
        utp=each,
        ctp=each,
        gtp=each,
        magnesium=1e-3 * mg,
        buffer=0.04,
        bases=_BASES,
        pyrophosphate=max(1e-3 * ppi, 1e-18),
    )


def _rates(name: str, text: str) -> list[Run]:
    return [
        Run(
            table=name,
            name=f"NTP {ntp:g} mM each, Mg {mg:g} mM",
            reaction=_akama(ntp, mg, polymerase=1e-7),
            times=np.array([5.0 / 60.0]),
            seen={"rna": (np.array([5.0 * rate]), np.array([5.0 * sd]))},
        )
        for ntp, mg, rate, sd in _numbers(name, text, 4)
        if ntp > 0
    ]


def _solubility(name: str, text: str) -> list[Run]:
    return [
        Run(
            table=name,
            name=f"NTP {ntp:g} mM each, PPi {ppi:g} mM",
            reaction=_akama(ntp, 4.0, polymerase=0.0, template=1e-8, ppi=ppi),
            times=np.array([24.0]),
            seen={"magnesium": (np.array([mg]), np.array([sd]))},
        )
        for ntp, ppi, mg, sd in _numbers(name, text, 4)
    ]


def _long(name: str, text: str) -> list[Run]:
    """Rows of one trajectory each, with lists in brackets for times, values and standard deviations."""
    runs = []
    for line, cells in enumerate(_cells(text)[1:], start=2):
        if len(cells) < 20:
            raise UserError(f"{name}, line {line}: {len(cells)} cells; expected 20")
        of, times = _SPECIES.get(int(_number(name, line, cells[0]))), _listed(name, line, cells[1])
        if of is None:
            raise UserError(f"{name}, line {line}: species {cells[0]}; expected one of {', '.join(map(str, _SPECIES))}")
        figures = [_number(name, line, cell) for cell in cells[2:18]]
        values, errors = _listed(name, line, cells[18]), _listed(name, line, cells[19])
        if len(values) != len(times) or len(errors) not in (1, len(times)):
            raise UserError(f"{name}, line {line}: {len(times)} times, {len(values)} values, {len(errors)} deviations")
        runs.append(
            Run(
                table=name,
                name=f"{of}, RNA of {sum(figures[12:16]):g} bases",
                reaction=_long_reaction(figures),
                times=times,
                seen={of: (values, np.broadcast_to(errors, values.shape).copy())},
            )
        )
    return runs


def _long_reaction(figures: Sequence[float]) -> Reaction:
    polymerase, template, atp, utp, ctp, gtp, cap, mg, ppiase, buffer = figures[:10]
    return Reaction(
        polymerase=1e-9 * polymerase,
        template=template,
        atp=1e-3 * atp,
        utp=1e-3 * utp,
        ctp=1e-3 * ctp,
        gtp=1e-3 * gtp,
        cap=1e-3 * cap,
        magnesium=1e-3 * mg,
        buffer=1e-3 * buffer,
        ppiase=ppiase,
        bases=(figures[12], figures[13], figures[14], figures[15]),
    )


def _cells(text: str) -> list[list[str]]:
    """Rows of a table whose columns are set apart by tabs or by commas, whatever the file is called."""
    lines = text.lstrip("\ufeff").splitlines()
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    return [row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]


def _numbers(name: str, text: str, columns: int) -> Floats:
    rows = _cells(text)[1:]
    for line, cells in enumerate(rows, start=2):
        if len(cells) < columns:
            raise UserError(f"{name}, line {line}: {len(cells)} cells; expected {columns}")
    if not rows:
        raise UserError(f"{name} holds a header and no rows; expected measurements below it")
    found = [[_number(name, line, cell) for cell in cells[:columns]] for line, cells in enumerate(rows, start=2)]
    return np.array(found)


def _listed(name: str, line: int, cell: str) -> Floats:
    return np.array([_number(name, line, each) for each in cell.strip().strip("()").split(",")])


def _number(name: str, line: int, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{name}, line {line}: {cell!r}; expected a number")
    return value
