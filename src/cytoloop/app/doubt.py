"""Doubt: what the record knows of a command that a process before this one sent."""

from cytoloop.core.facts.production import StepStarted
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger


def sent_at(ledger: Ledger, key: str) -> Instant | None:
    """When the intent of this command was written; None: the record never meant to send it.

    A door whose equipment forgot everything tells by it whether the command is older than what the equipment knows.
    """
    facts = ledger.stream(f"batch/{key.partition('/')[0]}")
    found = [each.entry.happened_at for each in facts if isinstance(each.fact, StepStarted) and each.fact.key == key]
    return found[-1] if found else None
