"""Equipment: one small protocol of verbs. A person is a driver too.

Anything that acts is first a `Command`: a value you can print, hash, compare and rehearse. A command carries a
key; a door that has seen the key answers with the first outcome and never acts twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from cytoloop.core.errors import CytoloopError
from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant

Verb = Literal["scan", "ask", "add", "transfer", "print", "set", "program", "read", "sample", "decide", "sign"]
"""scan      read a label (chain of identity)                        values: {"code": str}
ask       a person does something and answers                       values: {"<answer>": number or text}
add       a person adds a material whose lot label is scanned       values: {"material", "lot", "expiry": ISO date,
                                                                  "quantity", "left": number after the addition}
transfer  a person moves material; both labels are scanned          values: {"code", "to_code": str}
print     labels are printed and accounted for                      values: {"code": str read back, "printed", "used",
                                                                  "destroyed": number}
set       write set-points                                          values: {"<signal>": number} as accepted
program   run a built-in program to its end                         values: {"<result>": number}
read      take readings now                                         readings
sample    take material, test it by the methods named               values: {"results": {"<attribute>": ...}}
decide    a person decides on a deviation or a question, and signs  values: {"decision", "reason", "signature"}
sign      a person signs what is shown                              values: {"signature": ...}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One thing asked of one piece of equipment or one person."""

    key: str
    """Idempotency key: unique for ever, "<batch>/<step>"."""
    target: str
    """Equipment id ("bioreactor-03") or role ("person:operator")."""
    verb: Verb
    arguments: Mapping[str, JSON] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a command."""

    key: str
    ok: bool
    at: Instant
    """Happened time: when it ended."""
    by: str
    """Actor: "equipment:<id>" or "person:<user id>"."""
    values: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    readings: tuple[Reading, ...] = ()
    note: str = ""
    """When not ok: what happened, for a person."""


class UnreachableError(CytoloopError):
    """The equipment cannot be asked now. What became of the command is unknown."""


class Door(Protocol):
    """A way to equipment or people."""

    async def perform(self, command: Command) -> Outcome:
        """Do it and return when it has ended. The same key twice: the first outcome, no second effect.

        Raises UnreachableError when the equipment cannot be asked.
        """
        ...

    async def recall(self, key: str) -> Outcome | None:
        """The outcome of a command sent earlier (waits for it to end); None: it certainly never arrived.

        None is a promise: the key has no effect from then on, also when the command comes late after all.

        Raises UnreachableError when nobody can tell: then a person is asked.
        """
        ...
