"""State machines of LADS as instances: what state a device, its functional unit and its control functions are in."""

from dataclasses import dataclass
from typing import Any

from cytoloop.adapters.opcua.lads import LADS, STATES, Type
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.nodes import STATE_VARIABLE, Nodes


@dataclass(slots=True)
class Machine:
    """One state machine of the address space."""

    nodes: Nodes
    of: Type
    node: Any
    state: Any
    """CurrentState."""
    identifier: Any
    """Its Id: the node of the state in the type."""
    effective: Any = None
    """EffectiveDisplayName, where the machine has one."""
    shown: str = ""

    async def show(self, state: str, effective: str = "") -> None:
        """Enter a state; nothing when it is in it."""
        if self.shown == f"{state}/{effective}":
            return
        ua = library().ua
        self.shown = f"{state}/{effective}"
        number, _ = states(self.of)[state]
        await self._write(self.state, ua.Variant(ua.LocalizedText(state)))
        await self._write(self.identifier, ua.Variant(ua.NodeId(number, self.nodes.namespaces[LADS])))
        if self.effective is not None:
            await self._write(self.effective, ua.Variant(ua.LocalizedText(effective or state)))

    async def _write(self, node: Any, variant: Any) -> None:
        await self.nodes.server.write_attribute_value(node, library().ua.DataValue(variant))


def states(of: Type) -> dict[str, tuple[int, int]]:
    """The states of a machine's type, its own or its supertype's."""
    found: Type | int = of
    while isinstance(found, Type):
        if found in STATES:
            return dict(STATES[found])
        found = found.parent
    raise KeyError(of.name)


async def machine(
    nodes: Nodes, above: tuple[str, Any], name: str, of: Type, *, effective: bool = False, available: bool = False
) -> Machine:
    """A state machine named `name` under `above` (path, node)."""
    ua = library().ua
    path = f"{above[0]}/{name}"
    node = await nodes.object(path, above[1], (LADS, name), of)
    text = ua.Variant(ua.LocalizedText(""))
    state = await nodes.variable(f"{path}/CurrentState", node, ("", "CurrentState"), text, of=STATE_VARIABLE)
    identifier = await nodes.variable(f"{path}/CurrentState/Id", state, ("", "Id"), ua.Variant(ua.NodeId()))
    shown = None
    if effective:
        shown = await nodes.variable(
            f"{path}/CurrentState/EffectiveDisplayName", state, ("", "EffectiveDisplayName"), text
        )
    if available:
        known = [ua.NodeId(number, nodes.namespaces[LADS]) for number, _ in states(of).values()]
        await _list(nodes, path, node, "AvailableStates", known)
        await _list(nodes, path, node, "AvailableTransitions", [])
    return Machine(nodes=nodes, of=of, node=node, state=state, identifier=identifier, effective=shown)


async def _list(nodes: Nodes, path: str, node: Any, name: str, known: list[Any]) -> None:
    ua = library().ua
    value = ua.Variant(known, ua.VariantType.NodeId, is_array=True)
    await nodes.variable(f"{path}/{name}", node, ("", name), value, of=63)
