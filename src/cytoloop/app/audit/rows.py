"""Rows of the audit trail."""

from dataclasses import dataclass

from cytoloop.app.audit.changes import Change, changes_of, reason_of
from cytoloop.app.audit.who import KnownPeople, Who, who_of
from cytoloop.app.telling import tell
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.entry import Recorded
from cytoloop.core.time import Instant
from cytoloop.core.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One entry: who, what, old, new, when, why."""

    sequence: int
    stream: str
    position: int
    name: str
    who: Who
    what: Words
    """The entry as a sentence."""
    changes: tuple[Change, ...]
    happened_at: Instant
    recorded_at: Instant
    reason: str
    prompted: bool
    """Whether the program asked a person for the reason at the act; False for one that the program worked out."""


def row_of(recorded: Recorded, shelf: Shelf, people: KnownPeople) -> AuditRow:
    """The entry as a row of the audit trail."""
    entry = recorded.entry
    reason, prompted = reason_of(recorded.fact)
    return AuditRow(
        sequence=entry.sequence,
        stream=entry.stream,
        position=entry.position,
        name=entry.name,
        who=who_of(recorded, people),
        what=tell(recorded.fact),
        changes=changes_of(recorded, shelf),
        happened_at=entry.happened_at,
        recorded_at=entry.recorded_at,
        reason=reason,
        prompted=prompted,
    )
