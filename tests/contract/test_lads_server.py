"""The LADS server: the same tree with the published nodesets and without, and instances that are what their types ask.

The nodesets are the OPC Foundation's and are not in this repository: put Opc.Ua.Di, .Machinery and .LADS .NodeSet2.xml
into `standards/opcua_nodesets` of the folder `shared` beside the checkout, or name that folder in CYTOLOOP_SHARED.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.contract.opcua_plant import free_port
from tests.fault.skid import Skid

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.browsing import below
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.lads import DI, LADS, MACHINERY, STATES, STRUCTURES, TYPES, Type
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.adapters.opcua.types import FILES
from cytoloop.core.equipment import Command
from cytoloop.core.errors import UserError

ROOT = Path(__file__).parents[2]
UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
MANDATORY = "i=78"
FORWARD = {"HasComponent", "HasProperty", "i=47", "i=46"}


@pytest.fixture(scope="session")
def nodesets() -> Path:
    """The folder of published nodesets; the test is skipped without it."""
    folder = Path(os.environ.get("CYTOLOOP_SHARED", ROOT / "shared")) / "standards" / "opcua_nodesets"
    if not (folder / FILES[LADS]).exists():
        pytest.skip(f"the OPC Foundation's nodesets are not here: put them at {folder}")
    return folder


@asynccontextmanager
async def serving(tmp_path: Path, nodesets: Path | None, *, house: bool = True) -> AsyncIterator[DeviceServer]:
    clock = ScaledClock()
    endpoint = f"opc.tcp://127.0.0.1:{free_port()}/cytoloop"
    skid = Skid(clock, tmp_path / "effects")
    server = DeviceServer(
        devices=(skid,), clock=clock, endpoint=endpoint, every=0.05 / 3600, nodesets=nodesets, house=house
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


Tree = dict[tuple[str, ...], tuple[str, str]]
"""Path of browse names (with namespace URIs) -> node class, type with its namespace URI."""


async def tree_of(server: DeviceServer) -> Tree:
    """Everything below the DeviceSet as a client browses it."""
    asyncua = library()
    found: Tree = {}
    async with asyncua.Client(server.endpoint) as client:
        uris = await client.get_namespace_array()

        def name(qualified: Any) -> str:
            return f"{uris[qualified.NamespaceIndex]}#{qualified.Name}"

        level: list[tuple[tuple[str, ...], Any]] = [((), asyncua.ua.NodeId(5001, uris.index(DI)))]
        while level:
            children = await below(client, [node for _, node in level])
            level = [
                ((*path, name(each.BrowseName)), each)
                for (path, _), found_here in zip(level, children, strict=True)
                for each in found_here
            ]
            for path, each in level:
                of = each.TypeDefinition
                found[path] = (each.NodeClass.name, f"{uris[of.NamespaceIndex]}#{of.Identifier}")
            level = [(path, each.NodeId) for path, each in level]
    return found


class Published:
    """Types of the published nodesets, by namespace URI and number."""

    def __init__(self, folder: Path) -> None:
        self.nodes: dict[str, ElementTree.Element] = {}
        self.names: dict[str, str] = {}
        self.children: dict[str, list[tuple[str, str]]] = {}
        for uri in (DI, MACHINERY, LADS):
            self._read(ElementTree.parse(folder / FILES[uri]).getroot())

    def _read(self, root: ElementTree.Element) -> None:
        uris = ["http://opcfoundation.org/UA/", *(each.text or "" for each in root.iter(f"{UA}Uri"))]

        def whole(identifier: str) -> str:
            index, _, number = identifier.rpartition("i=")
            return f"{uris[int(index.strip('ns=;') or 0)]}#{number}"

        for node in root:
            if "NodeId" not in node.attrib:
                continue
            identifier = whole(node.attrib["NodeId"])
            self.nodes[identifier] = node
            space, colon, name = node.attrib["BrowseName"].partition(":")
            self.names[identifier] = f"{uris[int(space)]}#{name}" if colon else f"{uris[0]}#{space}"
            for reference in node.iter(f"{UA}Reference"):
                node.set(
                    "rule" if reference.attrib["ReferenceType"] in {"HasModellingRule", "i=37"} else "-",
                    reference.text or "",
                )
                if (
                    reference.attrib["ReferenceType"] in {"HasSubtype", "i=45"}
                    and reference.get("IsForward") == "false"
                ):
                    node.set("super", whole(reference.text or ""))
                if reference.attrib["ReferenceType"] in {"HasTypeDefinition", "i=40"}:
                    node.set("type", whole(reference.text or ""))
                if reference.attrib["ReferenceType"] in FORWARD:
                    ends = (identifier, whole(reference.text or ""))
                    parent, child = ends if reference.get("IsForward") != "false" else ends[::-1]
                    self.children.setdefault(parent, []).append((parent, child))

    def mandatory(self, of: str) -> set[str]:
        """Browse names of the members that every instance of the type has, those of its supertypes included."""
        found: set[str] = set()
        while of in self.nodes:
            for _, child in self.children.get(of, ()):
                node = self.nodes.get(child)
                if node is not None and node.get("rule") == MANDATORY:
                    found.add(self.names[child])
            of = self.nodes[of].get("super", "")
        return found


def identifier(of: Type) -> str:
    return f"{of.namespace}#{of.identifier}"


def test_types_have_the_published_names_numbers_and_supertypes(nodesets: Path) -> None:
    published = Published(nodesets)
    for of in TYPES:
        assert published.names[identifier(of)] == f"{of.namespace}#{of.name}"
        above = identifier(of.parent) if isinstance(of.parent, Type) else f"http://opcfoundation.org/UA/#{of.parent}"
        assert published.nodes[identifier(of)].get("super") == above, of.name
    for machine, states in STATES.items():
        for state, (number, _) in states.items():
            assert published.names[f"{LADS}#{number}"] == f"{LADS}#{state}"
            assert published.nodes[f"{LADS}#{number}"].get("ParentNodeId", "").endswith(f"i={machine.identifier}")
    for structure, (number, encoding) in STRUCTURES.items():
        assert published.names[f"{LADS}#{number}"] == f"{LADS}#{structure}"
        assert published.names[f"{LADS}#{encoding}"] == "http://opcfoundation.org/UA/#Default Binary"


def test_states_have_the_published_numbers(nodesets: Path) -> None:
    root = ElementTree.parse(nodesets / FILES[LADS]).getroot()
    numbers = {
        node.attrib["ParentNodeId"].rpartition("i=")[2]: int(next(iter(value)).text or "")
        for node in root
        if node.get("BrowseName") == "StateNumber" and (value := node.find(f"{UA}Value")) is not None
    }
    shown = {str(number): told for states in STATES.values() for number, told in states.values()}
    assert shown == {number: numbers[number] for number in shown}


async def tree_after_a_program(tmp_path: Path, nodesets: Path | None) -> Tree:
    """The tree of a skid on which one program has run, so that a result is there too."""
    async with serving(tmp_path, nodesets) as server:
        door = OpcUaDoor(endpoint=server.endpoint, poll=0.01)
        arguments = {"program": "mix", "coi": "C-1", "parameters": {"seconds": 0.0}}
        command = Command(key="B-1/mix#1", target="skid-01", verb="program", arguments=arguments)  # type: ignore[arg-type]
        assert (await door.perform(command)).ok
        await door.close()
        tree: Tree = {}
        while not any(path[-1].endswith("#B-1/mix#1") for path in tree):
            tree = await tree_of(server)
    return {path: of for path, of in tree.items() if path[0] != f"{DI}#DeviceFeatures"}  # the nodeset's own


async def test_the_tree_is_one_with_the_nodesets_and_without_and_as_its_types_ask(
    nodesets: Path, tmp_path: Path
) -> None:
    tree = await tree_after_a_program(tmp_path, nodesets)
    assert tree == await tree_after_a_program(tmp_path, None)
    published = Published(nodesets)
    judged = set()
    for path, (kind, of) in tree.items():
        if kind == "Object" and of in published.nodes:
            members = {below[-1] for below in tree if below[:-1] == path}
            missing = published.mandatory(of) - members
            assert not missing, f"{path} is a {published.names[of]} without {missing}"
            judged.add(of)
    assert len(judged) >= 17, f"types with instances: {[published.names[of] for of in judged]}"


async def test_nodesets_that_are_not_there_or_broken_are_said(tmp_path: Path, nodesets: Path) -> None:
    with pytest.raises(UserError, match=r"there is no Opc\.Ua\.Di\.NodeSet2\.xml in"):
        async with serving(tmp_path, tmp_path / "none"):
            pass
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in FILES.values():
        source = nodesets / name
        (broken / name).write_bytes(source.read_bytes()[:5000] if source.exists() else b"<UANodeSet/>")
    with pytest.raises(UserError, match="cannot be read as a nodeset"):
        async with serving(tmp_path, broken):
            pass
