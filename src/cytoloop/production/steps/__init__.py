"""The kinds of steps, one file each: the command a step sends, and the facts its outcome leaves.

`command_of` and `facts_of` are the only places that know every kind. A step that waits or computes sends no command;
`selection` decides ways.
"""

from typing import TypeAlias

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.recipe import (
    Calculation,
    Decision,
    Hold,
    IdentityScan,
    Incubation,
    Instruction,
    LabelPrint,
    MaterialAddition,
    Program,
    Ramp,
    Read,
    Repeat,
    Sample,
    Selection,
    SetPoint,
    Sign,
    Transfer,
    Wait,
)
from cytoloop.production.steps import (
    decision,
    identity_scan,
    instruction,
    label_print,
    material_addition,
    program,
    ramp,
    read,
    sample,
    set_point,
    sign,
    transfer,
)
from cytoloop.production.walk import Planned

Left: TypeAlias = tuple[tuple[Fact, ...], str | None]
"""What an outcome leaves in the record besides the step's end, and why the step failed if it did."""


def command_of(batch: Batch, planned: Planned, key: str) -> Command | None:
    """What the step asks of equipment or people; None for a step of the platform itself."""
    match planned.phase:
        case IdentityScan() as phase:
            return identity_scan.command(phase, key)
        case MaterialAddition() as phase:
            return material_addition.command(batch, planned, phase, key)
        case Transfer() as phase:
            return transfer.command(batch, planned, phase, key)
        case LabelPrint() as phase:
            return label_print.command(batch, phase, key)
        case Instruction() as phase:
            return instruction.command(phase, key)
        case SetPoint() as phase:
            return set_point.command(batch, planned, phase, key)
        case Ramp() as phase:
            return ramp.command(batch, planned, phase, key)
        case Program() as phase:
            return program.command(batch, planned, phase, key)
        case Read() as phase:
            return read.command(planned, phase, key)
        case Sample() as phase:
            return sample.command(batch, planned, phase, key)
        case Decision() as phase:
            return decision.command(batch, planned, phase, key)
        case Sign() as phase:
            return sign.command(batch, planned, phase, key)
        case Hold() | Wait() | Calculation() | Incubation() | Selection() | Repeat():
            return None


def facts_of(batch: Batch, planned: Planned, outcome: Outcome) -> Left:
    """What the outcome leaves. Raises RefusedError when a signature is not over what was shown."""
    if not outcome.ok:
        return (), outcome.note or "the equipment did not say why"
    match planned.phase:
        case IdentityScan() as phase:
            return (), identity_scan.mismatch(batch, phase, outcome)
        case MaterialAddition() as phase:
            return material_addition.facts(batch, planned, phase, outcome)
        case Transfer() as phase:
            return transfer.facts(batch, planned, phase, outcome)
        case LabelPrint() as phase:
            return label_print.facts(batch, planned, phase, outcome)
        case Instruction() as phase:
            return (), instruction.unfit(phase, outcome)
        case Read():
            return read.facts(batch, planned, outcome), None
        case Sample() as phase:
            return sample.facts(batch, planned, phase, outcome), None
        case Decision() as phase:
            return decision.facts(batch, planned, phase, outcome)
        case Sign():
            return sign.facts(batch, planned, outcome)
        case SetPoint() | Ramp() | Program() | Hold() | Wait() | Calculation() | Incubation() | Selection() | Repeat():
            return (), None
