"""Answers: what the person's door, and who takes an answer, ask of the record."""

from cytoloop.adapters.operator.door import Find, Stands
from cytoloop.app.answering import Qualified
from cytoloop.app.equipment import people_register
from cytoloop.core.facts.production import StepStarted
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.asking import PERSON, answer_stream, outcome_of
from cytoloop.production.fitness import why_not_qualified
from cytoloop.record.ledger import Ledger


def find_in(ledger: Ledger) -> Find:
    """Reads what the answer to a request came to."""
    return lambda key: outcome_of(ledger.stream(answer_stream(key)))


def stands_in(ledger: Ledger, target: str = PERSON) -> Stands:
    """Reads whether a person was asked under a key: the intent, for a target that begins so, stands in the record."""

    def stands(key: str) -> bool:
        stream = ledger.stream(f"batch/{key.partition('/')[0]}")
        facts = (recorded.fact for recorded in stream)
        return any(
            isinstance(fact, StepStarted) and fact.key == key and fact.target.startswith(target) for fact in facts
        )

    return stands


def qualified_in(ledger: Ledger) -> Qualified:
    """Asks the register of qualifications; nobody is turned away where none is demanded."""

    def qualified(user: str, what: str, now: Instant) -> Words | None:
        return why_not_qualified(people_register(ledger), user, what, now)

    return qualified
