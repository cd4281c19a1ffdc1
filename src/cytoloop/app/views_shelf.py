"""Shelf: the record as pages read it, kept up by reading only what is new.

A page, the command line and the live polls ask the same questions again and again. The shelf folds each batch once
and then adds entry by entry, so that a poll costs what was appended since the last one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cytoloop.app.audit.by import user_of
from cytoloop.core.batch import Batch, apply, begin
from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.production import BatchCreated, RecipeApproved
from cytoloop.core.master import MasterRecipe
from cytoloop.core.store import TreeHead
from cytoloop.core.words import Words
from cytoloop.production.recipe_text import from_content

F = TypeVar("F")
BATCH = "batch/"


class Reader(Protocol):
    """What a shelf needs of the record; a Ledger has it."""

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Recorded]:
        """All facts in order of sequence."""
        ...

    def head(self) -> TreeHead:
        """The tree head over all entries."""
        ...


@dataclass(frozen=True, slots=True)
class Kept(Generic[F]):
    """A fact together with the entry that keeps it."""

    entry: Entry
    fact: F


class Shelf:
    """Everything the record held when it was last caught up with."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._all: list[Recorded] = []
        self._streams: dict[str, list[Recorded]] = {}
        self._masters: dict[str, MasterRecipe] = {}
        self._batches: dict[str, Batch] = {}
        self._names: set[str] = set()
        self._users: set[str] = set()
        self.catch_up()

    def catch_up(self) -> bool:
        """Read what was appended since the last time; False when nothing was."""
        before = len(self._all)
        for recorded in self._reader.entries(before):
            self._all.append(recorded)
            self._streams.setdefault(recorded.entry.stream, []).append(recorded)
            self._names.add(recorded.entry.name)
            self._users.add(user_of(recorded))
            self._take(recorded)
        return len(self._all) > before

    @property
    def size(self) -> int:
        """Number of entries on the shelf."""
        return len(self._all)

    def head(self) -> TreeHead:
        """The record's tree head."""
        return self._reader.head()

    def entries(self) -> tuple[Recorded, ...]:
        """All facts in order of sequence."""
        return tuple(self._all)

    def stream(self, name: str) -> tuple[Recorded, ...]:
        """The facts of one stream in order; empty when there is no such stream."""
        return tuple(self._streams.get(name, ()))

    def streams(self, prefix: str = "") -> tuple[str, ...]:
        """Names of the streams that begin with `prefix`, in order of their first entry."""
        return tuple(name for name in self._streams if name.startswith(prefix))

    def names(self) -> tuple[str, ...]:
        """Names that entries have, in order of the alphabet."""
        return tuple(sorted(self._names))

    def users(self) -> tuple[str, ...]:
        """User ids of everybody an entry is by, in order of the alphabet."""
        return tuple(sorted(self._users - {""}))

    def facts(self, kind: type[F], prefix: str = "") -> tuple[Kept[F], ...]:
        """Facts of one kind in streams that begin with `prefix`, stream by stream in order."""
        return tuple(
            Kept(recorded.entry, recorded.fact)
            for name in self.streams(prefix)
            for recorded in self._streams[name]
            if isinstance(recorded.fact, kind)
        )

    def batches(self) -> tuple[Batch, ...]:
        """Every batch, in order of creation."""
        return tuple(self._batches.values())

    def batch(self, number: str) -> Batch:
        """One batch; UserError when the record holds none of that number."""
        found = self._batches.get(number)
        if found is None:
            raise UserError(
                Words(
                    en=f"there is no batch {number!r} in this record; `cytoloop batch list` shows those there are",
                    zh=f"记录中没有批次 {number!r}；请在批次页面查看已有批次",
                )
            )
        return found

    def master(self, sha256: str) -> MasterRecipe | None:
        """The master recipe of that content hash, when the record approved one."""
        return self._masters.get(sha256)

    def _take(self, recorded: Recorded) -> None:
        stream, fact = recorded.entry.stream, recorded.fact
        if isinstance(fact, RecipeApproved):
            self._masters[fact.content_sha256] = from_content(fact.content)
        elif stream.startswith(BATCH):
            number = stream.removeprefix(BATCH)
            batch = self._batches.get(number)
            self._batches[number] = apply(batch, recorded) if batch else self._begin(recorded, fact)

    def _begin(self, recorded: Recorded, fact: Fact) -> Batch:
        sha256 = fact.recipe_sha256 if isinstance(fact, BatchCreated) else ""
        master = self._masters.get(sha256)
        if master is None:
            raise FindingError(
                f"entry {recorded.entry.sequence} begins {recorded.entry.stream}, and the record holds no approved "
                "recipe that it is pinned to; run `cytoloop verify` on this folder"
            )
        return begin(recorded, master)
