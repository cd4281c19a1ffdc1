"""The device's side of the example: an orbital shaker that speaks lines of JSON over TCP. Stands in for a real one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter

from cytoloop.adapters.devices.model import Model, Run, StoppedError
from cytoloop.adapters.devices.physics import heated, ramped
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.core.device import DeviceType, Quantity
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.reading import Reading
from cytoloop.core.words import Words

OUTCOME, COMMAND, READINGS = TypeAdapter(Outcome), TypeAdapter(Command), TypeAdapter(tuple[Reading, ...])
SPEED = Quantity(unit="rpm", low=0.0, high=400.0)

KIND = DeviceType(
    device_type="orbital_shaker",
    words=Words(en="Orbital shaker", zh="轨道摇床"),
    equipment_class="shaker",
    signals={"temperature": Quantity(unit="°C", low=0.0, high=60.0), "speed": SPEED},
    set_points={"temperature": Quantity(unit="°C", low=25.0, high=45.0), "speed": SPEED},
    programs={"shake": ("hours",)},
)


@dataclass(slots=True, kw_only=True)
class Shaker:
    """The plate with its motor and heater."""

    mishaps: set[str] = field(default_factory=set)
    temperature: float = 22.0
    speed: float = 0.0

    def begin(self, run: Run) -> None:
        """Anything can be shaken."""

    def step(self, hours: float, targets: Mapping[str, float], run: Run | None) -> None:
        if run is not None and "belt-torn" in self.mishaps:
            raise StoppedError("the plate does not move; the belt is torn")
        self.temperature = heated(self.temperature, targets.get("temperature"), hours, lag=0.1, loss=1.0, power=40.0)
        self.speed = ramped(self.speed, targets.get("speed", 0.0) if run else 0.0, 20_000.0 * hours)

    def done(self, run: Run) -> Mapping[str, JSON] | None:
        return {"shaken": run.parameters["hours"]} if run.hours >= run.parameters["hours"] - 1e-9 else None

    def shows(self) -> Mapping[str, float]:
        return {"temperature": self.temperature, "speed": self.speed}


MODEL = Model(
    kind=KIND,
    body=lambda dice: Shaker(),
    spread={"temperature": 0.05, "speed": 0.5},
    idle={"temperature": 37.0, "speed": 150.0},
    mishaps=("belt-torn",),
    breaks_by="belt-torn",
    examples={"shake": {"hours": 1.0}},
)


@dataclass
class Controller:
    """Answers one JSON line with another: {"do": command}, {"what": key}, {"measured": source time or null}."""

    device: Simulator
    port: int = 0
    _server: asyncio.Server | None = None
    _talking: "dict[asyncio.Task[None], asyncio.StreamWriter]" = field(default_factory=dict)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """No longer answer anybody, nor finish an answer."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        talking = dict(self._talking)
        for task, writer in talking.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*talking, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # it came while the line was being cut
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talking[task] = writer
        task.add_done_callback(self._talking.pop)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(canonical(self._answer(parse(line))) + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def _answer(self, asked: JSON) -> JSON:
        assert isinstance(asked, dict)
        if "measured" in asked:
            since = asked["measured"]
            found = self.device.measured(datetime.fromisoformat(str(since)) if since else None)
            return {"readings": READINGS.dump_python(found, mode="json")}
        if "do" in asked:
            self.device.submit(COMMAND.validate_python(asked["do"]))
            return {"taken": True}
        key = str(asked["what"])
        outcome = self.device.outcome(key)
        return {
            "seen": self.device.seen(key),
            "outcome": OUTCOME.dump_python(outcome, mode="json") if outcome is not None else None,
        }
