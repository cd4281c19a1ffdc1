"""View of alarms: what a batch's equipment asks attention for."""

from dataclasses import dataclass
from typing import Literal

from cytoloop.core.batch import Alarm, Batch
from cytoloop.core.facts.monitoring import AlarmKind
from cytoloop.core.product import Priority
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant

AlarmState = Literal["active", "active-acknowledged", "returned", "over"]
"""active               raised, and nobody has acknowledged it
active-acknowledged  raised, and acknowledged
returned             back to normal, and nobody has acknowledged it
over                 back to normal and acknowledged"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLine:
    """One alarm as it is shown."""

    batch: str
    alarm: str
    tag: str
    kind: AlarmKind
    priority: Priority
    state: AlarmState
    since: Instant
    raised_at: Instant
    """When the record was told."""
    cleared_at: Instant | None
    value: float | None
    unit: str
    low: float | None
    high: float | None
    reason: str
    signature: Signature | None


def alarm_lines(batch: Batch) -> tuple[AlarmLine, ...]:
    """Every alarm of the batch, the newest first."""
    return tuple(_line(batch, each) for each in reversed(list(batch.alarms.values())))


def state_of(alarm: Alarm) -> AlarmState:
    """Where an alarm stands."""
    if alarm.cleared is None:
        return "active" if alarm.acknowledged is None else "active-acknowledged"
    return "returned" if alarm.acknowledged is None else "over"


def _line(batch: Batch, alarm: Alarm) -> AlarmLine:
    raised, acknowledged = alarm.raised.fact, alarm.acknowledged
    return AlarmLine(
        batch=batch.number,
        alarm=raised.alarm,
        tag=raised.tag,
        kind=raised.kind,
        priority=raised.priority,
        state=state_of(alarm),
        since=raised.since,
        raised_at=alarm.raised.happened_at,
        cleared_at=alarm.cleared.fact.at if alarm.cleared else None,
        value=raised.value,
        unit=raised.unit,
        low=raised.low,
        high=raised.high,
        reason=acknowledged.fact.reason if acknowledged else "",
        signature=acknowledged.fact.signature if acknowledged else None,
    )
