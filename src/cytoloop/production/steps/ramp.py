"""Ramp: the next of a set-point's moves from where it begins to its parameter in force."""

from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Command
from cytoloop.core.recipe import Ramp
from cytoloop.production.parts import move_of
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: Ramp, key: str) -> Command:
    """Set the value of this move."""
    end = batch.parameters[f"{planned.operation}.{phase.parameter}"]
    value = phase.begin + (end - phase.begin) * move_of(planned.step) / phase.moves
    return Command(key=key, target=planned.equipment, verb="set", arguments={phase.parameter: value})
