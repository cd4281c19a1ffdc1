"""Program: start a built-in program of the unit and wait for its end."""

from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Command
from cytoloop.core.recipe import Program
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: Program, key: str) -> Command:
    """Run the program with the parameters in force, on this batch's chain of identity."""
    parameters = {name: batch.parameters[f"{planned.operation}.{name}"] for name in phase.parameters}
    return Command(
        key=key,
        target=planned.equipment,
        verb="program",
        arguments={"program": phase.program, "coi": batch.created.coi, "parameters": dict(parameters)},
    )
