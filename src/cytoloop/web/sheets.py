"""Sheets: what may be put before a person at a screen to be signed.

Each says what is asked first, shows exactly what is signed, and hands the proof to the use case. A new act with a
screen is one more builder here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from cytoloop.app.accounts import Accounts, Confirm
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
    back: str
    """Where the person goes on afterwards."""
    sign: Signed

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what is shown."""
        return digest(dict(self.shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One act that has a screen."""

    questions: tuple[Question, ...]
    build: Callable[[People, Path, Asked], Sheet]


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


def _review(people: People, _: Path, asked: Asked) -> Sheet:
    seen = record_to_review(people.registrar.ledger, asked["batch"], asked["remarks"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_off_record(people, by, seen)
        return {}

    return Sheet(subject=asked["batch"], shown=seen.content, meaning="reviewed", back=_batch(asked), sign=sign)


def _decide(people: People, _: Path, asked: Asked) -> Sheet:
    ledger = people.registrar.ledger
    seen = deviation_to_decide(ledger, asked["batch"], asked["deviation"], asked["decision"], asked["reason"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_decision(people, by, seen)
        return {}

    return Sheet(subject=asked["deviation"], shown=seen.content, meaning="reviewed", back=_batch(asked), sign=sign)


def _dispose(people: People, _: Path, asked: Asked) -> Sheet:
    seen = batch_to_dispose(people.registrar.ledger, asked["batch"], asked["disposition"], asked["reason"])

    def sign(by: Signer) -> Mapping[str, JSON]:
        sign_disposition(people, by, seen)
        return {}

    meaning = meaning_of(kind_of(seen))
    return Sheet(subject=asked["batch"], shown=seen.content, meaning=meaning, back=_batch(asked), sign=sign)


def _correct(people: People, _: Path, asked: Asked) -> Sheet:
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


def _look_up(people: People, folder: Path, asked: Asked) -> Sheet:
    subject, reason, vault = asked["subject"], asked["reason"], open_vault(folder)

    def sign(by: Signer) -> Mapping[str, JSON]:
        return look_up(people, vault, by, subject, reason)

    shown = to_look_up(people, vault, subject, reason)
    return Sheet(subject=subject, shown=shown, meaning="performed", back="/", sign=sign)


def _confirm(people: People, _: Path, asked: Asked) -> Sheet:
    accounts, wanted = Accounts(people), Confirm(user=asked["user"])
    plan = accounts.plan(wanted)

    def sign(by: Signer) -> Mapping[str, JSON]:
        accounts.do(wanted, by)
        return {}

    return Sheet(subject=wanted.user, shown=accounts.shown(plan), meaning=plan.meaning, back="/people", sign=sign)


def _batch(asked: Asked) -> str:
    return f"/batches/{quote(asked['batch'])}"
