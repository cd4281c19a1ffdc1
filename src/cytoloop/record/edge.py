"""Edge: the growing end of a record, as a ledger knows it: where the tree and every stream end."""

from dataclasses import dataclass, field
from itertools import islice

from cytoloop.core.errors import FindingError
from cytoloop.core.store import Row, Store, TreeHead
from cytoloop.core.time import Instant
from cytoloop.record.merkle import Tree
from cytoloop.record.rows import entry_of

_DAMAGED = "run `cytoloop verify` and restore the record from a copy"


@dataclass(slots=True)
class Edge:
    """What the next append follows. Held in memory; the store has the last word."""

    tree: Tree = field(default_factory=Tree)
    ends: dict[str, int] = field(default_factory=dict)
    """Stream -> the position that its next entry takes."""
    recorded_at: Instant | None = None
    """When the newest entry was recorded; None for an empty record."""

    def follow(self, rows: list[Row], tree: Tree, recorded_at: Instant) -> None:
        """These rows were kept, and `tree` is the tree over all."""
        for row in rows:
            self.ends[row.stream] = row.position + 1
        self.tree, self.recorded_at = tree, recorded_at

    def catch_up(self, store: Store) -> bool:
        """Take in what others appended; False when nobody did. FindingError when it does not fit its tree head."""
        head = store.head()
        if head is None or head.size <= self.tree.size:
            return False
        rows = list(store.rows(self.tree.size, head.size))
        tree = _grown(self.tree, [row.leaf_hash for row in rows])
        _check(tree, head)
        self.follow(rows, tree, entry_of(rows[-1]).recorded_at)
        return True


def edge_of(store: Store) -> Edge:
    """The edge of a store as it is now.

    Raises FindingError when the rows do not add up to the tree head kept over them: then something was changed,
    removed or added, and nothing of this record may be served as if it were whole.
    """
    head = store.head()
    edge = _read(store, head) if head is not None else Edge()
    beyond = next(store.rows(edge.tree.size, edge.tree.size + 1), None)
    newest = store.head() if beyond is not None else None
    if beyond is not None and (newest is None or newest.size <= beyond.sequence):
        raise FindingError(f"entry {beyond.sequence} has no tree head kept over it; {_DAMAGED}")
    return edge


def _read(store: Store, head: TreeHead) -> Edge:
    edge, leaves = Edge(), list[bytes]()
    for place in islice(store.places(), head.size):
        if place.position != edge.ends.get(place.stream, 0):
            raise FindingError(f"entry {len(leaves)} does not follow in {place.stream}; {_DAMAGED}")
        edge.ends[place.stream] = place.position + 1
        leaves.append(place.leaf_hash)
    edge.tree = _grown(Tree(), leaves)
    _check(edge.tree, head)
    edge.recorded_at = next((entry_of(row).recorded_at for row in store.rows(head.size - 1, head.size)), None)
    return edge


def _grown(tree: Tree, leaves: list[bytes]) -> Tree:
    try:
        return tree.extend(leaves)
    except TypeError as error:  # a damaged store may hold anything in the place of a hash
        raise FindingError(f"an entry's hash is not one ({error}); {_DAMAGED}") from error


def _check(tree: Tree, head: TreeHead) -> None:
    if (tree.size, tree.root) != (head.size, head.root):
        raise FindingError(f"the entries do not add up to the tree head kept over the first {head.size}; {_DAMAGED}")
