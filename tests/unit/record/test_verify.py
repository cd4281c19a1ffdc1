"""A record is verified in parts: whatever the size of a part, the first entry that does not fit is the one named."""

from collections.abc import Iterator

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.core.store import Row, TreeHead
from cytoloop.core.time import Instant
from cytoloop.record import parts, verify
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import EMPTY_ROOT, Tree, leaf_hash
from cytoloop.record.parts import Claim, Claims, check_part

ENTRIES = 23
CODEC = Codec([StudyFiled])


@pytest.fixture(params=[1, 2, 4, 8, 1 << 16])
def part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Entries of a part."""
    size = int(request.param)
    monkeypatch.setattr(parts, "PART", size)
    monkeypatch.setattr(verify, "PART", size)
    return size


@pytest.fixture
def store(start: Instant) -> MemoryStore:
    """A record of 23 entries in three streams, appended in ones, twos and threes."""
    made = MemoryStore()
    ledger, written = Ledger(made, SimulatedClock(start), CODEC), 0
    while written < ENTRIES:
        stream = f"study/{written % 3}"
        count = min(1 + written % 3, ENTRIES - written)
        fact = StudyFiled(receipt=f"R-{written}", protocol_version="1")
        drafts = [Draft(fact=fact, actor="person:lin", happened_at=start)] * count
        ledger.append(stream, drafts, expected=sum(1 for _ in made.stream(stream)))
        written += count
    return made


def replaced(store: MemoryStore, sequence: int, row: Row) -> MemoryStore:
    store._rows = [row if each.sequence == sequence else each for each in store._rows]
    return store


def finding(store: MemoryStore, *claims: Claim) -> str:
    with pytest.raises(FindingError) as found:
        verify.verify(store, claims=claims)
    return str(found.value)


def test_an_untouched_record_fits(store: MemoryStore, part: int) -> None:
    done: list[int] = []
    verified = verify.verify(store, done.append)
    assert (verified.entries, verified.tree_head) == (ENTRIES, store.head())
    assert done == [*range(part, ENTRIES, part), ENTRIES]


def test_each_changed_entry_is_the_one_named(store: MemoryStore, part: int) -> None:
    for row in store._rows:
        changed = row.body.replace(b"R-", b"X-")
        said = finding(replaced(store, row.sequence, row._replace(body=changed)))
        assert said.startswith(f"entry {row.sequence} does not fit: its content")
        said = finding(replaced(store, row.sequence, row._replace(body=changed, leaf_hash=leaf_hash(changed))))
        covering = next(head.size for head in store.heads() if head.size > row.sequence)
        assert said.startswith(f"entry {covering - 1} does not fit: the tree head kept over the first {covering} ent")
        replaced(store, row.sequence, row)


@pytest.mark.parametrize("sequence", [0, 7, ENTRIES - 1])
def test_a_place_that_is_not_the_entrys_own_is_found(store: MemoryStore, part: int, sequence: int) -> None:
    row = store._rows[sequence]
    for other in (row._replace(stream="other"), row._replace(position=99), row._replace(name="other/1")):
        assert finding(replaced(store, sequence, other)).startswith(f"entry {sequence} does not fit: its place")


def test_each_entry_taken_away_is_missed(store: MemoryStore, part: int) -> None:
    rows = list(store._rows)
    for sequence in range(ENTRIES):
        store._rows = [row for row in rows if row.sequence != sequence]
        said = finding(store)
        assert said.startswith(f"entry {sequence} ")
        assert "missing" in said


def test_a_stream_that_skips_a_position_is_found_across_parts(store: MemoryStore, part: int, start: Instant) -> None:
    rows = list(store._rows)
    last = max(row.sequence for row in rows if row.stream == "study/1")
    at = rows[last].position
    body = rows[last].body.replace(b'"position":%d' % at, b'"position":%d' % (at + 1))
    rows[last] = rows[last]._replace(position=at + 1, body=body, leaf_hash=leaf_hash(body))
    tree = Tree().extend(row.leaf_hash for row in rows)
    store._rows, store._heads = rows, [TreeHead(tree.size, tree.root)]
    assert finding(store) == f"entry {last} does not fit: study/1 has position {at + 1} where {at} must follow"


def test_each_changed_tree_head_is_found(store: MemoryStore, part: int) -> None:
    kept = list(store._heads)
    for at, head in enumerate(kept):
        for root in (bytes(32), head.root + b"\0", b""):
            store._heads = [*kept[:at], TreeHead(head.size, root), *kept[at + 1 :]]
            assert finding(store).startswith(f"entry {head.size - 1} does not fit: the tree head kept")
    store._heads = [*kept, TreeHead(2**60, bytes(32))]
    assert finding(store).startswith(f"entry {ENTRIES} is missing: the tree head kept is over {2**60} entries")
    store._heads = [TreeHead(-1, bytes(32)), *kept]
    assert "a tree head is kept over -1 entries" in finding(store)


def test_a_tree_head_that_is_missing_in_the_middle_is_no_finding(store: MemoryStore, part: int) -> None:
    del store._heads[3:6]
    assert verify.verify(store).entries == ENTRIES


def test_what_others_claim_is_held_against_the_entries(store: MemoryStore, part: int) -> None:
    for size in range(ENTRIES + 1):
        root = Tree().extend(row.leaf_hash for row in store._rows[:size]).root
        assert verify.verify(store, claims=[Claim(size, root)]).entries == ENTRIES
        said = finding(store, Claim(size, bytes(32), "the checkpoint in X"))
        wrong = f"the checkpoint in X over the first {size} entries is {bytes(32).hex()} and theirs is {root.hex()}"
        assert wrong in said


def test_the_first_of_several_claims_that_do_not_hold_is_named(store: MemoryStore, part: int) -> None:
    wrong = [Claim(20, bytes(32), "late"), Claim(3, bytes(32), "early")]
    assert finding(store, *wrong).startswith("entry 2 does not fit: early over the first 3 entries")


def test_a_rolled_back_record_is_found_by_what_was_claimed_of_it_before(store: MemoryStore, part: int) -> None:
    noted = store.head()
    assert noted is not None
    store._heads = [head for head in store._heads if head.size <= 10]
    store._rows = store._rows[: store._heads[-1].size]
    size = len(store._rows)
    assert verify.verify(store).entries == size
    said = finding(store, Claim(noted.size, noted.root, "the checkpoint noted"))
    assert said == (
        f"entry {size} is missing: the checkpoint noted is over {noted.size} entries and only {size} are there"
    )


def test_an_empty_record_fits_and_continues_nothing_else(part: int) -> None:
    assert verify.verify(MemoryStore(), claims=[Claim(0, EMPTY_ROOT)]).entries == 0
    assert "over the first 0 entries" in finding(MemoryStore(), Claim(0, bytes(32)))
    assert finding(MemoryStore(), Claim(1, bytes(32))).startswith("entry 0 is missing")


def test_what_is_wrong_with_the_store_itself_is_a_finding(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def problems() -> Iterator[str]:
        yield "row 3 missing from index"

    monkeypatch.setattr(store, "problems", problems)
    assert "their store is damaged: row 3 missing from index" in finding(store)


def test_a_body_written_in_another_way_is_read_before_it_is_judged(start: Instant) -> None:
    """The quick comparison of bytes may only ever say yes: spaces, escapes and odd names go the long way and pass."""
    stream, name = 'batch/"周\\', "tested/1"
    body = (
        b'{"actor": "person:lin", "data": {}, "happened_at": "2026-06-01T08:00:00Z", "name": "tested/1", "position": 0,'
        b' "recorded_at": "2026-06-01T08:00:00.5+00:00", "sequence": 0, "stream": "batch/\\"\\u5468\\\\"}'
    )
    row = Row(0, stream, 0, name, body, leaf_hash(body))
    store = MemoryStore()
    store.append([row], TreeHead(1, row.leaf_hash))
    assert verify.verify(store).entries == 1
    wrong = row._replace(stream="batch/other")
    assert finding(replaced(store, 0, wrong)).startswith("entry 0 does not fit: its place")


def test_a_body_that_is_no_entry_does_not_pass_for_one_by_its_end(start: Instant) -> None:
    end = b'"name":"tested/1","position":0,"recorded_at":"2026-06-01T08:00:00+00:00","sequence":0,"stream":"a"}'
    body = b"rubbish" + end
    store = MemoryStore()
    store.append([Row(0, "a", 0, "tested/1", body, leaf_hash(body))], TreeHead(1, leaf_hash(body)))
    assert "entry 0 cannot be read" in finding(store)


def test_a_part_needs_nothing_of_the_parts_before(store: MemoryStore) -> None:
    claims = Claims(store.heads())
    (whole,) = claims.ranges()
    checked = check_part(store, parts.Range(8, 16, [11, 16], []))
    assert (checked.start, checked.checked, checked.problem) == (8, 8, None)
    leaves = [row.leaf_hash for row in store._rows[8:16]]
    assert checked.root == Tree().extend(leaves).root
    assert list(checked.heads) == [Tree().extend(leaves[:3]).root, checked.root]
    assert whole.stop == ENTRIES
