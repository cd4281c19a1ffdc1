"""Asked: a request with what was answered to it so far, and what a person puts into its sheet, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from cytoloop.app.answering_fields import Field, fields_of
from cytoloop.app.answering_values import read_field, warning_of
from cytoloop.app.permissions import Act
from cytoloop.app.production import read_batch
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Recorded
from cytoloop.core.equipment import Command, Verb
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.answer import AnswerGiven
from cytoloop.core.facts.production import StepStarted
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.asking import PERSON, Request, answer_stream, requests
from cytoloop.production.runner import RECALL_AFTER
from cytoloop.production.settle import DECISION
from cytoloop.record.ledger import Ledger

TRIED = sum(RECALL_AFTER)
"""Hours for which equipment is asked about a step in doubt before a person is."""

ASIDE = ("options", "what", "instruction", "words", "latest")
"""Arguments that stand beside what is signed, or in it: the digest tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with what was answered so far."""

    request: Request
    batch: Batch
    open: bool
    """Whether the batch still waits for it."""
    given: Recorded | None = None
    """The answer."""
    second: Recorded | None = None
    """The second person's word on it."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """What is asked for."""
        return fields_of(self.request, self.batch)

    @property
    def answer(self) -> AnswerGiven | None:
        """What was answered."""
        return self.given.fact if self.given and isinstance(self.given.fact, AnswerGiven) else None

    @property
    def awaits_second(self) -> bool:
        """Whether the answer is given and a second person has to confirm it."""
        answer = self.answer
        return answer is not None and answer.done and bool(answer.verifier) and self.second is None

    @property
    def by(self) -> str:
        """User id of who answered; empty while nobody did."""
        return self.given.entry.actor.removeprefix(PERSON) if self.given else ""

    @property
    def meaning(self) -> Meaning | None:
        """What the signature means that is asked for; None for a plain answer."""
        found: Meaning | None = self.request.command.arguments.get("meaning")  # type: ignore[assignment]  # the runner's
        return found

    @property
    def act(self) -> Act:
        """What of the table of rights an answer is."""
        if self.request.command.verb != "decide":
            return "answer"
        if self.request.step.startswith(DECISION):
            return "close-deviation"
        return "resolve-step" if self.request.command.key.partition("/what-happened")[1] else "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a person put into a sheet."""

    texts: Mapping[str, str] = field(hash=False)
    reason: str = ""
    """Why all the same, or why it cannot be done."""
    done: bool = True
    happened_at: Instant | None = None
    """When it was done; now, when left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was typed, read."""

    values: Mapping[str, JSON] = field(hash=False)
    problems: Mapping[str, Words] = field(default_factory=dict, hash=False)
    """Field -> why its text gives no value."""
    warnings: tuple[Words, ...] = ()
    """What may be given all the same, with a reason."""
    mixed_up: tuple[Words, ...] = ()
    """Those of them that say that a wrong item was scanned."""


def check(asked: Asked, typed: Typed, now: Instant) -> Checked:
    """Read what was typed, field by field."""
    if not typed.done:
        return Checked(values={})
    material = asked.request.command.arguments.get("material")
    values: dict[str, JSON] = {"material": material} if asked.request.command.verb == "add" else {}
    problems: dict[str, Words] = {}
    warnings: list[tuple[Field, Words]] = []
    for each in asked.fields:
        try:
            values[each.name] = read_field(each, typed.texts.get(each.name, ""))
        except UserError as why:
            problems[each.name] = why.words
            continue
        warning = warning_of(each, values[each.name], now.date())
        warnings += [(each, warning)] if warning else []
    return Checked(
        values=values,
        problems=problems,
        warnings=tuple(said for _, said in warnings),
        mixed_up=tuple(said for each, said in warnings if each.type == "code"),
    )


def asked_under(ledger: Ledger, key: str, now: Instant) -> Asked:
    """The request of that key with its answer; UserError when nobody was ever asked under it."""
    number = key.partition("/")[0]
    entries = list(ledger.stream(f"batch/{number}"))
    answer = list(ledger.stream(answer_stream(key)))
    if not entries:
        raise _unknown(key)
    batch = read_batch(ledger, number)
    waiting = requests(batch, [*ledger.stream(f"batch/{number}")], TRIED)
    standing = next((each for each in waiting if each.command.key == key and each.since <= now), None)
    request = standing or _asked_before(entries, key) or _answered_before(answer)
    if request is None:
        raise _unknown(key)
    given, second = (*answer, None, None)[:2]
    return Asked(request=request, batch=batch, open=standing is not None, given=given, second=second)


def _asked_before(entries: Sequence[Recorded], key: str) -> Request | None:
    """The request whose step was settled since."""
    for each in entries:
        fact = each.fact
        if isinstance(fact, StepStarted) and fact.key == key and fact.target.startswith(PERSON):
            verb: Verb = fact.verb  # type: ignore[assignment]  # the record keeps the verb as text
            command = Command(key=key, target=fact.target, verb=verb, arguments=fact.arguments)
            batch = each.entry.stream.partition("/")[2]
            return Request(batch=batch, step=fact.step, command=command, since=each.entry.happened_at)
    return None


def _answered_before(answer: Sequence[Recorded]) -> Request | None:
    """The request, as its answer tells of it: what became of a step in doubt is asked by no entry."""
    fact = answer[0].fact if answer else None
    if not isinstance(fact, AnswerGiven):
        return None
    verb: Verb = fact.verb  # type: ignore[assignment]  # the record keeps the verb as text
    command = Command(key=fact.key, target=PERSON + fact.role, verb=verb)
    return Request(batch=fact.batch, step=fact.step, command=command, since=answer[0].entry.happened_at)


def contents_of(request: Request) -> dict[str, JSON]:
    """What is put before a person to sign: the content that the request's digest is of.

    RefusedError when there is none: nobody signs what they are not shown.
    """
    command = request.command
    wanted = command.arguments.get("digest")
    plain = {name: value for name, value in command.arguments.items() if name not in ("digest", "meaning")}
    doubt: dict[str, JSON] = {
        "batch": request.batch,
        "step": request.step,
        "key": command.key.partition("/what-happened")[0],
    }
    shown = plain.get("shown")
    shapes = [doubt | {"what": plain.get("what")}, *([shown] if isinstance(shown, dict) else [])]
    for number in range(len(ASIDE) + 1):
        for left_out in combinations(ASIDE, number):
            shapes.append({name: value for name, value in plain.items() if name not in left_out})
    found = next((shape for shape in shapes if digest(shape) == wanted), None)
    if found is None:
        raise RefusedError(
            Words(
                en=f"what {command.key} asks to be signed is not what its digest is of; tell quality assurance",
                zh=f"{command.key} 要求签署的内容与其摘要不符；请告知质量保证",
            )
        )
    return found


def _unknown(key: str) -> UserError:
    return UserError(
        Words(
            en=f"nobody is asked anything under {key!r}; see the work list",
            zh=f"没有编号为 {key!r} 的请求；请查看工作清单",
        )
    )
