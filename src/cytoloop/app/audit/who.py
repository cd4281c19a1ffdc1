"""Who an entry is by: user id, printed name, role and zone as they were then.

A signature says it of itself; an unsigned entry of a person is read beside what the person's own stream said so far.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cytoloop.app.audit.by import PERSON, signature_of, user_of
from cytoloop.app.directory import PEOPLE
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.people import PersonEnrolled, RolesChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who did something, as known then. Empty texts where the record does not say."""

    actor: str
    """As the entry has it: "person:op.zhou", "equipment:bioreactor-01", "system:runner"."""
    user: str = ""
    printed_name: str = ""
    roles: tuple[str, ...] = ()
    zone: str = ""
    meaning: str = ""
    """What the signature means; empty when the entry is not signed."""


@dataclass(frozen=True, slots=True)
class KnownPeople:
    """What the record said of each person, and since which entry."""

    known: Mapping[str, list[tuple[int, Who]]] = field(hash=False)

    def at(self, user: str, sequence: int) -> Who | None:
        """What was known of `user` when entry `sequence` was written; None when nothing was."""
        said = self.known.get(user, [])
        place = bisect_right(said, sequence, key=lambda each: each[0])
        return said[place - 1][1] if place else None


def known_people(shelf: Shelf) -> KnownPeople:
    """Everybody the record names."""
    known: dict[str, list[tuple[int, Who]]] = {}
    for stream in shelf.streams(PEOPLE):
        for recorded in shelf.stream(stream):
            _take(known, recorded)
    return KnownPeople(known)


def _take(known: dict[str, list[tuple[int, Who]]], recorded: Recorded) -> None:
    sequence = recorded.entry.sequence
    match recorded.fact:
        case PersonEnrolled() as f:
            who = Who(actor=PERSON + f.user, user=f.user, printed_name=f.printed_name, roles=f.roles, zone=f.zone)
            known.setdefault(f.user, []).append((sequence, who))
        case RolesChanged() as f if f.user in known:
            known[f.user].append((sequence, replace(known[f.user][-1][1], roles=f.new)))


def who_of(recorded: Recorded, people: KnownPeople) -> Who:
    """Who the entry is by, as they were then."""
    actor, user, signature = recorded.entry.actor, user_of(recorded), signature_of(recorded.fact)
    if signature is not None:
        return Who(
            actor=actor,
            user=signature.signer,
            printed_name=signature.printed_name,
            roles=(signature.role,),
            zone=signature.zone,
            meaning=signature.meaning,
        )
    known = people.at(user, recorded.entry.sequence)
    return replace(known, actor=actor) if known else Who(actor=actor, user=user)
