"""Appending to the record and reading it back."""

from datetime import timedelta

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.core.entry import Draft
from cytoloop.core.errors import ConflictError, FindingError
from cytoloop.core.facts.clinic import StudyEnded, StudyFiled
from cytoloop.core.time import Instant
from cytoloop.record.codec import ALL_FACTS, Codec, Unread
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify


def draft(at: Instant, receipt: str = "R-1") -> Draft:
    return Draft(fact=StudyFiled(receipt=receipt, protocol_version="1"), actor="person:lin", happened_at=at)


def test_keeps_both_times_the_actor_and_the_fact(start: Instant) -> None:
    clock = SimulatedClock(start)
    ledger = Ledger(MemoryStore(), clock)
    happened = start - timedelta(hours=3)
    ledger.append("study/S", [draft(happened)], expected=0)
    (recorded,) = ledger.stream("study/S")
    assert recorded.fact == StudyFiled(receipt="R-1", protocol_version="1")
    assert (recorded.entry.happened_at, recorded.entry.recorded_at) == (happened, start)
    assert (recorded.entry.actor, recorded.entry.name) == ("person:lin", "study-filed/1")


def test_refuses_an_append_that_expects_another_position(start: Instant) -> None:
    ledger = Ledger(MemoryStore(), SimulatedClock(start))
    ledger.append("study/S", [draft(start)], expected=0)
    for wrong in (0, 2):
        with pytest.raises(ConflictError):
            ledger.append("study/S", [draft(start)], expected=wrong)
    assert ledger.position("study/S") == 1


def test_two_ledgers_on_one_store_never_lose_or_double_an_entry(start: Instant) -> None:
    store = MemoryStore()
    one, two = (Ledger(store, SimulatedClock(start)) for _ in range(2))
    for index in range(10):
        one.append("study/A", [draft(start, f"A-{index}")], expected=index)
        two.append("study/B", [draft(start, f"B-{index}")], expected=index)
    assert verify(store).entries == 20
    with pytest.raises(ConflictError):
        one.append("study/B", [draft(start)], expected=3)


def test_a_name_from_a_later_version_is_read_as_it_is(start: Instant) -> None:
    store = MemoryStore()
    Ledger(store, SimulatedClock(start)).append("study/S", [draft(start)], expected=0)
    older = Ledger(store, SimulatedClock(start), Codec([StudyEnded]))
    (recorded,) = older.stream("study/S")
    assert recorded.fact == Unread(name="study-filed/1", data={"receipt": "R-1", "protocol_version": "1"})


def test_data_that_do_not_fit_their_name_are_a_finding(start: Instant) -> None:
    store = MemoryStore()
    ledger = Ledger(store, SimulatedClock(start))
    (recorded,) = ledger.append("study/S", [draft(start)], expected=0)
    object.__setattr__(recorded.entry, "data", {"receipt": 3})
    with pytest.raises(FindingError, match=r"entry 0 \(study-filed/1 in study/S\) does not fit"):
        Codec().decode(recorded.entry)


def test_names_are_permanent_and_unique() -> None:
    with pytest.raises(ValueError, match="two facts are named"):
        Codec([StudyEnded, StudyEnded])
    names = [fact.NAME for fact in ALL_FACTS]
    assert len(set(names)) == len(names)
    assert all(name.rpartition("/")[2].isdigit() for name in names)
