"""Equipment and its people, as the app sees them: the register read from the record.

`Fitness.fit` is what the runner asks before a step starts; `qualified` is what the person's door asks before it takes
an answer.
"""

from dataclasses import dataclass, field

from cytoloop.core.batch import Batch
from cytoloop.core.device import DeviceType
from cytoloop.core.entry import Recorded
from cytoloop.core.equipment import Command
from cytoloop.core.errors import UserError
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.fitness import why_not, why_not_qualified
from cytoloop.production.register import Register, Unit, fold, touched
from cytoloop.record.ledger import Ledger

EQUIPMENT, QUALIFICATION = "equipment/", "qualification/"

UNREGISTERED = Words(
    en="{0} is not registered; register it first (`cytoloop equipment register {0}`)",
    zh="{0} 未登记；请先登记（`cytoloop equipment register {0}`）",
)
UNVERIFIED = "unverified: this driver has never met its device; prove it on the device before any batch relies on it"
"""What is said of a driver whose type names no device that it was proven on."""


@dataclass(slots=True)
class Fitness:
    """The register of a record, kept up by reading only what is new."""

    ledger: Ledger
    _register: Register = field(default_factory=Register)
    _read: int = 0

    def register(self) -> Register:
        """The register as the record stands now."""
        for recorded in self.ledger.entries(self._read):
            self._register = fold(self._register, (recorded,))
            self._read = recorded.entry.sequence + 1
        return self._register

    def fit(self, batch: Batch, command: Command, now: Instant) -> str | None:
        """Why the command may not be sent now, as one sentence; None when it may. What the runner asks.

        A unit that nobody registered is not gated, nor is a person (`qualified` is asked when they answer), nor a
        reading: it touches nothing, and not to look helps nobody.
        """
        why = self.why(batch.number, command, now)
        return why.en if why else None

    def why(self, batch: str, command: Command, now: Instant) -> Words | None:
        """The same in both languages."""
        units = touched(command.target, command.verb, command.arguments)
        if command.verb == "read" or not any(self.ledger.position(EQUIPMENT + unit) for unit in units):
            return None
        register = self.register()
        return next((why for unit in units if (why := why_not(register, unit, batch, now))), None)


def fit(ledger: Ledger, batch: Batch, command: Command, now: Instant) -> str | None:
    """`Fitness.fit`, for a single question: reads the whole record."""
    return Fitness(ledger).fit(batch, command, now)


def qualified(ledger: Ledger, user: str, subject: str, now: Instant) -> str | None:
    """Why `user` may not answer for an equipment class or a procedure now; None when they may.

    Not demanded of anybody until a registered unit of the class needs it, or somebody was qualified for it.
    """
    why = why_not_qualified(people_register(ledger), user, subject, now)
    return why.en if why else None


def people_register(ledger: Ledger) -> Register:
    """Units and qualifications from their own streams; who used what is not in it."""
    register = Register()
    for prefix in (EQUIPMENT, QUALIFICATION):
        for stream in ledger.streams(prefix):
            register = fold(register, ledger.stream(stream))
    return register


def unverified(kind: DeviceType) -> str:
    """That the driver of this type has never met its device; empty when it has."""
    return "" if kind.met else UNVERIFIED


def units(register: Register, now: Instant) -> list[tuple[Unit, Words | None]]:
    """Every registered unit, and why a new batch may not use it now."""
    return [(unit, why_not(register, name, "", now)) for name, unit in sorted(register.units.items())]


def unit_named(ledger: Ledger, equipment: str, now: Instant) -> tuple[Unit, Words | None, list[Recorded]]:
    """A registered unit, why a new batch may not use it now, and its log; UserError when it is not registered."""
    register = Fitness(ledger).register()
    unit = register.units.get(equipment)
    if unit is None:
        raise UserError(UNREGISTERED.filled(equipment))
    return unit, why_not(register, equipment, "", now), list(ledger.stream(EQUIPMENT + equipment))
