"""People: who somebody is, proven each time anew, and what they sign.

A wrong try gives one sentence, whatever was wrong, so that it tells nothing (21 CFR 11.300(d)). Three in a row, or at
several accounts from one place, are told as misuse; five lock the account. There is no way to sign for somebody else:
the proof's owner signs, now, in a role they hold (11.100(a), 11.200(a)(2)).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cytoloop.adapters.credentials import Credentials, RelyingParty, Tried
from cytoloop.app.acts import ACCESS, ALERTS, note, refused
from cytoloop.app.directory import Person, people_of, person_of, person_stream
from cytoloop.app.permissions import NOBODY, Act, Circle, allow
from cytoloop.app.registrar import Registrar
from cytoloop.app.settings import Passkeys, read_settings
from cytoloop.core.entry import Fact
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.people import AccountLocked, Method, MisuseAlerted, SignedIn, SignedOut
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Password, Proof, Signature, challenge
from cytoloop.core.time import Clock, Instant
from cytoloop.core.words import Words
from cytoloop.record.ledger import Ledger

WRONG = Words(
    en="user id and proof do not match, or the account may not be used now; nothing was done (a code is good once: "
    "wait for the next; five wrong tries lock an account, and an administrator unlocks it)",
    zh="用户名与凭证不符，或账户当前不可用；未执行任何操作（动态码只能用一次，请等待下一个；连续五次错误将锁定账户，由管理员解锁）",
)
"""What every wrong try is told."""
UNCONFIRMED = Words(
    en="the account of {} waits until somebody who did not issue it confirms it; ask quality assurance",
    zh="{} 的账户须由未签发该账户的人员确认后方可使用；请联系质量保证",
)
STRANGE = Words(
    en="the credential of {} is not the one the record knows; tell quality assurance, it may have been put there",
    zh="{} 的凭证与记录不符，可能是他人放入的；请告知质量保证",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who acts, with the proof they gave just now."""

    user: str
    proof: Proof
    source: str = ""
    """Where they sit: an address, "console". Told when something looks like misuse."""


