"""A skid: a small device that counts what it does, may keep its memory in a file, and can be served by a process.

    python -m tests.fault.skid PORT EFFECTS [MEMORY-FOLDER]

EFFECTS is a file that grows by one line for each effect and outlives everything: what truly happened. With a memory
folder the device and its server remember commands over a restart; without, they forget.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.memory import fresh, remembered
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.core.device import DeviceState, DeviceType, Quantity
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.time import Clock, Instant, instant
from cytoloop.core.words import Words

KIND = DeviceType(
    device_type="skid",
    words=Words(en="Skid", zh="撬装设备"),
    equipment_class="skid",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=100.0),
        "pressure": Quantity(unit="1", low=0.0, high=9.0),
    },
    set_points={"temperature": Quantity(unit="°C", low=0.0, high=100.0)},
    programs={"mix": ("seconds",), "dose": ("seconds", "volume")},
)
PERIOD = timedelta(milliseconds=20)
"""Time between two readings of a signal."""


@dataclass
class Skid:
    """The device. Programs take as many seconds of its clock as they are told."""

    clock: Clock
    effects: Path
    memory: Path | None = None
    unit: str = "skid-01"
    kind: DeviceType = KIND
    began: Instant | None = None
    _wanted: dict[str, float] = field(default_factory=lambda: {"temperature": 20.0})
    _begun: dict[str, tuple[Instant, bool, str, dict[str, JSON]]] = field(default_factory=dict)
    """Key -> end, whether it can be done, note, values."""

    def __post_init__(self) -> None:
        self.began = self.clock.now()
        if self.memory is not None and self.memory.exists():
            kept = json.loads(self.memory.read_text())
            self._wanted, self.began = kept["wanted"], instant(kept["began"])
            self._begun = {k: (instant(e), ok, note, values) for k, (e, ok, note, values) in kept["begun"].items()}

    def state(self) -> DeviceState:
        return "running" if any(end > self.clock.now() for end, *_ in self._begun.values()) else "idle"

    def targets(self) -> Mapping[str, float]:
        return dict(self._wanted)

    def submit(self, command: Command) -> None:
        if command.key in self._begun:
            return
        now = self.clock.now()
        parameters = command.arguments.get("parameters")
        if command.verb == "set":
            wanted = {name: float(value) for name, value in command.arguments.items() if isinstance(value, int | float)}
            self._wanted.update(wanted)
            self._begin(command.key, now, values=dict(wanted))
        elif command.arguments.get("program") in KIND.programs and isinstance(parameters, dict):
            seconds = parameters["seconds"]
            assert isinstance(seconds, int | float)
            self._begin(command.key, now + timedelta(seconds=float(seconds)), values={"mixed": 1.0})
        elif command.verb == "sample":
            self._begin(command.key, now, values={"results": {}})
        else:
            self._begun[command.key] = (now, False, f"the skid has no {command.arguments.get('program')}", {})

    def _begin(self, key: str, end: Instant, values: dict[str, JSON]) -> None:
        with self.effects.open("a", encoding="utf-8") as file:
            file.write(f"{key}\n")
        self._begun[key] = (end, True, "", values)
        if self.memory is not None:
            begun = {k: [e.isoformat(), ok, note, v] for k, (e, ok, note, v) in self._begun.items()}
            assert self.began is not None
            kept = {"wanted": self._wanted, "began": self.began.isoformat(), "begun": begun}
            self.memory.write_text(json.dumps(kept))

    def seen(self, key: str) -> bool:
        return key in self._begun

    def outcome(self, key: str) -> Outcome | None:
        if key not in self._begun or self._begun[key][0] > self.clock.now():
            return None
        end, ok, note, values = self._begun[key]
        return Outcome(key=key, ok=ok, at=end, by=f"equipment:{self.unit}", values=values, note=note)

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        assert self.began is not None
        first = 0 if since is None else max(int((since - self.began) / PERIOD) + 1, 0)
        last = int((self.clock.now() - self.began) / PERIOD)
        return tuple(
            Reading(signal=name, value=float(n % 50), unit=q.unit, at=self.began + n * PERIOD, source=self.unit)
            for n in range(first, last + 1)
            if since is None or self.began + n * PERIOD > since
            for name, q in KIND.signals.items()
        )


def effects_in(path: Path) -> list[str]:
    """Keys that took effect, in order, one entry for each time."""
    return path.read_text(encoding="utf-8").split() if path.exists() else []


async def serve(port: int, effects: Path, memory: Path | None) -> None:
    """Serve a skid until the process ends."""
    clock = ScaledClock()
    kept = remembered(memory / "server.json", clock.now()) if memory else fresh(clock.now())
    skid = Skid(clock, effects, memory / "skid.json" if memory else None)
    endpoint = f"opc.tcp://127.0.0.1:{port}/cytoloop"
    server = DeviceServer(devices=(skid,), clock=clock, endpoint=endpoint, every=0.05 / 3600, memory=kept)
    await server.start()
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None))
