"""Several requests in one append: each judged on its own, all durable together; and what the clock does to it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.core.entry import Draft, Entry, document
from cytoloop.core.errors import ConflictError, FindingError, StoreError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.facts.production import StepCompleted
from cytoloop.core.facts.record import ClockStepped
from cytoloop.core.json import JSON, canonical
from cytoloop.core.store import Row, TreeHead
from cytoloop.core.time import Instant
from cytoloop.record.ledger import CLOCK, Ledger, Request
from cytoloop.record.merkle import Tree, leaf_hash
from cytoloop.record.rows import data_text, entry_of, row_of
from cytoloop.record.verify import verify


class TurnedClock:
    """A clock that a test turns."""

    def __init__(self, now: Instant) -> None:
        self.time = now

    def now(self) -> Instant:
        return self.time

    async def until(self, when: Instant) -> None:
        raise AssertionError("nobody waits here")


def draft(at: Instant, receipt: str = "R-1") -> Draft:
    return Draft(fact=StudyFiled(receipt=receipt, protocol_version="1"), actor="person:lin", happened_at=at)


def asked(stream: str, at: Instant, *receipts: str, expected: int = 0) -> Request:
    return Request(stream, [draft(at, receipt) for receipt in receipts], expected)


def receipts(ledger: Ledger, stream: str) -> list[str]:
    return [each.fact.receipt for each in ledger.stream(stream) if isinstance(each.fact, StudyFiled)]


def test_requests_of_one_group_are_one_append_and_each_gets_its_own_entries(start: Instant) -> None:
    store = MemoryStore()
    ledger = Ledger(store, SimulatedClock(start))
    first, second = ledger.append_all([asked("study/A", start, "1", "2"), asked("study/B", start, "3")])
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert [(each.entry.sequence, each.entry.stream, each.entry.position) for each in (*first, *second)] == [
        (0, "study/A", 0), (1, "study/A", 1), (2, "study/B", 0),
    ]  # fmt: skip
    assert [head.size for head in store.heads()] == [3]
    assert verify(store).entries == 3


def test_a_conflict_of_one_request_stops_nobody_else(start: Instant) -> None:
    ledger = Ledger(MemoryStore(), SimulatedClock(start))
    ledger.append("study/A", [draft(start)], expected=0)
    kept, refused, after = ledger.append_all(
        [asked("study/B", start, "b"), asked("study/A", start, "a"), asked("study/C", start, "c")]
    )
    assert isinstance(refused, ConflictError)
    assert isinstance(kept, tuple)
    assert isinstance(after, tuple)
    assert (receipts(ledger, "study/A"), receipts(ledger, "study/B"), receipts(ledger, "study/C")) == (
        ["R-1"], ["b"], ["c"],
    )  # fmt: skip


def test_two_requests_for_one_position_of_one_group_let_the_first_through(start: Instant) -> None:
    ledger = Ledger(MemoryStore(), SimulatedClock(start))
    first, second, third = ledger.append_all(
        [asked("study/A", start, "1"), asked("study/A", start, "2"), asked("study/A", start, "3", expected=1)]
    )
    assert isinstance(first, tuple)
    assert isinstance(second, ConflictError)
    assert isinstance(third, tuple)
    assert receipts(ledger, "study/A") == ["1", "3"]


def test_what_another_ledger_appended_is_no_conflict_for_who_has_read_it(start: Instant) -> None:
    store = MemoryStore()
    one, other = Ledger(store, SimulatedClock(start)), Ledger(store, SimulatedClock(start))
    one.append("study/A", [draft(start, "1")], expected=0)
    other.append("study/A", [draft(start, "2")], expected=1)
    assert one.position("study/A") == 2
    one.append("study/A", [draft(start, "3")], expected=2)
    assert receipts(one, "study/A") == ["1", "2", "3"]


def test_a_fact_that_cannot_be_written_is_told_to_who_asked_only(start: Instant) -> None:
    ledger = Ledger(MemoryStore(), SimulatedClock(start))
    broken = StepCompleted(step="s", attempt=1, values={"volume": float("nan")})
    wrong, kept = ledger.append_all(
        [
            Request("batch/B", [Draft(fact=broken, actor="system:test", happened_at=start)], 0),
            asked("study/A", start, "1"),
        ]
    )
    assert isinstance(wrong, ValueError)
    assert isinstance(kept, tuple)
    assert (ledger.position("batch/B"), ledger.position("study/A")) == (0, 1)


def test_nothing_of_a_group_is_kept_when_the_store_cannot_write(start: Instant) -> None:
    class Full(MemoryStore):
        full = True

        def append(self, rows: Sequence[Row], head: TreeHead) -> None:
            if self.full:
                raise StoreError("full")
            MemoryStore.append(self, rows, head)

    store = Full()
    ledger = Ledger(store, SimulatedClock(start))
    with pytest.raises(StoreError):
        ledger.append_all([asked("study/A", start, "1"), asked("study/B", start, "2")])
    store.full = False
    ledger.append("study/B", [draft(start, "3")], expected=0)
    assert [row.stream for row in store.rows()] == ["study/B"]
    assert verify(store).entries == 1


def test_a_clock_that_went_back_is_told_before_anything_else_is_kept(start: Instant) -> None:
    store, clock = MemoryStore(), TurnedClock(start)
    ledger = Ledger(store, clock)
    ledger.append("study/A", [draft(start)], expected=0)
    clock.time = start - timedelta(minutes=5)
    (kept,) = ledger.append("study/A", [draft(start)], expected=1)
    (told,) = ledger.stream(CLOCK)
    assert told.fact == ClockStepped(before=start, after=clock.time)
    assert (told.entry.sequence, told.entry.actor, kept.entry.sequence) == (1, "system:record", 2)
    assert kept.entry.recorded_at == clock.time
    ledger.append("study/A", [draft(start)], expected=2)
    assert len(list(ledger.stream(CLOCK))) == 1, "a step is told once"
    assert verify(store).entries == 4


def test_a_step_is_seen_by_the_next_process_too(start: Instant) -> None:
    store = MemoryStore()
    Ledger(store, TurnedClock(start)).append("study/A", [draft(start)], expected=0)
    later = Ledger(store, TurnedClock(start - timedelta(days=1)))
    later.append("study/A", [draft(start)], expected=1)
    assert [each.fact for each in later.stream(CLOCK)] == [ClockStepped(before=start, after=start - timedelta(days=1))]


@pytest.mark.parametrize("moved", [timedelta(seconds=-1), timedelta(hours=30), timedelta(0)])
def test_a_quiet_night_or_a_second_of_skew_is_no_step(start: Instant, moved: timedelta) -> None:
    clock = TurnedClock(start)
    ledger = Ledger(MemoryStore(), clock)
    ledger.append("study/A", [draft(start)], expected=0)
    clock.time = start + moved
    ledger.append("study/A", [draft(start)], expected=1)
    assert ledger.position(CLOCK) == 0


def test_a_refused_request_tells_no_step_of_the_clock(start: Instant) -> None:
    clock = TurnedClock(start)
    ledger = Ledger(MemoryStore(), clock)
    ledger.append("study/A", [draft(start)], expected=0)
    clock.time = start - timedelta(hours=1)
    with pytest.raises(ConflictError):
        ledger.append("study/A", [draft(start)], expected=0)
    assert ledger.position(CLOCK) == 0


@pytest.mark.parametrize("damage", ["changed", "moved", "last removed", "first removed"])
def test_an_entry_that_is_not_as_written_is_never_served(start: Instant, damage: str) -> None:
    store = MemoryStore()
    ledger = Ledger(store, SimulatedClock(start))
    ledger.append("study/A", [draft(start, "1"), draft(start, "2")], expected=0)
    first, second = store._rows
    changed = Row(1, "study/A", 1, second.name, second.body.replace(b'"2"', b'"3"'), second.leaf_hash)
    elsewhere = Row(1, "study/A", 1, first.name, first.body, first.leaf_hash)
    store._rows = {
        "changed": [first, changed], "moved": [first, elsewhere], "last removed": [first], "first removed": [second],
    }[damage]  # fmt: skip
    with pytest.raises(FindingError):
        list(ledger.stream("study/A"))
    with pytest.raises(FindingError):
        list(ledger.entries())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    data=st.dictionaries(st.text(), JSON_VALUES, max_size=5),
    stream=st.text(min_size=1),
    actor=st.text(),
    happened=st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=8)))),
)
def test_a_row_keeps_the_canonical_form_of_its_entry(
    data: dict[str, JSON], stream: str, actor: str, happened: datetime
) -> None:
    entry = Entry(
        sequence=7, stream=stream, position=3, name="tested/1", actor=actor, happened_at=happened.astimezone(UTC),
        recorded_at=happened.astimezone(UTC), data=data,
    )  # fmt: skip
    row = row_of(entry, data_text(data), entry.recorded_at.isoformat())
    assert row.body == canonical(document(entry))
    assert row.leaf_hash == leaf_hash(row.body)
    assert entry_of(row) == entry


@given(leaves=st.lists(st.binary(min_size=1, max_size=3), max_size=70), cuts=st.lists(st.integers(0, 70), max_size=4))
def test_a_tree_is_the_same_however_its_leaves_arrive(leaves: list[bytes], cuts: list[int]) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    one_by_one = Tree()
    for leaf in hashes:
        one_by_one = one_by_one.append(leaf)
    places = [0, *sorted(min(cut, len(hashes)) for cut in cuts), len(hashes)]
    in_parts = Tree()
    for begin, end in pairwise(places):
        in_parts = in_parts.extend(hashes[begin:end])
    assert in_parts == one_by_one
