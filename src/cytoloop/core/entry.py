"""Entry: one fact, past tense, frozen, with a permanent name and version.

A *fact* is a frozen dataclass of `core/facts/` that carries its permanent `NAME` ("step-completed/1"). A *draft*
is a fact somebody wants to append. An *entry* is what the record gives back for ever: the fact's canonical form
with its two times, its actor and its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from cytoloop.core.json import JSON
from cytoloop.core.time import Instant


class Fact(Protocol):
    """A frozen dataclass with a permanent name. The name and the meaning of its fields never change again."""

    NAME: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A fact that somebody asks the record to keep."""

    fact: Fact
    actor: str
    """Who says so: "person:<user id>", "equipment:<id>", "system:<part>"."""
    happened_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact as the record keeps it."""

    sequence: int
    """Place in the whole record, from 0: the leaf index of the Merkle tree."""
    stream: str
    """What it is about: "batch/<number>", "study/<id>", ..."""
    position: int
    """Place in the stream, from 0."""
    name: str
    actor: str
    happened_at: Instant
    recorded_at: Instant
    data: Mapping[str, JSON] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry together with the fact it keeps, decoded."""

    entry: Entry
    fact: Fact


def document(entry: Entry) -> dict[str, JSON]:
    """The entry as plain JSON: what is hashed, shown and exported."""
    return {
        "sequence": entry.sequence,
        "stream": entry.stream,
        "position": entry.position,
        "name": entry.name,
        "actor": entry.actor,
        "happened_at": entry.happened_at.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
        "data": dict(entry.data),
    }
