"""Ledger: the one way into the record. Append with the position that was read, or not at all."""

from collections.abc import Iterator, Sequence
from datetime import UTC

from cytoloop.core.entry import Draft, Entry, Recorded, document
from cytoloop.core.errors import ConflictError, FindingError
from cytoloop.core.json import canonical, parse
from cytoloop.core.store import Row, Store, TreeHead
from cytoloop.core.time import Clock, instant
from cytoloop.record.codec import Codec
from cytoloop.record.merkle import Tree, leaf_hash

RETRIES = 5
"""Times an append is tried again when another stream's append took the sequence first."""


class Ledger:
    """Appends facts to a store and reads them back.

    The tree's edge is held in memory and follows the store: when another process appended meanwhile, the store
    refuses the taken sequence and the ledger catches up and tries again. `expected` decides, not luck.
    """

    def __init__(self, store: Store, clock: Clock, codec: Codec | None = None) -> None:
        self._store = store
        self._clock = clock
        self._codec = codec or Codec()
        self._tree = Tree().extend(store.leaf_hashes())

    def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        """Keep `drafts` at positions `expected`, `expected`+1, ... of `stream`, all or nothing, durably.

        Raises ConflictError when the stream no longer ends at `expected`: read again, decide again.
        """
        if not drafts:
            return ()
        for _ in range(RETRIES):
            entries = self._entries(stream, drafts, expected)
            rows = [_row(entry) for entry in entries]
            tree = self._tree.extend(row.leaf_hash for row in rows)
            try:
                self._store.append(rows, TreeHead(tree.size, tree.root))
            except ConflictError:
                if self.position(stream) != expected or not self._catch_up():
                    raise
                continue
            self._tree = tree
            return tuple(Recorded(entry, draft.fact) for entry, draft in zip(entries, drafts, strict=True))
        raise ConflictError(f"{stream} could not be appended to: others appended {RETRIES} times first; try again")

    def stream(self, stream: str, start: int = 0) -> Iterator[Recorded]:
        """The facts of one stream in order, from position `start`."""
        return (self._codec.decode(entry_of(row)) for row in self._store.stream(stream, start))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Recorded]:
        """All facts in order of sequence."""
        return (self._codec.decode(entry_of(row)) for row in self._store.rows(start, stop))

    def streams(self, prefix: str = "") -> list[str]:
        """Names of the streams that begin with `prefix`."""
        return self._store.streams(prefix)

    def position(self, stream: str) -> int:
        """Where the stream ends: what `expected` must be to append now."""
        return sum(1 for _ in self._store.stream(stream))

    def head(self) -> TreeHead:
        """The tree head over all entries."""
        return self._store.head() or TreeHead(0, Tree().root)

    def _entries(self, stream: str, drafts: Sequence[Draft], expected: int) -> list[Entry]:
        now = self._clock.now().astimezone(UTC)
        return [
            Entry(
                sequence=self._tree.size + offset,
                stream=stream,
                position=expected + offset,
                name=draft.fact.NAME,
                actor=draft.actor,
                happened_at=draft.happened_at.astimezone(UTC),
                recorded_at=now,
                data=self._codec.encode(draft.fact),
            )
            for offset, draft in enumerate(drafts)
        ]

    def _catch_up(self) -> bool:
        """Take in what others appended; False when nobody did."""
        rows = list(self._store.rows(self._tree.size))
        self._tree = self._tree.extend(row.leaf_hash for row in rows)
        return bool(rows)


def _row(entry: Entry) -> Row:
    body = canonical(document(entry))
    return Row(entry.sequence, entry.stream, entry.position, entry.name, body, leaf_hash(body))


def entry_of(row: Row) -> Entry:
    """The entry that a row keeps; FindingError when the row's body is not an entry."""
    try:
        data = parse(row.body)
        if not isinstance(data, dict) or not isinstance(data["data"], dict):
            raise ValueError("not an entry")
        return Entry(
            sequence=int(str(data["sequence"])),
            stream=str(data["stream"]),
            position=int(str(data["position"])),
            name=str(data["name"]),
            actor=str(data["actor"]),
            happened_at=instant(str(data["happened_at"])),
            recorded_at=instant(str(data["recorded_at"])),
            data=data["data"],
        )
    except (KeyError, ValueError) as error:
        raise FindingError(
            f"entry {row.sequence} cannot be read ({error}); it was changed after it was written"
        ) from error
