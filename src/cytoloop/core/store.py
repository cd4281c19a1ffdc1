"""What a store must do for the record. A store keeps rows; it understands nothing of their meaning.

Contract (proven by `cytoloop.testing.store_contract`): an append is durable when `append` returns or did not
happen at all; a row is never changed or removed; called twice with the same rows it raises ConflictError.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol


class Row(NamedTuple):
    """One entry as stored. A tuple: a record of a million entries is read in a second or two."""

    sequence: int
    stream: str
    position: int
    name: str
    body: bytes
    """Canonical JSON of the whole entry: the leaf's input."""
    leaf_hash: bytes
    """RFC 6962 leaf hash of `body`, 32 bytes."""


class TreeHead(NamedTuple):
    """Merkle tree head over the first `size` entries (RFC 6962 §2.1)."""

    size: int
    root: bytes


class Place(NamedTuple):
    """Where a row stands, without its body."""

    stream: str
    position: int
    leaf_hash: bytes


AttestationKind = Literal["checkpoint", "cosignature", "time-stamp"]
"""checkpoint   signed note over the tree head, by the record's own key (C2SP tlog-checkpoint)
cosignature  one signature line of a witness under that note (C2SP tlog-cosignature)
time-stamp   RFC 3161 token over the checkpoint's note, or over the time-stamp before it when it is stamped again"""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What somebody attests of the tree over the first `size` entries. Kept beside the entries, never changed."""

    size: int
    kind: AttestationKind
    body: bytes


class Store(Protocol):
    """A place where rows are kept for thirty years."""

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        """Keep `rows` and the tree head after them, all or nothing, durably.

        Raises ConflictError when the first row does not follow the last row of the store or of its stream,
        StoreError when it cannot write.
        """
        ...

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Rows in order of sequence, from `start` up to but not including `stop`."""
        ...

    def stream(self, stream: str, start: int = 0) -> Iterator[Row]:
        """Rows of one stream in order of position, from position `start`."""
        ...

    def streams(self, prefix: str = "") -> list[str]:
        """Names of the streams that begin with `prefix`, in order of their first entry."""
        ...

    def end(self, stream: str) -> int:
        """Where the stream ends: the position that its next row takes; 0 when there is no such stream."""
        ...

    def places(self) -> Iterator[Place]:
        """Where every row stands, in order of sequence, read from the rows themselves and not from an index."""
        ...

    def problems(self) -> Iterator[str]:
        """What is wrong with the store itself (a damaged page, an index that misses a row); nothing when it is sound.

        It may read the whole store. Whether the entries fit one another is for `record.verify`.
        """
        ...

    def heads(self) -> Iterator[TreeHead]:
        """Every tree head kept, in order of size."""
        ...

    def head(self) -> TreeHead | None:
        """The newest tree head; None for an empty store."""
        ...

    def leaf_hashes(self) -> Iterator[bytes]:
        """Leaf hashes in order of sequence."""
        ...

    def attest(self, attestation: Attestation) -> None:
        """Keep `attestation`, durably; keeping the same one twice keeps it once. StoreError when it cannot write."""
        ...

    def attestations(self) -> Iterator[Attestation]:
        """Every attestation, in the order they were kept."""
        ...

    def close(self) -> None:
        """Let go of the store. Safe to call twice."""
        ...
