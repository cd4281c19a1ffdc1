"""`cytoloop bench production`: how many batches a machine carries, what a step costs, how fast faults are simulated."""

from cytoloop.bench import production_running, production_simulation
from cytoloop.bench.frame import Options, Row

PARTS = (production_running, production_simulation)
"""Each part's module has `rows`; they are measured in this order."""


def rows(options: Options) -> list[Row]:
    """Every figure of production's benchmark."""
    return [each for part in PARTS for each in part.rows(options)]
