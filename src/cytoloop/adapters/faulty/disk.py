"""Disk: a store in memory that outlives the platform, quick enough for thousands of batches, and what can befall it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cytoloop.core.errors import ConflictError, StoreError
from cytoloop.core.store import Attestation, Place, Row, TreeHead


@dataclass(slots=True)
class MemoryDisk:
    """A Store: rows by sequence and by stream. What was appended is there whoever asks next, as on a disk."""

    kept: list[Row] = field(default_factory=list)
    by_stream: dict[str, list[Row]] = field(default_factory=dict)
    tree_heads: list[TreeHead] = field(default_factory=list)
    attested: list[Attestation] = field(default_factory=list)

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        ends: dict[str, int] = {}
        for sequence, row in enumerate(rows, len(self.kept)):
            follows = ends.get(row.stream, self.end(row.stream))
            if row.sequence != sequence or row.position != follows:
                raise ConflictError(f"{row.stream} ends at {follows}, the store at {sequence}: read again")
            ends[row.stream] = follows + 1
        for row in rows:
            self.kept.append(row)
            self.by_stream.setdefault(row.stream, []).append(row)
        self.tree_heads.append(head)

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        return iter(self.kept[start:stop])

    def stream(self, stream: str, start: int = 0) -> Iterator[Row]:
        return iter(self.by_stream.get(stream, [])[start:])

    def streams(self, prefix: str = "") -> list[str]:
        return [name for name in self.by_stream if name.startswith(prefix)]

    def end(self, stream: str) -> int:
        return len(self.by_stream.get(stream, ()))

    def places(self) -> Iterator[Place]:
        return (Place(row.stream, row.position, row.leaf_hash) for row in list(self.kept))

    def problems(self) -> Iterator[str]:
        return iter(())

    def heads(self) -> Iterator[TreeHead]:
        return iter(list(self.tree_heads))

    def head(self) -> TreeHead | None:
        return self.tree_heads[-1] if self.tree_heads else None

    def leaf_hashes(self) -> Iterator[bytes]:
        return (row.leaf_hash for row in list(self.kept))

    def attest(self, attestation: Attestation) -> None:
        if attestation not in self.attested:
            self.attested.append(attestation)

    def attestations(self) -> Iterator[Attestation]:
        return iter(list(self.attested))

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(slots=True)
class FaultyDisk(MemoryDisk):
    """A MemoryDisk that asks before each append whether it is full, and tells before and after each one.

    `full`: why nothing can be written now; None while there is room. `told`: called before ("before") and after
    ("after") the rows are kept; what it raises stops the append there, as the end of the process would.
    """

    full: Callable[[], str | None] = field(default=lambda: None)
    told: Callable[[str], None] = field(default=lambda _: None)

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        if why := self.full():
            raise StoreError(f"the disk is full: {why}; make room, then start again")
        self.told("before")
        MemoryDisk.append(self, rows, head)
        self.told("after")
