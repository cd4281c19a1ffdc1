"""The contract every store keeps. Subclass `StoreContract`, give `make_store`, and run it with pytest."""

from collections.abc import Callable

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
