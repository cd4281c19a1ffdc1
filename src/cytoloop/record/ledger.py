"""Ledger: the one way into the record. Append with the position that was read, or not at all."""

from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from threading import Lock

from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.errors import ConflictError, FindingError
from cytoloop.core.facts.record import ClockStepped
from cytoloop.core.store import Row, Store, TreeHead
from cytoloop.core.time import Clock, Instant
from cytoloop.record.codec import Codec
from cytoloop.record.edge import edge_of
from cytoloop.record.group import Answer, Encoded, Group, Request, encoded
from cytoloop.record.merkle import Tree
from cytoloop.record.rows import entry_of, sound_entry_of

__all__ = ["Answer", "Ledger", "Request", "entry_of"]

RETRIES = 1000
"""Times an append is tried again when others' appends took the sequence first. Each time one of them got through."""

STEP = timedelta(seconds=1)
"""How far behind the newest entry a clock may read before it is said to have stepped back."""

CLOCK = "record/clock"
"""The stream that tells of the clock."""


class Ledger:
    """Appends facts to a store and reads them back.

    The edge (where the tree and the streams end) is held in memory and follows the store: when another process
    appended meanwhile, the store refuses the taken sequence and the ledger catches up and tries again. `expected`
    decides, not luck. Several threads may use one ledger.
    """

    def __init__(self, store: Store, clock: Clock, codec: Codec | None = None) -> None:
        self._store = store
        self._clock = clock
        self._codec = codec or Codec()
        self._edge = edge_of(store)
        self._lock = Lock()

    def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        """Keep `drafts` at positions `expected`, `expected`+1, ... of `stream`, all or nothing, durably.

        Raises ConflictError when the stream no longer ends at `expected`: read again, decide again.
        """
        if not drafts:
            return ()
        (answer,) = self.append_all([Request(stream, drafts, expected)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def append_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Keep several requests in one durable append; each is judged on its own, in order.

        A request gets what was kept of it, or its error (ConflictError, or what is wrong with its facts), and the
        others go on. Raises StoreError when the store cannot write: then nothing of any of them was kept.
        """
        asked = [encoded(request, self._codec) for request in requests]
        with self._lock:
            for _ in range(RETRIES):
                group = self._group(asked)
                if group.conflicts and self._edge.catch_up(self._store):
                    continue  # what they conflict with may have been out of date
                if self._kept(group):
                    return group.answers
        raise ConflictError(f"the record could not be appended to: others appended {RETRIES} times first; try again")

    def stream(self, stream: str, start: int = 0) -> Iterator[Recorded]:
        """The facts of one stream in order, from position `start`. FindingError at one that is not as written."""
        return self._sound(self._store.stream(stream, start), stream, start, self._edge.ends.get(stream, 0))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Recorded]:
        """All facts in order of sequence. FindingError at one that is not as written."""
        size = self._edge.tree.size
        return self._sound(self._store.rows(start, stop), None, start, size if stop is None else min(stop, size))

    def streams(self, prefix: str = "") -> list[str]:
        """Names of the streams that begin with `prefix`. FindingError when one is hidden."""
        found = self._store.streams(prefix)
        hidden = {each for each in list(self._edge.ends) if each.startswith(prefix)}.difference(found)
        if hidden:
            raise FindingError(f"{min(hidden)} is missing; run `cytoloop verify` and restore the record from a copy")
        return found

    def position(self, stream: str) -> int:
        """Where the stream ends: what `expected` must be to append now."""
        return self._store.end(stream)

    def head(self) -> TreeHead:
        """The tree head over all entries."""
        return self._store.head() or TreeHead(0, Tree().root)

    def _sound(self, rows: Iterator[Row], stream: str | None, start: int, end: int) -> Iterator[Recorded]:
        """The facts of `rows`, which must be whole and follow one another up to `end` at least."""
        for row in rows:
            if (row.sequence if stream is None else row.position) != start:
                break
            yield self._codec.decode(sound_entry_of(row))
            start += 1
        else:
            if start >= end:
                return
        place = f"entry {start}" if stream is None else f"position {start} of {stream}"
        raise FindingError(f"{place} is missing; run `cytoloop verify` and restore the record from a copy")

    def _group(self, requests: Sequence[Encoded | Exception]) -> Group:
        """What the requests come to on the edge as it is known."""
        now = self._clock.now().astimezone(UTC)
        group = _judged(Group(self._edge, now), requests)
        before = self._edge.recorded_at
        if before is None or now >= before - STEP or not group.rows:
            return group
        group = Group(self._edge, now)
        group.add(self._stepped(before, now))
        return _judged(group, requests)

    def _stepped(self, before: Instant, now: Instant) -> Encoded:
        """What is to be said first when the clock went back."""
        draft = Draft(fact=ClockStepped(before=before, after=now), actor="system:record", happened_at=now)
        said = encoded(Request(CLOCK, (draft,), self._edge.ends.get(CLOCK, 0)), self._codec)
        if isinstance(said, Exception):
            raise said
        return said

    def _kept(self, group: Group) -> bool:
        """Append the group; False when others were first and the edge has caught up with them."""
        if not group.rows:
            return True
        tree = self._edge.tree.extend([row.leaf_hash for row in group.rows])
        try:
            self._store.append(group.rows, TreeHead(tree.size, tree.root))
        except ConflictError:
            if not self._edge.catch_up(self._store):
                raise
            return False
        self._edge.follow(group.rows, tree, group.now)
        return True


def _judged(group: Group, requests: Sequence[Encoded | Exception]) -> Group:
    for each in requests:
        group.judge(each)
    return group
