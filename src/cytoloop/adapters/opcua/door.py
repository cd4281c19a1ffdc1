"""A door to equipment behind OPC UA that follows LADS: set-points are written, programs started, signals read back.

Satisfies `core.equipment.Door` and `core.telemetry.Source`. Equipment is found by the types and names of LADS. Where
the server keeps the house's memory of commands (see `house`), a key is safe: a command is sent again only while that
memory is the same, a key that is told as never arrived may not arrive later, and a memory that was lost is noticed. On
a plain LADS server programs are found again in its ResultSet; of what else was in doubt nobody can tell, and a person
is asked.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cytoloop.adapters.opcua.connection import Connection
from cytoloop.adapters.opcua.directory import Directory, Unit
from cytoloop.adapters.opcua.feed import Feed
from cytoloop.adapters.opcua.plain import PlainUnits
from cytoloop.adapters.opcua.reading import Signal, as_columns, as_readings, history
from cytoloop.adapters.opcua.recollection import Recollection, Told
from cytoloop.adapters.opcua.security import Access
from cytoloop.adapters.opcua.sending import refusal_of, send
from cytoloop.adapters.opcua.units import scale
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.product import Plant
from cytoloop.core.telemetry import Readings
from cytoloop.core.time import Instant, instant

TICK = timedelta(microseconds=1)


def wall() -> datetime:
    """The machine's clock: when a reading was received."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class OpcUaDoor:
    """Drives the equipment at one endpoint. Connects when first asked, and again after a connection was lost."""

    endpoint: str
    poll: float = 0.1
    """Seconds between two looks at a command that is underway."""
    patience: float = 5.0
    """Seconds to wait for an answer, connecting again included, before the equipment counts as unreachable."""
    access: Access = field(default_factory=Access)
    plant: Plant | None = None
    """What the recipe's equipment classes are, and in what house units their signals are wanted."""
    sent_at: Callable[[str], Instant | None] | None = None
    """When a command that this process did not send was about to be sent, as the record says; None: never."""
    tell: Callable[[str], None] = lambda _: None
    """Is told what a person should know of the connection."""
    received: Callable[[], Instant] = wall
    connection: Connection = field(init=False)
    _recollection: Recollection = field(init=False)
    _plain: PlainUnits = field(init=False)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = Connection(endpoint=self.endpoint, patience=self.patience, access=self.access, tell=self.tell)
        self._recollection = Recollection(connection=self.connection, poll=self.poll, sent_at=self.sent_at)
        self._plain = PlainUnits(connection=self.connection, poll=self.poll)

    async def open(self, units: Mapping[str, str] | None = None) -> None:
        """Connect and check that `units` (equipment id -> class) are there and of their class, before a batch begins.

        UserError with one sentence for the first thing that is not right; UnreachableError when nobody answers.
        """
        await self.connection.open()
        for unit, kind in (units or {}).items():
            await self._checked(unit, kind)

    async def units(self) -> list[Unit]:
        """Every functional unit of the server, by name. UserError when we are not let in or it does not follow LADS."""
        await self.connection.open()

        async def explored(client: Any, directory: Directory) -> list[Unit]:
            return [await directory.unit(client, name) for name in directory.names()]

        return await self.connection.ask(explored)

    async def perform(self, command: Command) -> Outcome:
        """Do it and return when it has ended; a key seen before gets its first outcome."""
        if command.key in self._outcomes:
            return self._outcomes[command.key]
        try:
            unit = await self._unit(command.target)
            self._check_class(unit, self._wanted_class(command.target))
            outcome = await self._performed(unit, command)
        except UserError as why:
            outcome = await self._refused(command, str(why))
        return self._keep(outcome)

    async def recall(self, key: str) -> Outcome | None:
        """The outcome of a command sent earlier, waiting for its end; None: it certainly never arrived nor will."""
        if key in self._outcomes:
            return self._outcomes[key]
        told = await self._recollection.recall(key) if await self._house() else await self._plain.recall(key)
        return self._keep(await self._complete(told)) if told is not None else None

    async def receive(self, label: str, luck: str = "") -> None:
        """Tell the plant that a bag labelled `label` arrives; UserError when it is already there."""
        key = secrets.token_hex(8)  # when the connection breaks it is told again, and is the same telling
        accepted = await self._recollection.site("Receive", label, luck, key)
        if not accepted[0]:
            raise UserError(f"a bag labelled {label} is already in the plant; every collection needs its own label")

    async def plant_time(self) -> Instant:
        """The plant's clock."""
        return instant(str((await self._recollection.site("PlantTime"))[0]))

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """What a unit measured from `since` up to but not including `until`, with its status codes, as it keeps it."""
        signals = await self.signals(unit)
        before = dict.fromkeys((signal.tag.name for signal in signals), since - TICK)
        found = await history(self.connection, signals, before)
        values = [(signal, [v for v in found[signal.tag.name] if v.at < until]) for signal in signals]
        return as_columns(batch, values, self.received())

    async def signals(self, unit: str) -> list[Signal]:
        """The signals of a unit; UserError when the unit of one does not convert."""
        found = await self._unit(unit)
        wanted = self._units_of(found.equipment_class, "signals")
        return [
            Signal(unit, name, place.node, scale(place.information, wanted.get(name), place.said))
            for name, place in found.sensors.items()
        ]

    def feed(
        self, batches: Mapping[str, str], *, interval: float = 0.5, queue: int = 100,
        since: Mapping[str, Instant] | None = None,
    ) -> Feed:  # fmt: skip
        """Changes of all signals of these units (equipment id -> batch) as they come, gaps filled from history.

        `interval`: seconds between two blocks; `queue`: changes of a signal that the server keeps between them;
        `since`: tag -> newest source time that is kept already.
        """
        return Feed(
            connection=self.connection, batches=dict(batches), signals=self.signals, interval=interval, queue=queue,
            received=self.received, since=since or {},
        )  # fmt: skip

    async def close(self) -> None:
        """Disconnect. Safe to call twice."""
        await self.connection.close()

    def _keep(self, outcome: Outcome) -> Outcome:
        self._outcomes[outcome.key] = outcome
        return outcome

    # -- commands -------------------------------------------------------------------------------------------------

    async def _performed(self, unit: Unit, command: Command) -> Outcome:
        values = self._device_values(unit, command)
        if unit.execute is None:
            return await self._plain.perform(unit, await self._signals_of(unit, command), command, values)
        told = await self._recollection.perform(command, lambda client, at: send(client, at, unit, command, values))
        return await self._complete(told)

    def _device_values(self, unit: Unit, command: Command) -> dict[str, float]:
        """Set-points of the command in the units of the device; UserError for one that it does not have or take."""
        if command.verb != "set":
            return {}
        wanted = self._units_of(unit.equipment_class, "set_points")
        found: dict[str, float] = {}
        for name, value in command.arguments.items():
            if name == "coi":
                continue
            place = unit.targets.get(name)
            if place is None or isinstance(value, bool) or not isinstance(value, int | float):
                raise UserError(f"{unit.name} has no set-point {name} that takes {value!r}; name one of its own")
            found[name] = scale(place.information, wanted.get(name), place.said).device(float(value))
        return found

    async def _complete(self, told: Told) -> Outcome:
        """The outcome, with the readings that a read covers."""
        if told.window is None:
            return told.outcome
        by = told.outcome.by.removeprefix("equipment:")
        signals = {s.name: s for s in await self.signals(by) if s.name in told.window}
        since = {signal.tag.name: told.window[name][0] for name, signal in signals.items()}
        found = await history(self.connection, list(signals.values()), since)
        readings = [
            reading
            for name, signal in signals.items()
            for reading in as_readings(signal, [v for v in found[signal.tag.name] if v.at <= told.window[name][1]])
        ]
        readings.sort(key=lambda reading: reading.at)
        return Outcome(key=told.outcome.key, ok=True, at=told.outcome.at, by=told.outcome.by, readings=tuple(readings))

    async def _signals_of(self, unit: Unit, command: Command) -> list[Signal]:
        asked = command.arguments.get("signals") if command.verb == "read" else None
        names = [str(name) for name in asked] if isinstance(asked, list) else []
        return [signal for signal in await self.signals(unit.name) if signal.name in names] if names else []

    async def _refused(self, command: Command, note: str) -> Outcome:
        at = await self.plant_time() if await self._house() else self.received()
        return refusal_of(command, note, at)

    # -- equipment ------------------------------------------------------------------------------------------------

    async def _unit(self, target: str) -> Unit:
        """UserError when the server has no such unit."""
        return await self.connection.ask(lambda client, directory: directory.unit(client, target))

    async def _house(self) -> bool:
        async def known(_client: Any, directory: Directory) -> bool:
            return bool(directory.site)

        return await self.connection.ask(known)

    async def _checked(self, unit: str, kind: str) -> None:
        self._check_class(await self._unit(unit), kind)
        await self.signals(unit)

    def _check_class(self, unit: Unit, wanted: str | None) -> None:
        if wanted is not None and unit.equipment_class != wanted:
            raise UserError(
                f"{unit.name} at {self.endpoint} is a {unit.equipment_class or 'device of no class'} (DeviceClass), "
                f"the plant says {wanted}; set DeviceClass on the device, or name the right unit in the plant"
            )

    def _wanted_class(self, target: str) -> str | None:
        """The class that the plant says a unit is of: "bioreactor-03" is of "bioreactor"."""
        kinds = [each.equipment_class for each in self.plant.classes] if self.plant else []
        fitting = [kind for kind in kinds if target.rpartition("-")[0] == kind.replace("_", "-")]
        return fitting[0] if fitting else None

    def _units_of(self, kind: str, of: str) -> Mapping[str, str]:
        classes = self.plant.classes if self.plant else ()
        for each in classes:
            if each.equipment_class == kind:
                return each.signals if of == "signals" else each.set_points
        return {}
