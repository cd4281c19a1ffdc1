"""The house units: one unit for each kind of quantity, everywhere inside.

A number without a unit suffix in its name is in the house unit of its quantity. Other units are converted where
they enter (pint), never inside. Fractions run from 0 to 1.
"""

from functools import cache
from typing import Any

from cytoloop.core.errors import UserError

HOUSE_UNITS: dict[str, str] = {
    "°C": "degC",
    "mL": "milliliter",
    "1e6 cells/mL": "million_cells / milliliter",
    "1e6 cells": "million_cells",
    "mmol/L": "millimole / liter",
    "h": "hour",
    "d": "day",
    "1/d": "1 / day",
    "IU/mL": "international_unit / milliliter",
    "1": "dimensionless",
    "fraction": "dimensionless",
    "cells/bead": "dimensionless",
    "beads/cell": "dimensionless",
    "TU/cell": "dimensionless",
    "copies/cell": "dimensionless",
    "EU/mL": "endotoxin_unit / milliliter",
    "pH": "dimensionless",
    "°C/min": "delta_degC / minute",
    "kg": "kilogram",
    "rpm": "1 / minute",
    "1e6 cells/kg": "million_cells / kilogram",
    "CFU": "count",
}
"""Unit as it is written in packs and on pages -> what pint calls it."""

UCUM: dict[str, str] = {
    "10*9/L": "1e9 cells / liter",
    "10*3/uL": "1e3 cells / microliter",
    "10*6/mL": "million_cells / milliliter",
    "g/dL": "gram / deciliter",
    "%": "percent",
    "[in_i]": "inch",
    "cm": "centimeter",
    "kg": "kilogram",
    "g": "gram",
    "[lb_av]": "pound",
    "{copies}/mL": "copies / milliliter",
    "[IU]/mL": "international_unit / milliliter",
    "mmol/L": "millimole / liter",
    "Cel": "degC",
    "h": "hour",
    "d": "day",
}
"""UCUM code, as FHIR carries it -> what pint calls it."""


@cache
def registry() -> Any:
    """The one registry of units, with those that pint does not bring."""
    import pint  # noqa: PLC0415  (a second to import, and needed at doors only)

    units: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for line in (
        "million_cells = 1e6 * count = Mcells",
        "cells = count",
        "copies = count",
        "international_unit = [biological_activity] = IU",
        "endotoxin_unit = [endotoxin_activity] = EU",
    ):
        units.define(line)
    return units


def convert(value: float, unit: str, house_unit: str) -> float:
    """`value` in `unit` (house, UCUM or pint spelling) as a number in `house_unit`.

    Raises UserError naming both units when either is unknown or they do not measure the same thing.
    """
    if unit == house_unit:
        return value
    if house_unit not in HOUSE_UNITS:
        raise UserError(f"unit {house_unit!r} is not a house unit; use one of {', '.join(HOUSE_UNITS)}")
    units = registry()
    name = HOUSE_UNITS.get(unit) or UCUM.get(unit) or unit
    try:
        quantity = units.Quantity(value, units.parse_units(name) if not name[:1].isdigit() else None)
        if name[:1].isdigit():
            quantity = value * units.parse_expression(name)
        return float(quantity.to(HOUSE_UNITS[house_unit]).magnitude)
    except Exception as error:
        raise UserError(f"cannot turn {unit!r} into {house_unit!r}: {error}; write a unit that measures it") from error


def quantity_of(value: float, unit: str) -> Any:
    """`value` in a house or pint unit as a pint quantity, to compute with. Raises when there is no such unit."""
    name = HOUSE_UNITS.get(unit, unit)
    return registry().Quantity(value, registry().parse_units(name))
