"""The facility as an OPC UA server: its own process, so that it outlives the platform.

Shaped after OPC 30500-1 (LADS) so that its nodeset can take its place later: a unit has a FunctionSet of sensor
functions (SensorValue) and control functions (TargetValue) and a ProgramManager. Node ids are paths in NAMESPACE:

  <unit>/FunctionSet/<signal>/SensorValue       Double, source time = when the probe measured, StatusCode, historised
  <unit>/FunctionSet/<set-point>/TargetValue    Double, writable
  <unit>/FunctionSet/CommandKey                 String; written in the same Write as target values, it names the write
  <unit>/ProgramManager/Execute                 (key, verb, arguments as JSON) -> whether it was accepted
  Site/Outcome                                  (key) -> "unknown" | "underway" | "ended", outcome as JSON or ""
  Site/Receive                                  (label, luck) -> whether the bag was taken in
  Site/PlantTime                                () -> ISO 8601
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.vessel import RANGES, SIGNALS
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, parse
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.time import Clock, after

NAMESPACE = "urn:cytoloop:plant"
KEPT = 5000
"""Values of a signal that are kept for reading back."""
STATUS: dict[Quality, str] = {"good": "Good", "uncertain": "UncertainSensorNotAccurate", "bad": "BadSensorFailure"}
VERBS: dict[str, Verb] = {"scan": "scan", "program": "program", "sample": "sample"}
"""What Execute takes: set-points are written and signals are read as nodes."""


def library() -> Any:
    """asyncua, which only those who speak OPC UA need; UserError says how to get it."""
    try:
        import asyncua  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError as error:
        raise UserError("OPC UA needs a library that is not installed; run: pip install 'cytoloop[opcua]'") from error
    return asyncua


def encoded(outcome: Outcome) -> str:
    """An outcome as JSON. Readings are not in it: they are read as nodes."""
    plain: dict[str, JSON] = {
        "key": outcome.key,
        "ok": outcome.ok,
        "at": outcome.at.isoformat(),
        "by": outcome.by,
        "values": dict(outcome.values),
        "note": outcome.note,
    }
    return json.dumps(plain, ensure_ascii=False)


@dataclass(slots=True, kw_only=True)
class PlantServer:
    """Serves a facility at an endpoint such as "opc.tcp://127.0.0.1:4840/cytoloop"."""

    facility: Facility
    clock: Clock
    endpoint: str
    _server: Any = None
    _index: int = 0
    _publishing: "asyncio.Task[None] | None" = None
    _targets: dict[Any, tuple[str, str]] = field(default_factory=dict)
    """Node id of a TargetValue -> unit and set-point."""
    _keys: dict[Any, str] = field(default_factory=dict)
    """Node id of a CommandKey -> unit."""
    _manual: "count[int]" = field(default_factory=count)

    async def start(self) -> None:
        """Open the endpoint. UserError when it cannot be opened."""
        asyncua = library()
        server = asyncua.Server()
        await server.init()
        server.set_endpoint(self.endpoint)
        server.set_server_name("Cytoloop simulated facility")
        server.set_security_policy([asyncua.ua.SecurityPolicyType.NoSecurity])
        self._server = server
        self._index = await server.register_namespace(NAMESPACE)
        await self._add_site()
        for unit in self.facility.units:
            await self._add_unit(unit)
        server.iserver.callback_service.addListener(asyncua.common.callback.CallbackType.PostWrite, self._written)
        try:
            await server.start()
        except OSError as error:
            raise UserError(f"cannot serve the plant at {self.endpoint}: {error}; choose another port") from error
        self._publishing = asyncio.create_task(self._publish())

    async def stop(self) -> None:
        """Close the endpoint. Safe to call twice."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)
            self._publishing = None
        if self._server is not None:
            await self._server.stop()
            self._server = None

    # -- address space --------------------------------------------------------------------------------------------

    async def _add_site(self) -> None:
        site = await self._object(self._server.nodes.objects, "Site", "Site")
        await self._method(site, "Site/Outcome", self._outcome, ("key",), ("state", "outcome"))
        await self._method(site, "Site/Receive", self._receive, ("label", "luck"), ("accepted",))
        await self._method(site, "Site/PlantTime", self._plant_time, (), ("now",))

    async def _add_unit(self, unit: str) -> None:
        top = await self._object(self._server.nodes.objects, unit, unit)
        manager = await self._object(top, f"{unit}/ProgramManager", "ProgramManager")

        async def execute(key: str, verb: str, arguments: str) -> tuple[bool]:
            return (self._execute(unit, key, verb, arguments),)

        path = f"{unit}/ProgramManager/Execute"
        await self._method(manager, path, execute, ("key", "verb", "arguments"), ("accepted",))
        if unit in self.facility.vessels:
            await self._add_functions(top, unit)

    async def _add_functions(self, top: Any, unit: str) -> None:
        functions = await self._object(top, f"{unit}/FunctionSet", "FunctionSet")
        key = await self._variable(functions, f"{unit}/FunctionSet/CommandKey", "")
        await key.set_writable()
        self._keys[key.nodeid] = unit
        for name in dict.fromkeys((*SIGNALS, *RANGES)):
            path = f"{unit}/FunctionSet/{name}"
            function = await self._object(functions, path, name)
            if name in SIGNALS:
                await self._historised(await self._variable(function, f"{path}/SensorValue", 0.0, known=False))
            if name in RANGES:
                value = self.facility.vessels[unit].set_points[name]
                target = await self._variable(function, f"{path}/TargetValue", value)
                await target.set_writable()
                self._targets[target.nodeid] = (unit, name)

    async def _object(self, parent: Any, path: str, name: str) -> Any:
        return await parent.add_object(self._node_id(path), self._name(name))

    async def _variable(self, parent: Any, path: str, value: float | str, *, known: bool = True) -> Any:
        ua = library().ua
        node = await parent.add_variable(self._node_id(path), self._name(path.rpartition("/")[2]), value)
        if not known:
            waiting = ua.DataValue(ua.Variant(value), StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
            await node.write_value(waiting)
        return node

    async def _historised(self, node: Any) -> None:
        ua = library().ua
        await self._server.iserver.history_manager.storage.new_historized_node(node.nodeid, None, KEPT)
        await node.set_attr_bit(ua.AttributeIds.AccessLevel, ua.AccessLevel.HistoryRead)
        await node.set_attr_bit(ua.AttributeIds.UserAccessLevel, ua.AccessLevel.HistoryRead)

    async def _method(
        self,
        parent: Any,
        path: str,
        function: Callable[..., Awaitable[tuple[str | bool, ...]]],
        takes: tuple[str, ...],
        gives: tuple[str, ...],
    ) -> None:
        ua = library().ua

        async def called(_parent: Any, *arguments: Any) -> list[Any]:
            return [ua.Variant(value) for value in await function(*(argument.Value for argument in arguments))]

        given = [self._argument(name, boolean=name == "accepted") for name in gives]
        taken = [self._argument(name) for name in takes]
        await parent.add_method(self._node_id(path), self._name(path.rpartition("/")[2]), called, taken, given)

    @staticmethod
    def _argument(name: str, *, boolean: bool = False) -> Any:
        ua = library().ua
        kind = ua.ObjectIds.Boolean if boolean else ua.ObjectIds.String
        return ua.Argument(Name=name, DataType=ua.NodeId(kind), ValueRank=-1)

    def _node_id(self, path: str) -> Any:
        return library().ua.NodeId(path, self._index)

    def _name(self, name: str) -> Any:
        return library().ua.QualifiedName(name, self._index)

    # -- what clients ask -----------------------------------------------------------------------------------------

    def _execute(self, unit: str, key: str, verb: str, arguments: str) -> bool:
        """Begin the command; False when it makes no sense (then nothing was begun)."""
        try:
            given = parse(arguments)
        except ValueError:
            return False
        if verb not in VERBS or not isinstance(given, dict):
            return False
        self.facility.submit(Command(key=key, target=unit, verb=VERBS[verb], arguments=given))
        return True

    async def _outcome(self, key: str) -> tuple[str, str]:
        outcome = self.facility.outcome(key)
        if outcome is not None:
            return "ended", encoded(outcome)
        return ("underway" if self.facility.seen(key) else "unknown"), ""

    async def _receive(self, label: str, luck: str) -> tuple[bool]:
        try:
            self.facility.register_collection(label, luck=luck or None)
        except UserError:
            return (False,)
        return (True,)

    async def _plant_time(self) -> tuple[str]:
        return (self.clock.now().isoformat(),)

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
            self.facility.submit(Command(key=key, target=unit, verb="set", arguments=values))
            await self._show_targets(unit)

    async def _show_targets(self, unit: str) -> None:
        """Show the set-points as they stand: a refused value does not stay on the node."""
        for node_id, (owner, name) in self._targets.items():
            if owner == unit:
                value = float(self.facility.vessels[unit].set_points[name])
                await self._server.get_node(node_id).write_value(value)

    # -- what the plant tells -------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """Write what the probes measured to the nodes, every hour of plant time. Ends when cancelled."""
        while True:
            for unit in self.facility.vessels:
                for reading in self.facility.measured(unit):
                    await self._show(unit, reading)
            await self.clock.until(after(self.clock.now(), 1.0))

    async def _show(self, unit: str, reading: Reading) -> None:
        ua = library().ua
        node = self._server.get_node(self._node_id(f"{unit}/FunctionSet/{reading.signal}/SensorValue"))
        value = ua.DataValue(
            ua.Variant(reading.value, ua.VariantType.Double),
            StatusCode=ua.StatusCode(getattr(ua.StatusCodes, STATUS[reading.quality])),
            SourceTimestamp=reading.at,
        )
        await node.write_value(value)
        await self._server.iserver.history_manager.storage.save_node_value(node.nodeid, value)
