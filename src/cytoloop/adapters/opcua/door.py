"""A door to equipment behind OPC UA: set-points are written, signals are read with their source time and status.

Satisfies `core.equipment.Door` against the address space of NAMESPACE (see `cytoloop plant serve`): functions with
SensorValue and TargetValue, a ProgramManager with Execute, and a Site that remembers outcomes by key.

What a key protects: programs, samples and scans are remembered by the plant. Target values go in one Write together
with the key, so that the plant remembers them too. A read has no effect and is remembered in this process only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any, TypeVar

from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.time import Instant, instant

NAMESPACE = "urn:cytoloop:plant"
UNITS = {"temperature": "°C", "ph": "pH", "dissolved_oxygen": "fraction", "glucose": "mmol/L", "perfusion_rate": "1/d"}
"""House unit of each signal of NAMESPACE."""
TICK = timedelta(microseconds=1)
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class OpcUaDoor:
    """Drives the equipment at one endpoint. Connects when first asked, and again after a connection was lost."""

    endpoint: str
    poll: float = 0.1
    """Seconds between two looks at a command that is underway."""
    patience: float = 5.0
    """Seconds to wait for an answer before the equipment counts as unreachable."""
    _client: Any = None
    _index: int = 0
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _read_until: dict[str, Instant] = field(default_factory=dict)
    """"<unit>/<signal>" -> source time of the last reading taken."""

    async def perform(self, command: Command) -> Outcome:
        """Do it and return when it has ended; a key seen before gets its first outcome."""
        known = await self.recall(command.key)
        if known is not None:
            return known
        match command.verb:
            case "read":
                return self._keep(await self._asked(lambda: self._read(command)))
            case "set":
                return self._keep(await self._asked(lambda: self._set(command)))
            case _:
                return self._keep(await self._execute(command))

    async def recall(self, key: str) -> Outcome | None:
        """The outcome of a command sent earlier, waiting for its end; None when the plant never saw it."""
        if key in self._outcomes:
            return self._outcomes[key]
        outcome = await self._ended(key)
        return self._keep(outcome) if outcome else None

    async def receive(self, label: str, luck: str = "") -> None:
        """Tell the plant that a bag labelled `label` arrives; UserError when it is already there."""
        (accepted,) = await self._asked(lambda: self._call("Site", "Receive", label, luck))
        if not accepted:
            raise UserError(f"a bag labelled {label} is already in the plant; every collection needs its own label")

    async def plant_time(self) -> Instant:
        """The plant's clock."""
        (text,) = await self._asked(lambda: self._call("Site", "PlantTime"))
        return instant(str(text))

    async def close(self) -> None:
        """Disconnect. Safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.gather(client.disconnect(), return_exceptions=True)

    def _keep(self, outcome: Outcome) -> Outcome:
        self._outcomes[outcome.key] = outcome
        return outcome

    # -- commands -------------------------------------------------------------------------------------------------

    async def _execute(self, command: Command) -> Outcome:
        """Call Execute, then look until the outcome is there."""
        arguments = canonical(dict(command.arguments)).decode()
        path = f"{command.target}/ProgramManager"
        called = await self._asked(lambda: self._call(path, "Execute", command.key, command.verb, arguments))
        if called is None or not called[0]:
            return await self._refused(command, f"{command.target} does not take {command.verb}")
        outcome = await self._ended(command.key)
        if outcome is None:
            raise UnreachableError(f"{command.target} accepted {command.key} and does not know it any more")
        return outcome

    async def _ended(self, key: str) -> Outcome | None:
        while True:
            state, text = await self._asked(lambda: self._call("Site", "Outcome", key))
            if state == "ended":
                return decoded(str(text))
            if state == "unknown":
                return None
            await asyncio.sleep(self.poll)

    async def _set(self, command: Command) -> Outcome:
        """Write all target values and the key in one Write; read back what the plant made of them."""
        wanted = {name: value for name, value in command.arguments.items() if name != "coi"}
        nodes = [self._node(f"{command.target}/FunctionSet/{name}/TargetValue") for name in wanted]
        missing = [name for name, node in zip(wanted, nodes, strict=True) if not await self._exists(node)]
        numbers = [float(value) for value in wanted.values() if isinstance(value, int | float)]
        if missing or len(numbers) < len(wanted):
            return await self._refused(command, f"{command.target} has no set-point {', '.join(missing or wanted)}")
        key = self._node(f"{command.target}/FunctionSet/CommandKey")
        await self._client.write_values([key, *nodes], [command.key, *numbers])
        outcome = await self._ended(command.key)
        if outcome is None:
            raise UnreachableError(f"{command.target} took the set-points of {command.key} and does not know them")
        return outcome

    async def _read(self, command: Command) -> Outcome:
        """Read the history of each signal since it was last read here; all signals or none count as read."""
        at, unit = await self.plant_time(), command.target
        asked = command.arguments.get("signals")
        readings: list[Reading] = []
        for signal in [str(name) for name in asked] if isinstance(asked, list) else []:
            node = self._node(f"{unit}/FunctionSet/{signal}/SensorValue")
            if signal in UNITS and await self._exists(node):
                readings += await self._history(unit, signal, node)
        readings.sort(key=lambda reading: reading.at)
        self._read_until.update({f"{unit}/{reading.signal}": reading.at for reading in readings})
        return Outcome(key=command.key, ok=True, at=at, by=f"equipment:{unit}", readings=tuple(readings))

    async def _history(self, unit: str, signal: str, node: Any) -> list[Reading]:
        last = self._read_until.get(f"{unit}/{signal}")
        values = await node.read_raw_history(starttime=last + TICK if last else None)
        return [_reading(unit, signal, value) for value in values]

    async def _refused(self, command: Command, note: str) -> Outcome:
        at = await self.plant_time()
        return Outcome(key=command.key, ok=False, at=at, by=f"equipment:{command.target}", note=note)

    # -- the line -------------------------------------------------------------------------------------------------

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer of the plant; UnreachableError when there is none. A lost connection is let go of."""
        asyncua = _library()
        try:
            await self._connect()
            return await question()
        except (OSError, TimeoutError, asyncua.ua.UaError) as error:
            await self.close()
            raise UnreachableError(
                f"the plant at {self.endpoint} does not answer ({error or 'timeout'}); "
                "check that it runs and that the address is right"
            ) from error

    async def _connect(self) -> None:
        if self._client is not None:
            return
        client = _library().Client(self.endpoint, timeout=self.patience)
        await client.connect()
        self._client = client
        self._index = await client.get_namespace_index(NAMESPACE)

    async def _call(self, path: str, method: str, *arguments: str) -> Any:
        """Call a method; None when the plant has no such object."""
        node = self._node(path)
        if not await self._exists(node):
            return None
        answer = await node.call_method(self._node(f"{path}/{method}").nodeid, *arguments)
        return answer if isinstance(answer, list) else [answer]

    async def _exists(self, node: Any) -> bool:
        ua = _library().ua
        value = await node.read_attribute(ua.AttributeIds.NodeClass, raise_on_bad_status=False)
        return bool(value.StatusCode is None or value.StatusCode.is_good())

    def _node(self, path: str) -> Any:
        return self._client.get_node(_library().ua.NodeId(path, self._index))


