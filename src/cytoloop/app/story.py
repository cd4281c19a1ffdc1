"""Story: the whole loop's entries for one batch, in order: what led to it, what it was, what came of it."""

from cytoloop.app.views import Shelf
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.answer import AnswerGiven, AnswerVerified
from cytoloop.core.facts.claim import ChangeClaimed, ClaimDecided, ClaimTested, ProposalWithheld
from cytoloop.core.facts.feedback import ForecastMade, ProposalDrafted, TwinFitted
from cytoloop.core.facts.production import ReadingsRecorded, RecipeApproved, StepCompleted, StepStarted
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.production.asking import ANSWERS

ROUTINE = (StepStarted, StepCompleted, ReadingsRecorded, TelemetrySealed, AnswerGiven, AnswerVerified)
"""Facts of every single step, left out where the turning points alone are told."""


def story_of(shelf: Shelf, number: str, *, whole: bool = True) -> tuple[Recorded, ...]:
    """Entries of the batch and of its study, subject, order, recipe line and twin, by sequence.

    Of the recipe's and the twin's streams: what stood when the batch began, and what was learned from the batch.
    UserError when there is no such batch.
    """
    created = shelf.batch(number).created
    own = (f"study/{created.study}", f"subject/{created.subject}", f"order/{created.order}", f"batch/{number}")
    streams = (*own, *shelf.streams(f"{ANSWERS}{number}/"))
    told = [recorded for stream in streams for recorded in shelf.stream(stream)]
    began = shelf.stream(f"batch/{number}")[0].entry.sequence
    for stream in (f"recipe/{created.line}/{created.recipe}", *shelf.streams(f"twin/{created.line}/")):
        told += [recorded for recorded in shelf.stream(stream) if _belongs(recorded, number, began)]
    kept = (each for each in told if whole or not isinstance(each.fact, ROUTINE))
    return tuple(sorted(kept, key=lambda each: each.entry.sequence))


def _belongs(recorded: Recorded, number: str, began: int) -> bool:
    """Whether a recipe's or twin's entry is part of this batch's story."""
    match recorded.fact:
        case ProposalDrafted(batches=batches) | TwinFitted(batches=batches):
            return number in batches
        case ClaimDecided(batches=batches) | ProposalWithheld(batches=batches):
            return number in batches
        case ChangeClaimed(rule=rule):
            return number in rule.references
        case ClaimTested(batch=batch):
            return batch == number
        case RecipeApproved():
            return recorded.entry.sequence < began or recorded.fact.change is not None
        case ForecastMade():
            return False
        case _:
            return True
