"""Facts about people and rights: accounts, credentials, signing in, what was refused to whom.

Streams: "person/<user id>" for what concerns one account, "access/refusals" for acts that were refused.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cytoloop.core.signature import Signature

Method = Literal["password+code", "passkey", "openid"]
"""How a person proves who they are: password with a time-based code (RFC 6238), passkey (WebAuthn), or, for signing
in only, the house's OpenID provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonEnrolled:
    """An administrator made an account. It cannot be used until its owner set a credential and another confirmed."""

    NAME: ClassVar[str] = "person-enrolled/1"
    user: str
    printed_name: str
    roles: tuple[str, ...]
    zone: str
    """IANA name of the person's time zone."""
    scripted: bool = False
    """An invented person of a demonstration, whom the program plays."""
    signature: Signature | None
    """None only for the founders of a record, who enrol each other face to face, and for scripted people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesChanged:
    """A person's roles were changed."""

    NAME: ClassVar[str] = "roles-changed/1"
    user: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCodeIssued:
    """An administrator gave the person a one-time code to set a credential with."""

    NAME: ClassVar[str] = "enrolment-code-issued/1"
    user: str
    issued_by: str
    reason: str
    signature: Signature
    """Of who issued it: over the account just made (`person-enrolled/1`), or over this fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSet:
    """The person set a credential. The secret stays outside the record."""

    NAME: ClassVar[str] = "credential-set/1"
    user: str
    method: Method
    fingerprint: str
    """SHA-256 that holds for this credential only: of a passkey's COSE key, or of the salted password hash and the
    code's secret. A credential put in its place behind the person's back does not fit it and is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfirmed:
    """Somebody who is neither the person nor the issuer of the code confirmed who set the credential."""

    NAME: ClassVar[str] = "account-confirmed/1"
    user: str
    fingerprint: str
    """Of the credential that was confirmed."""
    signature: Signature | None
    """None only for the founders of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLocked:
    """Too many wrong tries: the account signs nothing until an administrator unlocks it."""

    NAME: ClassVar[str] = "account-locked/1"
    user: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnlocked:
    """An administrator unlocked the account."""

    NAME: ClassVar[str] = "account-unlocked/1"
    user: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountClosed:
    """The person left or lost the right; the account is never used again and its user id never given again."""

    NAME: ClassVar[str] = "account-closed/1"
    user: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The person signed in."""

    NAME: ClassVar[str] = "signed-in/1"
    user: str
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut:
    """The person signed out, or was signed out after idling."""

    NAME: ClassVar[str] = "signed-out/1"
    user: str
    reason: Literal["asked", "idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MisuseAlerted:
    """Something looked like an attempt to use somebody's credential (21 CFR 11.300(d)); people must look at it."""

    NAME: ClassVar[str] = "misuse-alerted/1"
    user: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRefused:
    """Somebody asked for an act and was refused. Nothing else was done."""

    NAME: ClassVar[str] = "act-refused/1"
    act: str
    subject: str
    """What it was asked for: a stream, a batch number."""
    user: str
    """Who asked; empty when nobody had signed in."""
    roles: tuple[str, ...]
    reason: str


REFUSALS = "access/refusals"
"""The stream of acts that were refused."""

FACTS = (
    PersonEnrolled, RolesChanged, EnrolmentCodeIssued, CredentialSet, AccountConfirmed, AccountLocked,
    AccountUnlocked, AccountClosed, SignedIn, SignedOut, MisuseAlerted, ActRefused,
)  # fmt: skip
