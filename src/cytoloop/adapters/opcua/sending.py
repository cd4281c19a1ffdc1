"""How a command goes over the connection: target values in one Write, programs as StartProgram, the rest as Execute."""

from collections.abc import Mapping
from typing import Any

from cytoloop.adapters.opcua.directory import Directory, Unit
from cytoloop.adapters.opcua.lads import LADS
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.structures import key_values, sample
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import canonical
from cytoloop.core.time import Instant


class NotTakenError(Exception):
    """The server refused the command: nothing was begun."""


async def send(client: Any, directory: Directory, unit: Unit, command: Command, values: Mapping[str, float]) -> None:
    """Send it once. NotTakenError when the server says no; the library's error when the connection breaks."""
    if command.verb == "set":
        await write_targets(client, unit, command.key, values)
    elif command.verb == "program" and unit.start is not None and _plain_program(command):
        await start_program(client, directory, unit, command)
    elif unit.execute is not None:
        arguments = canonical(dict(command.arguments)).decode()
        (accepted,) = await call(client, unit.execute, command.key, command.verb, arguments)
        if not accepted:
            raise NotTakenError(f"{unit.name} does not take {command.verb} under the key {command.key}")


async def write_targets(client: Any, unit: Unit, key: str, values: Mapping[str, float]) -> None:
    """All target values in one Write, with the command's key where the house is served."""
    ua = library().ua
    nodes = [unit.targets[name].node for name in values]
    wanted = [ua.DataValue(ua.Variant(value, ua.VariantType.Double)) for value in values.values()]
    if unit.command_key is not None:
        nodes, wanted = [unit.command_key, *nodes], [ua.DataValue(ua.Variant(key)), *wanted]
    parameters = ua.WriteParameters()
    for node, value in zip(nodes, wanted, strict=True):
        item = ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=value)
        parameters.NodesToWrite.append(item)
    for status in await client.uaclient.session.write(parameters):
        if not status.is_good():
            raise NotTakenError(f"{unit.name} does not take {', '.join(values)}: {status.name}")


async def start_program(client: Any, directory: Directory, unit: Unit, command: Command) -> str:
    """StartProgram in the words of LADS; the run's id."""
    ua, index = library().ua, directory.index(LADS)
    parameters, coi = command.arguments.get("parameters"), command.arguments.get("coi")
    given = {name: repr(value) for name, value in parameters.items()} if isinstance(parameters, dict) else {}
    samples = [sample(str(coi), index)] if coi is not None else []
    assert unit.start is not None, "asked where StartProgram is"
    (run,) = await call(
        client, unit.start, str(command.arguments.get("program")), _list(ua, key_values(given, index)),
        command.key.partition("/")[0], command.key, _list(ua, samples),
    )  # fmt: skip
    return str(run)


async def call(client: Any, method: tuple[Any, Any], *arguments: Any) -> list[Any]:
    """Call a method; NotTakenError when the server refuses it."""
    ua = library().ua
    request = ua.CallMethodRequest(ObjectId=method[0], MethodId=method[1])
    request.InputArguments = [a if isinstance(a, ua.Variant) else ua.Variant(a) for a in arguments]
    (result,) = await client.uaclient.session.call([request])
    if not result.StatusCode.is_good():
        raise NotTakenError(f"the server refuses it: {result.StatusCode.name}")
    return [each.Value for each in result.OutputArguments or ()]


def refusal_of(command: Command, note: str, at: Instant) -> Outcome:
    """What is refused comes back as an outcome that says why."""
    return Outcome(key=command.key, ok=False, at=at, by=f"equipment:{command.target}", note=note)


def _plain_program(command: Command) -> bool:
    """Whether StartProgram can carry it: a program, its numbers and the material, nothing else."""
    parameters = command.arguments.get("parameters", {})
    numbers = isinstance(parameters, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in parameters.values()
    )
    return numbers and set(command.arguments) <= {"program", "coi", "parameters"}


def _list(ua: Any, structures: list[Any]) -> Any:
    return ua.Variant(structures, ua.VariantType.ExtensionObject, is_array=True)
