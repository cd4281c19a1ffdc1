"""StartProgram of a functional unit's state machine (OPC 30500-1 §7.1.7.3): a program command in the words of LADS."""

from collections.abc import Awaitable, Callable
from typing import Any

from cytoloop.adapters.opcua.lads import LADS, STRUCTURES
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.nodes import Argument, Nodes, RefusedCallError
from cytoloop.adapters.opcua.structures import pairs, sample_ids
from cytoloop.adapters.opcua.tree import Presented
from cytoloop.core.equipment import Command
from cytoloop.core.json import JSON


async def add_start_program(
    nodes: Nodes, presented: Presented, accept: Callable[[Command], Awaitable[bool]], *, known_only: bool
) -> None:
    """The method. The run's id is the command's key, so that the client knows it again.

    `known_only`: refuse a program that is not in the ProgramTemplateSet; otherwise the device itself says why not.
    """
    ua = library().ua

    async def start(template: str, properties: Any, _job: str, key: str, samples: Any) -> list[str]:
        if known_only and template not in presented.device.kind.programs:
            raise RefusedCallError("BadInvalidArgument")
        if not key:  # a run that nobody can ask about again is not begun
            raise RefusedCallError("BadInvalidArgument")
        command = _command(presented.device.unit, template, properties, key, samples)
        if not await accept(command):
            raise RefusedCallError("BadInvalidState")
        return [command.key]

    path = f"{presented.unit_path}/FunctionalUnitState/StartProgram"
    text = ua.NodeId(ua.ObjectIds.String)
    of = {name: ua.NodeId(number, nodes.namespaces[LADS]) for name, (number, _) in STRUCTURES.items()}
    takes = [
        Argument("ProgramTemplateId", text),
        Argument("Properties", of["KeyValueType"], array=True),
        Argument("SupervisoryJobId", text),
        Argument("SupervisoryTaskId", text),
        Argument("Samples", of["SampleInfoType"], array=True),
    ]
    gives = [Argument("DeviceProgramRunId", text)]
    await nodes.method(path, presented.unit_machine.node, (LADS, "StartProgram"), start, takes=takes, gives=gives)


def _command(unit: str, template: str, properties: Any, key: str, samples: Any) -> Command:
    try:
        parameters: dict[str, JSON] = {name: float(value) for name, value in pairs(properties).items()}
        found = sample_ids(samples)
    except ValueError as error:
        raise RefusedCallError("BadInvalidArgument") from error
    arguments: dict[str, JSON] = {"program": template, "parameters": parameters}
    if found:
        arguments["coi"] = found[0]
    return Command(key=key, target=unit, verb="program", arguments=arguments)
