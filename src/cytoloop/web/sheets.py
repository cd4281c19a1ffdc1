"""Sheets: what may be put before a person at a screen to be signed.

Each says what is asked first, shows exactly what is signed, and hands the proof to the use case. A new act with a
screen is one more builder here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

from cytoloop.app.accounts import Accounts, Confirm
from cytoloop.app.answering import PLAIN, SECOND, shown_for, shown_to_second
from cytoloop.app.asked import contents_of
from cytoloop.app.correcting import MEANING as ANSWERED
from cytoloop.app.correcting import propose, sign_correction
from cytoloop.app.disposing import batch_to_dispose, kind_of, sign_disposition
from cytoloop.app.identities import look_up, open_vault, to_look_up
from cytoloop.app.people import People, Signer
from cytoloop.app.reviewing import DECISIONS, deviation_to_decide, record_to_review, sign_decision, sign_off_record
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning
from cytoloop.quality.release import DISPOSITIONS, meaning_of
from cytoloop.web.office import Office
from cytoloop.web.work_forms import address_of, typed_from

VERDICTS = ("confirmed", "not-confirmed")
"""What a second person says of an answer."""

Asked = Mapping[str, str]
"""What the person gave so far, by question."""
Signed = Callable[[Signer], Mapping[str, JSON]]
"""Signs, writes, and gives what only the signer is shown afterwards (mostly nothing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before the sheet is shown."""

    name: str
    kind: Literal["given", "line", "text", "choice"]
    """given: comes with the address. line, text, choice: the person gives it."""
    choices: tuple[str, ...] = ()
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is signed: exactly `shown`."""

    subject: str
    shown: Mapping[str, JSON] = field(hash=False)
    meaning: Meaning
    not_by: str = ""
    """User id of who may not sign, where another person at the same screen signs."""
    back: str
    """Where the person goes on afterwards."""
    sign: Signed
    beside: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    """What a hash in `shown` is of, shown with it."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what is shown."""
        return digest(dict(self.shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One act that has a screen."""

    questions: tuple[Question, ...]
    build: Callable[[People, Office, Asked], Sheet]
    second: bool = False
    """Whether somebody else than who is signed in may sign at the same screen: they say who they are."""
    home: Callable[[Asked], str] | None = None
    """Where it is told better why there is nothing to sign."""


def kinds() -> Mapping[str, Kind]:
    """Act of the permission table -> how it is put before a person."""
    return {
        "review-record": Kind(questions=(_given("batch"), _free("remarks", needed=False)), build=_review),
        "close-deviation": Kind(
            questions=(_given("batch"), _given("deviation"), _choice("decision", DECISIONS), _free("reason")),
            build=_decide,
        ),
        "dispose": Kind(
            questions=(_given("batch"), _choice("disposition", DISPOSITIONS), _free("reason")), build=_dispose
        ),
        "correct-value": Kind(
            questions=(_given("batch"), _given("entry"), _given("field"), _line("to"), _free("reason")),
            build=_correct,
        ),
        "look-up-identity": Kind(questions=(_given("subject"), _free("reason")), build=_look_up),
        "answer": Kind(questions=(_given("request"), _given("answer")), build=_answer, home=_work),
        "verify-answer": Kind(
            questions=(_given("request"), _choice("verdict", VERDICTS), _free("reason", needed=False)),
            build=_verify,
            second=True,
            home=_work,
        ),
        "confirm-account": Kind(questions=(_given("user"),), build=_confirm),
    }


def _given(name: str) -> Question:
    return Question(name=name, kind="given")


def _line(name: str) -> Question:
    return Question(name=name, kind="line")


def _free(name: str, *, needed: bool = True) -> Question:
    return Question(name=name, kind="text", needed=needed)


def _choice(name: str, choices: tuple[str, ...]) -> Question:
    return Question(name=name, kind="choice", choices=choices)


def _review(people: People, _: Office, asked: Asked) -> Sheet:
    seen = record_to_review(people.registrar.ledger, asked["batch"], asked["remarks"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_off_record(people, by, seen)
        return {}

    return Sheet(subject=asked["batch"], shown=seen.content, meaning="reviewed", back=_batch(asked), sign=sign)


def _decide(people: People, _: Office, asked: Asked) -> Sheet:
    ledger = people.registrar.ledger
    seen = deviation_to_decide(ledger, asked["batch"], asked["deviation"], asked["decision"], asked["reason"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_decision(people, by, seen)
        return {}

    return Sheet(subject=asked["deviation"], shown=seen.content, meaning="reviewed", back=_batch(asked), sign=sign)


def _dispose(people: People, _: Office, asked: Asked) -> Sheet:
    seen = batch_to_dispose(people.registrar.ledger, asked["batch"], asked["disposition"], asked["reason"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_disposition(people, by, seen)
        return {}

    meaning = meaning_of(kind_of(seen))
    return Sheet(subject=asked["batch"], shown=seen.content, meaning=meaning, back=_batch(asked), sign=sign)


def _correct(people: People, _: Office, asked: Asked) -> Sheet:
    if not asked["entry"].isdecimal():
        raise UserError(f"{asked['entry']!r} is no entry; give the number that the record shows")
    correction = propose(
        people.registrar.ledger, asked["batch"], entry=int(asked["entry"]), field=asked["field"], to=asked["to"],
        reason=asked["reason"],
    )  # fmt: skip

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_correction(people, by, correction)
        return {}

    return Sheet(subject=asked["batch"], shown=correction.shown, meaning=ANSWERED, back=_batch(asked), sign=sign)


def _look_up(people: People, office: Office, asked: Asked) -> Sheet:
    subject, reason, vault = asked["subject"], asked["reason"], open_vault(office.folder)

    def sign(by: Signer) -> Mapping[str, JSON]:
        return look_up(people, vault, by, subject, reason)

    shown = to_look_up(people, vault, subject, reason)
    return Sheet(subject=subject, shown=shown, meaning="performed", back="/", sign=sign)


def _confirm(people: People, _: Office, asked: Asked) -> Sheet:
    accounts, wanted = Accounts(people), Confirm(user=asked["user"])
    plan = accounts.plan(wanted)

    def sign(by: Signer) -> Mapping[str, JSON]:
        accounts.do(wanted, by)
        return {}

    return Sheet(subject=wanted.user, shown=accounts.shown(plan), meaning=plan.meaning, back="/people", sign=sign)


def _work(asked: Asked) -> str:
    return address_of(asked["request"])


def _answer(people: People, office: Office, asked: Asked) -> Sheet:
    answering, key, typed = office.answering(people), asked["request"], typed_from(asked["answer"])
    opened = answering.open(key)
    values = answering.demand_answer(opened, typed).values

    def sign(by: Signer) -> Mapping[str, JSON]:
        answering.give(by, key, typed)
        return {}

    return Sheet(
        subject=key,
        shown=shown_for(opened, values, typed),
        beside=contents_of(opened.request) if opened.request.command.verb == "decide" else {},
        meaning=opened.meaning or PLAIN,
        back=address_of(key) if opened.request.verifier else "/work?" + urlencode({"taken": key}),
        sign=sign,
    )


def _verify(people: People, office: Office, asked: Asked) -> Sheet:
    answering, key, confirmed = office.answering(people), asked["request"], asked["verdict"] == VERDICTS[0]
    given = answering.look(key)
    answering.demand_second(given, confirmed=confirmed, reason=asked["reason"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        answering.verify(by, key, confirmed=confirmed, reason=asked["reason"])
        return {}

    shown = shown_to_second(given, confirmed, asked["reason"])
    return Sheet(
        subject=key, shown=shown, meaning=SECOND, not_by=given.by, back="/work?" + urlencode({"taken": key}), sign=sign
    )


def _batch(asked: Asked) -> str:
    return f"/batches/{quote(asked['batch'])}"
