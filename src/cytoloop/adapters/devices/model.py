"""Model: what a file of the library says of one type of device, and what its simulator needs to be one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from cytoloop.core.device import DeviceType
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON


class CannotError(Exception):
    """What was asked cannot be done as things are; the text says why. Nothing happened. Never leaves the library."""


class StoppedError(Exception):
    """The device stops by itself with an alarm; the text says why. Never leaves the library."""


@dataclass(slots=True, kw_only=True)
class Run:
    """A program or an assay underway."""

    command: Command
    name: str
    """Of the program; "sample" for an assay."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    hours: float = 0.0
    """How long it has run; standing still is not counted."""


class Body(Protocol):
    """The matter under a controller: what heats, flows, grows and freezes. Knows no keys, no clock and no noise."""

    mishaps: set[str]
    """What has gone wrong and was not put right yet; names of the model's `mishaps`."""

    def begin(self, run: Run) -> None:
        """A program or an assay begins; CannotError when it cannot as things are."""
        ...

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        """Let `hours` pass under these set-points (none when switched off); StoppedError when an alarm stops it."""
        ...

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        """What the run came to once it has ended; None while it goes on."""
        ...

    def shows(self) -> Mapping[str, float]:
        """What probes without noise would show, for every signal of the type."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A type of device with its simulator's figures."""

    kind: DeviceType
    body: Callable[[Random], Body]
    """Makes the matter, given its dice."""
    spread: Mapping[str, float] = field(hash=False)
    """Signal -> standard deviation of its probe's noise, in the signal's unit; none: shown as it is."""
    idle: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Set-points when it is switched on."""
    step: float = 60.0
    """Seconds of one step of physics."""
    scan: int = 1
    """Steps from one scan of the probes to the next."""
    mishaps: tuple[str, ...] = ()
    """What may go wrong with the device itself (`Simulator.disturb`)."""
    breaks_by: str = ""
    """The mishap that stops a program; empty when none of them does."""
    examples: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)
    """Program -> parameters that a device fresh from the box takes; the first program needs nothing before it."""
