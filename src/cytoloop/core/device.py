"""Device: a piece of equipment as its own controller presents it, whatever protocol carries it.

A door speaks to a device over a network; a simulator is a device in this process, and a server puts one on a network.
What a device keeps by itself (outcomes by key, readings of a while) is what a door reads back after a disconnect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

DeviceState = Literal["idle", "running", "held", "failed", "off"]
"""idle     takes commands
running  a program is underway
held     a program stands still until somebody lets it go on
failed   stopped by itself; a person must look
off      out of service"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What a device measures or takes: its house unit, and the range the device itself can do."""

    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceType:
    """A type of device: which verbs with which names it answers."""

    device_type: str
    """ "perfusion_bioreactor"."""
    words: Words
    equipment_class: str
    """The class of a plant that it can stand for."""
    signals: Mapping[str, Quantity] = field(default_factory=dict, hash=False)
    """What `read` gives."""
    set_points: Mapping[str, Quantity] = field(default_factory=dict, hash=False)
    """What `set` takes."""
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """What `program` runs -> the parameters it needs."""
    attributes: tuple[str, ...] = ()
    """What `sample` tests: an analyser's."""
    met: str = ""
    """Which real device the driver was proven on, where and when. Empty: none, and it says "unverified" loudly."""


class Device(Protocol):
    """One device. Time passes for it when somebody looks; contract: `cytoloop.testing.device_contract`."""

    @property
    def unit(self) -> str:
        """Equipment id: "bioreactor-03"."""
        ...

    @property
    def kind(self) -> DeviceType:
        """Its type."""
        ...

    def state(self) -> DeviceState:
        """What it is doing now."""
        ...

    def targets(self) -> Mapping[str, float]:
        """Set-points in force."""
        ...

    def submit(self, command: Command) -> None:
        """Begin the command and do not wait. A key seen before changes nothing."""
        ...

    def seen(self, key: str) -> bool:
        """Whether a command with this key ever arrived."""
        ...

    def outcome(self, key: str) -> Outcome | None:
        """The outcome if the command has ended by now; None while it is underway or when it was never seen."""
        ...

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        """Readings it still keeps with a source time after `since` (all when None), oldest first.

        Asking changes nothing: two who ask get the same.
        """
        ...
