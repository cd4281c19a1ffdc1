"""Merkle tree over the record's entries (RFC 6962 §2.1): any change of any entry changes the tree head."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""Root of a tree with no leaves."""


def leaf_hash(body: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 || body)."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """The right edge of a tree of `size` leaves: roots of its full subtrees, largest first.

    Enough to append and to give the root; at most 64 hashes for any record that fits on this planet.
    """

    size: int = 0
    edge: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "Tree":
        """The tree with one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "Tree":
        """The tree with all these leaf hashes added in order."""
        edge, size, rest = list(self.edge), self.size, list(leaves)
        while rest:
            block = _block(size, len(rest))
            node, level = _subtree(rest[:block]), size // block
            while level & 1:
                node = sha256(b"\x01" + edge.pop() + node).digest()
                level >>= 1
            edge.append(node)
            size, rest = size + block, rest[block:]
        return Tree(size, tuple(edge))

    @property
    def root(self) -> bytes:
        """Merkle tree hash of all leaves."""
        if not self.edge:
            return EMPTY_ROOT
        *rest, node = self.edge
        for left in reversed(rest):
            node = sha256(b"\x01" + left + node).digest()
        return node


def _block(size: int, left: int) -> int:
    """How many of `left` leaves after the first `size` make one full subtree."""
    if left == 1:
        return 1
    largest = 1 << (left.bit_length() - 1)
    return min(largest, size & -size) if size else largest


def _subtree(nodes: list[bytes]) -> bytes:
    """Root of a full subtree: its leaves are hashed in pairs, level by level."""
    while len(nodes) > 1:
        pairs = iter(nodes)
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return nodes[0]
