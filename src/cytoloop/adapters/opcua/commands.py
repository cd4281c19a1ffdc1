"""Commands at a server: handed to their device once, asked about by key, fenced when told as never arrived."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cytoloop.adapters.opcua.memory import Memory, ReadOf, Window, batch_of, plain_window
from cytoloop.core.device import Device
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.json import JSON
from cytoloop.core.time import Clock, Instant

State = Literal["unknown", "underway", "ended"]
EQUIPMENT_VERBS: tuple[Verb, ...] = ("scan", "add", "transfer", "print", "set", "program", "read", "sample")
VERBS: Mapping[str, Verb] = {verb: verb for verb in EQUIPMENT_VERBS}
"""What equipment may be asked; the rest is asked of people."""
TICK = timedelta(microseconds=1)


@dataclass(slots=True, kw_only=True)
class Commands:
    """The commands of all devices of one server."""

    devices: Mapping[str, Device]
    clock: Clock
    memory: Memory

    def accept(self, command: Command) -> bool:
        """Hand the command to its device; False when it is fenced or makes no sense, and then nothing was begun."""
        device = self.devices.get(command.target)
        if device is None or command.key in self.memory.fenced:
            return False
        first = f"{batch_of(command.key)} {command.target}"
        begins = first not in self.memory.first
        if begins:
            self.memory.first[first] = self.clock.now()
            self.memory.save()
        if command.verb == "read" and _signals(command) <= set(device.kind.signals):
            self._read(device, command, begins=begins)
        else:
            device.submit(command)
        return True

    def look(self, key: str) -> tuple[State, str]:
        """What became of a key, its outcome as JSON when it has ended. Asking changes nothing."""
        if key in self.memory.reads:
            read = self.memory.reads[key]
            return "ended", encoded(Outcome(key=key, ok=True, at=read.at, by=f"equipment:{read.unit}"), read.window)
        for device in self.devices.values():
            outcome = device.outcome(key)
            if outcome is not None:
                return "ended", encoded(outcome)
            if device.seen(key):
                return "underway", ""
        return "unknown", ""

    def recall(self, key: str) -> tuple[State, str]:
        """The same, and a key that is unknown is fenced: it was told as never arrived, so it may not arrive later."""
        state, outcome = self.look(key)
        if state == "unknown" and key not in self.memory.fenced:
            self.memory.fenced.add(key)
            self.memory.save()
        return state, outcome

    def _read(self, device: Device, command: Command, *, begins: bool) -> None:
        """Settle, once for a key, which readings a read covers: what was measured since its batch last read the unit.

        A batch that has not read yet begins at its first command to the unit; when that is this one, with the newest.
        """
        if command.key in self.memory.reads:
            return
        newest = {reading.signal: reading.at for reading in device.measured(None)} if begins else {}
        known, now = sorted(_signals(command)), self.clock.now()
        window = {signal: (self._since(command, signal, newest), now) for signal in known}
        self.memory.read_until.update({self._name(command, signal): now for signal in known})
        self.memory.reads[command.key] = ReadOf(command.target, now, window)
        self.memory.save()

    def _since(self, command: Command, signal: str, newest: Mapping[str, Instant]) -> Instant:
        before = self.memory.read_until.get(self._name(command, signal))
        if before is not None:
            return before
        if signal in newest:
            return newest[signal] - TICK
        return self.memory.first[f"{batch_of(command.key)} {command.target}"]

    @staticmethod
    def _name(command: Command, signal: str) -> str:
        return f"{batch_of(command.key)} {command.target}/{signal}"


def _signals(command: Command) -> set[str]:
    asked = command.arguments.get("signals")
    return {str(name) for name in asked} if isinstance(asked, list) else set()


def encoded(outcome: Outcome, window: Window | None = None) -> str:
    """An outcome as JSON. Readings are not in it: they are read as history of nodes, `window` says which."""
    plain: dict[str, JSON] = {
        "key": outcome.key,
        "ok": outcome.ok,
        "at": outcome.at.isoformat(),
        "by": outcome.by,
        "values": dict(outcome.values),
        "note": outcome.note,
    }
    if window is not None:
        plain["window"] = plain_window(window)
    return json.dumps(plain, ensure_ascii=False)
