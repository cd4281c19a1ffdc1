"""Signing: show a person exactly what they sign, and take nothing else for a signature."""

from collections.abc import Mapping
from dataclasses import dataclass

from cytoloop.app.acts import REFUSALS, refusing
from cytoloop.app.permissions import Act, check
from cytoloop.app.registrar import Registrar
from cytoloop.core.equipment import Command, Door, Verb
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.people import ActRefused
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature, answered
from cytoloop.core.time import Instant
from cytoloop.production.signed import read_signature
from cytoloop.record.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a person answered, with the signature over what was shown."""

    decision: str
    reason: str
    signature: Signature
    at: Instant


async def ask_signature(
    door: Door,
    *,
    key: str,
    role: str,
    meaning: Meaning,
    what: str,
    shown: Mapping[str, JSON],
    options: tuple[str, ...] = (),
    target: str | None = None,
) -> Signed:
    """Show `shown` to a person of `role`, with `options` when there is something to decide.

    `target`: ask one person of that role who has a door of their own ("person:reviewer").

    RefusedError when what comes back is not signed over exactly what was shown, or is none of the options.
    """
    whole: dict[str, JSON] = {**shown, "options": list(options)} if options else dict(shown)
    bound = digest(whole)
    arguments: dict[str, JSON] = {**whole, "what": what, "digest": bound, "meaning": meaning}
    verb: Verb = "decide" if options else "sign"
    outcome = await door.perform(Command(key=key, target=target or f"person:{role}", verb=verb, arguments=arguments))
    if options and outcome.values.get("decision") not in options:
        raise RefusedError(f"{what}: {outcome.values.get('decision')!r} is none of {', '.join(options)}")
    decision, reason = str(outcome.values.get("decision") or ""), str(outcome.values.get("reason") or "")
    return Signed(
        decision=decision,
        reason=reason,
        signature=read_signature(outcome.values, answered(bound, decision, reason) if options else bound, meaning),
        at=outcome.at,
    )


async def signed_for(
    act: Act,
    registrar: Registrar,
    door: Door,
    *,
    subject: str,
    key: str,
    role: str,
    meaning: Meaning,
    what: str,
    shown: Mapping[str, JSON],
    options: tuple[str, ...] = (),
    target: str | None = None,
    actors: frozenset[str] = frozenset(),
) -> Signed:
    """As `ask_signature`, for an act of the table on `subject`. What is refused is an entry; raises RefusedError.

    `actors`: who took part, where the table keeps them apart.
    """
    with refusing(registrar, act, subject):
        answer = await ask_signature(
            door, key=key, role=role, meaning=meaning, what=what, shown=shown, options=options, target=target
        )
    signer = answer.signature.signer
    with refusing(registrar, act, subject, user=signer, roles=(answer.signature.role,)):
        check(act, answer.signature, actors=actors)
    return answer


def times_refused(ledger: Ledger, act: Act, subject: str) -> int:
    """How often somebody was refused `act` on `subject`: who asks again asks under a new key, for a new answer."""
    facts = (each.fact for each in ledger.stream(REFUSALS))
    return sum(isinstance(fact, ActRefused) and (fact.act, fact.subject) == (act, subject) for fact in facts)
