"""A door to devices in this process: for rehearsals, and the plain twin of doors that go over a network."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from cytoloop.core.device import Device
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import STATUS, Readings, Tag, microseconds, readings
from cytoloop.core.time import Clock, Instant, after

TICK = timedelta(microseconds=1)


def always() -> bool:
    """The line of a device in the same process holds."""
    return True


@dataclass(slots=True, kw_only=True)
class LocalDoor:
    """Satisfies `core.equipment.Door` and `core.telemetry.Source`."""

    devices: Iterable[Device]
    clock: Clock
    poll: float = 1.0 / 60.0
    """Hours between two looks at a command that is underway."""
    reachable: Callable[[], bool] = always
    """Whether the line to the devices holds now."""
    _by_unit: dict[str, Device] = field(init=False)
    _strange: dict[str, Outcome] = field(default_factory=dict)
    """Outcomes of commands for equipment that is not here."""

    def __post_init__(self) -> None:
        self._by_unit = {device.unit: device for device in self.devices}

    async def perform(self, command: Command) -> Outcome:
        """Do it and return when it has ended; the same key twice: the first outcome, no second effect."""
        self._reach()
        device = self._by_unit.get(command.target)
        if device is None:
            return self._nowhere(command)
        device.submit(command)
        return await self._ended(device, command.key)

    async def recall(self, key: str) -> Outcome | None:
        """The outcome of a command sent earlier (waits for its end); None: it never arrived."""
        self._reach()
        device = next((each for each in self._by_unit.values() if each.seen(key)), None)
        return self._strange.get(key) if device is None else await self._ended(device, key)

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """What `unit` measured from `since` up to but not including `until`; None when nothing."""
        self._reach()
        device = self._by_unit.get(unit)
        found = device.measured(since - TICK) if device else ()
        inside = [reading for reading in found if reading.at < until]
        return columns(batch, inside, self.clock.now()) if inside else None

    async def _ended(self, device: Device, key: str) -> Outcome:
        while (outcome := device.outcome(key)) is None:
            await self.clock.until(after(self.clock.now(), self.poll))
            self._reach()
        return outcome

    def _reach(self) -> None:
        if not self.reachable():
            raise UnreachableError(f"{', '.join(self._by_unit)} cannot be reached; see to the line")

    def _nowhere(self, command: Command) -> Outcome:
        here = ", ".join(self._by_unit) or "nothing"
        note = f"there is no {command.target} behind this door; there is {here}"
        outcome = Outcome(key=command.key, ok=False, at=self.clock.now(), by=f"equipment:{command.target}", note=note)
        return self._strange.setdefault(command.key, outcome)


def columns(batch: str, found: Iterable[Reading], received: Instant) -> Readings:
    """Readings as columns: each under the tag "<equipment id>/<signal>" in its house unit."""
    rows = [
        (
            Tag(f"{each.source}/{each.signal}", each.unit),
            microseconds(each.at),
            microseconds(received),
            each.value,
            STATUS[each.quality],
        )
        for each in found
    ]
    return readings(batch, rows)
