"""Plant: the simulated facility as a process of its own, behind OPC UA."""

from collections.abc import Callable
from datetime import timedelta

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.facility import Facility
from cytoloop.adapters.plant.server import PlantServer
from cytoloop.production.pack import Pack


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
