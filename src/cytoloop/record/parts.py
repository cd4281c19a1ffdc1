"""Parts of a record, checked by themselves: each entry's hash, its place, and what was claimed of the beginnings.

A part is 65,536 entries and needs nothing of the others, so that several processes can share the work
(`cytoloop.app.verifying`). `cytoloop.record.verify` joins them.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cytoloop.core.errors import FindingError
from cytoloop.core.store import Row, Store, TreeHead
from cytoloop.record.merkle import EMPTY_ROOT
from cytoloop.record.proof import HASH, prefix_roots
from cytoloop.record.rows import entry_of

PART = 1 << 16
"""Entries of a part; a power of two, so that a whole part is one complete subtree."""
RECORDED_AT = b',"recorded_at":"'
STAMPS = (32, 25)
"""Letters of a recorded time as it is written, with a fraction of a second and without."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says of the first `size` entries: their root."""

    size: int
    root: bytes
    what: str = "the tree head kept"
    """ "the checkpoint in FILE"."""


@dataclass(frozen=True, slots=True)
class Range:
    """Entries from `start` up to but not including `stop`, and the sizes at which their roots are wanted."""

    start: int
    stop: int
    heads: Sequence[int]
    """Sizes of the tree heads among them."""
    others: Sequence[int]
    """Sizes at which somebody else claimed a root."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a range of entries adds up to. Roots are over the entries from `start` on alone."""

    start: int
    checked: int
    """Entries of it that fit."""
    root: bytes
    """Root over all that fit."""
    heads: Sequence[bytes]
    """Root at each tree head among those that fit."""
    others: Sequence[bytes]
    first: dict[str, tuple[int, int]]
    """Stream -> sequence and position of its first entry here."""
    ends: dict[str, int]
    """Stream -> position that follows its last entry here."""
    problem: str | None
    """What is wrong with the first entry that does not fit, or with the store where it should be."""


class Claims:
    """Everything that was claimed of the record's beginnings, by size. Tree heads take 40 bytes each."""

    def __init__(self, heads: Iterable[TreeHead], others: Iterable[Claim] = ()) -> None:
        self.sizes, self._roots = array("Q"), bytearray()
        for size, root in heads:
            if size <= (self.sizes[-1] if self.sizes else 0):
                raise FindingError(f"a tree head is kept over {size} entries; it was changed after it was written")
            self.sizes.append(size)
            whole = isinstance(root, bytes) and len(root) == HASH  # type: ignore[redundant-expr]
            self._roots += root if whole else bytes(HASH)
        self.newest = self.sizes[-1] if self.sizes else 0
        self.others = sorted(others, key=lambda claim: claim.size)

    def ranges(self) -> Iterator[Range]:
        """The parts of all entries under a tree head. As many as the heads say: take them one by one."""
        return (self._range(start, min(start + PART, self.newest)) for start in range(0, self.newest, PART))

    def wrong_head(self, start: int, roots: Sequence[bytes]) -> tuple[Claim, bytes] | None:
        """The first tree head over more than `start` entries that is not as in `roots`, and the root it should have.

        There are very many of them, and they are nearly always right: they are compared all at once.
        """
        first = bisect_right(self.sizes, start)
        if b"".join(roots) == self._roots[first * HASH : (first + len(roots)) * HASH]:
            return None
        kept = (bytes(self._roots[place * HASH : (place + 1) * HASH]) for place in range(first, first + len(roots)))
        pairs = enumerate(zip(kept, roots, strict=True))
        at, claimed, found = next((at, claimed, found) for at, (claimed, found) in pairs if claimed != found)
        return Claim(self.sizes[first + at], claimed), found

    def wrong_other(self, start: int, roots: Sequence[bytes]) -> tuple[Claim, bytes] | None:
        """The same of the other claims, of which there are few."""
        claims = [claim for claim in self.others if claim.size > start]
        pairs = zip(claims, roots, strict=False)
        return next(((claim, found) for claim, found in pairs if claim.root != found), None)

    def beyond(self, size: int) -> Claim | None:
        """What was claimed of more than `size` entries."""
        if self.newest > size:
            return Claim(self.newest, b"")
        return next((claim for claim in self.others if claim.size > size), None)

    def _range(self, start: int, stop: int) -> Range:
        heads = self.sizes[bisect_right(self.sizes, start) : bisect_right(self.sizes, stop)]
        return Range(start, stop, heads, [claim.size for claim in self.others if start < claim.size <= stop])


