"""The contract every store keeps. Subclass `StoreContract`, give `make_store`, and run it with pytest.

A store that keeps what it was given beyond its own life passes `DurableStoreContract` as well.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from cytoloop.core.errors import ConflictError
from cytoloop.core.store import Attestation, Row, Store, TreeHead
from cytoloop.record.merkle import Tree, leaf_hash

MakeStore = Callable[[], Store]


def row(sequence: int, stream: str, position: int, body: bytes = b"{}") -> Row:
    """A row for tests."""
    return Row(sequence, stream, position, "tested/1", body, leaf_hash(body))


def head_over(*rows: Row) -> TreeHead:
    """The tree head over these rows."""
    tree = Tree().extend(each.leaf_hash for each in rows)
    return TreeHead(tree.size, tree.root)


class StoreContract:
    """What a store must do, whatever it is made of."""

    def test_gives_back_what_it_was_given_in_order(self, make_store: MakeStore) -> None:
        store = make_store()
        rows = [row(0, "a", 0, b"0"), row(1, "b", 0, b"1"), row(2, "a", 1, b"2")]
        store.append(rows, head_over(*rows))
        assert list(store.rows()) == rows
        assert list(store.rows(1, 2)) == rows[1:2]
        assert list(store.rows(1)) == rows[1:]
        assert list(store.stream("a")) == [rows[0], rows[2]]
        assert list(store.stream("a", 1)) == [rows[2]]
        assert list(store.leaf_hashes()) == [each.leaf_hash for each in rows]
        assert store.head() == head_over(*rows)
        assert store.streams() == ["a", "b"]
        assert store.streams("b") == ["b"]

    def test_is_empty_at_first(self, make_store: MakeStore) -> None:
        store = make_store()
        assert list(store.rows()) == []
        assert store.head() is None
        assert list(store.heads()) == []

    @pytest.mark.parametrize(
        "second",
        [
            pytest.param([row(0, "b", 0)], id="sequence taken"),
            pytest.param([row(1, "a", 0)], id="position taken"),
            pytest.param([row(1, "a", 2)], id="position skipped"),
            pytest.param([row(2, "b", 0)], id="sequence skipped"),
            pytest.param([row(1, "b", 0), row(2, "b", 0)], id="second row of two does not follow"),
        ],
    )
    def test_refuses_what_does_not_follow_and_keeps_nothing_of_it(
        self, make_store: MakeStore, second: list[Row]
    ) -> None:
        store, first = make_store(), row(0, "a", 0)
        store.append([first], head_over(first))
        with pytest.raises(ConflictError):
            store.append(second, head_over(first, *second))
        assert list(store.rows()) == [first]
        assert store.head() == head_over(first)

    def test_knows_where_each_stream_ends(self, make_store: MakeStore) -> None:
        store, rows = make_store(), [row(0, "a", 0, b"0"), row(1, "b", 0, b"1"), row(2, "a", 1, b"2")]
        assert store.end("a") == 0
        store.append(rows, head_over(*rows))
        assert [store.end(stream) for stream in ("a", "b", "c")] == [2, 1, 0]
        assert list(store.places()) == [(each.stream, each.position, each.leaf_hash) for each in rows]

    def test_has_no_problems_when_sound(self, make_store: MakeStore) -> None:
        store, only = make_store(), row(0, "a", 0)
        store.append([only], head_over(only))
        assert list(store.problems()) == []

    def test_keeps_every_tree_head(self, make_store: MakeStore) -> None:
        store, rows = make_store(), [row(0, "a", 0), row(1, "a", 1)]
        store.append(rows[:1], head_over(*rows[:1]))
        store.append(rows[1:], head_over(*rows))
        assert list(store.heads()) == [head_over(*rows[:1]), head_over(*rows)]

    def test_keeps_attestations_once_and_in_order(self, make_store: MakeStore) -> None:
        store = make_store()
        first, second = Attestation(2, "checkpoint", b"note"), Attestation(1, "time-stamp", b"\x00token")
        for each in (first, second, first):
            store.attest(each)
        assert list(store.attestations()) == [first, second]

    def test_may_be_closed_twice(self, make_store: MakeStore) -> None:
        store = make_store()
        store.close()
        store.close()

    def test_keeps_every_byte_of_a_body_and_every_letter_of_a_name(self, make_store: MakeStore) -> None:
        store = make_store()
        odd = row(0, "batch/周 'B' \\ %s \u2028 \U0001f9ec", 0, bytes(range(256)) * 40)
        store.append([odd], head_over(odd))
        assert list(store.rows()) == [odd]
        assert list(store.stream(odd.stream)) == [odd]
        assert store.streams("batch/周 'B' \\ %") == [odd.stream]

    def test_finds_streams_by_their_beginning_as_it_is_written(self, make_store: MakeStore) -> None:
        store = make_store()
        rows = [row(place, name, 0) for place, name in enumerate(["b_1", "bx1", "B_1", "b_2", "b%"])]
        store.append(rows, head_over(*rows))
        assert store.streams("b_") == ["b_1", "b_2"]
        assert store.streams("b%") == ["b%"]

    def test_may_be_appended_to_while_it_is_read(self, make_store: MakeStore) -> None:
        store, rows = make_store(), [row(place, "a", place) for place in range(3)]
        store.append(rows[:2], head_over(*rows[:2]))
        reading = store.rows()
        assert next(reading) == rows[0]
        store.append(rows[2:], head_over(*rows))
        assert [rows[0], *reading][:2] == rows[:2]
        assert list(store.rows()) == rows


class DurableStoreContract:
    """What a store must do that outlives its process and is shared by several.

    `make_store` opens the same record every time.
    """

    def test_has_everything_when_it_is_opened_again(self, make_store: MakeStore) -> None:
        store, rows = make_store(), [row(0, "a", 0, b"0"), row(1, "b", 0, b"1")]
        store.append(rows, head_over(*rows))
        store.attest(Attestation(2, "checkpoint", b"note"))
        store.close()
        again = make_store()
        assert list(again.rows()) == rows
        assert list(again.heads()) == [head_over(*rows)]
        assert list(again.attestations()) == [Attestation(2, "checkpoint", b"note")]

    def test_shows_an_append_at_once_to_who_has_it_open(self, make_store: MakeStore) -> None:
        writer, reader, first = make_store(), make_store(), row(0, "a", 0)
        assert reader.head() is None
        writer.append([first], head_over(first))
        assert list(reader.rows()) == [first]
        assert reader.head() == head_over(first)
        assert reader.end("a") == 1

    def test_lets_one_of_two_writers_through(self, make_store: MakeStore) -> None:
        one, other = make_store(), make_store()
        first, mine, theirs = row(0, "a", 0), row(1, "a", 1, b"mine"), row(1, "b", 0, b"theirs")
        one.append([first], head_over(first))
        other.append([theirs], head_over(first, theirs))
        with pytest.raises(ConflictError):
            one.append([mine], head_over(first, mine))
        assert list(one.rows()) == [first, theirs]
        after = row(2, "a", 1, b"mine")
        one.append([after], head_over(first, theirs, after))
        assert list(other.rows()) == [first, theirs, after]

    def test_loses_and_doubles_nothing_when_four_write_at_once(self, make_store: MakeStore) -> None:
        stores, each = [make_store() for _ in range(4)], 25
        together = Barrier(len(stores))

        def write(number: int) -> int:
            store, conflicts, position = stores[number], 0, 0
            together.wait()
            while position < each:
                before = list(store.rows())
                mine = row(len(before), f"writer/{number}", position)
                try:
                    store.append([mine], head_over(*before, mine))
                    position += 1
                except ConflictError:
                    conflicts += 1
            return conflicts

        with ThreadPoolExecutor(len(stores)) as threads:
            conflicts = sum(threads.map(write, range(len(stores))))
        kept, sizes = list(stores[0].rows()), [head.size for head in stores[0].heads()]
        assert [one.sequence for one in kept] == list(range(each * len(stores)))
        assert sizes == list(range(1, each * len(stores) + 1))
        for number in range(len(stores)):
            assert [one.position for one in kept if one.stream == f"writer/{number}"] == list(range(each))
        assert stores[0].head() == head_over(*kept)
        assert conflicts > 0, "the writers never met: this run has proven nothing"
