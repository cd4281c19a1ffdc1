"""A LADS server: devices of this process behind OPC UA (OPC 30500-1), so that any client finds them by their types.

DeviceSet > device > FunctionalUnitSet > functional unit with its functions, program manager and states. Values carry
the source time and status of the probe; history is what the device itself keeps; target values written in one Write
are one command; programs start by StartProgram. What LADS has no word for is in `house.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from cytoloop.adapters.opcua.commands import Commands
from cytoloop.adapters.opcua.history import data_value, device_history
from cytoloop.adapters.opcua.house import Extra, add_site, add_to_unit
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.memory import Memory, fresh
from cytoloop.adapters.opcua.nodes import Nodes
from cytoloop.adapters.opcua.security import ServerSecurity, secure_server
from cytoloop.adapters.opcua.starting import add_start_program
from cytoloop.adapters.opcua.tree import Presented, add_device
from cytoloop.adapters.opcua.types import check_nodesets, prepare_types
from cytoloop.core.device import Device
from cytoloop.core.equipment import Command
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.time import Clock, Instant, after

APPLICATION = "urn:cytoloop:device-server"
"""ApplicationUri of a server without a certificate of its own."""


def wall() -> datetime:
    """The machine's clock, which CurrentTime of the server shows."""
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class DeviceServer:
    """Serves devices at an endpoint such as "opc.tcp://127.0.0.1:4840/cytoloop"."""

    devices: Sequence[Device]
    clock: Clock
    """The devices' clock."""
    endpoint: str
    every: float = 1.0
    """Hours of the devices' clock between two looks at what they measured."""
    memory: Memory | None = None
    """What is remembered beside the devices; left out: a fresh one that ends with this server."""
    extras: Sequence[Extra] = ()
    house: bool = True
    """Whether the house namespace is served: without it, it is a plain LADS server as a vendor's may be."""
    nodesets: Path | None = None
    """Folder of the published nodesets; left out, the types are declared."""
    security: ServerSecurity = field(default_factory=ServerSecurity)
    time: Callable[[], datetime] = wall
    name: str = "Cytoloop devices"
    _server: Any = None
    _commands: Commands | None = None
    _presented: dict[str, Presented] = field(default_factory=dict)
    _publishing: "asyncio.Task[None] | None" = None
    _targets: dict[Any, tuple[str, str]] = field(default_factory=dict)
    """Node id of a TargetValue -> unit and set-point."""
    _keys: dict[Any, str] = field(default_factory=dict)
    """Node id of a CommandKey -> unit."""
    _shown: dict[str, Instant] = field(default_factory=dict)
    """Unit -> source time of the newest reading that was written to its nodes."""
    _target: dict[Any, float] = field(default_factory=dict)
    """Node id of a TargetValue -> what it shows."""
    _manual: "count[int]" = field(default_factory=count)

    async def start(self) -> None:
        """Open the endpoint. UserError when it cannot be opened."""
        asyncua = library()
        if self.nodesets is not None:
            check_nodesets(self.nodesets)
        self._server = server = asyncua.Server()
        await server.init()
        server.set_endpoint(self.endpoint)
        server.set_server_name(self.name)
        await server.set_application_uri(APPLICATION)
        await secure_server(server, self.security)
        await self._build()
        server.iserver.callback_service.addListener(asyncua.common.callback.CallbackType.PostWrite, self._written)
        self._show_clock()
        try:
            await server.start()
        except OSError as error:
            raise UserError(f"cannot serve at {self.endpoint}: {error}; choose another port") from error
        self._publishing = asyncio.create_task(self._publish())

    async def stop(self) -> None:
        """Close the endpoint. Safe to call twice."""
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        server, self._server = self._server, None
        if server is not None and server.bserver is not None:
            await server.stop()

    async def _build(self) -> None:
        nodes = await prepare_types(self._server, self.nodesets)
        devices = {device.unit: device for device in self.devices}
        memory = self.memory or fresh(self.clock.now())
        self._commands = commands = Commands(devices=devices, clock=self.clock, memory=memory)
        application = self._server.get_application_uri()
        for device in self.devices:
            self._presented[device.unit] = presented = await add_device(nodes, device, application)
            await self._open_to_clients(nodes, presented)
        if self.house:
            await add_site(nodes, commands, self.extras)
        history = {
            shown[0]: (each.device, signal)
            for each in self._presented.values()
            for signal, shown in each.functions.sensors.items()
        }
        self._server.iserver.history_manager.set_storage(device_history(history))

    async def _open_to_clients(self, nodes: Nodes, presented: Presented) -> None:
        unit = presented.device.unit
        await add_start_program(nodes, presented, self._accept, known_only=not self.house)
        self._targets.update({node: (unit, name) for name, node in presented.functions.targets.items()})
        if self.house:
            self._keys[await add_to_unit(nodes, presented, self._accept)] = unit

    def _show_clock(self) -> None:
        """CurrentTime is the clock at the moment of asking, not of the last second."""
        ua = library().ua
        self._server.disable_clock(True)

        def now(_node: Any, _attribute: Any) -> Any:
            moment = self.time()
            return ua.DataValue(ua.Variant(moment, ua.VariantType.DateTime), SourceTimestamp=moment)

        node = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        self._server.set_attribute_value_callback(node, now)

    # -- what clients ask -----------------------------------------------------------------------------------------

    async def _accept(self, command: Command) -> bool:
        assert self._commands is not None, "commands come to a server that was started"
        taken = self._commands.accept(command)
        presented = self._presented.get(command.target)
        if taken and presented is not None:
            if command.verb == "program":
                await presented.programs.began(command, self.clock.now())
            await presented.show_state()
        return taken

    async def _written(self, event: Any, _service: Any) -> None:
        """A client wrote nodes: target values of a unit, in one Write, are one command."""
        if not event.is_external:
            return
        keys: dict[str, str] = {}
        wanted: dict[str, dict[str, JSON]] = {}
        for write, status in zip(event.request_params.NodesToWrite, event.response_params, strict=True):
            if not status.is_good():
                continue
            value = write.Value.Value.Value
            if write.NodeId in self._keys:
                keys[self._keys[write.NodeId]] = str(value)
            elif write.NodeId in self._targets:
                unit, name = self._targets[write.NodeId]
                wanted.setdefault(unit, {})[name] = value
        for unit, values in wanted.items():
            key = keys.get(unit) or f"manual/{next(self._manual)}"
            await self._accept(Command(key=key, target=unit, verb="set", arguments=values))
            await self._show_targets(self._presented[unit], again=True)

    async def _show_targets(self, presented: Presented, *, again: bool = False) -> None:
        """Show the set-points as they stand: a refused value does not stay on the node."""
        ua, targets = library().ua, presented.device.targets()
        for name, node in presented.functions.targets.items():
            if name in targets and (again or self._target.get(node) != targets[name]):
                self._target[node] = targets[name]
                value = ua.DataValue(ua.Variant(float(targets[name]), ua.VariantType.Double))
                await self._server.write_attribute_value(node, value)

    # -- what the devices tell ------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """Write what the devices measured, what they are doing and what came of programs. Ends when cancelled."""
        while True:
            for presented in self._presented.values():
                await self._show(presented)
            await self.clock.until(after(self.clock.now(), self.every))

    async def _show(self, presented: Presented) -> None:
        unit = presented.device.unit
        for reading in presented.device.measured(self._shown.get(unit)):
            for node in presented.functions.sensors.get(reading.signal, ()):
                await self._server.write_attribute_value(node, data_value(reading))
            self._shown[unit] = max(reading.at, self._shown.get(unit, reading.at))
        await self._show_targets(presented)
        await presented.programs.look()
        await presented.show_state()
