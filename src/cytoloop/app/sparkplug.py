"""Sparkplug: simulated devices as an edge node of a broker, and a door to what edge nodes serve."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.devices.library import LIBRARY
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.adapters.sparkplug.convention import SIGNALS
from cytoloop.adapters.sparkplug.door import SparkplugDoor
from cytoloop.adapters.sparkplug.edge import EdgeNode
from cytoloop.adapters.sparkplug.host import HostApplication
from cytoloop.adapters.sparkplug.link import Broker
from cytoloop.adapters.sparkplug.serving import Serving
from cytoloop.adapters.sparkplug.state import Metrics
from cytoloop.core.device import Device
from cytoloop.core.time import Clock, Instant

NUMBERING = "bdseq"
"""File in which an edge node keeps the number of its last session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an edge node is on a broker."""

    broker: Broker
    group: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a host sees of one edge node or device."""

    who: str
    online: bool
    metric: str = ""
    value: str = ""
    unit: str = ""


def simulated_devices(seed: int, clock: Clock) -> tuple[Device, ...]:
    """What `cytoloop plant sparkplug` serves: one device of each type of the library."""
    models = LIBRARY.items()
    return tuple(Simulator(model, f"{name.replace('_', '-')}-01", clock=clock, seed=seed) for name, model in models)


async def run_edge(  # noqa: PLR0917
    place: Place,
    devices: Sequence[Device],
    clock: Clock,
    primary_host: str,
    keep: Path | None,
    tell: Callable[[str], None],
) -> None:
    """Serve the devices until the process is stopped; UserError when it cannot be."""
    serving = Serving(
        group=place.group,
        node=place.node,
        devices=devices,
        clock=clock,
        overlap=3.0 * place.broker.keepalive,
        remark=tell,
    )
    edge = EdgeNode(
        broker=place.broker,
        serving=serving,
        primary_host=primary_host,
        numbering=keep / NUMBERING if keep else None,
        remark=tell,
    )
    waits = f", once host {primary_host} is there" if primary_host else ""
    tell(
        f"edge node {place.group}/{place.node}: {len(devices)} devices at {place.broker.shown}{waits}   (Ctrl-C stops)"
    )
    await edge.serve()


def sparkplug_door(broker: Broker, group: str, nodes: Sequence[str], host_id: str, clock: Clock) -> SparkplugDoor:
    """A door to the devices of a group. `host_id`: this process's own on the broker; `nodes`: asked for births."""
    host = HostApplication(broker=broker, host_id=host_id, group=group, nodes=tuple(nodes), clock=clock)
    return SparkplugDoor(host=host)


async def listen(place: Place, host_id: str, seconds: float) -> tuple[list[Seen], list[tuple[Instant, str]]]:
    """What is there after so many seconds, and what was passed over meanwhile; UnreachableError without a broker."""
    door = sparkplug_door(place.broker, place.group, (place.node,), host_id, ScaledClock())
    door.host.start()
    try:
        await asyncio.sleep(seconds)  # noqa: TID251  (the network's time, whatever the plant's is)
        if door.host.trouble:
            raise door.unreachable(f"group {place.group}")
        return list(_seen(door.host)), list(door.remarks)
    finally:
        await door.close()


def _seen(host: HostApplication) -> Iterator[Seen]:
    for (_, name), node in sorted(host.known.items()):
        yield Seen(who=name, online=node.own.online)
        for unit, device in sorted(node.devices.items()):
            yield from _of_device(f"{name}/{unit}", device)


def _of_device(who: str, device: Metrics) -> Iterator[Seen]:
    shown = [value for name, value in device.current.items() if name.startswith(SIGNALS) or name == "State"]
    for value in shown:
        said = f"{value.value:.4g}" if isinstance(value.value, float) else str(value.value)
        yield Seen(who=who, online=device.online, metric=value.name, value=said, unit=value.unit)
