"""Accounts: what administrators and owners do to them. Each act is first a value that can be shown and signed.

An administrator makes an account and hands its owner a one-time code; the owner alone sets the credential; somebody
who is neither confirms that it was they. So nobody can make an account that signs without a second person (21 CFR
11.200(a)(3)), and who sets a credential for another cannot use it. User ids are never given twice (11.100(a),
11.300(a)); lost credentials are ended by a new code (11.300(c)).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from zoneinfo import available_timezones

from cytoloop.adapters.credentials import LOCKED_AFTER, WRONG_CODE, Provisioning, Staged
from cytoloop.app.acts import refusing
from cytoloop.app.directory import ENROLLED, STATE_WORDS, Person, person_stream
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Act, Circle, roles_named
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.people import (
    AccountClosed,
    AccountConfirmed,
    AccountUnlocked,
    CredentialSet,
    EnrolmentCodeIssued,
    PersonEnrolled,
    RolesChanged,
)
from cytoloop.core.json import JSON
from cytoloop.core.signature import Meaning, Proof, Signature
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

USER_ID = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*")
LONGEST_ID, LONGEST_NAME = 32, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """Make an account, and issue its first code."""

    user: str
    printed_name: str
    roles: tuple[str, ...]
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Confirm that the owner set the credential: the one who confirms has seen them (11.100(b))."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """Unlock an account."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRoles:
    """Give a person other roles."""

    user: str
    roles: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """End the credential and issue a new code."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close an account for good."""

    user: str
    reason: str


