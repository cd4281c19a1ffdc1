"""The first people of a record: founded, one enrolled, the credential set and confirmed.

`python -m tests.fault.ceremony FOLDER` does it on the disk that tells; `finished` does, after a power cut, whatever is
still to be done, with what people know by then: their passwords, what their authenticator apps hold.
"""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import pyotp
from tests.fault.driven import promise_everything, remark

from cytoloop.adapters.credentials import Provisioning
from cytoloop.app.accounts import Accounts, Confirm, Enrol, Reset
from cytoloop.app.founding import Founder, found
from cytoloop.app.people import People, Signer, people_at
from cytoloop.app.records import writable_record
from cytoloop.bench.killing import START
from cytoloop.core.signature import Password
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger

ADMINISTRATOR, QUALITY, OPERATOR = "ad.wu", "qa.lin", "op.sun"
ZONE = "Asia/Shanghai"
Know = Callable[[str, str], None]
"""Takes the user and the secret that their authenticator app holds from now on."""


class Turned:
    """A clock that is turned by hand."""

    def __init__(self, now: Instant) -> None:
        self._now = now

    def now(self) -> Instant:
        return self._now

    def turn(self, minutes: float = 1.0) -> None:
        self._now += timedelta(minutes=minutes)

    async def until(self, when: Instant) -> None:
        self._now = max(self._now, when)


def password(user: str) -> str:
    return f"correct horse battery {user[::-1]}"


class Ceremony:
    """The acts of the story, each with a code of its own."""

    def __init__(self, folder: Path, ledger: Ledger, clock: Turned, know: Know) -> None:
        self.people: People = people_at(folder, ledger, clock)
        self.accounts = Accounts(self.people)
        self._clock, self._know = clock, know
        self.secrets: dict[str, str] = {}

    def found(self) -> None:
        first, second = (
            Founder(user=user, printed_name=user, zone=ZONE, secret=password(user)) for user in (ADMINISTRATOR, QUALITY)
        )
        found(self.people, administrator=first, quality=second, show=self._scanned)

    def enrol(self) -> str:
        wanted = Enrol(user=OPERATOR, printed_name="Sun Wei", roles=("operator",), zone=ZONE)
        return self.accounts.do(wanted, self.signer(ADMINISTRATOR)) or ""

    def reset(self) -> str:
        return self.accounts.do(Reset(user=OPERATOR, reason="cut off"), self.signer(ADMINISTRATOR)) or ""

    def activate(self, code: str) -> None:
        self._learn(OPERATOR, self.accounts.set_password(OPERATOR, code, password(OPERATOR)).secret)
        self.accounts.prove_code(OPERATOR, code, self._code(OPERATOR))

    def confirm(self) -> None:
        self.accounts.do(Confirm(user=OPERATOR), self.signer(QUALITY))

    def sign_in(self, user: str) -> None:
        self.people.sign_in(user, self.signer(user).proof)

    def signer(self, user: str) -> Signer:
        return Signer(user=user, proof=Password(secret=password(user), code=self._code(user)))

    def _code(self, user: str) -> str:
        """The code of the moment; time goes on, for a code is good once."""
        self._clock.turn()
        return pyotp.TOTP(self.secrets[user]).at(self._clock.now())

    def _scanned(self, founder: Founder, provisioning: Provisioning) -> str:
        self._learn(founder.user, provisioning.secret)
        return self._code(founder.user)

    def _learn(self, user: str, secret: str) -> None:
        self.secrets[user] = secret
        self._know(user, secret)


def finished(folder: Path, remarks: Iterable[str]) -> None:
    """After a cut: what was done is there, and what was not can be done now. Raises what goes wrong."""
    said = [json.loads(remark) for remark in remarks]
    clock = Turned(START)
    clock.turn(60.0)
    with writable_record(folder, clock) as ledger:
        play = Ceremony(folder, ledger, clock, lambda user, secret: None)
        play.secrets = {each["user"]: each["secret"] for each in said if "user" in each}
        done = {each["done"] for each in said if "done" in each}
        known = {person.user: person.state for person in play.people.everybody()}
        assert "founded" not in done or {ADMINISTRATOR, QUALITY} <= set(known)
        assert "confirmed" not in done or known[OPERATOR] == "active"
        if not known:
            play.found()
        if known.get(OPERATOR) != "active":
            play.activate(play.reset() if OPERATOR in known else play.enrol())
            play.confirm()
        for user in (ADMINISTRATOR, QUALITY, OPERATOR):
            play.sign_in(user)


if __name__ == "__main__":
    promise_everything()
    place, clock = Path(sys.argv[1]), Turned(START)
    with writable_record(place, clock) as ledger:
        story = Ceremony(place, ledger, clock, lambda user, secret: remark(user=user, secret=secret))
        story.found()
        remark(done="founded")
        code = story.enrol()
        remark(done="enrolled")
        story.activate(code)
        remark(done="activated")
        story.confirm()
        remark(done="confirmed")
    remark(exit=0)
