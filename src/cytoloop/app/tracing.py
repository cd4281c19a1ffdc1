"""Tracing: which entry something comes from, by stream, position and leaf hash."""

from dataclasses import dataclass, field

from cytoloop.app.views_shelf import Shelf
from cytoloop.core.entry import Entry, document
from cytoloop.core.json import canonical
from cytoloop.feedback.joined.tables import Source
from cytoloop.record.merkle import leaf_hash


@dataclass(slots=True)
class Tracing:
    """Names the entries of one shelf; each is hashed once."""

    shelf: Shelf
    _known: dict[int, Source] = field(default_factory=dict)
    _streams: dict[str, tuple[Entry, ...]] = field(default_factory=dict)

    def at(self, stream: str, position: int) -> Source:
        """The entry at a position of a stream."""
        entries = self._streams.get(stream)
        if entries is None:
            entries = self._streams[stream] = tuple(each.entry for each in self.shelf.stream(stream))
        return self.of(entries[position])

    def of(self, entry: Entry) -> Source:
        """An entry of the shelf."""
        source = self._known.get(entry.sequence)
        if source is None:
            source = self._known[entry.sequence] = source_of(entry)
        return source


def source_of(entry: Entry) -> Source:
    """An entry with its leaf hash, computed from what it says."""
    return Source(entry.stream, entry.position, leaf_hash(canonical(document(entry))).hex())
