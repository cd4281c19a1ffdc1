"""What a host writes to a device over Sparkplug by the convention, and the reading that a device's value is."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cytoloop.adapters.sparkplug.births import Defined, Taken
from cytoloop.adapters.sparkplug.convention import (
    COMMAND_ARGUMENTS,
    COMMAND_KEY,
    COMMAND_VERB,
    HISTORY_KEY,
    HISTORY_SEND,
    HISTORY_SINCE,
    NAME,
    RECALL_KEY,
    SET_POINTS,
    SIGNALS,
    milliseconds,
)
from cytoloop.adapters.sparkplug.payload import DataType, Metric
from cytoloop.adapters.sparkplug.values import metric
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON, canonical
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import microseconds, moment
from cytoloop.core.time import Instant


def command_metrics(command: Command, known: Mapping[str, Defined], now: Instant) -> tuple[Metric, ...]:
    """The command as metrics to write: its set-points as such, what else it says as arguments."""
    numbers = _numbers(command, known) if command.verb == "set" else {}
    rest: dict[str, JSON] = {name: value for name, value in command.arguments.items() if name not in numbers}
    said = {COMMAND_KEY: command.key, COMMAND_VERB: command.verb, COMMAND_ARGUMENTS: canonical(rest).decode()}
    at = milliseconds(now)
    return (
        *(metric(name, DataType.STRING, value, at) for name, value in said.items()),
        *(metric(SET_POINTS + name, DataType.DOUBLE, value, at) for name, value in numbers.items()),
    )


def recall_metrics(key: str, now: Instant) -> tuple[Metric, ...]:
    """The question what became of a key."""
    return (metric(RECALL_KEY, DataType.STRING, key, milliseconds(now)),)


def history_metrics(key: str, since: Instant, send: bool, now: Instant) -> tuple[Metric, ...]:
    """The question how much was measured from `since` on, and whether to send it again."""
    at = milliseconds(now)
    return (
        metric(HISTORY_KEY, DataType.STRING, key, at),
        metric(HISTORY_SINCE, DataType.INT64, microseconds(since), at),
        metric(HISTORY_SEND, DataType.BOOLEAN, send, at),
    )


def addressed(metrics: Iterable[Metric], known: Mapping[str, Defined]) -> tuple[Metric, ...]:
    """The metrics as a birth lets them be named: by alias where it gave one (§6.4.6), without their data type.

    PayloadError when the birth did not define one of them.
    """
    made = []
    for each in metrics:
        defined = known.get(each.name or "")
        if defined is None:
            raise PayloadError(f"its birth defines no metric {each.name!r}; it does not keep the convention {NAME}")
        named = replace(each, name=None, alias=defined.alias) if defined.alias is not None else each
        made.append(replace(named, datatype=None))
    return tuple(made)


def reading_of(unit: str, value: Taken) -> Reading | None:
    """The reading that a value is; None when it is no value of a signal"""
    if not value.name.startswith(SIGNALS) or not isinstance(value.value, int | float | None):
        return None
    return Reading(
        signal=value.name.removeprefix(SIGNALS),
        value=math.nan if value.value is None else float(value.value),
        unit=value.unit,
        at=moment(value.at),
        quality=value.quality,
        source=unit,
    )


def _numbers(command: Command, known: Mapping[str, Defined]) -> dict[str, float]:
    """The arguments that are set-points the device has and numbers."""
    return {
        name: float(value)
        for name, value in command.arguments.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and SET_POINTS + name in known
    }
