"""What a device tells over Sparkplug by the convention, and the command that a host wrote to it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast, get_args

from cytoloop.adapters.sparkplug.births import MICROSECONDS
from cytoloop.adapters.sparkplug.convention import (
    CODES,
    COMMAND_ARGUMENTS,
    COMMAND_KEY,
    COMMAND_VERB,
    CONVENTION,
    HISTORY_ANSWERED,
    HISTORY_COUNT,
    HISTORY_FROM,
    HISTORY_SEND,
    HISTORY_UPTO,
    MOMENTS,
    NAME,
    OUTCOME_DOCUMENT,
    OUTCOME_KEY,
    OUTCOME_STATE,
    PROGRAMS,
    SENT,
    SET_POINTS,
    SIGNALS,
    STATE,
    WRITTEN,
    KeyState,
    milliseconds,
    written,
)
from cytoloop.adapters.sparkplug.payload import DataType, Metric, PropertySet
from cytoloop.adapters.sparkplug.values import QUALITY, Value, metric, properties
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.device import Device, Quantity
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.json import JSON, parse
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import microseconds
from cytoloop.core.time import Instant


def birth_metrics(device: Device, latest: Mapping[str, Reading], now: Instant) -> tuple[Metric, ...]:
    """Every metric that the device will ever send or take, with its present value."""
    kind, at = device.kind, milliseconds(now)
    told = {
        CONVENTION: NAME,
        "Properties/Device type": kind.device_type,
        "Properties/Equipment class": kind.equipment_class,
        "Properties/Met": kind.met,
        "Properties/Attributes": ", ".join(kind.attributes),
        **{PROGRAMS + name: ", ".join(needed) for name, needed in kind.programs.items()},
    }
    return (
        *(metric(name, DataType.STRING, value, at) for name, value in told.items()),
        metric(STATE, DataType.STRING, device.state(), at),
        *(_signal(name, each, latest.get(name), at) for name, each in kind.signals.items()),
        *set_point_metrics(device, now),
        *(metric(name, DataType.STRING, None, at) for name in (*WRITTEN, *SENT)),
        *(metric(name, DataType.INT64, None, at) for name in MOMENTS),
        metric(HISTORY_SEND, DataType.BOOLEAN, None, at),
    )


def set_point_metrics(device: Device, now: Instant) -> tuple[Metric, ...]:
    """The set-points in force."""
    targets, at = device.targets(), milliseconds(now)
    return tuple(
        metric(SET_POINTS + name, DataType.DOUBLE, targets.get(name), at, _range(quantity))
        for name, quantity in device.kind.set_points.items()
    )


def reading_metric(reading: Reading, *, historical: bool = False) -> Metric:
    """A reading as a value of its signal."""
    at, beyond = divmod(microseconds(reading.at), 1000)
    said = {QUALITY: CODES[reading.quality]} if reading.quality != "good" else {}
    said |= {MICROSECONDS: beyond} if beyond else {}
    value = None if math.isnan(reading.value) else reading.value
    made = metric(SIGNALS + reading.signal, DataType.DOUBLE, value, at, properties(**said) if said else None)
    return replace(made, is_historical=True) if historical else made


def outcome_metrics(key: str, state: KeyState, outcome: Outcome | None, now: Instant) -> tuple[Metric, ...]:
    """What became of a key."""
    document = "" if outcome is None else written(outcome)
    said = {OUTCOME_KEY: key, OUTCOME_STATE: state, OUTCOME_DOCUMENT: document}
    return tuple(metric(name, DataType.STRING, value, milliseconds(now)) for name, value in said.items())


def history_metrics(key: str, found: Sequence[Reading], since: Instant, upto: Instant) -> tuple[Metric, ...]:
    """How many readings the device still has from `since` up to `upto`, and from when on."""
    inside = [each for each in found if since <= each.at < upto]
    begin = min((each.at for each in inside), default=upto)
    said = {
        HISTORY_COUNT: len({(each.at, each.signal) for each in inside}),
        HISTORY_FROM: microseconds(begin),
        HISTORY_UPTO: microseconds(upto),
    }
    at = milliseconds(upto)
    numbers = (metric(name, DataType.INT64, value, at) for name, value in said.items())
    return (metric(HISTORY_ANSWERED, DataType.STRING, key, at), *numbers)


def command_of(unit: str, values: Mapping[str, Value | None]) -> Command:
    """The command that a host wrote. PayloadError when it is none."""
    key, verb, text = (values.get(name) for name in (COMMAND_KEY, COMMAND_VERB, COMMAND_ARGUMENTS))
    try:
        arguments = parse(text) if isinstance(text, str) else None
    except ValueError:
        arguments = None
    if not (isinstance(key, str) and key and verb in get_args(Verb) and isinstance(arguments, dict)):
        raise PayloadError(
            f"{COMMAND_KEY} {key!r}, {COMMAND_VERB} {verb!r} and {COMMAND_ARGUMENTS} {str(text)[:60]!r} are no "
            "command; write a key, a verb and arguments as a JSON object in one message"
        )
    set_points: dict[str, JSON] = {
        name.removeprefix(SET_POINTS): value
        for name, value in values.items()
        if name.startswith(SET_POINTS) and isinstance(value, float)
    }
    return Command(key=key, target=unit, verb=cast(Verb, verb), arguments={**arguments, **set_points})


def _signal(name: str, quantity: Quantity, reading: Reading | None, at: int) -> Metric:
    limits = _range(quantity)
    if reading is None:
        return metric(SIGNALS + name, DataType.DOUBLE, None, at, limits)
    made = reading_metric(reading)
    said = made.properties
    if said is not None:
        limits = PropertySet(keys=(*limits.keys, *said.keys), values=(*limits.values, *said.values))
    return replace(made, properties=limits)


def _range(quantity: Quantity) -> PropertySet:
    return properties(engUnit=quantity.unit, engLow=float(quantity.low), engHigh=float(quantity.high))
