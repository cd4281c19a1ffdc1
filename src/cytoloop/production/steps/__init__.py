"""The kinds of steps, one file each: the command a step sends, and the facts its outcome leaves.

`command_of` and `facts_of` are the only places that know every kind.
"""

from typing import assert_never

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.recipe import Hold, IdentityScan, Instruction, Program, Read, Sample, SetPoint
from cytoloop.production.steps import identity_scan, instruction, program, read, sample, set_point
from cytoloop.production.walk import Planned


def command_of(batch: Batch, planned: Planned, key: str) -> Command | None:
    """What the step asks of equipment or people; None for a step that only waits."""
    match planned.phase:
        case IdentityScan() as phase:
            return identity_scan.command(phase, key)
        case Instruction() as phase:
            return instruction.command(phase, key)
        case SetPoint() as phase:
            return set_point.command(batch, planned, phase, key)
        case Program() as phase:
            return program.command(batch, planned, phase, key)
        case Read() as phase:
            return read.command(planned, phase, key)
        case Sample() as phase:
            return sample.command(batch, planned, phase, key)
        case Hold():
            return None
        case _ as never:
            assert_never(never)


def facts_of(batch: Batch, planned: Planned, outcome: Outcome) -> tuple[tuple[Fact, ...], str | None]:
    """What the outcome leaves in the record besides the step's end, and why the step failed if it did."""
    if not outcome.ok:
        return (), outcome.note or "the equipment did not say why"
    match planned.phase:
        case IdentityScan() as phase:
            return (), identity_scan.mismatch(batch, phase, outcome)
        case Instruction() as phase:
            return (), instruction.out_of_range(phase, outcome)
        case Read():
            return read.facts(planned, outcome), None
        case Sample() as phase:
            return sample.facts(batch, planned, phase, outcome), None
        case SetPoint() | Program() | Hold():
            return (), None
        case _ as never:
            assert_never(never)
