"""Verify: recompute everything the record claims of itself and name the first entry that does not fit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cytoloop.core.errors import FindingError
from cytoloop.core.store import Row, Store, TreeHead
from cytoloop.record.ledger import entry_of
from cytoloop.record.merkle import Tree, leaf_hash


@dataclass(frozen=True, slots=True)
class Verified:
    """A record in which every entry fits."""

    entries: int
    tree_head: TreeHead


def verify(store: Store, tick: Callable[[int], None] = lambda _: None, expected_root: str | None = None) -> Verified:
    """Check every entry of `store`; `tick` is told how many were checked.

    Raises FindingError with the first entry that does not fit and why, or when the tree head is not `expected_root`
    (hexadecimal, noted outside): that finds a record that was rolled back or made anew as a whole.
    """
    heads = list(store.heads())
    tree, positions = Tree(), dict[str, int]()
    upcoming = iter(heads)
    head = next(upcoming, None)
    for row in store.rows(0, heads[-1].size if heads else 0):
        _check_row(row, tree.size, positions)
        tree = tree.append(row.leaf_hash)
        while head is not None and head.size == tree.size:
            _check_head(head, tree)
            head = next(upcoming, None)
        tick(tree.size)
    if head is not None:
        raise FindingError(
            f"entry {tree.size} is missing: a tree head was kept over {head.size} entries "
            f"and only {tree.size} are there"
        )
    _check_end(store, tree.size)
    if expected_root is not None and tree.root.hex() != expected_root.lower():
        raise FindingError(
            f"every entry fits the others, but the tree head over {tree.size} entries is {tree.root.hex()} and the one "
            f"noted is {expected_root}: the record is not the one it was noted of, or has grown since"
        )
    return Verified(tree.size, TreeHead(tree.size, tree.root))


def _check_end(store: Store, size: int) -> None:
    """Entries beyond the tree heads that were read: fine when somebody appended meanwhile, with a head of its own."""
    beyond, newest = next(store.rows(size, size + 1), None), store.head()
    if beyond is not None and (newest is None or newest.size <= beyond.sequence):
        raise FindingError(f"entry {beyond.sequence} does not fit: no tree head was ever kept over it")


def _check_row(row: Row, expected: int, positions: dict[str, int]) -> None:
    for problem in _problems(row, expected, positions):
        raise FindingError(f"entry {expected} does not fit: {problem}")
    positions[row.stream] = row.position + 1


def _problems(row: Row, expected: int, positions: dict[str, int]) -> Iterator[str]:
    if row.sequence != expected:
        yield f"it is missing, the next one there is {row.sequence}"
    if leaf_hash(row.body) != row.leaf_hash:
        yield f"its content ({row.name} in {row.stream}) was changed after it was written"
    entry = entry_of(row)
    if (entry.sequence, entry.stream, entry.position, entry.name) != (
        row.sequence, row.stream, row.position, row.name,
    ):  # fmt: skip
        yield f"its place in the store ({row.name} in {row.stream}) is not the place it was written to"
    if row.position != positions.get(row.stream, 0):
        yield f"{row.stream} has position {row.position} where {positions.get(row.stream, 0)} must follow"


def _check_head(head: TreeHead, tree: Tree) -> None:
    if head.root != tree.root:
        raise FindingError(
            f"entry {tree.size - 1} does not fit: the tree head kept over the first {tree.size} entries is "
            f"{head.root.hex()} and theirs is {tree.root.hex()}"
        )
