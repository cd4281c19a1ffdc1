"""Study: what a study's stream adds up to, for pages and for orders. The law's view of it is in `compliance`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.clinic import ReviewDecided, StudyEnded, StudyFiled, StudyRegistered
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study and how far it has come."""

    registered: StudyRegistered
    registered_at: Instant
    reviews: tuple[ReviewDecided, ...] = ()
    filed: StudyFiled | None = None
    filed_at: Instant | None = None
    ended_at: Instant | None = None

    @property
    def open(self) -> bool:
        """Whether orders may be placed: it has not ended. What the law asks is asked by rules."""
        return self.ended_at is None


def study(entries: Iterable[Recorded]) -> Study | None:
    """The study of a stream; None before it is registered."""
    found: Study | None = None
    for recorded in entries:
        found = _with(found, recorded)
    return found


def _with(found: Study | None, recorded: Recorded) -> Study | None:
    at = recorded.entry.happened_at
    match recorded.fact:
        case StudyRegistered() as fact:
            return Study(registered=fact, registered_at=at)
        case ReviewDecided() as fact if found:
            return replace(found, reviews=(*found.reviews, fact))
        case StudyFiled() as fact if found:
            return replace(found, filed=fact, filed_at=at)
        case StudyEnded() if found:
            return replace(found, ended_at=at)
        case _:
            return found
