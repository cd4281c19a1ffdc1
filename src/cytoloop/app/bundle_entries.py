"""Which entries a bundle holds: the batch's whole story, who its signers are, and the keys of the record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cytoloop.app.report.quality import signatures_in
from cytoloop.app.story import story_of
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import UserError
from cytoloop.core.facts.people import ActRefused, SignedIn, SignedOut
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.store import TreeHead
from cytoloop.production.asking import ANSWERS
from cytoloop.record.checkpoint import KEYS
from cytoloop.record.ledger import Ledger

REFUSALS = "access/refusals"


@dataclass(frozen=True, slots=True)
class Held:
    """A few entries of a record, as a shelf reads them."""

    recorded: tuple[Recorded, ...]
    tree_head: TreeHead

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Recorded]:
        """The entries in order of sequence, counted among themselves."""
        return iter(self.recorded[start:stop])

    def head(self) -> TreeHead:
        """The tree head that they are under."""
        return self.tree_head


def select(ledger: Ledger, number: str, head: TreeHead) -> tuple[Recorded, ...]:
    """The entries that a bundle of batch `number` holds, of those under `head`, by sequence.

    UserError when there is no such batch under it.
    """
    about = Shelf(Held(tuple(_read(ledger, _streams(ledger, number, head), head)), head))
    told = story_of(about, number, whole=True)
    signers = {by.signer for each in told for by in signatures_in(each)}
    people = [each for each in _read(ledger, [f"person/{user}" for user in sorted(signers)], head) if _lasting(each)]
    keys = list(_read(ledger, [KEYS], head))
    refused = [each for each in _read(ledger, [REFUSALS], head) if _concerns(each, number)]
    return tuple(sorted((*told, *people, *keys, *refused), key=lambda each: each.entry.sequence))


def _streams(ledger: Ledger, number: str, head: TreeHead) -> list[str]:
    """The streams that a batch's story is told from."""
    first = next(ledger.stream(f"batch/{number}"), None)
    if first is None or first.entry.sequence >= head.size or not isinstance(first.fact, BatchCreated):
        raise UserError(f"there is no batch {number!r} in this record; `cytoloop batch list` shows those there are")
    created = first.fact
    own = (f"study/{created.study}", f"subject/{created.subject}", f"order/{created.order}", f"batch/{number}")
    answers = ledger.streams(f"{ANSWERS}{number}/")
    return [f"recipe/{created.line}/{created.recipe}", *ledger.streams(f"twin/{created.line}/"), *own, *answers]


def _read(ledger: Ledger, streams: Iterable[str], head: TreeHead) -> list[Recorded]:
    """The entries of these streams that are under `head`, by sequence."""
    read = (each for stream in streams for each in ledger.stream(stream) if each.entry.sequence < head.size)
    return sorted(read, key=lambda each: each.entry.sequence)


def _lasting(recorded: Recorded) -> bool:
    """Whether an entry of a person says who they are and what they may do, not merely when they came and went."""
    return not isinstance(recorded.fact, SignedIn | SignedOut)


def _concerns(recorded: Recorded, number: str) -> bool:
    return isinstance(recorded.fact, ActRefused) and number in {recorded.fact.subject, recorded.fact.subject[6:]}
