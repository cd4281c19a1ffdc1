"""People who really have accounts, and a batch with a typed answer: for tests of what people do to a record."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

import pyotp

from cytoloop.adapters.credentials import Credentials, Provisioning
from cytoloop.adapters.memory import MemoryStore
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.accounts import Accounts, Confirm, Enrol
from cytoloop.app.founding import Founder, found
from cytoloop.app.packs import read_pack
from cytoloop.app.people import People, Signer
from cytoloop.app.registrar import Registrar
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.facts.people import ActRefused
from cytoloop.core.facts.production import BatchFinished, StepCompleted, StepStarted
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.json import JSON
from cytoloop.core.signature import Password
from cytoloop.core.time import Instant
from cytoloop.production.pack import Pack
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import RELEASE_RESULTS, START, approved, created

CODEC = Codec()
SECRET = "seven small grey boats"


@cache
def pack() -> Pack:
    """The shipped pack, read once."""
    return read_pack("car_t_cd19")


def secret_of(user: str) -> str:
    """Everybody's password, which holds no user id."""
    return f"{SECRET} and {sha256(user.encode()).hexdigest()[:8]}"


STEP = "receipt/inspect"
QUESTIONS: list[JSON] = [
    {"name": "transport_temperature", "unit": "°C", "low": 2, "high": 8},
    {"name": "bags_damaged", "unit": "1", "low": 0, "high": 0},
]


@dataclass(slots=True)
class Wall:
    """A clock that a test turns."""

    moment: Instant = START

    def now(self) -> Instant:
        return self.moment

    async def until(self, when: Instant) -> None:
        self.moment = max(self.moment, when)


@dataclass(slots=True)
class Staff:
    """The people of a record with everybody's secrets: founders ad.min and qa.founder."""

    people: People
    clock: Wall
    store: MemoryStore
    folder: Path
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.people.registrar.ledger

    def signer(self, user: str) -> Signer:
        """Who signs, a minute later each time, so that the code is a new one."""
        self.clock.moment += timedelta(minutes=1)
        code = pyotp.TOTP(self.codes[user]).at(self.clock.moment)
        return Signer(user=user, proof=Password(secret=secret_of(user), code=code), source="desk")

    def enrolled(self, user: str, *roles: str) -> None:
        """One more person, confirmed and ready to sign."""
        accounts = Accounts(self.people)
        wanted = Enrol(user=user, printed_name=user.title(), roles=roles, zone="Europe/Berlin")
        code = accounts.do(wanted, self.signer("ad.min"))
        assert code is not None
        provisioning = accounts.set_password(user, code, secret_of(user))
        self.codes[user] = provisioning.secret
        accounts.prove_code(user, code, pyotp.TOTP(provisioning.secret).at(self.clock.moment))
        accounts.do(Confirm(user=user), self.signer("qa.founder"))

    def refusals(self) -> list[ActRefused]:
        stream = self.ledger.stream("access/refusals")
        return [recorded.fact for recorded in stream if isinstance(recorded.fact, ActRefused)]


def founded(folder: Path) -> Staff:
    """The founders of a record in memory, ready to sign; their accounts are in `folder`."""
    clock, store = Wall(), MemoryStore()
    ledger = Ledger(store, clock, CODEC)
    staff = Staff(People(Registrar(ledger, clock), Credentials(folder)), clock, store, folder)

    def show(founder: Founder, provisioning: Provisioning) -> str:
        staff.codes[founder.user] = provisioning.secret
        return pyotp.TOTP(provisioning.secret).at(clock.moment)

    founders = [
        Founder(user=user, printed_name=user.title(), zone="Asia/Shanghai", secret=secret_of(user))
        for user in ("ad.min", "qa.founder")
    ]
    found(staff.people, administrator=founders[0], quality=founders[1], show=show)
    return staff


def again(staff: Staff, folder: Path) -> Staff:
    """The same people on a copy of the record, for one test alone: accounts take a while to make."""
    clock, store = Wall(staff.clock.moment), MemoryStore()
    rows = list(staff.store.rows())
    head = staff.store.head()
    assert head is not None, "a record with people holds entries"
    store.append(rows, head)
    shutil.copytree(staff.folder, folder, dirs_exist_ok=True)
    ledger = Ledger(store, clock, CODEC)
    return Staff(People(Registrar(ledger, clock), Credentials(folder)), clock, store, folder, dict(staff.codes))


def on_disk(staff: Staff, folder: Path) -> None:
    """The same people and entries as a data folder that the command line works on."""
    shutil.copytree(staff.folder, folder, dirs_exist_ok=True)
    store = open_store(folder / "record.db", create=True)
    head = staff.store.head()
    assert head is not None, "a record with people holds entries"
    store.append(list(staff.store.rows()), head)
    store.close()


def typed_batch(
    ledger: Ledger, number: str = "B-1", *, finished: bool = True, typed: Mapping[str, JSON] | None = None
) -> None:
    """A batch whose operator op.zhou typed a transport temperature of 5 °C; in specification when it is finished."""
    master = pack().master
    if ledger.position("recipe/fixed/car_t_cd19") == 0:
        _say(ledger, "recipe/fixed/car_t_cd19", approved(master, line="fixed"))
    fact = created(master, number, line="fixed")
    stream, key = f"batch/{number}", f"{number}/{STEP}#1"
    asked: dict[str, JSON] = {"answers": QUESTIONS}
    started = StepStarted(step=STEP, attempt=1, key=key, target="person:operator", verb="ask", arguments=asked)
    values = typed or {"transport_temperature": 5.0, "bags_damaged": 0}
    _say(ledger, stream, fact, started)
    _say(ledger, stream, StepCompleted(step=STEP, attempt=1, values=values), actor="person:op.zhou")
    for attribute, value in RELEASE_RESULTS.items():
        _say(ledger, stream, _result(attribute, value), actor="equipment:qc-laboratory-01")
    if finished:
        _say(ledger, stream, BatchFinished())


def entry_of(ledger: Ledger, number: str = "B-1") -> int:
    """Sequence of the entry with the typed answers."""
    stream = ledger.stream(f"batch/{number}")
    return next(each.entry.sequence for each in stream if isinstance(each.fact, StepCompleted))


def _result(attribute: str, value: float) -> ResultRecorded:
    found = next(each for each in pack().product.at("release") if each.attribute == attribute)
    return ResultRecorded(
        sample=STEP, attribute=attribute, stage="release", value=value, unit=found.unit, method="test",
        tested_by="equipment:qc-laboratory-01",
    )  # fmt: skip


def _say(ledger: Ledger, stream: str, *facts: Fact, actor: str = "system:test") -> None:
    drafts = [Draft(fact=fact, actor=actor, happened_at=START) for fact in facts]
    ledger.append(stream, drafts, expected=ledger.position(stream))