AccountAct = Enrol | Confirm | Unlock | ChangeRoles | Reset | Close


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an act on an account comes to: what is asked of the table, shown, and written."""

    act: Act
    fact: type[Fact]
    fields: Mapping[str, JSON]
    meaning: Meaning
    position: int
    circle: Circle


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a record."""

    people: People

    def plan(self, wanted: AccountAct) -> Plan:
        """What `wanted` would do; UserError when it cannot be done now. Writes nothing."""
        person = self.people.person(wanted.user)
        if isinstance(wanted, Enrol):
            return _enrol(wanted, person)
        known = _known(person, wanted.user)
        match wanted:
            case Confirm():
                return _confirm(known)
            case Unlock():
                locked = known.locked or self.people.credentials.account(known.user).failures >= LOCKED_AFTER
                return _unlock(wanted, known, locked)
            case ChangeRoles():
                return _change_roles(wanted, known)
            case Reset():
                return _reset(wanted, known)
            case Close():
                reason = _reason(wanted.reason)
                return _plan("close-account", AccountClosed, known, {"user": known.user, "reason": reason})

    def shown(self, plan: Plan) -> dict[str, JSON]:
        """What is shown to who signs `plan`: the fact's name, its fields and the place where it will stand."""
        stream = person_stream(str(plan.fields["user"]))
        return {"fact": plan.fact.NAME, "stream": stream, "position": plan.position, **plan.fields}

    def do(self, wanted: AccountAct, by: Signer) -> str | None:
        """Do it, signed; the one-time code to hand over, where one was issued.

        RefusedError when `by` is not proven or may not, ConflictError when the account was changed meanwhile.
        """
        plan = self.plan(wanted)
        stream = person_stream(wanted.user)
        signature = self.people.sign_for(
            plan.act, by, meaning=plan.meaning, shown=self.shown(plan), subject=stream, circle=plan.circle
        )
        if isinstance(wanted, Unlock):
            self.people.credentials.unlock(wanted.user)
        self._append(wanted.user, plan.position, _facts(wanted, plan, signature), f"person:{signature.signer}")
        if isinstance(wanted, Close):
            self.people.credentials.drop(wanted.user)
        if isinstance(wanted, Enrol | Reset):
            return self.people.credentials.invite(wanted.user, self._now)
        return None

    def demand_invited(self, user: str, code: str) -> Person:
        """The person, once they gave their one-time code: whoever has none learns nothing about the account."""
        with self._owner(user):
            person = self._invited(user)
            self.people.credentials.demand_invited(user, code, self._now)
            return person

    def set_password(self, user: str, code: str, secret: str) -> Provisioning:
        """The owner, with their one-time code, begins to set a password and codes; `prove_code` puts them in force."""
        with self._owner(user):
            self._invited(user)
            return self.people.credentials.stage_password(user, code, secret, self._now)

    def prove_code(self, user: str, code: str, one_time: str) -> Person:
        """The owner shows that their authenticator app works: from now on the credential waits for confirmation."""
        with self._owner(user):
            person = self._invited(user)
            staged = self.people.credentials.ready(user, code, one_time, self._now)
            return self._settle(person, staged)

    def set_passkey(self, user: str, code: str, response: Mapping[str, JSON], *, asked: bytes, name: str) -> Person:
        """The owner, with their one-time code, sets a passkey: the browser's answer to the challenge `asked`."""
        with self._owner(user):
            person = self._invited(user)
            keep = self.people.credentials
            keep.stage_passkey(user, code, response, challenge=asked, name=name, at=self._now)
            return self._settle(person, keep.ready(user, code, "", self._now))

    def add_passkey(self, by: Signer, response: Mapping[str, JSON], *, asked: bytes, name: str) -> Person:
        """A person who proves who they are sets one passkey more for themselves."""
        person = self.people.prove(by, "set-credential", person_stream(by.user))
        keep = self.people.credentials
        keep.stage_passkey(by.user, None, response, challenge=asked, name=name, at=self._now)
        return self._settle(person, keep.ready(by.user, None, "", self._now))

    def change_password(self, user: str, proof: Proof, secret: str) -> Person:
        """A person who proves who they are gives themselves another password; their codes stay (11.300(b))."""
        person = self.people.prove(Signer(user=user, proof=proof), "set-credential", person_stream(user))
        return self._settle(person, self.people.credentials.renewed(user, secret))

    @property
    def _now(self) -> Instant:
        """The moment by which codes are judged."""
        return self.people.proof_now

    def _owner(self, user: str) -> AbstractContextManager[None]:
        """What is refused to who sets a credential is an entry; a user id that nobody has is not kept."""
        person = self.people.person(user)
        subject, known = (person_stream(user), user) if person else ("person/", "")
        return refusing(self.people.registrar, "set-credential", subject, user=known)

    def _invited(self, user: str) -> Person:
        person = self.people.person(user)
        if person is None or person.scripted or person.state not in ("invited", "unconfirmed"):
            raise RefusedError(WRONG_CODE)
        return person

    def _settle(self, person: Person, staged: Staged) -> Person:
        """The entry first: a crash between leaves the invitation good, and the owner sets it again."""
        fact = CredentialSet(user=person.user, method=staged.method, fingerprint=staged.fingerprint)
        self._append(person.user, person.position, (fact,), f"person:{person.user}")
        self.people.credentials.settle(person.user, staged)
        return _known(self.people.person(person.user), person.user)

    def _append(self, user: str, position: int, facts: Sequence[Fact], actor: str) -> None:
        happened = self.people.registrar.clock.now()
        drafts = [Draft(fact=fact, actor=actor, happened_at=happened) for fact in facts]
        self.people.registrar.ledger.append(person_stream(user), drafts, expected=position)


def _known(person: Person | None, user: str) -> Person:
    """A person whose account is open; UserError otherwise."""
    if person is None or person.scripted:
        raise UserError(
            Words(
                en=f"nobody has the user id {user!r}; see `cytoloop people list`",
                zh=f"没有用户名为 {user!r} 的人员；请查看人员页面",
            )
        )
    if person.closed:
        raise UserError(
            Words(
                en=f"the account of {user} is closed and never used again; enrol the person under a new user id",
                zh=f"{user} 的账户已关闭，不再使用；请以新的用户名为其建立账户",
            )
        )
    return person


def _plan(
    act: Act, fact: type[Fact], person: Person, fields: Mapping[str, JSON], meaning: Meaning = "approved"
) -> Plan:
    circle = Circle(owner=person.user, issuers=person.issuers)
    return Plan(act=act, fact=fact, fields=fields, meaning=meaning, position=person.position, circle=circle)


