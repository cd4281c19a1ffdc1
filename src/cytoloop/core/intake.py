"""Intake: what the readings of a tag are held against as they come in, and what that tells.

A `Check` is one tag's expectations as plain numbers; a *moment* is something that readings showed: a finding, a gap,
an alarm raised or cleared, an excursion. Two folds over readings give the same moments: the slow one that is easy
to read (`quality/intake.py`) and the fast one (`adapters/intake/`); a test holds them together.

All times are microseconds since 1970 UTC, as in `core/telemetry.py`.
"""

from dataclasses import dataclass
from math import inf, nan
from typing import Literal, get_args

from cytoloop.core.product import Priority
from cytoloop.core.telemetry import ALWAYS

NEVER = ALWAYS[0]
"""Before any time a reading can have."""
QUIET = 3_600_000_000
"""A finding of one kind on one tag is told again only after so long without it."""
AHEAD = 300_000_000
"""How far a source's clock may be from the platform's or the server's before that is told."""
OUT_OF_RANGE = 0x803C_0000
"""Bad_OutOfRange (OPC 10000-4 §7.39): the value is kept and says nothing of the process."""
OVERFLOW = 0x0480
"""Bits by which an OPC UA server says that its queue ran over before this reading (OPC 10000-4 §7.39.1)."""

MomentKind = Literal[
    "range",
    "future",
    "before",
    "clock",
    "sequence",
    "overflow",
    "silence",
    "limit-raised",
    "limit-cleared",
    "limit-excursion",
    "missing-raised",
    "missing-cleared",
    "missing-excursion",
]
"""range      a value that the probe cannot show; called bad and kept
future     a source time later than the platform's clock allows; kept, and no alarm is judged by it
before     a source time before the batch; not kept
clock      source and server clock differ
sequence   running numbers that are missing between two readings
overflow   the server says that it dropped readings
silence    nothing came from `since` to `at`
limit-*    outside the alarm limits: after the on-delay, back after the off-delay, longer than the tolerance
missing-*  no usable reading: longer than the silence allowed, one again, longer than the tolerance"""
MOMENTS: tuple[MomentKind, ...] = get_args(MomentKind)
"""Code of a kind -> kind."""

DROPPED, KEPT, LATE, REFUSED = range(4)
"""What becomes of a reading: changed too little to be stored again; stored; not later than what its tag had already,
to be settled by its name in the store; not of this batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one tag is held against now."""

    tag: str
    unit: str
    begins: int = NEVER
    """The batch's beginning: an earlier reading is not of it."""
    least: float = -inf
    most: float = inf
    """What the probe can show."""
    deadband: float = 0.0
    heartbeat: int = 0
    silence: int = 0
    armed: int = NEVER
    """Since when silence counts."""
    low: float = -inf
    high: float = inf
    """Alarm limits; infinite where none are judged now."""
    hysteresis: float = 0.0
    on_delay: int = 0
    off_delay: int = 0
    tolerance: int = -1
    """How long outside, or without a usable reading, until it is an excursion; -1: never, and nothing is missed."""
    priority: Priority = "medium"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that the readings of a tag showed."""

    kind: MomentKind
    tag: str
    at: int
    """Source time at which it showed."""
    since: int
    """When it began: outside since, nothing since; `at` for what has no length. Names an alarm, with its tag."""
    value: float = nan
    """The reading's value; for "clock" the difference in seconds; NaN where there is none."""
    count: int = 0
    """Running numbers that are missing; 0 where nobody can tell."""
