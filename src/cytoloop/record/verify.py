"""Verify: recompute everything the record claims of itself and name the first entry that does not fit.

A record is checked in parts (`record.parts`). What joins them (the tree, the streams, what was claimed of the whole)
is small and is checked in order, so that the first entry that does not fit is the one that is named.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cytoloop.core.errors import FindingError
from cytoloop.core.store import Store, TreeHead
from cytoloop.record.merkle import EMPTY_ROOT, node_hash
from cytoloop.record.parts import PART, Claim, Claims, Part, check_part, out_of_place


@dataclass(frozen=True, slots=True)
class Verified:
    """A record in which every entry fits."""

    entries: int
    tree_head: TreeHead


def verify(
    store: Store,
    tick: Callable[[int], None] = lambda _: None,
    expected_root: str | None = None,
    claims: Iterable[Claim] = (),
) -> Verified:
    """Check every entry of `store`; `tick` is told how many were checked, now and then.

    Raises FindingError with the first entry that does not fit and why, or when the tree head is not `expected_root`
    (hexadecimal, noted outside) or a claim does not hold: that finds a record that was rolled back or made anew as a
    whole. A tree head that is missing in the middle is no finding: those before and after it bind the same entries.
    """
    claimed = Claims(store.heads(), claims)
    parts = (check_part(store, each) for each in claimed.ranges())
    return conclude(store, claimed, parts, tick, expected_root)


def conclude(
    store: Store,
    claims: Claims,
    parts: Iterable[Part],
    tick: Callable[[int], None] = lambda _: None,
    expected_root: str | None = None,
    *,
    problems: Iterable[str] | None = None,
) -> Verified:
    """Join the checked parts, in order, into one verdict. Raises FindingError as `verify` does.

    `problems`: those of the store itself, when somebody looks for them meanwhile.
    """
    for claim in claims.others:
        if claim.size == 0 and claim.root != EMPTY_ROOT:
            raise FindingError(_denied(claim, EMPTY_ROOT))
    joined = _Joined()
    for part, wanted in zip(parts, claims.ranges(), strict=False):
        joined.take(part, claims)
        tick(joined.size)
        if joined.size < wanted.stop:
            break
    if (missing := claims.beyond(joined.size)) is not None:
        raise FindingError(
            f"entry {joined.size} is missing: {missing.what} is over {missing.size} entries "
            f"and only {joined.size} are there"
        )
    _check_end(store, joined.size)
    for problem in store.problems() if problems is None else problems:
        raise FindingError(f"every entry fits, but their store is damaged: {problem}; restore it from a copy")
    if expected_root is not None and joined.root.hex() != expected_root.lower():
        raise FindingError(
            f"every entry fits the others, but the tree head over {joined.size} entries is {joined.root.hex()} and the "
            f"one noted is {expected_root}: the record is not the one it was noted of, or has grown since"
        )
    return Verified(joined.size, TreeHead(joined.size, joined.root))


@dataclass(slots=True)
class _Joined:
    """Parts taken so far: whole ones as complete subtrees of falling size, then a rest."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    edge: list[tuple[int, bytes]] = field(default_factory=list)
    """Parts in a subtree, and its hash."""
    ends: dict[str, int] = field(default_factory=dict)

    def take(self, part: Part, claims: Claims) -> None:
        """Add the next part; FindingError with the first entry of it that does not fit."""
        wrong = self._wrong(part, claims)
        if wrong:
            raise FindingError(min(wrong)[1])
        if part.problem is not None:
            raise FindingError(part.problem)
        if part.checked:
            self.size, self.root = part.start + part.checked, self._over(part.root)
        if part.checked == PART:
            self._push(part.root)

    def _wrong(self, part: Part, claims: Claims) -> list[tuple[int, str]]:
        """Entries at which something among the part's good ones does not fit what came before or was claimed."""
        found = [
            claims.wrong_head(part.start, [*map(self._over, part.heads)]),
            claims.wrong_other(part.start, [*map(self._over, part.others)]),
        ]
        return [*self._follow(part), *((each[0].size - 1, _denied(*each)) for each in found if each is not None)]

    def _follow(self, part: Part) -> list[tuple[int, str]]:
        """Entries here whose stream does not continue where the parts before ended."""
        wrong = [(at, stream, found) for stream, (at, found) in part.first.items() if found != self.ends.get(stream, 0)]
        said = [(at, out_of_place(at, stream, found, self.ends.get(stream, 0))) for at, stream, found in wrong]
        self.ends.update(part.ends)
        return said

    def _over(self, root: bytes) -> bytes:
        for _, left in reversed(self.edge):
            root = node_hash(left, root)
        return root

    def _push(self, root: bytes) -> None:
        size = 1
        while self.edge and self.edge[-1][0] == size:
            root, size = node_hash(self.edge.pop()[1], root), size * 2
        self.edge.append((size, root))


def _denied(claim: Claim, root: bytes) -> str:
    return (
        f"entry {max(claim.size - 1, 0)} does not fit: {claim.what} over the first {claim.size} entries is "
        f"{claim.root.hex()} and theirs is {root.hex()}"
    )


def _check_end(store: Store, size: int) -> None:
    """Entries beyond the tree heads that were read: fine when somebody appended meanwhile, with a head of its own."""
    beyond, newest = next(store.rows(size, size + 1), None), store.head()
    if beyond is not None and (newest is None or newest.size <= beyond.sequence):
        raise FindingError(f"entry {beyond.sequence} does not fit: no tree head was ever kept over it")
