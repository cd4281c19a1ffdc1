"""Facts of the person's door: what a person answered to a request, and what a second person said of it.

A request is the intent of a step whose target is "person:<role>". Its answer stands in a stream of its own,
"answer/<key>", at position 0: from any tab, host or process it is given exactly once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cytoloop.core.json import JSON
from cytoloop.core.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGiven:
    """A person answered a request."""

    NAME: ClassVar[str] = "answer-given/1"
    key: str
    """The request's key: the command's idempotency key."""
    batch: str
    step: str
    verb: str
    asked: str
    """SHA-256 of the canonical JSON of what was asked: target, verb, arguments."""
    role: str
    """The role that was asked, in which the person answered."""
    done: bool
    """False: the person says that it cannot be done, and `reason` says why."""
    values: Mapping[str, JSON] = field(hash=False)
    """In the units that were shown."""
    reason: str
    """Why an answer was given although it was warned of, or why it cannot be done."""
    verifier: str
    """Role of a second person who has to confirm the answer; empty when nobody has to."""
    signature: Signature | None
    """Where a signature was asked for; a plain answer is attributed by who was signed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerVerified:
    """A second person saw the answer and signed whether it is as they find it."""

    NAME: ClassVar[str] = "answer-verified/1"
    key: str
    batch: str
    step: str
    confirmed: bool
    reason: str
    """Why it was not confirmed."""
    signature: Signature


FACTS = (AnswerGiven, AnswerVerified)
