"""Parts of a step: a ramp is several set-points and an incubation is a set-point, a hold and a read.

The record holds each part as a step of its own, so that none of it is lost or done twice.
"""

from cytoloop.core.batch import Batch
from cytoloop.core.recipe import Hold, Incubation, Operation, Phase, Ramp, Read, SetPoint

Part = tuple[str, Phase, float]
"""Step id, what it is, and hours after the first part's start before which it may not begin."""


def primitives(step: str, phase: Phase, batch: Batch, operation: Operation) -> tuple[Part, ...]:
    """What `phase` comes to as steps that are done one after the other: itself, for most."""
    match phase:
        case Ramp():
            hours = batch.parameters[f"{operation.operation}.{phase.over}"]
            return tuple((f"{step}[{move}]", phase, hours * move / phase.moves) for move in range(phase.moves + 1))
        case Incubation():
            return (
                (f"{step}/set", SetPoint(phase="set", words=phase.words, parameters=phase.parameters), 0.0),
                (f"{step}/hold", Hold(phase="hold", words=phase.words, duration=phase.duration), 0.0),
                (f"{step}/read", Read(phase="read", words=phase.words, signals=phase.signals), 0.0),
            )
        case _:
            return ((step, phase, 0.0),)


def move_of(step: str) -> int:
    """The number of the move in the id of a ramp's step."""
    return int(step.rpartition("[")[2].rstrip("]"))
