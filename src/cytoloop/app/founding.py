"""Founding: how a record gets its first two people. The only accounts that nobody made for them.

One ceremony at the console, both present: the first administrator and the first person of quality assurance set their
own credentials, so that neither ever knew the other's. Afterwards one person enrols and another confirms.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cytoloop.adapters.credentials import Provisioning, Staged
from cytoloop.app.accounts import demand_identity
from cytoloop.app.acts import refused
from cytoloop.app.directory import Person, person_stream
from cytoloop.app.people import People
from cytoloop.app.permissions import Role
from cytoloop.core.entry import Draft
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.people import AccountConfirmed, CredentialSet, PersonEnrolled
from cytoloop.record.ledger import Request

CODE_TRIES = 3
"""Times a founder may mistype the code of the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founder:
    """One of the first two."""

    user: str
    printed_name: str
    zone: str
    secret: str = field(repr=False)
    """The password they typed themselves."""


Show = Callable[[Founder, Provisioning], str]
"""Shows a founder what their authenticator app needs, and returns the code it then says."""


def found(people: People, *, administrator: Founder, quality: Founder, show: Show) -> tuple[Person, Person]:
    """Enrol the first administrator and the first person of quality assurance; both can sign at once.

    RefusedError in a record that has people, or when a code stays wrong; UserError for names that will not do. Nothing
    is written then.
    """
    demand_nobody(people)
    if administrator.user == quality.user or administrator.secret == quality.secret:
        raise UserError("the founders are two people, with a user id and a password each; nothing was written")
    roles: dict[str, Role] = {administrator.user: "administrator", quality.user: "qa"}
    founders = (administrator, quality)
    for each in founders:
        demand_identity(each.user, each.printed_name, each.zone)
        if people.person(each.user) is not None:
            raise UserError(f"the user id {each.user!r} is a scripted person's here; choose another one")
    staged = {each.user: _staged(people, each, show) for each in founders}
    for each in founders:
        people.credentials.settle(each.user, staged[each.user])
    _write(people, [_request(people, each, roles[each.user], staged[each.user]) for each in founders])
    first, second = (people.person(each.user) for each in founders)
    assert first is not None, "a founder's entries stand"
    assert second is not None, "a founder's entries stand"
    return first, second


def demand_nobody(people: People) -> None:
    """RefusedError, which is an entry, when the record has people already."""
    known = [person.user for person in people.everybody() if not person.scripted]
    if known:
        reason = f"the record has people already ({', '.join(known[:3])}); an administrator enrols the next one"
        refused(people.registrar, "found", "person/", reason)
        raise RefusedError(reason)


def _staged(people: People, founder: Founder, show: Show) -> Staged:
    keep, clock = people.credentials, people.registrar.clock
    provisioning = keep.stage_password(founder.user, None, founder.secret, clock.now())
    for left in reversed(range(CODE_TRIES)):
        try:
            return keep.ready(founder.user, None, show(founder, provisioning), clock.now())
        except RefusedError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _request(people: People, founder: Founder, role: Role, staged: Staged) -> Request:
    user, now = founder.user, people.registrar.clock.now()
    facts = (
        PersonEnrolled(
            user=user, printed_name=founder.printed_name.strip(), roles=(role,), zone=founder.zone, signature=None
        ),
        CredentialSet(user=user, method=staged.method, fingerprint=staged.fingerprint),
        AccountConfirmed(user=user, fingerprint=staged.fingerprint, signature=None),
    )
    drafts = [Draft(fact=fact, actor=f"person:{user}", happened_at=now) for fact in facts]
    return Request(person_stream(user), drafts, 0)


def _write(people: People, requests: list[Request]) -> None:
    """Both founders in one durable append."""
    for answer in people.registrar.ledger.append_all(requests):
        if isinstance(answer, ConflictError):
            raise RefusedError("somebody else founded this record meanwhile; see `cytoloop people list`") from answer
        if isinstance(answer, Exception):
            raise answer
