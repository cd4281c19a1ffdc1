"""Engineering units: EUInformation (OPC 10000-8 §5.6.3) of a house unit, and the house unit of an EUInformation.

UN/CEFACT codes (Recommendation 20) where a house unit has one; the rest carry their house spelling under a namespace of
this house. What a device writes is turned into house units by pint, here and nowhere further in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cytoloop.adapters.opcua.library import library
from cytoloop.core.errors import UserError
from cytoloop.core.units import HOUSE_UNITS, convert

UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
HOUSE_UNECE: Mapping[str, str] = {
    "°C": "CEL", "mL": "MLT", "mmol/L": "M33", "h": "HUR", "d": "DAY", "1/d": "E91", "1": "C62", "fraction": "C62",
    "pH": "Q30", "°C/min": "H13", "kg": "KGM", "rpm": "RPM",
}  # fmt: skip
"""House unit -> its code of Recommendation 20."""
PINT_OF: Mapping[str, str] = {
    "CEL": "degC", "FAH": "degF", "KEL": "kelvin", "MLT": "milliliter", "LTR": "liter", "M33": "millimole / liter",
    "C38": "mole / liter", "HUR": "hour", "MIN": "minute", "SEC": "second", "DAY": "day", "E91": "1 / day",
    "H10": "1 / hour", "C62": "dimensionless", "P1": "percent", "Q30": "pH", "H13": "°C/min", "KGM": "kilogram",
    "GRM": "gram", "RPM": "rpm", "G21": "gram / liter", "GL": "gram / liter", "BAR": "bar", "PAL": "pascal",
    "KPA": "kilopascal", "VLT": "volt", "AMP": "ampere", "WTT": "watt",
}  # fmt: skip
"""Code of Recommendation 20 -> what pint (or the house) calls it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit of a device turned into a house unit: house = scale x device + offset."""

    unit: str
    """House unit."""
    scale: float = 1.0
    offset: float = 0.0

    def house(self, value: float) -> float:
        """A value of the device in house units."""
        return value if self.scale == 1.0 and self.offset == 0.0 else self.scale * value + self.offset

    def device(self, value: float) -> float:
        """A value in house units as the device takes it."""
        return value if self.scale == 1.0 and self.offset == 0.0 else (value - self.offset) / self.scale


def information(unit: str) -> Any:
    """EUInformation of a house unit."""
    ua = library().ua
    code = HOUSE_UNECE.get(unit)
    return ua.EUInformation(
        NamespaceUri=UNECE if code else "urn:cytoloop:units",
        UnitId=_unit_id(code) if code else -1,
        DisplayName=ua.LocalizedText(unit),
        Description=ua.LocalizedText(HOUSE_UNITS.get(unit, unit)),
    )


def spelling(information: Any) -> str:
    """How a unit of a device is spelled for `core.units`: house spelling first, then its code, then as displayed."""
    shown = str((information.DisplayName.Text if information.DisplayName else None) or "")
    if shown in HOUSE_UNITS:
        return shown
    code = _code(int(information.UnitId)) if information.NamespaceUri == UNECE else ""
    return PINT_OF.get(code, shown)


def scale(information: Any, wanted: str | None, place: str) -> Scale:
    """How values at `place` become house units; `wanted` None: the house unit the device names.

    UserError with the place when the unit is missing, unknown, or measures something else.
    """
    found = spelling(information) if information is not None else ""
    if not found:
        raise UserError(f"{place} names no unit (EngineeringUnits); set it on the device, numbers are not guessed")
    unit = wanted or _house(found)
    if unit is None:
        raise UserError(f"{place} is in {found!r}, which is no house unit; say in the plant what unit it is wanted in")
    if found == unit:
        return Scale(unit)
    try:
        offset = convert(0.0, found, unit)
        return Scale(unit, convert(1.0, found, unit) - offset, offset)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def _house(found: str) -> str | None:
    if found in HOUSE_UNITS:
        return found
    return next((house for house, name in HOUSE_UNITS.items() if name == found), None)


def _unit_id(code: str) -> int:
    """Recommendation 20 codes as numbers: their letters as bytes (OPC 10000-8 §5.6.3.3)."""
    return int.from_bytes(code.encode("ascii"), "big")


def _code(unit_id: int) -> str:
    return unit_id.to_bytes(4, "big").lstrip(b"\0").decode("ascii", "replace") if unit_id > 0 else ""
