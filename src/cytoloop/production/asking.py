"""Asking: what people are asked in a batch, and what their answers come to. Pure.

A request is not kept anywhere: it follows from the batch. A step whose intent names a person stands as a request until
its outcome is entered; a step in doubt that no equipment could tell of is a request to say what became of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.entry import Recorded
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.facts.answer import AnswerGiven, AnswerVerified
from cytoloop.core.json import JSON, digest
from cytoloop.core.time import Instant, after, instant
from cytoloop.production.advance import what_happened

PERSON = "person:"
ANSWERS = "answer/"
"""Prefix of the streams of answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something that a person is asked."""

    batch: str
    step: str
    command: Command
    since: Instant
    """When the person was asked first."""

    @property
    def role(self) -> str:
        """The role that is asked."""
        return self.command.target.removeprefix(PERSON)

    @property
    def latest(self) -> Instant | None:
        """When it has to be answered, where the request says so."""
        given = self.command.arguments.get("latest")
        return instant(given) if isinstance(given, str) else None

    @property
    def verifier(self) -> str:
        """Role of a second person who has to confirm the answer; empty when nobody has to."""
        given = self.command.arguments.get("verified_by") or self.command.arguments.get("verified")
        return given if isinstance(given, str) else self.role if given else ""

    @property
    def asked(self) -> str:
        """SHA-256 of the canonical JSON of what is asked."""
        command = self.command
        return digest({"target": command.target, "verb": command.verb, "arguments": dict(command.arguments)})


def answer_stream(key: str) -> str:
    """The stream in which a request's answer stands."""
    return f"{ANSWERS}{key}"


def requests(batch: Batch, entries: Sequence[Recorded], tried: float) -> tuple[Request, ...]:
    """What people are asked in the batch now, longest waiting first.

    `entries`: the batch's stream, folded into `batch`. `tried`: hours for which equipment is asked about a step in
    doubt before a person is.
    """
    return tuple(sorted(_requests(batch, entries, tried), key=lambda request: (request.since, request.command.key)))


def _requests(batch: Batch, entries: Sequence[Recorded], tried: float) -> Iterator[Request]:
    if batch.ended:
        return
    for step in batch.steps.values():
        if step.state not in ("running", "in-doubt"):
            continue
        if step.target.startswith(PERSON):
            yield Request(batch=batch.number, step=step.step, command=_command(step), since=step.started_at)
        elif step.state == "in-doubt":
            since = after(entries[step.position].entry.happened_at, tried)
            yield Request(batch=batch.number, step=step.step, command=what_happened(batch, step), since=since)


def _command(step: StepRecord) -> Command:
    """The command whose intent stands in the record."""
    verb: Verb = step.verb  # type: ignore[assignment]  # the record keeps the verb as text
    return Command(key=step.key, target=step.target, verb=verb, arguments=step.arguments)


def outcome_of(entries: Iterable[Recorded]) -> Outcome | None:
    """What the stream of an answer comes to; None while the answer, or its second person's word, is missing."""
    found = list(entries)
    given = found[0] if found else None
    if given is None or not isinstance(given.fact, AnswerGiven):
        return None
    if not given.fact.done or not given.fact.verifier:
        return _outcome(given, given.fact)
    second = found[1] if len(found) > 1 else None
    return _verified(given, given.fact, second) if second is not None else None


def _outcome(given: Recorded, fact: AnswerGiven) -> Outcome:
    values: dict[str, JSON] = dict(fact.values)
    if fact.reason and fact.done:
        values["reason"] = fact.reason
    if fact.signature is not None:
        values |= {"signature": given.entry.data["signature"]} if fact.verb in ("decide", "sign") else {}
    return Outcome(
        key=fact.key,
        ok=fact.done,
        at=given.entry.happened_at,
        by=given.entry.actor,
        values=values,
        note="" if fact.done else fact.reason,
    )


def _verified(given: Recorded, fact: AnswerGiven, second: Recorded) -> Outcome | None:
    if not isinstance(second.fact, AnswerVerified):
        return None
    outcome, word = _outcome(given, fact), second.fact
    signer = word.signature.signer
    return Outcome(
        key=outcome.key,
        ok=word.confirmed,
        at=second.entry.happened_at,
        by=outcome.by,
        values={**outcome.values, "verified_by": signer},
        note="" if word.confirmed else f"{signer} did not confirm the answer: {word.reason}",
    )
