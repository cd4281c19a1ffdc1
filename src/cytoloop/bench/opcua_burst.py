"""A server to measure subscribers on: devices whose signals all change in rounds, as many as a program is told.

    python -m cytoloop.bench.opcua_burst PORT DEVICES SIGNALS

It runs in a process of its own, so that what is measured is the subscriber.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.core.device import DeviceState, DeviceType, Quantity
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

BEGINS = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ROUND = timedelta(seconds=1)
"""Source time from one round to the next: 1 Hz."""
PROGRAM = "burst"
PAUSE = 0.001
"""Seconds from one round to the next on the wall: as fast as the server can."""


@dataclass(slots=True)
class Burst:
    """A device that measures one more round whenever somebody looks, until it has measured those it was told to."""

    unit: str
    kind: DeviceType
    rounds: int = 0
    _seen: dict[str, int] = field(default_factory=dict)

    def state(self) -> DeviceState:
        return "idle"

    def targets(self) -> Mapping[str, float]:
        return {}

    def submit(self, command: Command) -> None:
        """Add the rounds of a burst."""
        parameters = command.arguments.get("parameters")
        if command.key not in self._seen and isinstance(parameters, dict):
            self._seen[command.key] = rounds = int(float(str(parameters["rounds"])))
            self.rounds += rounds

    def seen(self, key: str) -> bool:
        return key in self._seen

    def outcome(self, key: str) -> Outcome | None:
        ended = Outcome(key=key, ok=True, at=BEGINS + self.rounds * ROUND, by=f"equipment:{self.unit}")
        return ended if key in self._seen else None

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        """The round after `since`, when it was told to measure it; no value twice, for that is no change to many."""
        place = round((since - BEGINS) / ROUND) + 1 if since is not None else 1
        if place > self.rounds:
            return ()
        at = BEGINS + place * ROUND
        return tuple(
            Reading(signal=name, value=place + number / 1000, unit="1", at=at, source=self.unit)
            for number, name in enumerate(self.kind.signals)
        )


def kind(signals: int) -> DeviceType:
    """The type of a device with so many signals."""
    names = {f"signal-{number:03d}": Quantity(unit="1", low=0.0, high=100.0) for number in range(signals)}
    words = Words(en="Burst", zh="突发")
    programs = {PROGRAM: ("rounds",)}
    return DeviceType(device_type="burst", words=words, equipment_class="burst", signals=names, programs=programs)


async def serve(port: int, devices: int, signals: int) -> None:
    """Serve until the process ends."""
    units = tuple(Burst(f"burst-{number:02d}", kind(signals)) for number in range(1, devices + 1))
    endpoint = f"opc.tcp://127.0.0.1:{port}/bench"
    server = DeviceServer(devices=units, clock=ScaledClock(), endpoint=endpoint, every=PAUSE / 3600)
    await server.start()
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*(int(each) for each in sys.argv[1:4])))
