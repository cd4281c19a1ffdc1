"""Functions of a functional unit: what a device measures and takes, as LADS functions (OPC 30500-1 §7.4)."""

from dataclasses import dataclass, field
from typing import Any

from cytoloop.adapters.opcua.lads import ANALOG_CONTROL, CONTROL_MACHINE, FUNCTION_SET, GROUP, LADS, SCALAR_SENSOR
from cytoloop.adapters.opcua.library import BAD_NOT_CONNECTED, BAD_WAITING, HOUSE, library
from cytoloop.adapters.opcua.machines import Machine, machine
from cytoloop.adapters.opcua.nodes import ANALOG_UNIT_RANGE, READ, READ_HISTORY, READ_WRITE, Nodes
from cytoloop.adapters.opcua.units import information
from cytoloop.core.device import Device, Quantity


@dataclass(slots=True)
class Functions:
    """Nodes of a device's functions."""

    sensors: dict[str, list[Any]] = field(default_factory=dict)
    """Signal -> nodes that show it; the first is the one with history."""
    targets: dict[str, Any] = field(default_factory=dict)
    """Set-point -> its TargetValue."""
    machines: list[Machine] = field(default_factory=list)
    """States of the control functions."""


async def add_functions(nodes: Nodes, above: tuple[str, Any], device: Device) -> Functions:
    """A FunctionSet under the functional unit at `above` (path, node), with a function for each quantity."""
    path, functions = f"{above[0]}/FunctionSet", Functions()
    parent = await nodes.object(path, above[1], (LADS, "FunctionSet"), FUNCTION_SET)
    for name in dict.fromkeys((*device.kind.signals, *device.kind.set_points)):
        if name in device.kind.set_points:
            await _control(nodes, (path, parent), device, name, functions)
        else:
            await _sensor(nodes, (path, parent), device, name, functions)
    return functions


async def _sensor(nodes: Nodes, above: tuple[str, Any], device: Device, name: str, functions: Functions) -> None:
    """AnalogScalarSensorFunctionType: SensorValue and RawValue; a probe's raw value is what it shows."""
    path, quantity = f"{above[0]}/{name}", device.kind.signals[name]
    node = await nodes.object(path, above[1], (HOUSE, name), SCALAR_SENSOR)
    await _enabled(nodes, path, node)
    sensor = await _analog(nodes, f"{path}/SensorValue", node, quantity, READ_HISTORY)
    raw = await _analog(nodes, f"{path}/RawValue", node, quantity, READ)
    await _operational(nodes, path, node, [sensor, raw])
    functions.sensors[name] = [sensor, raw]


async def _control(nodes: Nodes, above: tuple[str, Any], device: Device, name: str, functions: Functions) -> None:
    """AnalogControlFunctionType: TargetValue, and CurrentValue where a probe measures what is controlled."""
    path, target = f"{above[0]}/{name}", device.kind.set_points[name]
    measured = device.kind.signals.get(name)
    node = await nodes.object(path, above[1], (HOUSE, name), ANALOG_CONTROL)
    await _enabled(nodes, path, node)
    current = await _analog(
        nodes, f"{path}/CurrentValue", node, measured or target, READ_HISTORY if measured else READ,
        status=BAD_WAITING if measured else BAD_NOT_CONNECTED,
    )  # fmt: skip
    wanted = await _analog(
        nodes, f"{path}/TargetValue", node, target, READ_WRITE, value=device.targets().get(name, target.low), status=0
    )
    await _operational(nodes, path, node, [current, wanted])
    functions.machines.append(
        await machine(nodes, (path, node), "ControlFunctionState", CONTROL_MACHINE, available=True)
    )
    functions.targets[name] = wanted
    if measured is not None:
        functions.sensors[name] = [current]


async def _enabled(nodes: Nodes, path: str, node: Any) -> None:
    await nodes.variable(f"{path}/IsEnabled", node, (LADS, "IsEnabled"), True)


async def _operational(nodes: Nodes, path: str, node: Any, values: list[Any]) -> None:
    group = await nodes.object(f"{path}/Operational", node, (LADS, "Operational"), GROUP)
    for value in values:
        await nodes.reference(group, value)


async def _analog(
    nodes: Nodes, path: str, parent: Any, quantity: Quantity, access: int, *, value: float = 0.0,
    status: int = BAD_WAITING,
) -> Any:  # fmt: skip
    """AnalogUnitRangeType with its EngineeringUnits and EURange; until the device has measured, its status is bad."""
    ua = library().ua
    name = path.rpartition("/")[2]
    node = await nodes.variable(path, parent, (LADS, name), float(value), of=ANALOG_UNIT_RANGE, access=access)
    unit, limits = information(quantity.unit), ua.Range(quantity.low, quantity.high)
    await nodes.variable(f"{path}/EngineeringUnits", node, ("", "EngineeringUnits"), unit, data_type=ua.NodeId(887))
    await nodes.variable(f"{path}/EURange", node, ("", "EURange"), limits, data_type=ua.NodeId(884))
    if status:
        shown = ua.DataValue(ua.Variant(float(value)), StatusCode=ua.StatusCode(status))
        await nodes.server.write_attribute_value(node, shown)
    return node
