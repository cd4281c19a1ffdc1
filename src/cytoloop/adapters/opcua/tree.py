"""The tree of one device: DeviceSet > LADSDeviceType > FunctionalUnitSet > FunctionalUnitType (OPC 30500-1 §7)."""

from dataclasses import dataclass
from typing import Any

from cytoloop.adapters.opcua.functions import Functions, add_functions
from cytoloop.adapters.opcua.lads import (
    DEVICE,
    DEVICE_MACHINE,
    DEVICE_SET,
    DI,
    FUNCTIONAL_UNIT,
    FUNCTIONAL_UNIT_SET,
    IDENTIFICATION,
    LADS,
    LOCK,
    RUNNING_MACHINE,
    UNIT_MACHINE,
    UNIT_STATES,
    device_state,
)
from cytoloop.adapters.opcua.library import HOUSE, library
from cytoloop.adapters.opcua.machines import Machine, machine
from cytoloop.adapters.opcua.nodes import HAS_PROPERTY, Argument, Nodes
from cytoloop.adapters.opcua.programs import ProgramManager, add_program_manager
from cytoloop.core.device import Device

FUNCTIONAL_UNITS = "FunctionalUnitSet"
ONLY = "main"
"""Name of the one functional unit that a device of this house has."""
CANNOT_BE_LOCKED = -2
"""E_Invalid of the locking services: this element cannot be locked (OPC 10000-100 §7.6)."""


@dataclass(slots=True)
class Presented:
    """A device as it stands in the address space."""

    device: Device
    unit_path: str
    unit: Any
    """Its functional unit."""
    unit_machine: Machine
    running: Machine
    device_machine: Machine
    functions: Functions
    programs: ProgramManager

    async def show_state(self) -> None:
        """Show what the device is doing now."""
        state = self.device.state()
        unit, running = UNIT_STATES[state]
        await self.device_machine.show(device_state(state))
        await self.unit_machine.show(unit, running if unit == "Running" else unit)
        await self.running.show(running)
        for each in self.functions.machines:
            await each.show("Stopped" if state == "off" else "Running")


async def add_device(nodes: Nodes, device: Device, application: str) -> Presented:
    """A device under the DeviceSet of OPC UA for Devices."""
    ua = library().ua
    path = device.unit
    parent = ua.NodeId(DEVICE_SET, nodes.namespaces[DI])
    node = await nodes.object(path, parent, (HOUSE, device.unit), DEVICE)
    await _identified(nodes, path, node, device)
    states = await machine(nodes, (path, node), "DeviceState", DEVICE_MACHINE)
    units = await nodes.object(f"{path}/{FUNCTIONAL_UNITS}", node, (LADS, FUNCTIONAL_UNITS), FUNCTIONAL_UNIT_SET)
    await nodes.variable(f"{path}/{FUNCTIONAL_UNITS}/NodeVersion", units, ("", "NodeVersion"), "1")
    unit_path = f"{path}/{FUNCTIONAL_UNITS}/{ONLY}"
    unit = await nodes.object(unit_path, units, (HOUSE, ONLY), FUNCTIONAL_UNIT)
    await _lock(nodes, unit_path, unit)
    unit_machine = await machine(
        nodes, (unit_path, unit), "FunctionalUnitState", UNIT_MACHINE, effective=True, available=True
    )
    above = (f"{unit_path}/FunctionalUnitState", unit_machine.node)
    presented = Presented(
        device=device,
        unit_path=unit_path,
        unit=unit,
        unit_machine=unit_machine,
        running=await machine(nodes, above, "RunningStateMachine", RUNNING_MACHINE),
        device_machine=states,
        functions=await add_functions(nodes, (unit_path, unit), device),
        programs=await add_program_manager(nodes, (unit_path, unit), device, application),
    )
    await presented.show_state()
    return presented


async def _identified(nodes: Nodes, path: str, node: Any, device: Device) -> None:
    """The name plate, once on the device and again, the same nodes, in its Identification."""
    ua = library().ua
    group = await nodes.object(f"{path}/Identification", node, (DI, "Identification"), IDENTIFICATION)
    shown = ua.LocalizedText(device.kind.words.en)
    plate: dict[str, Any] = {
        "RevisionCounter": ua.Variant(-1, ua.VariantType.Int32),
        "Manufacturer": ua.LocalizedText("Cytoloop" if not device.kind.met else device.kind.met),
        "Model": shown,
        "DeviceManual": "",
        "DeviceRevision": "1",
        "SoftwareRevision": "1",
        "SerialNumber": device.unit,
        "HardwareRevision": "1",
        "ProductInstanceUri": f"{HOUSE}:{device.unit}",
        "AssetId": device.unit,
        "ComponentName": ua.LocalizedText(device.unit),
    }
    for name, value in plate.items():
        made = await nodes.variable(f"{path}/{name}", node, (DI, name), value)
        await nodes.reference(group, made, HAS_PROPERTY)
    await nodes.variable(f"{path}/DeviceClass", node, (DI, "DeviceClass"), device.kind.equipment_class)


async def _lock(nodes: Nodes, path: str, unit: Any) -> None:
    """The locking services, which every functional unit has; these cannot be locked, and say so when asked."""
    ua = library().ua
    node = await nodes.object(f"{path}/Lock", unit, (DI, "Lock"), LOCK)
    await nodes.variable(f"{path}/Lock/Locked", node, (DI, "Locked"), False)
    await nodes.variable(f"{path}/Lock/LockingClient", node, (DI, "LockingClient"), "")
    await nodes.variable(f"{path}/Lock/LockingUser", node, (DI, "LockingUser"), "")
    left, duration = ua.Variant(0.0, ua.VariantType.Double), ua.NodeId(290)
    await nodes.variable(f"{path}/Lock/RemainingLockTime", node, (DI, "RemainingLockTime"), left, data_type=duration)

    async def refused(*_: Any) -> list[Any]:
        return [ua.Variant(CANNOT_BE_LOCKED, ua.VariantType.Int32)]

    number, text = ua.NodeId(ua.ObjectIds.Int32), ua.NodeId(ua.ObjectIds.String)
    for name in ("InitLock", "RenewLock", "ExitLock", "BreakLock"):
        takes = [Argument("Context", text)] if name == "InitLock" else []
        await nodes.method(
            f"{path}/Lock/{name}", node, (DI, name), refused, takes=takes, gives=[Argument(f"{name}Status", number)]
        )
