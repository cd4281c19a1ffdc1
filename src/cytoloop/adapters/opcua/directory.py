"""Finding equipment on a server by what LADS calls things: types and browse names, never paths of one house."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cytoloop.adapters.opcua.browsing import below, is_a, named, texts, values
from cytoloop.adapters.opcua.lads import DEVICE, DEVICE_SET, DI, LADS
from cytoloop.adapters.opcua.library import BAD_NOT_CONNECTED, HOUSE, code_of, library
from cytoloop.core.errors import UserError


@dataclass(slots=True)
class Place:
    """A value of a function."""

    node: Any
    information: Any
    """EUInformation, None when the device gives none."""
    said: str
    """Where it is, for a person."""


@dataclass(slots=True)
class Unit:
    """One functional unit and what a door needs of it."""

    name: str
    equipment_class: str
    sensors: dict[str, Place] = field(default_factory=dict)
    targets: dict[str, Place] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    start: tuple[Any, Any] | None = None
    """StartProgram: object and method."""
    execute: tuple[Any, Any] | None = None
    """Execute of the house: object and method."""
    command_key: Any = None
    results: Any = None
    """ResultSet."""
    states: tuple[Any, Any, Any] = (None, None, None)
    """CurrentState of the functional unit, of its running machine, of its device."""


@dataclass(slots=True)
class Found:
    """A device that was found; its functional units are looked into when one is asked for."""

    name: str
    equipment_class: str
    units: Mapping[str, Any]
    state: Any


@dataclass(slots=True)
class Directory:
    """The LADS devices of one server, as long as it is the same server that runs."""

    endpoint: str
    namespaces: Sequence[str]
    started: Any
    """When the server started."""
    devices: dict[str, Found] = field(default_factory=dict)
    site: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Method of the house's Site -> object and method; empty where the house is not served."""
    _units: dict[str, Unit] = field(default_factory=dict)

    def index(self, uri: str) -> int:
        """Index of a namespace."""
        return list(self.namespaces).index(uri)

    def names(self) -> list[str]:
        """What commands may be targeted at, sorted."""
        found: list[str] = []
        for name, device in self.devices.items():
            found += [name] if len(device.units) == 1 else [f"{name}/{unit}" for unit in device.units]
        return sorted(found)

    async def unit(self, client: Any, target: str) -> Unit:
        """The functional unit that a command's target names: a device, or "<device>/<functional unit>"."""
        if target not in self._units:
            self._units[target] = await _explore(self, client, target)
        return self._units[target]


async def discover(client: Any, endpoint: str) -> Directory:
    """Look for LADS devices; UserError when the server does not know LADS."""
    namespaces = await client.get_namespace_array()
    if LADS not in namespaces or DI not in namespaces:
        offered = ", ".join(namespaces[2:]) or "nothing beyond OPC UA itself"
        raise UserError(
            f"{endpoint} does not follow LADS (OPC 30500-1, {LADS}) but {offered}; equipment of another kind needs a "
            "door of its own, or a gateway that presents it as LADS"
        )
    directory = Directory(endpoint=endpoint, namespaces=namespaces, started=await started(client))
    await _find_devices(directory, client)
    if HOUSE in namespaces:
        await _find_site(directory, client)
    return directory


async def started(client: Any) -> Any:
    """When the server started: another time, another address space."""
    return await client.get_node(library().ua.NodeId(2257)).read_value()


async def _find_devices(directory: Directory, client: Any) -> None:
    ua = library().ua
    (children,) = await below(client, [ua.NodeId(DEVICE_SET, directory.index(DI))])
    lads = ua.NodeId(DEVICE.identifier, directory.index(LADS))
    of_lads = [each for each in children if await is_a(client, each.TypeDefinition, lads)]
    parts = [named(each) for each in await below(client, [each.NodeId for each in of_lads])]
    plates = await texts(client, [part.get(name) for part in parts for name in ("AssetId", "DeviceClass")])
    sets = await below(client, [part["FunctionalUnitSet"] for part in parts if "FunctionalUnitSet" in part])
    with_units = [place for place, part in enumerate(parts) if "FunctionalUnitSet" in part]
    for place, units in zip(with_units, sets, strict=True):
        browse_name = str(of_lads[place].BrowseName.Name)
        asset, kind = plates[2 * place], plates[2 * place + 1]
        objects = {str(each.BrowseName.Name): each.NodeId for each in units if each.NodeClass == ua.NodeClass.Object}
        name = asset or browse_name
        directory.devices[name] = Found(name, kind, objects, parts[place].get("DeviceState"))


