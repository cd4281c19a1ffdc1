"""Joined rows: one row of a table as a number in its house unit, or an error that says where it is wrong."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cytoloop.core.errors import UserError
from cytoloop.core.units import convert
from cytoloop.feedback.published.table import Row

ATTRIBUTES: Mapping[str, str] = {
    "viable_cell_density": "1e6 cells/mL",
    "viability": "fraction",
    "glucose": "mmol/L",
    "glucose_online": "mmol/L",
    "lactate": "mmol/L",
    "car_fraction": "fraction",
    "memory_fraction": "fraction",
    "total_viable_cells": "1e6 cells",
    "viable_car_cells": "1e6 cells",
    "vector_copy_number": "copies/cell",
}
"""Attribute the twin learns from -> house unit."""

PARAMETER_UNITS: Mapping[str, str] = {
    "activation.seeding_density": "1e6 cells/mL",
    "activation.volume": "mL",
    "activation.il2": "IU/mL",
    "transduction.moi": "TU/cell",
    "transduction.duration": "h",
    "expansion.culture_duration": "h",
    "expansion.perfusion_rate": "1/d",
    "expansion.il2": "IU/mL",
}
"""Parameter the twin learns from -> house unit."""

_BARE: Mapping[str, str] = {
    name.partition(".")[2]: name
    for name in PARAMETER_UNITS
    if sum(other.partition(".")[2] == name.partition(".")[2] for other in PARAMETER_UNITS) == 1
}
_FRACTIONS = ("fraction",)


@dataclass(frozen=True, slots=True)
class Measured:
    """A value in its house unit, and when."""

    value: float
    hours: float | None
    """Hours since hour zero; None when the table does not say."""


def readable(text: str) -> bool:
    """Whether a table holds more than its header: an export of a young record has tables without rows."""
    return len(text.strip().splitlines()) > 1


def spelled(parameter: str) -> str:
    """A parameter's full name; also from its short one, where only one operation has it."""
    return _BARE.get(parameter, parameter)


def measured(row: Row, column: str, house_unit: str) -> Measured:
    """The cell in its house unit; UserError with file, line and column when it is not a number or not that quantity."""
    value, unit = number(row, column), row.cells.get("unit", "").strip()
    if unit:
        try:
            value = convert(value, unit, house_unit)
        except UserError as error:
            raise row.wrong("unit", f"a unit that can be turned into {house_unit}") from error
    if house_unit in _FRACTIONS and not 0 <= value <= 1:
        raise row.wrong(column, "a fraction from 0 to 1; name '%' in the column unit for percents")
    if value < 0:
        raise row.wrong(column, f"a number from 0 up, in {unit or house_unit}")
    hours = number(row, "hours") if row.cells.get("hours", "").strip() else None
    return Measured(value, hours)


def check_units(rows: Iterable[Row], named_by: str) -> None:
    """UserError at the first row that leaves out the unit which other rows of the same name give, or gives one alone.

    A blank cell among "cells/mL" may mean anything; a table in which nobody names a unit is in house units.
    """
    first: dict[str, str] = {}
    for row in rows:
        name, unit = row.text(named_by), row.cells.get("unit", "").strip()
        known = first.setdefault(name, unit)
        if bool(known) != bool(unit):
            told = f"{known!r}" if known else "none"
            raise row.wrong("unit", f"a unit in every row of {name} or in none; the first of them names {told}")


def number(row: Row, column: str) -> float:
    """The cell as a finite number of either sign."""
    try:
        value = float(row.text(column))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise row.wrong(column, "a finite number")
    return value
