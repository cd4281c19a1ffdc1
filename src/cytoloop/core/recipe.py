"""Recipe: what a batch asks for, as an ISA-88 tree that is data.

Recipe -> procedure of unit procedures -> operations -> steps (phases), with one loop form. A parameter belongs to
an operation and is named "<operation>.<parameter>".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cytoloop.core.words import Words

Criticality = Literal["CPP", "KPP", "non-critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A process parameter with its approved ranges (ICH Q8(R2); EMA/CHMP/CVMP/QWP/354895/2017)."""

    words: Words
    unit: str
    target: float
    nor: tuple[float, float]
    """Normal operating range: uncontrollable variability around the target, not room for manoeuvre."""
    par: tuple[float, float]
    """Proven acceptable range: one parameter may be moved in it, all others at target."""
    criticality: Criticality
    dossier_ref: str | None = None
    """Where the range is approved. Without it a range gives no right to move anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityScan:
    """Scan a label and compare it with the batch's chain of identity."""

    kind: Literal["identity_scan"] = "identity_scan"
    phase: str
    words: Words
    label: str
    """What is scanned: "leukapheresis_bag", "culture_vessel", "final_bag"."""
    every_nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A typed answer that a person gives."""

    name: str
    words: Words
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """A person does something and gives typed answers."""

    kind: Literal["instruction"] = "instruction"
    phase: str
    words: Words
    answers: tuple[Answer, ...] = ()
    every_nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """Write parameters of the operation to the unit as set-points."""

    kind: Literal["set_point"] = "set_point"
    phase: str
    words: Words
    parameters: tuple[str, ...]
    every_nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Start a program of the unit with parameters of the operation and wait for its end."""

    kind: Literal["program"] = "program"
    phase: str
    words: Words
    program: str
    parameters: tuple[str, ...] = ()
    every_nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Wait for as many hours as a parameter of the operation says."""

    kind: Literal["hold"] = "hold"
    phase: str
    words: Words
    duration: str
    """Name of the parameter that holds the hours."""
    every_nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Take the readings of the unit since the last time."""

    kind: Literal["read"] = "read"
    phase: str
    words: Words
    signals: tuple[str, ...]
    every_nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Take a sample and test it as an entry of the sampling plan says."""

    kind: Literal["sample"] = "sample"
    phase: str
    words: Words
    plan: str
    """Name in the sampling plan."""
    every_nth: int = 1


Phase: TypeAlias = IdentityScan | Instruction | SetPoint | Program | Hold | Read | Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Repeat steps every so many hours until a parameter's hours have passed: bounded by construction."""

    kind: Literal["loop"] = "loop"
    loop: str
    words: Words
    every: float
    """Hours between the starts of two rounds."""
    until: str
    """Name of the parameter that holds the hours from the first round's start to the loop's end."""
    steps: tuple[Phase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """ISA-88 operation: the parameters that belong together, and the steps that use them."""

    operation: str
    words: Words
    parameters: Mapping[str, Parameter] = field(default_factory=dict, hash=False)
    steps: tuple[Phase | Loop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProcedure:
    """ISA-88 unit procedure: operations on one unit of one equipment class."""

    unit_procedure: str
    words: Words
    equipment_class: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A master recipe of one product."""

    recipe: str
    version: int
    words: Words
    product: str
    procedure: tuple[UnitProcedure, ...]

    def operations(self) -> Iterator[tuple[UnitProcedure, Operation]]:
        """Every operation with the unit procedure it belongs to, in order."""
        for unit_procedure in self.procedure:
            for operation in unit_procedure.operations:
                yield unit_procedure, operation

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter under its full name "<operation>.<parameter>"."""
        return {
            f"{operation.operation}.{name}": parameter
            for _, operation in self.operations()
            for name, parameter in operation.parameters.items()
        }


def operation_of(parameter: str) -> str:
    """The operation in a full parameter name."""
    return parameter.partition(".")[0]
