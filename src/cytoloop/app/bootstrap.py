"""Bootstrap: the only place where concrete things meet: store, clock, facility, people, doors."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.files import keep
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.operator.scripted import Choice, ScriptedPeople, first_option
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.faults import Faults
from cytoloop.app.cast import enrol_cast
from cytoloop.app.doors import Doors
from cytoloop.app.doubt import sent_at
from cytoloop.app.equipment import Fitness
from cytoloop.app.historian import SEAL_EVERY, Historian
from cytoloop.app.records import RECORD, acting_record, readable_record, readable_store, writable_record
from cytoloop.app.registrar import Registrar
from cytoloop.app.settings import ZONE
from cytoloop.core.equipment import Command, Door
from cytoloop.core.errors import UserError
from cytoloop.core.telemetry import Source, TelemetryStore
from cytoloop.production.advance import Fit
from cytoloop.production.journal import Direct, Journal
from cytoloop.production.pack import Pack
from cytoloop.record.ledger import Ledger

__all__ = [
    "RECORD", "ZONE", "Site", "acting_record", "pseudonym_key", "quality_policy", "readable_record", "readable_store",
    "simulated_site", "writable_record",
]  # fmt: skip

POLL = 1.0
"""Hours from one question for readings to the next."""
SETTLE = 1.0
"""Hours that readings are given to arrive: the simulated facility knows its trend up to the last whole hour."""
MOST_ATTEMPTS = 3
"""Times the scripted quality unit lets one step fail."""
REASONS = {
    "out-of-specification": "the result stands; the disposition decides on the batch",
    "excursion": "the culture is followed closely; the disposition weighs it",
    "identity-mismatch": "the wrong item was put back; the right one is fetched and scanned again",
    "step-failed": "the material is unharmed; the step is done again",
    "late-start": "the material is as it should be; the wait is weighed at the disposition",
    "rounds-exhausted": "the last round's value stands; the disposition weighs it",
}
"""Kind of a deviation -> what the scripted quality unit gives as its reason."""


Receive = Callable[[str, str], Awaitable[None]]


def pseudonym_key(folder: Path) -> bytes:
    """The key of this folder's pseudonyms: a file of its own beside the record, made at first use."""
    path = folder / "pseudonym.key"
    if not path.exists():
        keep(path, secrets.token_bytes(32))
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
    journal: Journal
    """Where batches are written."""
    fit: Fit
    """Says whether equipment is fit for a step."""
    historian: Historian | None = None
    """Keeps the readings of running batches; None where the equipment remembers none."""
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
    journal: Journal | None = None,
    telemetry: TelemetryStore | None = None,
    screens: Mapping[str, Door] | None = None,
) -> Site:
    """A site with scripted people on the record of `folder`; its equipment is simulated in this process.

    `plant`: drive the equipment behind this door instead; people then read every label right.
    `journal`: write batches there; left out, straight into the ledger. `telemetry`: keep the trends of the simulated
    equipment there; left out, nobody asks for them. `screens`: beginning of a target ("person:operator") -> the door to
    the people who answer there themselves; with "person:" everybody does, and nobody is scripted.
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

    if plant is not None:
        plant.sent_at = lambda key: sent_at(ledger, key)
    registrar = Registrar(ledger, clock)
    people = dict(screens or {})
    if "person:" not in people:
        signing, accounts = enrol_cast(registrar, Credentials(folder))
        people["person:"] = ScriptedPeople(
            clock=clock, signing=signing, people=accounts, scanner=scan, policy=quality_policy, seed=seed
        )
    return Site(
        registrar=registrar,
        clock=clock,
        door=Doors({**people, "": plant or facility}),
        receive=receive,
        pack=pack,
        journal=journal or Direct(ledger),
        fit=Fitness(ledger).fit,
        historian=_historian(ledger, clock, plant or facility, journal, telemetry),
        coi_of=cois,
    )


def _historian(
    ledger: Ledger,
    clock: SimulatedClock | ScaledClock,
    equipment: Facility | OpcUaDoor,
    journal: Journal | None,
    telemetry: TelemetryStore | None,
) -> Historian | None:
    """The historian of a site; None when nobody asked for one, or the equipment remembers nothing."""
    if telemetry is None or not isinstance(equipment, Source):
        return None
    simulated = isinstance(clock, SimulatedClock)
    return Historian(
        store=telemetry,
        source=equipment,
        ledger=ledger,
        clock=clock,
        poll=POLL,
        keep=SEAL_EVERY if simulated else 0.0,
        settle=SETTLE,
        to=journal,
        threads=not simulated,
    )


def quality_policy(command: Command) -> Choice:
    """What the scripted people decide: repeat a step that failed, but not for ever; else go on."""
    kind, attempt = command.arguments.get("kind"), command.arguments.get("attempt")
    if isinstance(attempt, int) and attempt >= MOST_ATTEMPTS:
        return Choice(decision="terminate", reason=f"failed {attempt} times: the material is not risked again")
    reason = REASONS.get(str(kind))
    choice = first_option(command)
    return replace(choice, reason=reason) if reason else choice
