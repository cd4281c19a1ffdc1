"""Nodes: builds an address space, node by node, without asking back for each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cytoloop.adapters.opcua.lads import Type
from cytoloop.adapters.opcua.library import library

Called = Callable[..., Awaitable[Sequence[Any]]]
"""What a method does: the values of its arguments -> the values it gives."""
HAS_COMPONENT, HAS_PROPERTY, ORGANIZES, HAS_SUBTYPE = 47, 46, 35, 45
PROPERTY, VARIABLE, ANALOG_UNIT_RANGE, STATE_VARIABLE = 68, 63, 17570, 2760
READ, READ_WRITE, READ_HISTORY = 1, 3, 5


class RefusedCallError(Exception):
    """A method call that is refused, with the StatusCode's name."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a method."""

    name: str
    data_type: Any
    """NodeId."""
    array: bool = False


@dataclass(slots=True)
class Nodes:
    """Adds nodes to one server. A path is a node's id in the house namespace: "bioreactor-01/DeviceState"."""

    server: Any
    namespaces: Mapping[str, int]
    """Namespace URI -> index on this server."""
    house: str

    def id(self, path: str) -> Any:
        """NodeId of a path."""
        return library().ua.NodeId(path, self.namespaces[self.house])

    def type_id(self, of: Type | int) -> Any:
        """NodeId of a type."""
        ua = library().ua
        return ua.NodeId(of) if isinstance(of, int) else ua.NodeId(of.identifier, self.namespaces[of.namespace])

    async def object(self, path: str, parent: Any, name: tuple[str, str], of: Type | int = 58) -> Any:
        """An object named (namespace, name) under `parent`; its NodeId."""
        return await self.object_at(self.id(path), parent, name, of)

    async def object_at(
        self, node: Any, parent: Any, name: tuple[str, str], of: Type | int, *, by: int = HAS_COMPONENT
    ) -> Any:
        """An object with a NodeId of its own, referenced from its parent by the reference type `by`."""
        ua = library().ua
        attributes = ua.ObjectAttributes()
        attributes.EventNotifier = 0
        return await self.add(node, parent, name, (ua.NodeClass.Object, attributes), of=of, by=by)

    async def variable(
        self, path: str, parent: Any, name: tuple[str, str], value: Any, *, of: int = PROPERTY, access: int = READ,
        data_type: Any = None,
    ) -> Any:  # fmt: skip
        """A variable with a value (a Variant or what the library can guess one from); its NodeId."""
        ua = library().ua
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
        attributes = ua.VariableAttributes()
        attributes.Value, attributes.ValueRank = variant, 1 if variant.is_array else -1
        attributes.DataType = data_type or ua.NodeId(variant.VariantType.value)
        attributes.AccessLevel = attributes.UserAccessLevel = access
        attributes.Historizing, attributes.MinimumSamplingInterval = access == READ_HISTORY, 0.0
        attributes.ArrayDimensions = None
        reference = HAS_PROPERTY if of == PROPERTY else HAS_COMPONENT
        return await self.add(self.id(path), parent, name, (ua.NodeClass.Variable, attributes), of=of, by=reference)

    async def object_type(self, of: Type, *, abstract: bool = False) -> Any:
        """Declare a type under its supertype."""
        ua = library().ua
        attributes = ua.ObjectTypeAttributes()
        attributes.IsAbstract = abstract
        kind, name = (ua.NodeClass.ObjectType, attributes), (of.namespace, of.name)
        return await self.add(self.type_id(of), self.type_id(of.parent), name, kind, by=HAS_SUBTYPE)

    async def method(
        self, path: str, parent: Any, name: tuple[str, str], call: Called, *,
        takes: Sequence[Argument] = (), gives: Sequence[Argument] = (),
    ) -> Any:  # fmt: skip
        """A method; its NodeId."""
        ua = library().ua

        async def called(_parent: Any, *arguments: Any) -> Any:
            try:
                found = await call(*(argument.Value for argument in arguments))
            except RefusedCallError as why:
                return ua.CallMethodResult(StatusCode=ua.StatusCode(getattr(ua.StatusCodes, str(why))))
            return [value if isinstance(value, ua.Variant) else ua.Variant(value) for value in found]

        attributes = ua.MethodAttributes()
        attributes.Executable = attributes.UserExecutable = True
        node = await self.add(self.id(path), parent, name, (ua.NodeClass.Method, attributes))
        for kind, arguments in (("InputArguments", takes), ("OutputArguments", gives)):
            if arguments:
                value = ua.Variant([_argument(each) for each in arguments], ua.VariantType.ExtensionObject)
                await self.variable(f"{path}/{kind}", node, ("", kind), value, data_type=ua.NodeId(296))
        self.server.iserver.isession.add_method_callback(node, called)
        return node

    async def reference(self, source: Any, target: Any, kind: int = ORGANIZES) -> None:
        """A further reference between nodes that are there."""
        ua = library().ua
        node = self.server.get_node(source)
        await node.add_reference(target, ua.NodeId(kind))

    async def remove(self, path: str) -> None:
        """Remove a node with all below it."""
        await self.server.delete_nodes([self.server.get_node(self.id(path))], recursive=True)

    async def add(
        self,
        node: Any,
        parent: Any,
        name: tuple[str, str],
        kind: tuple[Any, Any],
        *,
        of: Type | int | None = None,
        by: int = HAS_COMPONENT,
    ) -> Any:
        """A node of a kind (node class, attributes); its NodeId. The library's own error when it cannot be added."""
        ua = library().ua
        item = ua.AddNodesItem()
        item.RequestedNewNodeId, item.ParentNodeId, item.ReferenceTypeId = node, parent, ua.NodeId(by)
        item.BrowseName = ua.QualifiedName(name[1], self.namespaces[name[0]])
        item.NodeClass, item.NodeAttributes = kind[0], _named(kind[1], name[1])
        if of is not None:
            item.TypeDefinition = self.type_id(of)
        (result,) = await self.server.iserver.isession.add_nodes([item])
        result.StatusCode.check()
        return result.AddedNodeId


def _named(attributes: Any, name: str) -> Any:
    ua = library().ua
    attributes.DisplayName = ua.LocalizedText(name)
    attributes.Description = ua.LocalizedText("")
    attributes.WriteMask = attributes.UserWriteMask = 0
    return attributes


def _argument(argument: Argument) -> Any:
    ua = library().ua
    return ua.Argument(Name=argument.name, DataType=argument.data_type, ValueRank=1 if argument.array else -1)
