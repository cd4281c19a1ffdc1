"""Plant: the simulated facility as a process of its own, behind OPC UA."""

from collections.abc import Callable
from datetime import timedelta

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.server import PlantServer
from cytoloop.core.errors import UserError
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


async def run_plant(pack: Pack, endpoint: str, seed: int, factor: float, tell: Callable[[str], None]) -> None:
    """Serve the pack's plant at `endpoint` until the process is stopped; UserError when it cannot be served."""
    clock = ScaledClock(factor=factor)
    facility = Facility(seed=seed, clock=clock, donors=Distribution.from_data(pack.donors), plant=pack.plant)
    server = PlantServer(facility=facility, clock=clock, endpoint=endpoint)
    await server.start()
    tell(f"plant: {endpoint}, {len(facility.units)} units, clock {factor:g} times the wall   (Ctrl-C stops)")
    try:
        while True:
            await clock.until(clock.now() + timedelta(hours=factor))
    finally:
        await server.stop()