def check_part(store: Store, part: Range) -> Part:
    """Check the entries of one range by themselves. Raises nothing: what is wrong is in the answer."""
    leaves: list[bytes] = []
    first: dict[str, tuple[int, int]] = {}
    ends: dict[str, int] = {}
    problem, sequence = None, part.start
    try:
        for row in store.rows(part.start, part.stop):
            if not _fits(row, sequence):
                problem = _problem(row, sequence)
                break
            stream, position = row.stream, row.position
            if ends.get(stream, position) != position:
                problem = out_of_place(sequence, stream, position, ends[stream])
                break
            if stream not in ends:
                first[stream] = sequence, position
            ends[stream] = position + 1
            leaves.append(row.leaf_hash)
            sequence += 1
    except FindingError as error:
        problem = str(error)
    except (TypeError, AttributeError) as error:  # a damaged store may hold anything in the place of a body or a name
        problem = f"entry {sequence} cannot be read ({error}); it was changed after it was written"
    heads, others = ([size - part.start for size in sizes if size <= sequence] for sizes in (part.heads, part.others))
    *roots, root = prefix_roots(leaves, [*heads, *others, len(leaves)]) if leaves else (EMPTY_ROOT,)
    return Part(part.start, len(leaves), root, roots[: len(heads)], roots[len(heads) :], first, ends, problem)


def _fits(row: Row, expected: int) -> bool:
    """Whether the row is entry `expected` beyond doubt: hash and place hold, byte for byte.

    Canonical JSON sorts its keys, so that a body ends in name, position, recorded time, sequence and stream. Comparing
    those bytes is some ten times as fast as reading the whole; a body that ends otherwise is read (`_problem`). That a
    fact fits its name is seen when it is read, not here.
    """
    sequence, stream, position, name, body, leaf = row
    if sequence != expected or sha256(b"\x00" + body).digest() != leaf:
        return False
    end = b'","sequence":%d,"stream":"%b"}' % (sequence, stream.encode())
    stamp = body.rfind(RECORDED_AT)
    if (
        len(body) - stamp - len(RECORDED_AT) - len(end) in STAMPS
        and body.endswith(end)
        and body.endswith(b'"name":"%b","position":%d' % (name.encode(), position), 0, stamp)
        and body.startswith(b'{"actor":"')
    ):
        return True
    return _problem(row, expected) is None


def _problem(row: Row, expected: int) -> str | None:
    """What is wrong with a row; None when it fits after all."""
    if row.sequence != expected:
        return f"entry {expected} does not fit: it is missing, the next one there is {row.sequence}"
    if sha256(b"\x00" + row.body).digest() != row.leaf_hash:
        what = f"its content ({row.name} in {row.stream}) was changed after it was written"
        return f"entry {expected} does not fit: {what}"
    try:
        entry = entry_of(row)
    except FindingError as error:
        return str(error)
    if (entry.sequence, entry.stream, entry.position, entry.name) == (expected, row.stream, row.position, row.name):
        return None
    return (
        f"entry {expected} does not fit: its place in the store ({row.name} in {row.stream}) is not the place it was "
        "written to"
    )


def out_of_place(sequence: int, stream: str, found: int, expected: int) -> str:
    """What is said of an entry whose position does not follow its stream's last one."""
    return f"entry {sequence} does not fit: {stream} has position {found} where {expected} must follow"
