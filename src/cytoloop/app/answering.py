"""Answering: an answer is given exactly once, by somebody who may.

The first answer under a key is appended to a stream of its own at position 0, so two tabs, hosts or processes cannot
both have it; whoever is second is told who was first. A plain answer is attributed by who is signed in; where the
request asks for a signature, and at a console, where nobody is signed in, it is signed with both components.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta

from cytoloop.app.acts import refused, refusing
from cytoloop.app.asked import Asked, Checked, Typed, asked_under, check, contents_of
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Circle
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.answer import AnswerGiven, AnswerVerified
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.time import Clock, Instant
from cytoloop.core.words import Words
from cytoloop.production.asking import answer_stream

PLAIN: Meaning = "performed"
"""What a signature under a plain answer means."""
SECOND: Meaning = "verified"
"""What a second person's signature means."""
SLACK = timedelta(minutes=1)
"""People say when something happened to the minute."""

Qualified = Callable[[str, str, Instant], str | Words | None]
"""(user id, what, now) -> why the person is not qualified for it; None when they are. What: an equipment class, an
operation, or one phase of it ("receipt/inspect")."""
Told = Callable[[str], None]
"""Hears the key of a request that was answered in this process."""


def anybody(user: str, what: str, now: Instant) -> str | Words | None:
    """For a house that keeps no qualifications here: nobody is turned away."""
    return None


def nobody(key: str) -> None:
    """For a process in which no line waits for answers."""


def shown_for(asked: Asked, values: Mapping[str, JSON], typed: Typed) -> dict[str, JSON]:
    """What is signed with an answer: exactly this, as canonical JSON."""
    arguments = asked.request.command.arguments
    if asked.request.command.verb == "sign":
        return contents_of(asked.request)
    if asked.request.command.verb == "decide":
        return {"shown": arguments.get("digest"), "decision": values.get("decision"), "reason": values.get("reason")}
    return {**_head(asked), "done": typed.done, "answers": _answers(asked, values), "reason": typed.reason}


def shown_to_second(asked: Asked, confirmed: bool, reason: str) -> dict[str, JSON]:
    """What a second person signs: the answer as they see it, who gave it, and their own word."""
    answers = _answers(asked, asked.answer.values if asked.answer else {})
    return {**_head(asked), "answers": answers, "answered_by": asked.by, "confirmed": confirmed, "reason": reason}


def _head(asked: Asked) -> dict[str, JSON]:
    """Whose material it is about, and what was asked."""
    return {
        "coi": asked.batch.created.coi,
        "batch": asked.request.batch,
        "request": asked.request.command.key,
        "asked": asked.request.asked,
    }


