"""Facts of monitoring: what readings showed as they came in. In the stream of the batch, each once per occurrence.

The words are those of IEC 62682 and ISA-18.2: an alarm is raised and cleared by the process, and acknowledged by a
person; the two are independent.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cytoloop.core.product import Priority
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant

AlarmKind = Literal["low", "high", "missing", "unreachable"]
"""low, high     outside that limit
missing       no usable reading for too long: silent, or every reading bad
unreachable   the unit cannot be asked"""
GapKind = Literal["silence", "sequence", "overflow", "unreachable"]
FindingKind = Literal["range", "future", "before", "clock", "late", "conflict", "unit-converted", "unit-refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """A signal needs somebody's attention."""

    NAME: ClassVar[str] = "alarm-raised/1"
    alarm: str
    """ "<tag>/<limit, missing or unreachable>/<since when>": the same readings give the same."""
    tag: str
    """ "<equipment id>/<signal>"; the equipment id alone when the whole unit cannot be asked."""
    kind: AlarmKind
    priority: Priority
    since: Instant
    """Source time from which on it was so."""
    at: Instant
    """Source time at which it was so for longer than the on-delay."""
    value: float | None
    """None where there is none."""
    unit: str
    low: float | None
    high: float | None
    """Limits in force; None where they have no part in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCleared:
    """What an alarm was raised for is over. Whether anybody acknowledged it is another matter."""

    NAME: ClassVar[str] = "alarm-cleared/1"
    alarm: str
    at: Instant
    """Source time of the reading that showed it."""
    why: Literal["returned", "out-of-use"]
    """returned: the signal is back. out-of-use: the batch has left the unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmAcknowledged:
    """A person has seen the alarm and says what is done about it."""

    NAME: ClassVar[str] = "alarm-acknowledged/1"
    alarm: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcursionFound:
    """Telemetry shows a signal outside its limits, or missing, for longer than its tolerance; a deviation follows."""

    NAME: ClassVar[str] = "excursion-found/1"
    alarm: str
    """The alarm it belongs to; empty when only late readings showed it."""
    tag: str
    kind: AlarmKind
    since: Instant
    at: Instant
    """Source time at which it had lasted longer than the tolerance."""
    until: Instant | None
    """When it ended, where that is known already: late readings."""
    value: float | None
    unit: str
    low: float | None
    high: float | None
    tolerance: float
    """Hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryGap:
    """Readings are missing, or the unit could not be asked."""

    NAME: ClassVar[str] = "telemetry-gap/1"
    equipment: str
    tags: tuple[str, ...]
    """Signals it concerns, sorted; all of the unit's where the unit could not be asked."""
    kind: GapKind
    first: Instant
    last: Instant
    """From when to when."""
    missing: int | None
    """Readings that are known to be missing; None where nobody can tell."""
    filled: bool = False
    """Whether readings of that time came afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeFinding:
    """Readings came in that are not as they must be; what was done with them."""

    NAME: ClassVar[str] = "intake-finding/1"
    kind: FindingKind
    of: str
    """Tag, or equipment id where it concerns several."""
    at: Instant
    """Source time of the first reading of this occurrence; more within the hour are not told again."""
    what: str
    """One sentence."""


FACTS = (AlarmRaised, AlarmCleared, AlarmAcknowledged, ExcursionFound, TelemetryGap, IntakeFinding)
