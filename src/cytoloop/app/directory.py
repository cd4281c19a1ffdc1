"""Directory: people, as their streams tell. A person is what the entries in "person/<user id>" add up to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.people import (
    AccountClosed,
    AccountConfirmed,
    AccountLocked,
    AccountUnlocked,
    CredentialSet,
    EnrolmentCodeIssued,
    Method,
    PersonEnrolled,
    RolesChanged,
)
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.record.ledger import Ledger

PEOPLE = "person/"
ENROLLED = "enrolled"
"""The reason that the program itself gives for the code which comes with a new account."""

State = Literal["invited", "unconfirmed", "active", "locked", "closed"]
"""invited      the owner has to set a credential with the code they were given
unconfirmed  the credential is set; somebody else has to confirm that its owner set it
active       may be used
locked       too many wrong tries
closed       never to be used again"""

STATE_WORDS: dict[State, Words] = {
    "invited": Words(en="invited", zh="待设置凭证"),
    "unconfirmed": Words(en="waits for confirmation", zh="待确认"),
    "active": Words(en="active", zh="可用"),
    "locked": Words(en="locked", zh="已锁定"),
    "closed": Words(en="closed", zh="已关闭"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person of the house: what the record knows of them. Secrets are elsewhere."""

    user: str
    printed_name: str
    roles: tuple[str, ...]
    zone: str
    scripted: bool
    position: int
    """Where their stream ends."""
    issuers: frozenset[str]
    """Who made the account or issued a code since it was last confirmed."""
    method: Method | None = None
    fingerprint: str = ""
    """Of the credential set last."""
    credential_at: Instant | None = None
    password: str = ""
    """Fingerprint of the password in force, if any."""
    passkeys: frozenset[str] = frozenset()
    """Fingerprints of the passkeys in force."""
    confirmed: bool = False
    locked: bool = False
    closed: bool = False

    @property
    def state(self) -> State:
        """What may be done with the account."""
        if self.closed:
            return "closed"
        if self.locked:
            return "locked"
        if self.scripted or self.confirmed:
            return "active"
        return "unconfirmed" if self.fingerprint else "invited"

    def holds(self, fingerprint: str) -> bool:
        """Whether a credential of this fingerprint is one that this person set."""
        return fingerprint != "" and (fingerprint == self.password or fingerprint in self.passkeys)


def person_stream(user: str) -> str:
    """The stream of one person."""
    return f"{PEOPLE}{user}"


def person_of(entries: Iterable[Recorded]) -> Person | None:
    """The person that a stream adds up to; None for an empty stream."""
    person: Person | None = None
    for recorded in entries:
        person = _begun(recorded) if person is None else _after(person, recorded)
    return person


def people_of(ledger: Ledger) -> tuple[Person, ...]:
    """Everybody that the record knows, in the order they were enrolled."""
    found = (person_of(ledger.stream(stream)) for stream in ledger.streams(PEOPLE))
    return tuple(each for each in found if each is not None)


def _begun(recorded: Recorded) -> Person | None:
    fact = recorded.fact
    if not isinstance(fact, PersonEnrolled):
        return None
    by = frozenset({fact.signature.signer}) if fact.signature else frozenset[str]()
    return Person(
        user=fact.user,
        printed_name=fact.printed_name,
        roles=fact.roles,
        zone=fact.zone,
        scripted=fact.scripted,
        position=recorded.entry.position + 1,
        issuers=by,
    )


def _after(person: Person, recorded: Recorded) -> Person:
    person = replace(person, position=recorded.entry.position + 1)
    match recorded.fact:
        case RolesChanged(new=new):
            return replace(person, roles=new)
        case EnrolmentCodeIssued(issued_by=issuer):
            return _invited(person, issuer)
        case CredentialSet() as fact:
            return _credential(person, fact, recorded.entry.happened_at)
        case AccountConfirmed():
            return replace(person, confirmed=True)
        case AccountLocked():
            return replace(person, locked=True)
        case AccountUnlocked():
            return replace(person, locked=False)
        case AccountClosed():
            return replace(person, closed=True)
        case _:
            return person


def _invited(person: Person, issuer: str) -> Person:
    """A new code ends what was: credential, confirmation and lock. Whoever issued an unused code stays its issuer."""
    before = frozenset[str]() if person.confirmed else person.issuers
    return replace(
        person,
        issuers=before | {issuer},
        method=None,
        fingerprint="",
        password="",
        passkeys=frozenset(),
        confirmed=False,
        locked=False,
    )


def _credential(person: Person, fact: CredentialSet, at: Instant) -> Person:
    """One more credential of a confirmed person; else the only one, to be confirmed."""
    kept = person if person.confirmed else replace(person, password="", passkeys=frozenset())
    kept = replace(kept, method=fact.method, fingerprint=fact.fingerprint, credential_at=at)
    if fact.method == "passkey":
        return replace(kept, passkeys=kept.passkeys | {fact.fingerprint})
    return replace(kept, password=fact.fingerprint)
