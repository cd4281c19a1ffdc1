"""Plant: the simulated facility as a process of its own, behind OPC UA."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.house import Extra
from cytoloop.adapters.opcua.security import Access, ServerSecurity
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.adapters.plant.devices import devices
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.core.errors import UserError
from cytoloop.core.product import Plant
from cytoloop.core.time import Clock
from cytoloop.production.pack import Pack

SAME_SPEED = 0.1
"""How far two clocks' speeds may seem to differ over a short look, as a share."""


async def clock_of(door: OpcUaDoor, factor: float) -> ScaledClock:
    """A clock that follows the plant's; UserError when the plant's does not run at `factor` times the wall."""
    wall = ScaledClock()
    first, began = await door.plant_time(), wall.now()
    await wall.until(began + timedelta(seconds=0.5))
    second, ended = await door.plant_time(), wall.now()
    seen = (second - first) / (ended - began)
    if abs(seen / factor - 1.0) > SAME_SPEED:
        raise UserError(
            f"the plant's clock runs {seen:.3g} times as fast as the wall, not {factor:g}; give both the same factor "
            "(`cytoloop plant serve --factor`, `cytoloop demo --realtime`)"
        )
    return ScaledClock(second, factor)


def equipment_of(plant: Plant) -> dict[str, str]:
    """Every unit of a plant and its class."""
    return {
        f"{each.equipment_class.replace('_', '-')}-{number:02d}": each.equipment_class
        for each in plant.classes
        for number in range(1, each.count + 1)
    }


def facility_server(
    facility: Facility, plant: Plant, clock: Clock, endpoint: str, *, nodesets: Path | None = None,
    security: ServerSecurity | None = None,
) -> DeviceServer:  # fmt: skip
    """The facility's units as a LADS server, with a method that tells it of a bag that arrives, once for a key."""

    told: dict[str, bool] = {}

    async def receive(label: str, luck: str, key: str) -> bool:
        if key not in told:
            try:
                facility.register_collection(label, luck=luck or None)
                told[key] = True
            except UserError:
                told[key] = False
        return told[key]

    return DeviceServer(
        devices=devices(facility, plant),
        clock=clock,
        endpoint=endpoint,
        extras=(Extra("Receive", ("label", "luck", "key"), receive),),
        nodesets=nodesets,
        security=security or ServerSecurity(),
        name="Cytoloop simulated facility",
    )


async def run_plant(
    pack: Pack, endpoint: str, seed: int, factor: float, tell: Callable[[str], None], *,
    nodesets: Path | None = None, security: ServerSecurity | None = None,
) -> None:  # fmt: skip
    """Serve the pack's plant at `endpoint` until the process is stopped; UserError when it cannot be served."""
    clock = ScaledClock(factor=factor)
    facility = Facility(seed=seed, clock=clock, donors=Distribution.from_data(pack.donors), plant=pack.plant)
    server = facility_server(facility, pack.plant, clock, endpoint, nodesets=nodesets, security=security)
    await server.start()
    tell(f"plant: {endpoint}, {len(facility.units)} units, clock {factor:g} times the wall   (Ctrl-C stops)")
    try:
        while True:
            await clock.until(clock.now() + timedelta(hours=factor))
    finally:
        await server.stop()


@dataclass(frozen=True, slots=True)
class Equipment:
    """A device behind an endpoint."""

    name: str
    equipment_class: str
    names: tuple[list[str], list[str], list[str]]
    """Of its signals, set-points and programs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is behind an endpoint."""

    equipment: tuple[Equipment, ...]
    difference: float
    """Seconds that the server's clock is ahead of ours."""
    remembers: bool
    """Whether it keeps the house's memory of commands."""


async def look_at(endpoint: str, access: Access) -> Seen:
    """Connect and look; UserError when we are not let in or it does not follow LADS."""
    door = OpcUaDoor(endpoint=endpoint, access=access)
    try:
        units = await door.units()
        difference = door.connection.difference
        equipment = tuple(
            Equipment(
                unit.name, unit.equipment_class, (sorted(unit.sensors), sorted(unit.targets), sorted(unit.programs))
            )
            for unit in units
        )
        remembers = all(unit.execute is not None for unit in units)
        return Seen(equipment, difference.total_seconds() if difference else 0.0, remembers)
    finally:
        await door.close()