def _enrol(wanted: Enrol, person: Person | None) -> Plan:
    demand_identity(wanted.user, wanted.printed_name, wanted.zone)
    if person is not None:
        raise UserError(f"the user id {wanted.user!r} was given before, and is never given again; choose another one")
    fields: dict[str, JSON] = {
        "user": wanted.user,
        "printed_name": wanted.printed_name.strip(),
        "roles": list(roles_named(wanted.roles)),
        "zone": wanted.zone,
    }
    return Plan(act="enrol", fact=PersonEnrolled, fields=fields, meaning="approved", position=0, circle=Circle())


def _confirm(person: Person) -> Plan:
    if person.state != "unconfirmed":
        state = STATE_WORDS[person.state]
        raise UserError(
            Words(
                en=f"the account of {person.user} is {person.state}; there is no credential to confirm",
                zh=f"{person.user} 的账户状态为“{state.zh}”，没有待确认的凭证",
            )
        )
    fields: dict[str, JSON] = {
        "user": person.user,
        "fingerprint": person.fingerprint,
        "printed_name": person.printed_name,
        "roles": list(person.roles),
        "method": person.method,
    }
    return _plan("confirm-account", AccountConfirmed, person, fields, "verified")


def _unlock(wanted: Unlock, person: Person, locked: bool) -> Plan:
    if not locked:
        raise UserError(f"the account of {person.user} is not locked")
    return _plan("unlock", AccountUnlocked, person, {"user": person.user, "reason": _reason(wanted.reason)})


def _change_roles(wanted: ChangeRoles, person: Person) -> Plan:
    new = roles_named(wanted.roles)
    if set(new) == set(person.roles):
        raise UserError(f"{person.user} has these roles already; nothing was changed")
    fields: dict[str, JSON] = {
        "user": person.user,
        "old": list(person.roles),
        "new": list(new),
        "reason": _reason(wanted.reason),
    }
    return _plan("change-roles", RolesChanged, person, fields)


def _reset(wanted: Reset, person: Person) -> Plan:
    return _plan("reset-account", EnrolmentCodeIssued, person, {"user": person.user, "reason": _reason(wanted.reason)})


def _facts(wanted: AccountAct, plan: Plan, signature: Signature) -> tuple[Fact, ...]:
    f = plan.fields
    user, reason, by = str(f["user"]), str(f.get("reason", "")), signature.signer
    match wanted:
        case Enrol():
            name, roles = str(f["printed_name"]), roles_named(wanted.roles)
            enrolled = PersonEnrolled(user=user, printed_name=name, roles=roles, zone=wanted.zone, signature=signature)
            issued = EnrolmentCodeIssued(user=user, issued_by=by, reason=ENROLLED, signature=signature)
            return (enrolled, issued)
        case Confirm():
            return (AccountConfirmed(user=user, fingerprint=str(f["fingerprint"]), signature=signature),)
        case Unlock():
            return (AccountUnlocked(user=user, reason=reason, signature=signature),)
        case ChangeRoles():
            old = tuple(str(role) for role in f["old"]) if isinstance(f["old"], list) else ()
            new = roles_named(wanted.roles)
            return (RolesChanged(user=user, old=old, new=new, reason=reason, signature=signature),)
        case Reset():
            return (EnrolmentCodeIssued(user=user, issued_by=by, reason=reason, signature=signature),)
        case Close():
            return (AccountClosed(user=user, reason=reason, signature=signature),)


def demand_identity(user: str, printed_name: str, zone: str) -> None:
    """UserError unless these will do for an account."""
    if not USER_ID.fullmatch(user) or len(user) > LONGEST_ID:
        raise UserError(
            f"{user!r} will not do as a user id: small letters and digits, with . _ - between, at most {LONGEST_ID}"
        )
    if not printed_name.strip() or len(printed_name) > LONGEST_NAME or not printed_name.isprintable():
        raise UserError(
            f"the name of {user} is empty, too long or not printable; give it as it stands under a signature"
        )
    if zone not in available_timezones():
        raise UserError(f"{zone!r} is no time zone; give an IANA name, for example Asia/Shanghai")


def _reason(text: str) -> str:
    if not text.strip():
        raise UserError("say why (--why): the reason is kept with the act")
    return text.strip()
