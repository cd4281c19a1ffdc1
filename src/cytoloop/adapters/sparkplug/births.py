"""What a birth defines, and what a later value means by it (specification 3.0.0, §6.4.6, §6.4.19, §6.4.20)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.values import QUALITY, Value, property_of, value_of
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.reading import Quality

BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
MICROSECONDS = "Microseconds"
"""Property of this project: what a source time has beyond its millisecond, 0 to 999."""
QUALITIES: Mapping[int, Quality] = {0: "bad", 192: "good", 500: "uncertain"}
"""Sparkplug's quality codes (§6.4.9); stale is what is no longer sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """A metric as its birth defined it."""

    name: str
    alias: int | None
    datatype: DataType
    properties: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A value of a metric that was defined."""

    name: str
    value: Value | None
    """None: null."""
    at: int
    """Source time, microseconds since 1970 UTC."""
    quality: Quality
    historical: bool
    """Measured earlier and sent later; says nothing of now."""
    unit: str = ""
    """What its birth said in property engUnit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a birth said."""

    timestamp: int
    """When it was sent, milliseconds since 1970 UTC."""
    metrics: Mapping[str, Defined] = field(hash=False)
    values: tuple[Taken, ...]


def read_birth(payload: Payload) -> Birth:
    """The birth that the payload is. PayloadError when a metric of it is not defined as it must be, or twice."""
    defined: dict[str, Defined] = {}
    values = []
    for metric in payload.metrics:
        one = _defined(metric)
        if one.name in defined:
            raise PayloadError(f"metric {one.name!r} is defined twice in a birth; give each metric a name of its own")
        defined[one.name] = one
        values.append(taken(metric, one, payload.timestamp))
    return Birth(timestamp=payload.timestamp or 0, metrics=defined, values=tuple(values))


def taken(metric: Metric, defined: Defined, sent: int | None) -> Taken:
    """The value that the metric carries. PayloadError when it does not fit its definition.

    `sent`: time of the message, for a metric that has none of its own.
    """
    if metric.datatype not in (None, defined.datatype):
        raise PayloadError(
            f"metric {defined.name!r} was born as {defined.datatype.name} and came as "
            f"{DataType(metric.datatype or 0).name}; its sender must announce another type by a birth"
        )
    value = None if metric.is_null else value_of(defined.datatype, metric.held, defined.name)
    milliseconds = metric.timestamp if metric.timestamp is not None else sent
    if milliseconds is None:
        raise PayloadError(f"metric {defined.name!r} has no time, nor has its message; see what its sender put there")
    return Taken(
        name=defined.name,
        value=value,
        at=milliseconds * 1000 + _beyond(metric),
        quality=_quality(metric),
        historical=bool(metric.is_historical),
        unit=str(defined.properties.get("engUnit", "")),
    )


def bd_seq(payload: Payload) -> int:
    """The number that ties a death to its birth (§6.4.25). PayloadError when the payload has none."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ and metric.held is not None:
            number = metric.held[1]
            if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 255:
                return number
    raise PayloadError(f"it has no {BD_SEQ} from 0 to 255; an edge node of Sparkplug 3.0.0 must send one")


def _defined(metric: Metric) -> Defined:
    if not metric.name:
        raise PayloadError("a metric of a birth has no name; an edge node of Sparkplug 3.0.0 must send one")
    if metric.datatype is None:
        raise PayloadError(f"metric {metric.name!r} of a birth has no data type; its sender must give it one")
    keys = metric.properties.keys if metric.properties else ()
    return Defined(
        name=metric.name,
        alias=metric.alias,
        datatype=DataType(metric.datatype),
        properties={key: property_of(metric, key) for key in keys},
    )


def _quality(metric: Metric) -> Quality:
    code = property_of(metric, QUALITY)
    return QUALITIES.get(code, "uncertain") if isinstance(code, int) else "good"


def _beyond(metric: Metric) -> int:
    rest = property_of(metric, MICROSECONDS)
    return rest if isinstance(rest, int) and 0 <= rest <= 999 else 0
