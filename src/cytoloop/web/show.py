"""How values look to people: numbers, quantities, instants, hashes. The same in both languages."""

from datetime import UTC
from zoneinfo import ZoneInfo

from cytoloop.core.time import Instant

UNITS = {
    "1": "",
    "pH": "",
    "fraction": "%",
    "1e6 cells": "×10⁶",
    "1e6 cells/mL": "×10⁶/mL",
    "1e6 cells/kg": "×10⁶/kg",
    "1/d": "/d",
}
"""House unit -> how a page writes it; others as they are."""

NONE = "–"


def number(value: float | None, digits: int = 3) -> str:
    """`value` to that many significant digits, thousands apart; a dash for None."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    return f"{float(f'{value:.{digits}g}'):g}".replace("-", "−")


def amount(value: float | None, unit: str) -> str:
    """The number alone as it stands before `unit_of(unit)`: fractions become percent."""
    return number(value * 100 if value is not None and unit == "fraction" else value)


def unit_of(unit: str) -> str:
    """How a page writes the house unit."""
    return UNITS.get(unit, unit)


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit: "420 ×10⁶", "88.1 %"."""
    shown = amount(value, unit)
    return shown if value is None else f"{shown} {unit_of(unit)}".rstrip()


def when(moment: Instant | None) -> str:
    """An instant to the minute, UTC."""
    return NONE if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def local(moment: Instant, zone: str) -> str:
    """An instant to the minute in that zone, with its offset from UTC and the zone's name (21 CFR 11.50(a)(2))."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at:%Y-%m-%d %H:%M} {at.isoformat()[-6:]} {zone}"


def span(hours: float | None) -> str:
    """A duration: hours below two days, days above."""
    if hours is None:
        return NONE
    return f"{number(hours)} h" if abs(hours) < 48 else f"{hours / 24:.1f} d"


def waited(hours: float) -> str:
    """How long somebody has waited: minutes below an hour, hours below two days, days above."""
    if hours < 1:
        return f"{max(0, int(hours * 60))} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"


def count(value: int) -> str:
    """A whole number, thousands apart."""
    return f"{value:,}"


def model(name: str) -> str:
    """A model's name and version, "<twin>@<version or hash>", the hash short."""
    twin, at, version = name.partition("@")
    return f"{twin}{at}{short_hash(version)}"


def short_hash(text: str) -> str:
    """The first digits of a hash, enough to compare by eye."""
    return text[:12]
