"""`cytoloop bench production`: batches in flight, the cost of a step, OPC UA changes, a facility's day, faults."""

from cytoloop.bench import production_facility_day, production_opcua, production_running, production_simulation
from cytoloop.bench.checked import Keeper
from cytoloop.bench.frame import Options, Row


def rows(options: Options) -> list[Row]:
    """Every figure of production's benchmark, in this order."""
    return [
        *production_running.rows(options),
        *production_opcua.rows(options, Keeper()),
        *production_facility_day.rows(options),
        *production_simulation.rows(options),
    ]
