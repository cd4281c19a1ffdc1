"""Specimen: what is in the tube that an analyser is given. The simulator cannot know it: whoever makes it says it."""

from collections.abc import Callable, Mapping

from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON

Specimens = Callable[[Command], Mapping[str, float]]
"""The command of a sample -> true value of each attribute, in the unit of its result."""


def attributes_in(command: Command) -> list[str]:
    """The attributes that a sample is to be tested for."""
    given = command.arguments.get("attributes")
    return [str(each) for each in given] if isinstance(given, list) else []


def result(value: float, unit: str, method: str) -> dict[str, JSON]:
    """One result as it stands in an outcome's values."""
    return {"value": round(value, 4), "unit": unit, "method": method}