def decoded(text: str) -> Outcome:
    """An outcome from the plant's JSON; UnreachableError when it is none (nobody can tell what happened)."""
    data = parse(text)
    if not isinstance(data, dict) or not isinstance(values := data.get("values"), Mapping):
        raise UnreachableError("the plant's answer cannot be read; see its log")
    given: dict[str, JSON] = dict(values)
    return Outcome(
        key=str(data["key"]),
        ok=data["ok"] is True,
        at=instant(str(data["at"])),
        by=str(data["by"]),
        values=given,
        note=str(data["note"]),
    )


def quality_of(status: int) -> Quality:
    """The severity of a StatusCode: its two highest bits (OPC 10000-4, StatusCode)."""
    return ("good", "uncertain", "bad", "bad")[status >> 30]


def _reading(unit: str, signal: str, value: Any) -> Reading:
    at = value.SourceTimestamp
    return Reading(
        signal=signal,
        value=float(value.Value.Value),
        unit=UNITS[signal],
        at=at if at.tzinfo else at.replace(tzinfo=UTC),
        quality=quality_of(int(value.StatusCode.value) if value.StatusCode else 0),
        source=unit,
    )


def _library() -> Any:
    try:
        import asyncua  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError as error:
        raise UserError("OPC UA needs a library that is not installed; run: pip install 'cytoloop[opcua]'") from error
    return asyncua
