"""Set-point: write parameters, as they stand for this batch, to the unit."""

from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Command
from cytoloop.core.recipe import SetPoint
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: SetPoint, key: str) -> Command:
    """Set each parameter of the phase to its value in force."""
    values = {name: batch.parameters[f"{planned.operation}.{name}"] for name in phase.parameters}
    return Command(key=key, target=planned.equipment, verb="set", arguments=dict(values))
