"""The types of DI, Machinery and LADS on a server: loaded from the nodesets, or declared from `lads.TYPES`."""

import logging
from pathlib import Path
from typing import Any

from cytoloop.adapters.opcua.lads import AMB, COMPANIONS, DEVICE_SET, DI, LADS, MACHINERY, STATES, STRUCTURES, TYPES
from cytoloop.adapters.opcua.library import HOUSE, library
from cytoloop.adapters.opcua.nodes import HAS_SUBTYPE, ORGANIZES, Nodes
from cytoloop.core.errors import UserError

FILES = {
    DI: "Opc.Ua.Di.NodeSet2.xml",
    AMB: "Opc.Ua.AMB.NodeSet2.xml",
    MACHINERY: "Opc.Ua.Machinery.NodeSet2.xml",
    LADS: "Opc.Ua.LADS.NodeSet2.xml",
}
"""Namespace -> its file, as the OPC Foundation names it."""
WITHOUT_AMB = f"""<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>{AMB}</Uri></NamespaceUris>
  <Models><Model ModelUri="{AMB}" Version="1.01.0" PublicationDate="2022-11-01T00:00:00Z"/></Models>
  <Aliases/>
</UANodeSet>
"""
"""A stand-in for Asset Management Basics, of which LADS uses optional members only: a namespace without nodes."""


async def prepare_types(server: Any, nodesets: Path | None) -> Nodes:
    """Make the types known to a server that is not started yet; UserError when a nodeset is missing or unreadable."""
    if nodesets is not None:
        await _load(server, nodesets)
    namespaces = {"": 0}
    for uri in (*COMPANIONS, HOUSE):
        namespaces[uri] = await server.register_namespace(uri)
    nodes = Nodes(server=server, namespaces=namespaces, house=HOUSE)
    if nodesets is None:
        await _declare(nodes)
    return nodes


def check_nodesets(folder: Path) -> None:
    """UserError when a nodeset that is needed is not in the folder."""
    for uri, name in FILES.items():
        if uri != AMB and not (folder / name).exists():
            raise UserError(
                f"there is no {name} in {folder}; get it from the OPC Foundation's UA-Nodeset, or serve without"
            )


async def _load(server: Any, folder: Path) -> None:
    """Read the nodesets in the order they build on each other.

    Not strictly: the LADS nodeset of 2023 hangs two nodes under parents it does not have.
    """
    importer = logging.getLogger("asyncua.common.xmlimporter")
    before = importer.level
    importer.setLevel(logging.CRITICAL)
    try:
        for uri, name in FILES.items():
            path = folder / name
            if uri == AMB and not path.exists():
                await server.import_xml(xmlstring=WITHOUT_AMB, strict_mode=False)
                continue
            await _import(server, path)
    finally:
        importer.setLevel(before)


async def _import(server: Any, path: Path) -> None:
    try:
        await server.import_xml(str(path), strict_mode=False)
    except Exception as error:
        raise UserError(f"{path} cannot be read as a nodeset ({error}); get it anew, or serve without") from error


async def _declare(nodes: Nodes) -> None:
    """Types with their names, numbers and supertypes, the states of state machines, and the set of devices."""
    ua = library().ua
    for each in TYPES:
        await nodes.object_type(each)
    for name, (number, _) in STRUCTURES.items():
        await _structure(nodes, name, number)
    for machine, states in STATES.items():
        for state, (number, shown) in states.items():
            parent, identifier = nodes.type_id(machine), ua.NodeId(number, nodes.namespaces[LADS])
            await nodes.object_at(identifier, parent, (LADS, state), 2307)
            path = f"{machine.name}/{state}/StateNumber"
            number_of = ua.Variant(shown, ua.VariantType.UInt32)
            await nodes.variable(path, identifier, ("", "StateNumber"), number_of)
    devices = ua.NodeId(DEVICE_SET, nodes.namespaces[DI])
    await nodes.object_at(devices, ua.NodeId(ua.ObjectIds.ObjectsFolder), (DI, "DeviceSet"), 58, by=ORGANIZES)


async def _structure(nodes: Nodes, name: str, number: int) -> None:
    ua = library().ua
    attributes = ua.DataTypeAttributes()
    attributes.IsAbstract = False
    identifier = ua.NodeId(number, nodes.namespaces[LADS])
    await nodes.add(identifier, ua.NodeId(22), (LADS, name), (ua.NodeClass.DataType, attributes), by=HAS_SUBTYPE)