def _answers(asked: Asked, values: Mapping[str, JSON]) -> list[JSON]:
    """Each value with its question and unit, as a person reads it."""
    return [
        {"question": {"en": each.words.en, "zh": each.words.zh}, "value": values[each.name], "unit": each.unit}
        for each in asked.fields
        if each.name in values
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Where requests of a record are answered."""

    people: People
    clock: Clock
    """The record's."""
    qualified: Qualified = anybody
    told: Told = nobody

    @property
    def now(self) -> Instant:
        """The moment, by the record's clock."""
        return self.clock.now()

    def look(self, key: str) -> Asked:
        """The request of that key with its answer; UserError when nobody was ever asked under it."""
        return asked_under(self.people.registrar.ledger, key, self.now)

    def open(self, key: str) -> Asked:
        """The request, to be answered now. ConflictError when it was answered or is not asked any more."""
        asked = self.look(key)
        if asked.given is not None:
            raise ConflictError(self.already(asked.given))
        if not asked.open:
            raise ConflictError(
                Words(en=f"{key} is not asked any more: the batch went on", zh=f"{key} 已不再需要回答：批次已继续")
            )
        return asked

    def demand_right(self, asked: Asked, user: str) -> None:
        """RefusedError, which is an entry, unless `user` may answer: by role, and by qualification."""
        subject, role = f"batch/{asked.request.batch}", asked.request.role
        person = self.people.allowed(asked.act, user, subject)
        with refusing(self.people.registrar, asked.act, subject, user=user, roles=person.roles):
            if role not in person.roles:
                raise RefusedError(
                    Words(
                        en=f"{user} is no {role}, and {role} is asked; ask them", zh=f"{user} 不具备被请求的角色 {role}"
                    )
                )
            unfit = (self.qualified(user, what, self.now) for what in _subjects(asked))
            if why := next((each for each in unfit if each is not None), None):
                raise RefusedError(why)

    def give(self, by: str | Signer, key: str, typed: Typed) -> AnswerGiven:
        """Give the answer. `by`: who is signed in, for a plain answer; else who signs it.

        Raises ConflictError when it was answered before (nothing is doubled), UserError when what was typed gives no
        answer or needs a reason, RefusedError when `by` may not answer or has to sign.
        """
        asked = self.open(key)
        checked = self.demand_answer(asked, typed)
        happened = self._happened(asked, typed)
        user, signature = self._attributed(by, asked, checked, typed)
        fact = AnswerGiven(
            key=key,
            batch=asked.request.batch,
            step=asked.request.step,
            verb=asked.request.command.verb,
            asked=asked.request.asked,
            role=asked.request.role,
            done=typed.done,
            values=checked.values,
            reason=typed.reason,
            verifier=asked.request.verifier if typed.done else "",
            signature=signature,
        )
        self._append(key, fact, 0, user, happened)
        return fact

    def demand_answer(self, asked: Asked, typed: Typed) -> Checked:
        """What was typed, read; UserError when it gives no answer, or needs a reason and has none."""
        checked = check(asked, typed, self.now)
        for name, why in checked.problems.items():
            words = next(each.words for each in asked.fields if each.name == name)
            raise UserError(Words(en=f"{words.en}: {why.en}", zh=f"{words.zh}：{why.zh}"))
        if not typed.reason and (checked.warnings or not typed.done):
            en, zh = ("; ".join(each.en for each in checked.warnings), "；".join(each.zh for each in checked.warnings))
            raise UserError(
                Words(
                    en=f"{en or 'it cannot be done'}: say why, in a sentence, or answer anew",
                    zh=f"{zh or '无法执行'}：请用一句话说明理由，或重新作答",
                )
            )
        return checked

    def verify(self, by: Signer, key: str, *, confirmed: bool, reason: str = "") -> AnswerVerified:
        """Give a second person's word on an answer, signed.

        Raises ConflictError when it was given before, UserError when there is nothing to confirm or no reason is given,
        RefusedError when `by` is not proven, may not, or gave the answer.
        """
        asked = self.look(key)
        answer = self.demand_second(asked, confirmed=confirmed, reason=reason)
        bound = digest(shown_to_second(asked, confirmed, reason))
        signature = self.people.sign(
            by.user, by.proof, role=answer.verifier, meaning=SECOND, digest=bound, source=by.source
        )
        self.people.allowed("verify-answer", by.user, f"batch/{answer.batch}", Circle(answered=asked.by))
        fact = AnswerVerified(
            key=key, batch=answer.batch, step=answer.step, confirmed=confirmed, reason=reason, signature=signature
        )
        self._append(key, fact, 1, by.user, self.now)
        return fact

    def demand_second(self, asked: Asked, *, confirmed: bool, reason: str) -> AnswerGiven:
        """The answer that waits for a second person; ConflictError or UserError as in `verify`."""
        answer = asked.answer
        if asked.second is not None:
            raise ConflictError(self.already(asked.second))
        if answer is None or not asked.awaits_second:
            raise UserError(Words(en="there is no answer to confirm here", zh="此处没有待复核的答复"))
        if not confirmed and not reason:
            raise UserError(Words(en="say what does not match, in a sentence", zh="请用一句话说明不符之处"))
        return answer

    def already(self, recorded: Recorded) -> Words:
        """Who answered first, and when."""
        entry = recorded.entry
        user = entry.actor.removeprefix("person:")
        person = self.people.person(user)
        name, at = person.printed_name if person else user, f"{entry.happened_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return Words(en=f"already answered by {name} at {at}", zh=f"已由 {name} 于 {at} 作答")

    def keep_mix_up(self, asked: Asked, checked: Checked, user: str) -> None:
        """Keep that a wrong item was scanned, although the person may fetch the right one: it nearly went wrong."""
        if checked.mixed_up:
            said = "; ".join(each.en for each in checked.mixed_up)
            refused(self.people.registrar, "answer", f"batch/{asked.request.batch}", said, user=user)

    def _attributed(
        self, by: str | Signer, asked: Asked, checked: Checked, typed: Typed
    ) -> tuple[str, Signature | None]:
        if isinstance(by, str):
            if asked.meaning is not None:
                raise RefusedError(Words(en="this answer has to be signed", zh="此答复须签名"))
            self.demand_right(asked, by)
            return by, None
        signature = self.people.sign(
            by.user,
            by.proof,
            role=asked.request.role,
            meaning=asked.meaning or PLAIN,
            digest=digest(shown_for(asked, checked.values, typed)),
            source=by.source,
        )
        self.demand_right(asked, by.user)
        return by.user, signature

    def _happened(self, asked: Asked, typed: Typed) -> Instant:
        now, given = self.now, typed.happened_at
        if given is None:
            return now
        if not asked.request.since - SLACK <= given <= now + SLACK:
            raise UserError(
                Words(
                    en="it was done between the request and now; correct the time",
                    zh="执行时间须在请求之后、当前之前；请更正",
                )
            )
        return min(given, now)

    def _append(self, key: str, fact: Fact, expected: int, user: str, happened: Instant) -> None:
        draft = Draft(fact=fact, actor=f"person:{user}", happened_at=happened)
        ledger, stream = self.people.registrar.ledger, answer_stream(key)
        try:
            ledger.append(stream, [draft], expected=expected)
        except ConflictError as error:
            raise ConflictError(self.already([*ledger.stream(stream)][expected])) from error
        self.told(key)


def _subjects(asked: Asked) -> tuple[str, ...]:
    """What one has to be qualified for: the unit's class, the operation, and its phase, whatever the round."""
    operation, _, rest = asked.request.step.partition("/")
    listed = asked.batch.master.recipe.operations()
    classes = (procedure.equipment_class for procedure, each in listed if each.operation == operation)
    return (*classes, operation, f"{operation}/{rest.rpartition('/')[2]}")
