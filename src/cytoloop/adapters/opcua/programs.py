"""The program manager of a functional unit: its programs, the one that runs, and results of those that ended.

Programs start through the StartProgram of LADS: the key of the command goes as SupervisoryTaskId, the batch as
SupervisoryJobId, parameters as Properties and the chain of identity as the sample. What ended stands in the ResultSet.
"""

from dataclasses import dataclass, field
from typing import Any

from cytoloop.adapters.opcua.lads import (
    ACTIVE_PROGRAM,
    FILE_SET,
    LADS,
    PROGRAM_MANAGER,
    RESULT,
    RESULT_SET,
    STRUCTURES,
    TEMPLATE,
    TEMPLATE_SET,
    VARIABLE_SET,
)
from cytoloop.adapters.opcua.library import HOUSE, library
from cytoloop.adapters.opcua.nodes import READ, VARIABLE, Nodes
from cytoloop.adapters.opcua.structures import key_values, sample
from cytoloop.core.device import Device
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant

RESULTS = 20
"""Results of a functional unit that are kept; older ones leave the address space."""


@dataclass(slots=True)
class Run:
    """A program that was started."""

    command: Command
    started: Instant


@dataclass(slots=True)
class ProgramManager:
    """The nodes of one program manager."""

    nodes: Nodes
    device: Device
    path: str
    node: Any
    results: Any
    run_id: Any
    """DeviceProgramRunId of the active program."""
    application: str
    """ApplicationUri of the server."""
    running: dict[str, Run] = field(default_factory=dict)
    """Key -> run that has not been seen to end."""
    kept: list[str] = field(default_factory=list)
    """Paths of the results, oldest first."""

    async def began(self, command: Command, at: Instant) -> None:
        """A program was started."""
        self.running.setdefault(command.key, Run(command, at))
        await self._show(command.key)

    async def look(self) -> None:
        """Keep results of programs that have ended meanwhile."""
        for key, run in list(self.running.items()):
            outcome = self.device.outcome(key)
            if outcome is not None:
                del self.running[key]
                await self._keep(run, outcome)
                await self._show(next(iter(self.running), ""))

    async def _show(self, key: str) -> None:
        ua = library().ua
        await self.nodes.server.write_attribute_value(self.run_id, ua.DataValue(ua.Variant(key, ua.VariantType.String)))

    async def _keep(self, run: Run, outcome: Outcome) -> None:
        path = f"{self.path}/ResultSet/{outcome.key}"
        self.kept.append(path)
        while len(self.kept) > RESULTS:
            await self.nodes.remove(self.kept.pop(0))
        await _result(self, path, run, outcome)


async def add_program_manager(nodes: Nodes, above: tuple[str, Any], device: Device, application: str) -> ProgramManager:
    """A ProgramManager under the functional unit at `above` (path, node)."""
    path = f"{above[0]}/ProgramManager"
    node = await nodes.object(path, above[1], (LADS, "ProgramManager"), PROGRAM_MANAGER)
    active = await nodes.object(f"{path}/ActiveProgram", node, (LADS, "ActiveProgram"), ACTIVE_PROGRAM)
    run_id = await nodes.variable(
        f"{path}/ActiveProgram/DeviceProgramRunId", active, (LADS, "DeviceProgramRunId"), "", access=READ
    )
    templates = await nodes.object(f"{path}/ProgramTemplateSet", node, (LADS, "ProgramTemplateSet"), TEMPLATE_SET)
    await nodes.variable(f"{path}/ProgramTemplateSet/NodeVersion", templates, ("", "NodeVersion"), "1")
    for program in device.kind.programs:
        await _template(nodes, (f"{path}/ProgramTemplateSet/{program}", templates), program, (HOUSE, program), device)
    results = await nodes.object(f"{path}/ResultSet", node, (LADS, "ResultSet"), RESULT_SET)
    await nodes.variable(f"{path}/ResultSet/NodeVersion", results, ("", "NodeVersion"), "1")
    return ProgramManager(
        nodes=nodes, device=device, path=path, node=node, results=results, run_id=run_id, application=application
    )


async def _template(nodes: Nodes, above: tuple[str, Any], program: str, name: tuple[str, str], device: Device) -> None:
    """ProgramTemplateType: a built-in program. What parameters it needs is in its description, LADS has no place."""
    ua = library().ua
    path = above[0]
    node = await nodes.object(path, above[1], name, TEMPLATE)
    needs = ", ".join(device.kind.programs.get(program, ()))
    built = ua.Variant(ua.uatypes.get_win_epoch(), ua.VariantType.DateTime)
    texts: dict[str, Any] = {
        "Author": device.kind.device_type,
        "Created": built,
        "Description": ua.LocalizedText(f"parameters: {needs}" if needs else "no parameters"),
        "Modified": built,
        "DeviceTemplateId": program,
        "Version": "1",
    }
    for each, value in texts.items():
        await nodes.variable(f"{path}/{each}", node, (LADS, each), value)


async def _result(manager: ProgramManager, path: str, run: Run, outcome: Outcome) -> None:
    """ResultType of a run that ended, with the values it came to as a VariableSet."""
    nodes, ua = manager.nodes, library().ua
    index = nodes.namespaces[LADS]
    node = await nodes.object(path, manager.results, (HOUSE, outcome.key), RESULT)
    program, coi = str(run.command.arguments.get("program")), run.command.arguments.get("coi")
    parameters = run.command.arguments.get("parameters")
    given = {name: str(value) for name, value in parameters.items()} if isinstance(parameters, dict) else {}
    texts: dict[str, Any] = {
        "ApplicationUri": manager.application,
        "Description": ua.LocalizedText(outcome.note),
        "SupervisoryJobId": outcome.key.partition("/")[0],
        "SupervisoryTaskId": outcome.key,
        "DeviceProgramRunId": outcome.key,
        "Started": ua.Variant(run.started, ua.VariantType.DateTime),
        "Stopped": ua.Variant(outcome.at, ua.VariantType.DateTime),
        "User": outcome.by,
    }
    for each, value in texts.items():
        await nodes.variable(f"{path}/{each}", node, (LADS, each), value)
    await nodes.variable(f"{path}/Ok", node, (HOUSE, "Ok"), outcome.ok)
    samples = [sample(str(coi), index)] if coi else []
    await _structures(nodes, (path, node), "Samples", "SampleInfoType", samples)
    await _structures(nodes, (path, node), "Properties", "KeyValueType", key_values(given, index))
    await nodes.object(f"{path}/FileSet", node, (LADS, "FileSet"), FILE_SET)
    await _template(nodes, (f"{path}/ProgramTemplate", node), program, (LADS, "ProgramTemplate"), manager.device)
    values = await nodes.object(f"{path}/VariableSet", node, (LADS, "VariableSet"), VARIABLE_SET)
    for name, number in outcome.values.items():
        await _value(nodes, f"{path}/VariableSet/{name}", values, name, number)


async def _structures(nodes: Nodes, above: tuple[str, Any], name: str, structure: str, given: list[Any]) -> None:
    ua = library().ua
    data_type = ua.NodeId(STRUCTURES[structure][0], nodes.namespaces[LADS])
    value = ua.Variant(given, ua.VariantType.ExtensionObject, is_array=True)
    await nodes.variable(f"{above[0]}/{name}", above[1], (LADS, name), value, data_type=data_type)


async def _value(nodes: Nodes, path: str, parent: Any, name: str, value: JSON) -> None:
    plain = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    await nodes.variable(path, parent, (HOUSE, name), plain, of=VARIABLE)
