"""Replay: asks this release for every decision that a batch's history holds, and tells the first that it would decide
differently. Pure.

A platform that was upgraded in the middle of a batch carries it on only when all earlier decisions come out the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cytoloop.core.batch import Batch, apply, begin
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.production import (
    BatchFinished,
    DeadlineMissed,
    StepCompleted,
    StepFailed,
    StepStarted,
    WayTaken,
)
from cytoloop.core.master import MasterRecipe
from cytoloop.production.advance import advance
from cytoloop.production.own_steps import RUNNER

DECIDED = (StepStarted, WayTaken, DeadlineMissed, BatchFinished)
"""Facts that `advance` alone decides on; ends of the platform's own steps (holds, waits) are decided by it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of asking again."""

    decisions: int
    """Decisions asked for again with the same answer."""
    differs: str = ""
    """The first that came out differently, as a sentence; empty when none did."""


def replay(entries: Sequence[Recorded], master: MasterRecipe) -> Replayed:
    """Ask for each decision in a batch's whole stream again. ValueError for an empty stream."""
    if not entries:
        raise ValueError("a batch has at least one entry")
    batch, decisions = begin(entries[0], master), 0
    for recorded in entries[1:]:
        if _decided(batch, recorded):
            todo = advance(batch, recorded.entry.happened_at)
            if all(draft.fact != recorded.fact for draft in todo.drafts):
                return Replayed(decisions=decisions, differs=_told(recorded, [d.fact.NAME for d in todo.drafts]))
            decisions += 1
        batch = apply(batch, recorded)
    return Replayed(decisions=decisions)


def _decided(batch: Batch, recorded: Recorded) -> bool:
    """Whether the entry is a decision of `advance` on the batch as it stood."""
    if recorded.entry.actor != RUNNER or batch.ended:
        return False
    fact = recorded.fact
    if isinstance(fact, StepCompleted | StepFailed):
        before = batch.steps.get(fact.step)
        return before is not None and before.target == RUNNER and before.verb in ("hold", "wait")
    return isinstance(fact, DECIDED)


def _told(recorded: Recorded, now: list[str]) -> str:
    fact = recorded.fact
    what = f"{recorded.entry.name} of {fact.step}" if isinstance(fact, StepStarted | WayTaken) else recorded.entry.name
    return (
        f"entry {recorded.entry.sequence} ({what}) was decided at {recorded.entry.happened_at.isoformat()}; "
        f"this release decides {', '.join(now) or 'nothing'} there"
    )
