"""By: the person an entry is by, read from the entry alone."""

from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.facts.people import ActRefused
from cytoloop.core.signature import Signature

PERSON = "person:"


def user_of(recorded: Recorded) -> str:
    """User id of who the entry is by; empty when no person is."""
    if isinstance(recorded.fact, ActRefused):
        return recorded.fact.user
    signature = signature_of(recorded.fact)
    if signature is not None:
        return signature.signer
    actor = recorded.entry.actor
    return actor.removeprefix(PERSON) if actor.startswith(PERSON) else ""


def signature_of(fact: Fact) -> Signature | None:
    """The signature an entry carries; None when it is not signed."""
    found = getattr(fact, "signature", None)
    return found if isinstance(found, Signature) else None
