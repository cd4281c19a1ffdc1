"""View of the work: what waits for people, since when, on which batch and unit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cytoloop.app.asked import TRIED
from cytoloop.app.names import DEVIATIONS, named
from cytoloop.app.views_shelf import Shelf
from cytoloop.app.views_steps import StepLine, listed_operations
from cytoloop.core.batch import Batch
from cytoloop.core.facts.answer import AnswerGiven
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.asking import PERSON, Request, answer_stream, requests
from cytoloop.production.settle import DECISION

Waits = Literal["answer", "second", "line"]
"""answer  nobody has answered yet
second  a second person has to confirm the answer
line    answered; the line has not taken the answer up yet"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """One request as a work list shows it."""

    key: str
    batch: str
    coi: str
    line: str
    unit: str
    """Equipment that the operation stands on; empty where there is none."""
    operation: Words | None
    title: Words
    verb: str
    role: str
    """Who is waited for."""
    since: Instant
    latest: Instant | None
    overdue: bool
    waits: Waits
    answered_by: str
    """User id; empty while nobody answered."""


def work_of(shelf: Shelf, now: Instant) -> tuple[WorkLine, ...]:
    """Everything that waits for people in the batches of the record: overdue first, then longest waiting."""
    found = [line for batch in shelf.batches() if not batch.ended for line in _of_batch(shelf, batch, now)]
    return tuple(sorted(found, key=lambda line: (not line.overdue, line.since, line.key)))


def for_roles(
    work: Sequence[WorkLine], roles: Sequence[str], *, user: str = "", line: str | None = None
) -> tuple[WorkLine, ...]:
    """What waits for somebody of these roles, on one line or on all; nobody confirms what they answered themselves."""
    return tuple(
        each
        for each in work
        if each.waits != "line"
        and each.role in roles
        and not (each.waits == "second" and each.answered_by == user)
        and (line is None or each.line == line)
    )


def _of_batch(shelf: Shelf, batch: Batch, now: Instant) -> Iterator[WorkLine]:
    steps = {step.step: (step, operation) for operation in listed_operations(batch) for step in operation.steps}
    for request in requests(batch, shelf.stream(f"batch/{batch.number}"), TRIED):
        if request.since > now:
            continue
        step, operation = steps.get(_at(request, batch), (None, None))
        entries = shelf.stream(answer_stream(request.command.key))
        answer = entries[0].fact if entries and isinstance(entries[0].fact, AnswerGiven) else None
        waits = _waits(answer, len(entries))
        yield WorkLine(
            key=request.command.key,
            batch=batch.number,
            coi=batch.created.coi,
            line=batch.created.line,
            unit=operation.equipment if operation else "",
            operation=operation.words if operation else None,
            title=title_of(request, step),
            verb=request.command.verb,
            role=answer.verifier if answer and waits == "second" else request.role,
            since=request.since if answer is None else entries[0].entry.happened_at,
            latest=request.latest,
            overdue=request.latest is not None and now > request.latest,
            waits=waits,
            answered_by=entries[0].entry.actor.removeprefix(PERSON) if entries else "",
        )


def _at(request: Request, batch: Batch) -> str:
    """The step of the recipe that the request is about."""
    if not request.step.startswith(DECISION):
        return request.step
    deviation = batch.deviations.get(request.step.removeprefix(DECISION))
    return (deviation.opened.fact.step or "") if deviation else ""


def _waits(answer: AnswerGiven | None, entries: int) -> Waits:
    if answer is None:
        return "answer"
    return "second" if answer.done and answer.verifier and entries == 1 else "line"


def title_of(request: Request, step: StepLine | None) -> Words:
    """What is asked, in a line."""
    arguments = request.command.arguments
    said = _words(arguments.get("instruction")) or (step.words if step else Words(en=request.step, zh=request.step))
    if request.step.startswith(DECISION):
        kind = named(DEVIATIONS, str(arguments.get("kind")))
        return Words(en=f"Decide on a deviation: {kind.en}", zh=f"对偏差作出决定：{kind.zh}")
    if request.command.key.partition("/what-happened")[1]:
        return Words(en=f"What became of it: {said.en}", zh=f"请说明结果：{said.zh}")
    return said


def _words(given: JSON) -> Words | None:
    if isinstance(given, Mapping) and given.get("en") and given.get("zh"):
        return Words(en=str(given["en"]), zh=str(given["zh"]))
    return None
