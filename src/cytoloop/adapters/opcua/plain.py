"""Equipment that follows LADS and knows nothing of this house: its programs are found again in their results.

Set-points leave no trace of who wrote them, and readings are remembered by this process alone: after a crash nobody can
tell what became of a write, and a person is asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cytoloop.adapters.opcua.browsing import below, values
from cytoloop.adapters.opcua.connection import Connection
from cytoloop.adapters.opcua.directory import Directory, Unit
from cytoloop.adapters.opcua.lads import state_of
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.reading import NoHistoryError, Signal, as_readings, history, present
from cytoloop.adapters.opcua.recollection import Told
from cytoloop.adapters.opcua.sending import NotTakenError, refusal_of, start_program, write_targets
from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant

WANTED = ("SupervisoryTaskId", "Stopped", "VariableSet")


@dataclass(slots=True, kw_only=True)
class PlainUnits:
    """Commands to functional units of a plain LADS server."""

    connection: Connection
    poll: float
    _read_until: dict[str, Instant] = field(default_factory=dict)
    """Tag -> source time of the last reading taken."""

    async def perform(
        self, unit: Unit, signals: Sequence[Signal], command: Command, targets: Mapping[str, float]
    ) -> Outcome:
        """Do it. Nothing is sent twice: when the connection breaks after sending, UnreachableError."""
        at = await self._now()
        try:
            match command.verb:
                case "read":
                    return await self._read(signals, command, at)
                case "set":
                    await self.connection.ask(
                        lambda client, _: write_targets(client, unit, command.key, targets), again=False
                    )
                    shown: dict[str, JSON] = {n: v for n, v in command.arguments.items() if n != "coi"}
                    return Outcome(key=command.key, ok=True, at=at, by=f"equipment:{unit.name}", values=shown)
                case "program" if unit.start is not None:
                    await self.connection.ask(lambda c, d: start_program(c, d, unit, command), again=False)
                    return await self._run(unit, command)
                case _:
                    return refusal_of(command, f"{unit.name} follows LADS alone and cannot {command.verb}", at)
        except NotTakenError as why:
            return refusal_of(command, str(why), at)

    async def recall(self, key: str) -> Told | None:
        """The outcome of a program that has ended; UnreachableError for everything else: nobody can tell."""

        async def looked(client: Any, directory: Directory) -> Outcome | None:
            for target in directory.devices:
                unit = await directory.unit(client, target)
                outcome = await result(client, unit, key)
                if outcome is not None:
                    return outcome
            return None

        outcome = await self.connection.ask(looked)
        if outcome is None:
            raise UnreachableError(
                f"{self.connection.endpoint} has no result under {key} and keeps no memory of other commands; look at "
                "the equipment and say whether it was done"
            )
        return Told(outcome)

    async def _run(self, unit: Unit, command: Command) -> Outcome:
        """Wait until the result is there; a unit that stands aborted without one has failed."""
        while True:
            outcome = await self.connection.ask(lambda client, _: result(client, unit, command.key))
            if outcome is not None:
                return outcome
            if await self.connection.ask(lambda client, _: state_now(client, unit)) == "failed":
                return refusal_of(command, f"{unit.name} stands aborted", await self._now())
            await asyncio.sleep(self.poll)

    async def _read(self, signals: Sequence[Signal], command: Command, at: Instant) -> Outcome:
        since = {s.tag.name: self._read_until[s.tag.name] for s in signals if s.tag.name in self._read_until}
        try:
            found = await history(self.connection, signals, since)
        except NoHistoryError:
            found = await present(self.connection, signals)
        readings = [each for signal in signals for each in as_readings(signal, found[signal.tag.name])]
        self._read_until.update({name: taken[-1].at for name, taken in found.items() if taken})
        readings.sort(key=lambda reading: reading.at)
        by = f"equipment:{command.target}"
        return Outcome(key=command.key, ok=True, at=at, by=by, readings=tuple(readings))

    async def _now(self) -> Instant:
        """The server's clock: the only one a plain server shows."""

        async def asked(client: Any, _: Directory) -> Instant:
            node = library().ua.NodeId(library().ua.ObjectIds.Server_ServerStatus_CurrentTime)
            moment: Instant = await client.get_node(node).read_value()
            return moment

        return await self.connection.ask(asked)


async def state_now(client: Any, unit: Unit) -> str:
    """What a functional unit is doing."""
    found = [text.Text if text is not None else "" for text in await values(client, unit.states)]
    return state_of(*found)


async def result(client: Any, unit: Unit, key: str) -> Outcome | None:
    """The result in a unit's ResultSet that was run under this key; None when there is none that has ended."""
    if unit.results is None:
        return None
    (results,) = await below(client, [unit.results])
    parts = [
        {str(c.BrowseName.Name): c.NodeId for c in each} for each in await below(client, [r.NodeId for r in results])
    ]
    ids = await values(client, [part.get("SupervisoryTaskId") for part in parts])
    for part, found in zip(parts, ids, strict=True):
        if found == key:
            (stopped,) = await values(client, [part.get("Stopped")])
            return await _outcome(client, unit, key, stopped, part.get("VariableSet")) if stopped else None
    return None


async def _outcome(client: Any, unit: Unit, key: str, stopped: Instant, variables: Any) -> Outcome:
    (children,) = await below(client, [variables]) if variables is not None else ([],)
    numbers = await values(client, [each.NodeId for each in children])
    named = zip((str(each.BrowseName.Name) for each in children), numbers, strict=True)
    given: dict[str, JSON] = {name: value for name, value in named if isinstance(value, int | float | str)}
    ok = await state_now(client, unit) != "failed"
    note = "" if ok else f"{unit.name} stands aborted"
    return Outcome(key=key, ok=ok, at=stopped, by=f"equipment:{unit.name}", values=given, note=note)
