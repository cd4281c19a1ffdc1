"""Judging: whether a type of device can do what a command asks, before anything moves. Pure."""

from collections.abc import Mapping
from math import isfinite

from cytoloop.adapters.devices.model import CannotError
from cytoloop.core.device import DeviceType
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON

NAMES_MATERIAL = "coi"
"""The argument that says whose material it is; a device does not need it."""


def set_points_of(kind: DeviceType, command: Command) -> dict[str, float]:
    """The set-points a `set` asks for; CannotError for one the type has not, or outside its range."""
    wanted = {name: value for name, value in command.arguments.items() if name != NAMES_MATERIAL}
    if not wanted:
        raise CannotError(f"{command.target} was given no set-point; name one of {_listed(kind.set_points)}")
    found: dict[str, float] = {}
    for name, value in wanted.items():
        quantity = kind.set_points.get(name)
        if quantity is None:
            raise CannotError(f"{command.target} has no set-point {name}; it has {_listed(kind.set_points)}")
        number = number_in(value)
        if number is None or not quantity.low <= number <= quantity.high:
            raise CannotError(
                f"{command.target} takes {name} from {quantity.low:g} to {quantity.high:g} {quantity.unit}, not {value}"
            )
        found[name] = number
    return found


def signals_of(kind: DeviceType, command: Command) -> list[str]:
    """The signals a `read` asks for; CannotError for one the type has not, or when none is named."""
    wanted = _texts(command.arguments.get("signals"))
    unknown = [name for name in wanted if name not in kind.signals]
    if unknown or not wanted:
        asked = f"no signal {', '.join(unknown)}" if unknown else "no signal to read that was named"
        raise CannotError(f"{command.target} has {asked}; it has {_listed(kind.signals)}")
    return wanted


def program_of(kind: DeviceType, command: Command) -> tuple[str, dict[str, float]]:
    """The program a `program` asks for and its parameters; CannotError when it is none, or they are not all there."""
    name = str(command.arguments.get("program"))
    needed = kind.programs.get(name)
    if needed is None:
        raise CannotError(f"{command.target} has no program {name}; it has {_listed(kind.programs)}")
    given = command.arguments.get("parameters") or {}
    numbers = {each: number_in(value) for each, value in given.items()} if isinstance(given, dict) else {}
    missing = [each for each in needed if numbers.get(each) is None]
    if missing:
        raise CannotError(f"{name} on {command.target} needs a number for {', '.join(missing)}")
    strange = [each for each in numbers if each not in needed]
    if strange:
        raise CannotError(f"{name} on {command.target} does not know {', '.join(strange)}; it takes {_listed(needed)}")
    return name, {each: value for each, value in numbers.items() if value is not None}


def attributes_of(kind: DeviceType, command: Command) -> list[str]:
    """The attributes a `sample` asks for; CannotError for one the type cannot test, or when none is named."""
    wanted = _texts(command.arguments.get("attributes"))
    unknown = [name for name in wanted if name not in kind.attributes]
    if unknown or not wanted:
        asked = f"no method for {', '.join(unknown)}" if unknown else "nothing to test that was named"
        raise CannotError(f"{command.target} has {asked}; it tests {_listed(kind.attributes)}")
    return wanted


def number_in(value: JSON) -> float | None:
    """The finite number that `value` is; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _texts(value: JSON) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _listed(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
