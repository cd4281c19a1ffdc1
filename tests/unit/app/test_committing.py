"""Many who append at once share one durable write, and each hears of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.committing import GroupCommitter, journal_of
from cytoloop.core.entry import Draft
from cytoloop.core.errors import ConflictError, StoreError, UserError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.store import Row, TreeHead
from cytoloop.core.time import Instant
from cytoloop.production.journal import Direct
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify


class SlowStore(MemoryStore):
    """Holds its first append until it is let go, so that the next group collects meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = Event(), Event()
        self.fails = False

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        self.begun.set()
        assert self.go_on.wait(30)
        if self.fails:
            raise StoreError("the disk is full")
        super().append(rows, head)


def drafts(at: Instant, receipt: str = "R-1") -> list[Draft]:
    return [Draft(fact=StudyFiled(receipt=receipt, protocol_version="1"), actor="person:lin", happened_at=at)]


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def committer(store: SlowStore, start: Instant) -> Iterator[GroupCommitter]:
    made = GroupCommitter(Ledger(store, SimulatedClock(start)))
    yield made
    store.go_on.set()
    made.close()


async def _begin(committer: GroupCommitter, store: SlowStore, at: Instant) -> "asyncio.Task[object]":
    """Have one append under way, held in the store."""
    first = asyncio.ensure_future(committer.append("study/first", drafts(at), expected=0))
    await asyncio.to_thread(store.begun.wait, 30)
    return first


async def test_what_is_asked_while_one_group_is_written_becomes_the_next_group(
    committer: GroupCommitter, store: SlowStore, start: Instant
) -> None:
    first = await _begin(committer, store, start)
    others = [
        asyncio.ensure_future(committer.append(f"study/{n}", drafts(start, str(n)), expected=0)) for n in range(20)
    ]
    await asyncio.sleep(0)
    assert not any(each.done() for each in (first, *others)), "nobody is told before it is durable"
    store.go_on.set()
    kept = await asyncio.gather(*others)
    assert [each.entry.stream for (each,) in kept] == [f"study/{n}" for n in range(20)]
    assert [head.size for head in store.heads()] == [1, 21], "two writes for twenty-one appends"
    assert verify(store).entries == 21


async def test_a_conflict_reaches_only_who_asked(committer: GroupCommitter, store: SlowStore, start: Instant) -> None:
    first = await _begin(committer, store, start)
    second, third = (
        asyncio.ensure_future(committer.append("study/A", drafts(start, receipt), expected=0)) for receipt in "12"
    )
    await asyncio.sleep(0)
    store.go_on.set()
    await asyncio.gather(first, second)
    with pytest.raises(ConflictError):
        await third
    assert [row.stream for row in store.rows()] == ["study/first", "study/A"]


async def test_everybody_of_a_group_hears_that_the_store_cannot_write(
    committer: GroupCommitter, store: SlowStore, start: Instant
) -> None:
    store.fails = True
    first = await _begin(committer, store, start)
    others = [asyncio.ensure_future(committer.append(f"study/{n}", drafts(start), expected=0)) for n in range(3)]
    await asyncio.sleep(0)
    store.go_on.set()
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreError] * 4
    assert list(store.rows()) == []
    store.fails = False
    await committer.append("study/A", drafts(start), expected=0)
    assert verify(store).entries == 1


async def test_threads_and_coroutines_append_side_by_side(
    committer: GroupCommitter, store: SlowStore, start: Instant
) -> None:
    store.go_on.set()

    def thread(number: int) -> None:
        for position in range(25):
            committer.append_now(f"thread/{number}", drafts(start), expected=position)

    async def coroutine(number: int) -> None:
        for position in range(25):
            await committer.append(f"coroutine/{number}", drafts(start), expected=position)

    with ThreadPoolExecutor(4) as threads:
        loop = asyncio.get_running_loop()
        done = [loop.run_in_executor(threads, thread, number) for number in range(4)]
        await asyncio.gather(*done, *(coroutine(number) for number in range(4)))
    assert verify(store).entries == 200
    with pytest.raises(ConflictError):
        committer.append_now("thread/0", drafts(start), expected=3)


async def test_closing_answers_what_was_asked_and_takes_nothing_more(
    committer: GroupCommitter, store: SlowStore, start: Instant
) -> None:
    first = await _begin(committer, store, start)
    last = asyncio.ensure_future(committer.append("study/A", drafts(start), expected=0))
    await asyncio.sleep(0)
    store.go_on.set()
    await asyncio.to_thread(committer.close)
    await asyncio.gather(first, last)
    with pytest.raises(UserError, match="closed"):
        await committer.append("study/B", drafts(start), expected=0)
    committer.close()
    assert verify(store).entries == 2


async def test_a_cancelled_coroutine_leaves_the_others_alone(
    committer: GroupCommitter, store: SlowStore, start: Instant
) -> None:
    first = await _begin(committer, store, start)
    gone = asyncio.ensure_future(committer.append("study/A", drafts(start), expected=0))
    stays = asyncio.ensure_future(committer.append("study/B", drafts(start), expected=0))
    await asyncio.sleep(0)
    gone.cancel()
    store.go_on.set()
    await asyncio.gather(first, stays)
    assert gone.cancelled()
    assert verify(store).entries == 3


async def test_simulated_time_writes_straight_into_the_ledger_and_real_time_in_groups(start: Instant) -> None:
    store = MemoryStore()
    ledger = Ledger(store, SimulatedClock(start))
    with journal_of(ledger, SimulatedClock(start)) as journal:
        assert isinstance(journal, Direct)
        await journal.append("study/A", drafts(start), expected=0)
    with journal_of(ledger, ScaledClock(start)) as journal:
        assert isinstance(journal, GroupCommitter)
        await journal.append("study/A", drafts(start), expected=1)
    assert verify(store).entries == 2
