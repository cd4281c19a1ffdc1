"""Bootstrap: the only place where concrete things meet: store, clock, facility, people, doors."""

import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.credentials import CredentialFile
from cytoloop.adapters.folder import writing
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.operator.scripted import Choice, Person, ScriptedPeople, first_option
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults
from cytoloop.adapters.sqlite import SqliteStore, open_store
from cytoloop.app.doors import Doors
from cytoloop.app.registrar import Registrar
from cytoloop.core.equipment import Command, Door
from cytoloop.core.errors import UserError
from cytoloop.core.time import Clock
from cytoloop.production.pack import Pack
from cytoloop.record.ledger import Ledger

RECORD = "record.db"
ZONE = "Asia/Shanghai"
MOST_ATTEMPTS = 3
"""Times the scripted quality unit lets one step fail."""
REASONS = {
    "out-of-specification": "the result stands; the disposition decides on the batch",
    "excursion": "the culture is followed closely; the disposition weighs it",
    "identity-mismatch": "the wrong item was put back; the right one is fetched and scanned again",
    "step-failed": "the material is unharmed; the step is done again",
}
"""Kind of a deviation -> what the scripted quality unit gives as its reason."""

CAST: dict[str, tuple[str, str]] = {
    "operator": ("op.zhou", "Zhou Min 周敏"),
    "qa": ("qa.lin", "Lin Jing 林静"),
    "qualified_person": ("qp.chen", "Chen Jianguo 陈建国"),
    "principal_investigator": ("pi.wang", "Wang Lan 王岚"),
}
"""Role -> user id and printed name of the scripted people of a demonstration. They are invented."""


Receive = Callable[[str, str], Awaitable[None]]


@contextmanager
def writable_record(folder: Path, clock: Clock) -> Iterator[Ledger]:
    """The record of `folder`, made when it is not there, held by this process alone while it is written."""
    with writing(folder):
        store = open_store(folder / RECORD, create=True)
        try:
            yield Ledger(store, clock)
        finally:
            store.close()


@contextmanager
def acting_record(folder: Path, clock: Clock | None = None) -> Iterator[Ledger]:
    """The record of `folder` for single acts of people (sign in, review, export), also while a line writes it.

    The store orders the appends of several processes; only a line that runs batches holds the folder for itself.
    UserError when there is no record.
    """
    store = open_store(folder / RECORD)
    try:
        yield Ledger(store, clock or ScaledClock())
    finally:
        store.close()


@contextmanager
def readable_store(folder: Path) -> Iterator[SqliteStore]:
    """The store of `folder` for reading, also while another process writes; UserError when there is none."""
    store = open_store(folder / RECORD, read_only=True)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def readable_record(folder: Path) -> Iterator[Ledger]:
    """The record of `folder` for reading."""
    with readable_store(folder) as store:
        yield Ledger(store, ScaledClock())


def pseudonym_key(folder: Path) -> bytes:
    """The key of this folder's pseudonyms: a file of its own beside the record, made at first use."""
    path = folder / "pseudonym.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    key = path.read_bytes()
    if len(key) < 16:
        raise UserError(f"the key in {path} is too short; restore the file from a copy")
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running site: its record, clock, people and equipment."""

    registrar: Registrar
    clock: SimulatedClock | ScaledClock
    door: Door
    receive: Receive
    """Tells the plant that a patient's starting material arrives: chain of identity, name of the donor's cells."""
    pack: Pack
    coi_of: dict[str, str] = field(default_factory=dict)
    """Batch number -> chain of identity: where a person finds the batch's bag."""


def simulated_site(
    ledger: Ledger,
    clock: SimulatedClock | ScaledClock,
    pack: Pack,
    folder: Path,
    *,
    seed: int,
    faults: Faults | None = None,
    plant: OpcUaDoor | None = None,
) -> Site:
    """A site with scripted people on the record of `folder`; its equipment is simulated in this process.

    `plant`: drive the equipment behind this door instead; people then read every label right.
    """
    donors = Distribution.from_data(pack.donors)
    facility = Facility(seed=seed, clock=clock, donors=donors, plant=pack.plant, faults=faults)
    cois: dict[str, str] = {}

    def scan(command: Command) -> str:
        coi = cois[command.key.partition("/")[0]]
        return coi if plant is not None else facility.code_on(coi, str(command.arguments.get("label")))

    async def receive(coi: str, donor: str) -> None:
        if plant is not None:
            await plant.receive(coi, donor)
        else:
            facility.register_collection(coi, facility.draw_donor(donor))

    signing, accounts = _cast(folder)
    people = ScriptedPeople(
        clock=clock, signing=signing, people=accounts, scanner=scan, policy=quality_policy, seed=seed
    )
    return Site(
        registrar=Registrar(ledger, clock),
        clock=clock,
        door=Doors({"person:": people, "": plant or facility}),
        receive=receive,
        pack=pack,
        coi_of=cois,
    )


def quality_policy(command: Command) -> Choice:
    """What the scripted people decide: repeat a step that failed, but not for ever; else go on."""
    kind, attempt = command.arguments.get("kind"), command.arguments.get("attempt")
    if isinstance(attempt, int) and attempt >= MOST_ATTEMPTS:
        return Choice(decision="terminate", reason=f"failed {attempt} times: the material is not risked again")
    reason = REASONS.get(str(kind))
    choice = first_option(command)
    return replace(choice, reason=reason) if reason else choice


def _cast(folder: Path) -> tuple[CredentialFile, dict[str, Person]]:
    """Accounts with fresh secrets for the scripted people. Nobody else ever learns them."""
    path = folder / "accounts.json"
    path.unlink(missing_ok=True)
    signing, people = CredentialFile(path), {}
    for role, (user, name) in CAST.items():
        secret = secrets.token_urlsafe(16)
        signing.enroll(user=user, printed_name=name, role=role, zone=ZONE, secret=secret)
        people[role] = Person(user=user, secret=secret)
    return signing, people
