"""Bench: one device on a table with a door to it, as the conformance suite works on it.

A test module makes one: in this process, or with a server, a network that can be cut, and a door. See
`docs/how-to/write-a-driver.md`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cytoloop.core.device import Device
from cytoloop.core.equipment import Command, Door, Verb
from cytoloop.core.json import JSON
from cytoloop.core.telemetry import Readings
from cytoloop.core.time import Clock, Instant, after


class Driver(Door, Protocol):
    """What a driver is: a door that also gives the readings of its units."""

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """What `unit` measured from `since` up to but not including `until`; None when nothing.

        Readings that were measured while the line was cut are among them once it is mended.
        """
        ...


class Observed(Device, Protocol):
    """The device on the bench, seen from behind: what it did, whatever the door says."""

    @property
    def effects(self) -> Mapping[str, int]:
        """Key -> how often its command took effect: set-points written, a program or an assay begun."""
        ...

    def fail(self) -> None:
        """Stop with an alarm, as an emergency stop does."""
        ...

    def mend(self) -> None:
        """Put everything right and acknowledge the alarm."""
        ...


@dataclass(kw_only=True)
class Bench:
    """One device, freshly switched on and idle, with everything that the suite needs to work on it."""

    driver: Driver
    """The door under test, to `device`."""
    device: Observed
    clock: Clock
    """The device's time. A real one may run faster than the wall, but no faster than the door can follow."""
    cut: Callable[[], Awaitable[None]]
    """Break the line: nothing gets through either way, and what is on its way is lost."""
    mend: Callable[[], Awaitable[None]]
    """Restore the line. The door finds its way back by itself."""
    second: Callable[[], Awaitable[Driver]]
    """Another door to the same device, as a second process would have: it shares nothing with the first."""
    parameters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Program -> parameters that the fresh device takes; of its type's first program at least."""
    patience: int = 300
    """Minutes of the device's time that readings from before may take to come after the line is mended."""
    _keys: int = 0

    @property
    def unit(self) -> str:
        """Equipment id of the device."""
        return self.device.unit

    def command(self, verb: Verb, **arguments: JSON) -> Command:
        """A command for the device under a key of its own."""
        self._keys += 1
        return Command(key=f"B-1/step-{self._keys}#1", target=self.unit, verb=verb, arguments=arguments)

    def set_points(self) -> Command:
        """A `set` of the type's first set-point, to a value other than the one in force."""
        name, quantity = next(iter(self.device.kind.set_points.items()))
        goal = quantity.low + 0.25 * (quantity.high - quantity.low)
        return self.command("set", **{name: goal})

    def program(self) -> Command:
        """A `program`: the type's first."""
        name = next(iter(self.device.kind.programs))
        return self.command("program", program=name, coi="COI-1", parameters=dict(self.parameters.get(name, {})))

    def sample(self) -> Command:
        """A `sample` for everything the type tests."""
        return self.command(
            "sample", plan="daily", attributes=list(self.device.kind.attributes), volume=0.5, coi="COI-1"
        )

    def read(self) -> Command:
        """A `read` of every signal."""
        return self.command("read", signals=list(self.device.kind.signals))

    def acts(self) -> list[Command]:
        """One command for each verb with an effect that the type answers, in an order a fresh device can do."""
        kind = self.device.kind
        made = [
            (kind.set_points, self.set_points),
            (kind.programs, self.program),
            (kind.attributes, self.sample),
        ]
        return [make() for there, make in made if there]

    def longest(self) -> Command:
        """A command that takes a while: a program, or an assay where the type has no program."""
        return self.program() if self.device.kind.programs else self.sample()

    async def pass_time(self, hours: float) -> None:
        """Let time pass for the device."""
        await self.clock.until(after(self.clock.now(), hours))