async def _find_site(directory: Directory, client: Any) -> None:
    ua, house = library().ua, directory.index(HOUSE)
    (children,) = await below(client, [ua.NodeId(ua.ObjectIds.ObjectsFolder)])
    site = [e.NodeId for e in children if e.BrowseName.Name == "Site" and e.BrowseName.NamespaceIndex == house]
    for methods in await below(client, site[:1]):
        directory.site = {each.BrowseName.Name: (site[0], each.NodeId) for each in methods}


async def _explore(directory: Directory, client: Any, target: str) -> Unit:
    """Browse one functional unit, level by level, each level in one request."""
    found, node = _named_unit(directory, target)
    (children,) = await below(client, [node])
    parts = named(children)
    unit = Unit(name=target, equipment_class=found.equipment_class, command_key=parts.get("CommandKey"))
    if "Execute" in parts:
        unit.execute = (node, parts["Execute"])
    await _find_functions(directory, client, unit, parts.get("FunctionSet"))
    await _find_programs(client, unit, parts.get("ProgramManager"))
    await _find_states(client, unit, parts.get("FunctionalUnitState"), found.state)
    return unit


def _named_unit(directory: Directory, target: str) -> tuple[Found, Any]:
    device, _, unit = target.partition("/")
    found = directory.devices.get(device)
    known = ", ".join(sorted(directory.devices)) or "none"
    if found is None:
        raise UserError(f"{directory.endpoint} has no device {device}; it has {known}; name it as its AssetId says")
    if not unit and len(found.units) == 1:
        return found, next(iter(found.units.values()))
    if unit not in found.units:
        names = " or ".join(f"{device}/{each}" for each in found.units) or "none"
        raise UserError(f"{device} on {directory.endpoint} has several functional units; name one: {names}")
    return found, found.units[unit]


async def _find_functions(directory: Directory, client: Any, unit: Unit, node: Any) -> None:
    if node is None:
        return
    (functions,) = await below(client, [node])
    places: list[Place] = []
    for function, children in zip(functions, await below(client, [each.NodeId for each in functions]), strict=True):
        name, values = str(function.BrowseName.Name), named(children)
        for kind in ("SensorValue", "CurrentValue", "TargetValue"):
            if kind in values:
                place = Place(values[kind], None, f"{unit.name}/{name}/{kind} on {directory.endpoint}")
                places.append(place)
                (unit.targets if kind == "TargetValue" else unit.sensors)[name] = place
    await _read_units(client, places)
    await _leave_unmeasured(client, unit)


async def _leave_unmeasured(client: Any, unit: Unit) -> None:
    """A control function without a probe says so by the status of its CurrentValue: it is no signal."""
    ua, nodes = library().ua, [place.node for place in unit.sensors.values()]
    found = await client.uaclient.session.read_attributes(nodes, ua.AttributeIds.Value) if nodes else []
    for name, value in zip(list(unit.sensors), found, strict=True):
        if code_of(value) == BAD_NOT_CONNECTED:
            del unit.sensors[name]


async def _read_units(client: Any, places: Sequence[Place]) -> None:
    """EngineeringUnits of each value."""
    nodes = [named(each).get("EngineeringUnits") for each in await below(client, [place.node for place in places])]
    for place, value in zip(places, await values(client, nodes), strict=True):
        place.information = value if type(value).__name__ == "EUInformation" else None


async def _find_programs(client: Any, unit: Unit, node: Any) -> None:
    if node is None:
        return
    (children,) = await below(client, [node])
    parts = named(children)
    unit.results = parts.get("ResultSet")
    if "ProgramTemplateSet" in parts:
        (templates,) = await below(client, [parts["ProgramTemplateSet"]])
        objects = [each for each in templates if each.NodeClass == library().ua.NodeClass.Object]
        unit.programs = tuple(str(each.BrowseName.Name) for each in objects)


async def _find_states(client: Any, unit: Unit, machine: Any, device: Any) -> None:
    if machine is None:
        return
    parts = named((await below(client, [machine]))[0])
    if "StartProgram" in parts:
        unit.start = (machine, parts["StartProgram"])
    others = [each for each in (parts.get("RunningStateMachine"), device) if each is not None]
    inside = dict(zip(others, [named(each) for each in await below(client, others)], strict=True))
    running = inside.get(parts.get("RunningStateMachine"), {}).get("CurrentState")
    unit.states = (parts.get("CurrentState"), running, inside.get(device, {}).get("CurrentState"))
