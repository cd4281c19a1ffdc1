"""Registrar: appends facts to a stream where it ends now.

For acts of one person at one desk. Where two may act at once (a batch), the position that was read guards the
append instead: see the runner.
"""

from dataclasses import dataclass

from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.time import Clock, Instant
from cytoloop.record.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Registrar:
    """Says facts to the record on behalf of an actor."""

    ledger: Ledger
    clock: Clock

    def say(self, stream: str, *facts: Fact, actor: str, at: Instant | None = None) -> tuple[Recorded, ...]:
        """Append `facts` at the end of `stream`; they happened `at`, or now."""
        happened = at or self.clock.now()
        drafts = [Draft(fact=fact, actor=actor, happened_at=happened) for fact in facts]
        return self.ledger.append(stream, drafts, expected=self.ledger.position(stream))
