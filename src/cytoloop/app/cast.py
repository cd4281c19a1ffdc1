"""Cast: the scripted people of a demonstration. They are enrolled like people, and sign for the program only."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.operator.scripted import Person
from cytoloop.app.acts import ACCESS
from cytoloop.app.directory import person_of, person_stream
from cytoloop.app.permissions import Role
from cytoloop.app.registrar import Registrar
from cytoloop.app.settings import ZONE
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.people import PersonEnrolled
from cytoloop.core.signature import Meaning, Proof, Signature
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True)
class Member:
    """One invented person."""

    user: str
    printed_name: str
    role: Role


CAST: Mapping[str, Member] = {
    "operator": Member("op.zhou", "Zhou Min 周敏", "operator"),
    "qa": Member("qa.lin", "Lin Jing 林静", "qa"),
    "reviewer": Member("qa.zhao", "Zhao Hui 赵慧", "qa"),
    "qualified_person": Member("qp.chen", "Chen Jianguo 陈建国", "qualified_person"),
    "principal_investigator": Member("pi.wang", "Wang Lan 王岚", "principal_investigator"),
}
"""Whom one asks ("person:<...>") -> who that is in a demonstration. All are invented."""


@dataclass(frozen=True, slots=True)
class CastSigning:
    """Signs for the scripted people, at the time their script says; a `core.signature.Signing`."""

    credentials: Credentials
    members: Mapping[str, Member]
    """User id -> member."""

    def sign(self, *, signer: str, proof: Proof, role: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        """The signature of a scripted person; RefusedError for anybody else, a wrong secret or another role."""
        member = self.members.get(signer)
        tried = self.credentials.try_(signer, proof, challenge=b"", at=at, source="script", barred=member is None)
        if member is None or not tried.right or tried.components != ("user-id", "password"):
            raise RefusedError("user id and secret do not match; nothing was signed")
        if role != member.role:
            raise RefusedError(f"{signer} is no {role}; nothing was signed")
        return Signature(
            signer=signer,
            printed_name=member.printed_name,
            role=role,
            meaning=meaning,
            signed_at=at,
            zone=ZONE,
            digest=digest,
            components=tried.components,
        )


def enrol_cast(registrar: Registrar, credentials: Credentials) -> tuple[CastSigning, dict[str, Person]]:
    """Enrol the cast with fresh secrets that nobody else ever learns; UserError when a person has one of the ids."""
    people: dict[str, Person] = {}
    for asked, member in CAST.items():
        _enrol(registrar, member)
        secret = secrets.token_urlsafe(16)
        credentials.cast(member.user, secret)
        people[asked] = Person(user=member.user, secret=secret, role=member.role)
    return CastSigning(credentials, {member.user: member for member in CAST.values()}), people


def _enrol(registrar: Registrar, member: Member) -> None:
    stream = person_stream(member.user)
    known = person_of(registrar.ledger.stream(stream))
    if known is not None and not known.scripted:
        raise UserError(f"the user id {member.user!r} belongs to a person; use another folder for a demonstration")
    if known is None:
        fact = PersonEnrolled(
            user=member.user,
            printed_name=member.printed_name,
            roles=(member.role,),
            zone=ZONE,
            scripted=True,
            signature=None,
        )
        with suppress(ConflictError):  # another worker of the same record enrolled them at this moment
            registrar.say(stream, fact, actor=ACCESS)
