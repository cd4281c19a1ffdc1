"""What LADS has no word for, in the namespace of this house: keys of commands, what became of them, the plant's clock.

Site/Outcome      (key) -> state, outcome as JSON or "", name and beginning of the server's memory
Site/Recall       the same, and a key that is unknown may not arrive any more
Site/PlantTime    () -> ISO 8601
Site/...          what a plant adds (Receive)
<functional unit>/Execute      (key, verb, arguments as JSON) -> whether it was accepted
<functional unit>/CommandKey   String; written in the same Write as target values, it names the write
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cytoloop.adapters.opcua.commands import VERBS, Commands
from cytoloop.adapters.opcua.library import HOUSE, library
from cytoloop.adapters.opcua.nodes import READ_WRITE, Argument, Nodes
from cytoloop.adapters.opcua.tree import Presented
from cytoloop.core.equipment import Command
from cytoloop.core.json import parse


@dataclass(frozen=True, slots=True)
class Extra:
    """A method that a plant adds to its Site: texts in, whether it was done out."""

    name: str
    takes: tuple[str, ...]
    call: Callable[..., Awaitable[bool]]


async def add_site(nodes: Nodes, commands: Commands, extras: Sequence[Extra]) -> None:
    """The Site object with its methods."""
    ua = library().ua
    text, boolean = ua.NodeId(ua.ObjectIds.String), ua.NodeId(ua.ObjectIds.Boolean)
    site = await nodes.object("Site", ua.NodeId(ua.ObjectIds.ObjectsFolder), (HOUSE, "Site"))
    told = [Argument(name, text) for name in ("state", "outcome", "memory", "began")]

    def answer(found: tuple[str, str]) -> list[str]:
        return [*found, commands.memory.name, commands.memory.began.isoformat()]

    async def outcome(key: str) -> list[str]:
        return answer(commands.look(key))

    async def recall(key: str) -> list[str]:
        return answer(commands.recall(key))

    async def plant_time() -> list[str]:
        return [commands.clock.now().isoformat()]

    key, now = [Argument("key", text)], [Argument("now", text)]
    await nodes.method("Site/Outcome", site, (HOUSE, "Outcome"), outcome, takes=key, gives=told)
    await nodes.method("Site/Recall", site, (HOUSE, "Recall"), recall, takes=key, gives=told)
    await nodes.method("Site/PlantTime", site, (HOUSE, "PlantTime"), plant_time, gives=now)
    for extra in extras:
        takes = [Argument(name, text) for name in extra.takes]
        gives = [Argument("done", boolean)]
        name = (HOUSE, extra.name)
        await nodes.method(f"Site/{extra.name}", site, name, _boolean(extra.call), takes=takes, gives=gives)


async def add_to_unit(nodes: Nodes, presented: Presented, accept: Callable[[Command], Awaitable[bool]]) -> Any:
    """Execute and CommandKey of a functional unit; the NodeId of the latter."""
    ua = library().ua
    text, boolean = ua.NodeId(ua.ObjectIds.String), ua.NodeId(ua.ObjectIds.Boolean)

    async def execute(key: str, verb: str, arguments: str) -> list[bool]:
        command = command_from(presented.device.unit, key, verb, arguments)
        return [command is not None and await accept(command)]

    takes = [Argument(name, text) for name in ("key", "verb", "arguments")]
    path = presented.unit_path
    gives = [Argument("accepted", boolean)]
    await nodes.method(f"{path}/Execute", presented.unit, (HOUSE, "Execute"), execute, takes=takes, gives=gives)
    return await nodes.variable(
        f"{path}/CommandKey", presented.unit, (HOUSE, "CommandKey"), "", of=63, access=READ_WRITE
    )


def command_from(unit: str, key: str, verb: str, arguments: str) -> Command | None:
    """The command that a client sent; None when it makes no sense."""
    try:
        given = parse(arguments)
    except ValueError:
        return None
    if verb not in VERBS or not isinstance(given, dict):
        return None
    return Command(key=key, target=unit, verb=VERBS[verb], arguments=given)


def _boolean(call: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[list[bool]]]:
    async def called(*arguments: str) -> list[bool]:
        return [await call(*arguments)]

    return called
