"""Proofs that an entry is under a tree head, and that a tree head continues an older one (RFC 9162 §2.1).

Who holds a tree head noted outside needs only about 20 hashes to check one entry of a million.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from cytoloop.core.errors import FindingError, UserError
from cytoloop.record.merkle import EMPTY_ROOT, node_hash

HASH = 32
"""Bytes of one hash (SHA-256)."""

Proof = tuple[bytes, ...]
"""Hashes, in the order in which a verifier takes them."""


class Levels:
    """Every complete subtree's hash, level by level: gives any proof of any size in some 20 look-ups.

    Takes 64 bytes of memory an entry; an entry's leaf hash is level 0.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self.extend(leaves)

    @property
    def size(self) -> int:
        """Leaves held."""
        return len(self._levels[0]) // HASH

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        self._levels[0] += b"".join(leaves)
        level = 0
        while len(self._levels[level]) >= 2 * HASH:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            below, above = self._levels[level], self._levels[level + 1]
            above += b"".join(_parents(bytes(below[2 * len(above) :])))
            level += 1

    def root(self, size: int | None = None) -> bytes:
        """Tree head's hash over the first `size` leaves, all when left out. UserError when fewer are held."""
        size = self._within(self.size if size is None else size)
        return self._subtree(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> Proof:
        """Proof that leaf `index` is among the first `size` leaves (RFC 9162 §2.1.3.1).

        UserError when it is not among them, or when fewer than `size` are held.
        """
        size = self._within(self.size if size is None else size)
        if not 0 <= index < size:
            raise UserError(f"entry {index} is not among the first {size}; the last one there is {size - 1}")
        return tuple(self._siblings(index, 0, size))

    def consistency(self, old: int, new: int | None = None) -> Proof:
        """Proof that the first `new` leaves begin with the first `old` ones (RFC 9162 §2.1.4.1).

        Empty when `old` is 0 or `new`. UserError when `old` is larger than `new`, or fewer than `new` are held.
        """
        new = self._within(self.size if new is None else new)
        if not 0 <= old <= new:
            raise UserError(f"a tree of {new} entries cannot continue one of {old}; name the smaller one first")
        if old in {0, new}:
            return ()
        level = (old & -old).bit_length() - 1
        node = (old >> level) - 1
        first = () if old == 1 << level else (self._node(level, node),)
        return (*first, *self._siblings(node, level, new))

    def _siblings(self, node: int, level: int, size: int) -> Iterator[bytes]:
        """Hashes beside the way from a node up to the root over `size` leaves."""
        while 1 << level < size:
            beside = node ^ 1
            start = beside << level
            if start + (1 << level) <= size:
                yield self._node(level, beside)
            elif start < size:
                yield self._subtree(start, size)
            node, level = node >> 1, level + 1

    def _subtree(self, start: int, stop: int) -> bytes:
        """Root over leaves `start` to `stop`, where `start` is a multiple of a power of two not less than the rest."""
        parts = list(self._complete(start, stop))
        node = parts.pop()
        while parts:
            node = node_hash(parts.pop(), node)
        return node

    def _complete(self, start: int, stop: int) -> Iterator[bytes]:
        """Complete subtrees that make up the leaves from `start` to `stop`, largest first."""
        while start < stop:
            level = (stop - start).bit_length() - 1
            yield self._node(level, start >> level)
            start += 1 << level

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH : (index + 1) * HASH])

    def _within(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise UserError(f"there are {self.size} entries; a tree of {size} cannot be shown")
        return size


def prefix_roots(leaves: Sequence[bytes], sizes: Iterable[int]) -> list[bytes]:
    """Roots over the first leaves, for each of `sizes`: many of them, quickly."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)
        levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
    return [_prefix_root(levels, size) for size in sizes]


def _prefix_root(levels: Sequence[Sequence[bytes]], size: int) -> bytes:
    """Complete subtrees from the smallest, at the right edge, to the largest."""
    level = (size & -size).bit_length() - 1
    node, size = levels[level][(size >> level) - 1], size & (size - 1)
    while size:
        level = (size & -size).bit_length() - 1
        node, size = sha256(b"\x01" + levels[level][(size >> level) - 1] + node).digest(), size & (size - 1)
    return node


def _parents(below: bytes) -> Iterator[bytes]:
    pairs = len(below) // (2 * HASH)
    return (sha256(b"\x01" + below[at : at + 2 * HASH]).digest() for at in range(0, pairs * 2 * HASH, 2 * HASH))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with this hash is leaf `index` of the tree of `size` leaves with this root.

    RFC 9162 §2.1.3.2. FindingError when it is not, with what did not fit.
    """
    if not 0 <= index < size:
        raise FindingError(f"entry {index} cannot be in a tree of {size} entries")
    node, last, found = index, size - 1, leaf
    for each in proof:
        if not last:
            raise FindingError(f"the proof of entry {index} is too long for a tree of {size} entries")
        if node & 1 or node == last:
            found = node_hash(each, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, each)
        node, last = node >> 1, last >> 1
    if last:
        raise FindingError(f"the proof of entry {index} is too short for a tree of {size} entries")
    if found != root:
        raise FindingError(f"entry {index} is not under the tree head {root.hex()} over {size} entries")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `new` leaves begins with the tree of `old` leaves: nothing was changed or taken away.

    RFC 9162 §2.1.4.2; every tree continues the empty one, with an empty proof. FindingError when it does not.
    """
    if not 0 <= old <= new:
        raise FindingError(f"a tree of {new} entries cannot continue one of {old}: entries are missing")
    if old in {0, new}:
        _check_trivial(old, new, old_root, new_root, proof)
        return
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        raise FindingError(f"the proof that {new} entries continue the first {old} is empty")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found_new = steps[0]
    for each in steps[1:]:
        if not last:
            raise FindingError(f"the proof that {new} entries continue the first {old} is too long")
        if node & 1 or node == last:
            found_old, found_new = node_hash(each, found_old), node_hash(each, found_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found_new = node_hash(found_new, each)
        node, last = node >> 1, last >> 1
    if last or found_old != old_root or found_new != new_root:
        raise FindingError(_forked(old, old_root, new, new_root))


def _check_trivial(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise FindingError(f"the proof that {new} entries continue the first {old} is too long")
    if (old == new and old_root != new_root) or (old == 0 and old_root != EMPTY_ROOT):
        raise FindingError(_forked(old, old_root, new, new_root))


def _forked(old: int, old_root: bytes, new: int, new_root: bytes) -> str:
    return (
        f"the tree head {new_root.hex()} over {new} entries does not continue {old_root.hex()} over the first {old}: "
        "entries were changed or taken away, or it is another record"
    )
