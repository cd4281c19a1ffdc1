"""Signatures in a bundle are over what was shown: what the runner asked, the record reviewed, the batch released."""

from collections.abc import Sequence

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.bundle_bound import Bound, check_bound
from cytoloop.app.packs import read_pack
from cytoloop.core.batch import fold
from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.production import BatchFinished, StepStarted
from cytoloop.core.facts.quality import DeviationClosed, DeviationOpened, DispositionSigned
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Signature
from cytoloop.quality.release import review, shown
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import START, Book, approved, created

BATCH = "B-T001"
SHOWN: dict[str, JSON] = {"batch": BATCH, "deviation": "D-1", "kind": "excursion", "what": "too warm"}


def signed(over: str) -> Signature:
    """A signature over that hash."""
    return Signature(
        signer="qa.lin",
        printed_name="Lin Jing 林静",
        role="qa",
        meaning="reviewed",
        signed_at=START,
        zone="Asia/Shanghai",
        digest=over,
        components=("user-id", "password", "one-time-code"),
    )


def asked(shown: dict[str, JSON], said: str) -> StepStarted:
    """The runner's question about a deviation: what is shown, and the hash that it says this has."""
    return StepStarted(
        step="decision/D-1",
        attempt=1,
        key=f"{BATCH}/decision/D-1#1",
        target="person:qa",
        verb="decide",
        arguments={**shown, "options": ["continue"], "digest": said, "meaning": "reviewed"},
    )


def entries(*facts: Fact) -> Sequence[Recorded]:
    """A record with one batch in which these facts were told."""
    book = Book(ledger=Ledger(MemoryStore(), SimulatedClock(START)))
    master = read_pack("car_t_cd19").master
    book.tell(f"recipe/fixed/{master.recipe.recipe}", approved(master, line="fixed"))
    opened = DeviationOpened(deviation="D-1", kind="excursion", what="too warm", cause=0)
    told: list[Fact] = [created(master, BATCH, line="fixed"), opened, *facts]
    for fact in told:
        book.tell(f"batch/{BATCH}", fact)
    return list(book.ledger.entries())


def closed(over: str) -> DeviationClosed:
    """The decision on it, signed over that hash."""
    return DeviationClosed(deviation="D-1", decision="continue", reason="no harm", signature=signed(over))


def test_a_decision_is_over_what_the_runner_showed() -> None:
    told = entries(asked(SHOWN, digest(SHOWN)), closed(digest(SHOWN)))
    assert check_bound(told, BATCH) == Bound(fitting=1, signatures=1)


def test_a_decision_over_something_else_is_found() -> None:
    told = entries(asked(SHOWN, digest(SHOWN)), closed("00" * 32))
    with pytest.raises(FindingError, match=r"qa.lin under entry 4 .* is over something else than what was shown"):
        check_bound(told, BATCH)


def test_a_question_whose_hash_is_of_something_else_is_found() -> None:
    other: dict[str, JSON] = {**SHOWN, "what": "all is well"}
    told = entries(asked(other, digest(SHOWN)), closed(digest(SHOWN)))
    with pytest.raises(FindingError, match="entry 3 asks for a signature over something else than it shows"):
        check_bound(told, BATCH)


def test_a_disposition_is_over_the_batch_with_its_answer_and_in_0_1_0_over_the_batch_alone() -> None:
    told = entries(BatchFinished())
    master = read_pack("car_t_cd19").master
    seen = review(fold([each for each in told if each.entry.stream == f"batch/{BATCH}"], master))
    for over in (seen.digest("rejected", "too warm"), digest(shown(seen))):
        disposition = DispositionSigned(disposition="rejected", reason="too warm", signature=signed(over))
        assert check_bound(entries(BatchFinished(), disposition), BATCH) == Bound(fitting=1, signatures=1)


def test_a_disposition_over_what_cannot_be_rebuilt_is_counted_and_not_called_false() -> None:
    """An earlier version may have shown something else: that is no finding, and no proof either."""
    disposition = DispositionSigned(disposition="rejected", reason="too warm", signature=signed("00" * 32))
    told = entries(BatchFinished(), disposition)
    assert check_bound(told, BATCH) == Bound(fitting=0, signatures=1)