@dataclass(frozen=True, slots=True)
class People:
    """The people of a record: directory, signing in, signing."""

    registrar: Registrar
    credentials: Credentials
    proof_clock: Clock | None = None
    """What codes of the moment are read by; the registrar's clock when left out."""

    @property
    def proof_now(self) -> Instant:
        """The moment by which a proof is judged: the wall's, also where a line's clock runs faster."""
        return (self.proof_clock or self.registrar.clock).now()

    def person(self, user: str) -> Person | None:
        """Who has this user id; None when nobody has."""
        return person_of(self.registrar.ledger.stream(person_stream(user)))

    def everybody(self) -> tuple[Person, ...]:
        """Everybody that the record knows."""
        return people_of(self.registrar.ledger)

    def sign_in(self, user: str, proof: Proof, *, asked: bytes = b"", source: str = "") -> Person:
        """The person, once proven; the entry stands before they are let in.

        `asked`: the challenge that a passkey had to answer, drawn at random for this once. Raises RefusedError.
        """
        signer = Signer(user=user, proof=proof, source=source)
        person, _ = self._proven(signer, asked, "sign-in", person_stream(user))
        method: Method = "password+code" if isinstance(proof, Password) else "passkey"
        self._tell(person, SignedIn(user=user, method=method), actor=f"person:{user}")
        return person

    def admit(self, user: str, *, source: str = "") -> Person:
        """The person, whom the house's OpenID provider has proven. They sign nothing by that: each signing asks anew.

        Raises RefusedError when nobody active has the user id.
        """
        person = self.person(user)
        if person is None or person.scripted or person.state != "active":
            self._refuse("sign-in", "person/", _unfit(person, source), person)
            raise RefusedError(WRONG)
        self._tell(person, SignedIn(user=user, method="openid"), actor=f"person:{user}")
        return person

    def sign_out(self, user: str, reason: Literal["asked", "idle"] = "asked") -> None:
        """Keep that the person signed out."""
        stream = person_stream(user)
        note(self.registrar, stream, SignedOut(user=user, reason=reason), actor=f"person:{user}")

    def sign(self, user: str, proof: Proof, *, role: str, meaning: Meaning, digest: str, source: str = "") -> Signature:
        """The signature of `user` in `role` over `digest`, made now; RefusedError when the proof or the role is wrong.

        What is shown must say where it will stand (a stream and position, a deviation), so that a signature over it
        is good once.
        """
        signer = Signer(user=user, proof=proof, source=source)
        person, tried = self._proven(signer, challenge(meaning, digest), "sign", digest)
        if role not in person.roles:
            reason = f"{user} is no {role}; sign in a role you hold: {', '.join(person.roles)}"
            raise self._refusal("sign", digest, Words(en=reason, zh=""), person)
        return self._signature(person, tried, role, meaning, digest)

    def sign_for(
        self,
        act: Act,
        by: Signer,
        *,
        meaning: Meaning,
        shown: Mapping[str, JSON],
        subject: str,
        circle: Circle = NOBODY,
    ) -> Signature:
        """The signature of `by` over `shown`, in the role in which they may do `act`.

        Proof first, then right: who is not proven learns nothing. Both refusals are entries; raises RefusedError.
        """
        bound = digest(dict(shown))
        person, tried = self._proven(by, challenge(meaning, bound), act, subject)
        role = self._allowed(act, person, subject, circle)
        return self._signature(person, tried, role, meaning, bound)

    def allowed(self, act: Act, user: str, subject: str, circle: Circle = NOBODY) -> Person:
        """The person, who signed in before and asks for an act that takes no signature; RefusedError otherwise."""
        person = self.person(user)
        if person is None or person.state != "active":
            self._refuse(act, subject, "the account may not be used now", person)
            raise RefusedError(WRONG)
        self._allowed(act, person, subject, circle)
        return person

    def _allowed(self, act: Act, person: Person, subject: str, circle: Circle) -> str:
        try:
            return allow(act, person.user, person.roles, circle)
        except RefusedError as why:
            self._refuse(act, subject, str(why), person)
            raise

    def prove(self, by: Signer, act: str, subject: str) -> Person:
        """The person, proven by password and code, for an act on their own account; RefusedError otherwise."""
        return self._proven(by, own_challenge(act, subject), act, subject)[0]

    def _proven(self, by: Signer, asked: bytes, act: str, subject: str) -> tuple[Person, Tried]:
        person = self.person(by.user)
        barred = person is None or person.scripted or person.state in ("locked", "closed", "invited")
        now = self.proof_now
        tried = self.credentials.try_(by.user, by.proof, challenge=asked, at=now, source=by.source, barred=barred)
        if person is None or not tried.right:
            self._wrong(person, tried, act, subject)
            raise RefusedError(WRONG)
        if not person.holds(tried.fingerprint):
            self._tell(person, MisuseAlerted(user=person.user, what="a credential that its owner did not set"))
            raise self._refusal(act, subject, STRANGE.filled(person.user), person)
        if person.state != "active":
            raise self._refusal(act, subject, UNCONFIRMED.filled(person.user), person)
        return person, tried

    def _wrong(self, person: Person | None, tried: Tried, act: str, subject: str) -> None:
        """Keep a wrong try. What was typed as a user id is not kept when it is nobody's: it may be a password."""
        where = subject if person is not None or not subject.startswith("person/") else "person/"
        self._refuse(act, where, "user id and proof do not match, or the account may not be used", person)
        for what in tried.alarms:
            if person is None:
                note(self.registrar, ALERTS, MisuseAlerted(user="", what=what), actor=ACCESS)
            else:
                self._tell(person, MisuseAlerted(user=person.user, what=what))
        if person is not None and tried.locks and not person.locked and not person.closed:
            self._tell(person, AccountLocked(user=person.user, failures=tried.failures))

    def _refusal(self, act: str, subject: str, reason: Words, person: Person) -> RefusedError:
        self._refuse(act, subject, reason.en, person)
        return RefusedError(reason)

    def _refuse(self, act: str, subject: str, reason: str, person: Person | None) -> None:
        user, roles = (person.user, person.roles) if person else ("", ())
        refused(self.registrar, act, subject, reason, user=user, roles=roles)

    def _tell(self, person: Person, fact: Fact, *, actor: str = ACCESS) -> None:
        note(self.registrar, person_stream(person.user), fact, actor=actor)

    def _signature(self, person: Person, tried: Tried, role: str, meaning: Meaning, bound: str) -> Signature:
        return Signature(
            signer=person.user,
            printed_name=person.printed_name,
            role=role,
            meaning=meaning,
            signed_at=self.registrar.clock.now(),
            zone=person.zone,
            digest=bound,
            components=tried.components,
            passkey=tried.passkey,
        )


def _unfit(person: Person | None, source: str) -> str:
    """Why a person whom the provider proved is not let in, for the record."""
    where = f", asked from {source}" if source else ""
    if person is None:
        return f"nobody has the user id that the OpenID provider names{where}"
    return f"the account is {'scripted' if person.scripted else person.state}{where}"


def own_challenge(act: str, subject: str) -> bytes:
    """What a passkey answers to when its owner acts on their own account."""
    return challenge("performed", digest({"act": act, "subject": subject}))


def people_at(folder: Path, ledger: Ledger, clock: Clock, proofs: Clock | None = None) -> People:
    """The people of the record of `folder`; passkeys are those of the site that its settings name.

    `clock`: of what is entered; `proofs`: by which proofs are judged, where it is another.
    """
    credentials = Credentials(folder, site=relying_party(read_settings(folder).passkeys))
    return People(Registrar(ledger, clock), credentials, proofs)


def relying_party(passkeys: Passkeys | None) -> RelyingParty | None:
    """Whom passkeys are made for; None when the site uses none."""
    if passkeys is None:
        return None
    return RelyingParty(id=passkeys.rp_id, name="Cytoloop", origins=passkeys.origins)
