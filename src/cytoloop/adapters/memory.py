"""The slow honest twin of every store: rows in a list. For tests and rehearsals; keeps nothing."""

from collections.abc import Iterator, Sequence

from cytoloop.core.errors import ConflictError
from cytoloop.core.store import Attestation, Row, TreeHead


class MemoryStore:
    """A Store in memory."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._heads: list[TreeHead] = []
        self._attestations: list[Attestation] = []

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        kept = list(self._rows)
        for row in rows:
            follows = sum(1 for other in kept if other.stream == row.stream)
            if row.sequence != len(kept) or row.position != follows:
                raise ConflictError(f"{row.stream} ends at {follows}, the store at {len(kept)}: read again")
            kept.append(row)
        self._rows = kept
        self._heads.append(head)

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        return iter(self._rows[start:stop])

    def stream(self, stream: str, start: int = 0) -> Iterator[Row]:
        return (row for row in list(self._rows) if row.stream == stream and row.position >= start)

    def streams(self, prefix: str = "") -> list[str]:
        return [name for name in dict.fromkeys(row.stream for row in self._rows) if name.startswith(prefix)]

    def heads(self) -> Iterator[TreeHead]:
        return iter(list(self._heads))

    def head(self) -> TreeHead | None:
        return self._heads[-1] if self._heads else None

    def leaf_hashes(self) -> Iterator[bytes]:
        return (row.leaf_hash for row in list(self._rows))

    def attest(self, attestation: Attestation) -> None:
        if attestation not in self._attestations:
            self._attestations.append(attestation)

    def attestations(self) -> Iterator[Attestation]:
        return iter(list(self._attestations))

    def close(self) -> None:
        """Nothing to let go of."""
