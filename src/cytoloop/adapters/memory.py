"""The slow honest twin of every store: rows in a list. For tests and rehearsals; keeps nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from struct import pack, unpack
from typing import TypeAlias

from cytoloop.core.errors import ConflictError, FindingError, UserError
from cytoloop.core.store import Attestation, Place, Row, TreeHead
from cytoloop.core.telemetry import ALWAYS, NO_STATES, Form, Readings, Segment, Tag, Written, readings

PlaceInTime: TypeAlias = tuple[str, str, int]
"""Batch, tag and source time: what names a reading."""
_Kept: TypeAlias = tuple[Tag, int, bytes, int]
"""Tag, when it was received, the value's bits, status."""


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

    def end(self, stream: str) -> int:
        return sum(1 for row in self._rows if row.stream == stream)

    def places(self) -> Iterator[Place]:
        return (Place(row.stream, row.position, row.leaf_hash) for row in list(self._rows))

    def problems(self) -> Iterator[str]:
        return iter(())

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


class MemoryTelemetry:
    """A TelemetryStore in memory: every reading in one dictionary, every question by looking at all of them."""

    def __init__(self, form: Form, most: int = 1 << 20) -> None:
        self._form = form
        self._most = most
        """Readings of the largest segment."""
        self._kept: dict[PlaceInTime, _Kept] = {}
        self._sealed: set[PlaceInTime] = set()
        self._segments: dict[str, tuple[Segment, bytes]] = {}
        self._states: dict[str, bytes] = {}

    def write(self, blocks: Sequence[Readings], states: Mapping[str, bytes] = NO_STATES) -> Written:
        kept, counts = dict(self._kept), Counter[str]()
        units = {(batch, tag.name): tag.unit for (batch, _, _), (tag, *_) in kept.items()}
        for block in blocks:
            for tag, at, received, value, status in block.rows():
                if units.setdefault((block.batch, tag.name), tag.unit) != tag.unit:
                    raise UserError(
                        f"{tag.name} of batch {block.batch} comes in {tag.unit}; convert it where it enters"
                    )
                place, new = (block.batch, tag.name, at), (tag, received, pack("<d", value), status)
                before = kept.setdefault(place, new)
                same = before[2:] == new[2:]
                counts["kept" if before is new else "repeated" if same else "conflicting"] += 1
        self._kept = kept
        self._states.update(states)
        return Written(counts["kept"], counts["repeated"], counts["conflicting"])

    def state(self, batch: str) -> bytes | None:
        return self._states.get(batch)

    def read(self, batch: str, start: int = ALWAYS[0], stop: int = ALWAYS[1], tags: Sequence[str] = ()) -> Readings:
        return self._readings(
            batch, (place for place in self._kept if start <= place[2] < stop and (not tags or place[1] in tags))
        )

    def seal(self, batch: str, upto: int) -> tuple[Segment, ...]:
        closing = [place for place in self._open(batch) if place[2] < upto]
        times = sorted(at for _, _, at in closing)
        cuts = [*times[:: self._most], ALWAYS[1]]
        pieces = ([place for place in closing if begin <= place[2] < end] for begin, end in pairwise(cuts))
        return tuple(self._close(batch, piece) for piece in pieces if piece)

    def batches(self) -> list[str]:
        return sorted({batch for batch, _, _ in self._kept})

    def segments(self, batch: str) -> list[Segment]:
        return [segment for segment, _ in self._segments.values() if segment.batch == batch]

    def segment(self, name: str) -> bytes:
        if name not in self._segments:
            raise FindingError(f"segment {name} is not in this store")
        return self._segments[name][1]

    def unsealed(self, batch: str) -> int:
        return len(self._open(batch))

    def close(self) -> None:
        """Nothing to let go of."""

    def _open(self, batch: str) -> list[PlaceInTime]:
        return [place for place in self._kept if place[0] == batch and place not in self._sealed]

    def _close(self, batch: str, places: list[PlaceInTime]) -> Segment:
        name = f"{batch}/{len(self.segments(batch)) + 1}"
        data = self._form.encode(name, self._readings(batch, places))
        segment = Segment(
            name=name,
            batch=batch,
            first=min(at for _, _, at in places),
            last=max(at for _, _, at in places),
            readings=len(places),
            tags=tuple(sorted({tag for _, tag, _ in places})),
            sha256=sha256(data).hexdigest(),
        )
        self._segments[name] = (segment, data)
        self._sealed.update(places)
        return segment

    def _readings(self, batch: str, places: Iterable[PlaceInTime]) -> Readings:
        rows = []
        for place in sorted(place for place in places if place[0] == batch):
            tag, received, value, status = self._kept[place]
            rows.append((tag, place[2], received, unpack("<d", value)[0], status))
        return readings(batch, rows)
