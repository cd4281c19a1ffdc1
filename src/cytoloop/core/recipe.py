"""Recipe: what a batch asks for, as an ISA-88 tree that is data.

Recipe -> procedure of unit procedures -> operations -> steps (phases). Steps follow one another; four forms put them
together otherwise (IEC 61512-1 procedure function charts): parallel branches, a selection by a condition, a timed loop
and a repeat with a bound. A parameter belongs to an operation and is named "<operation>.<parameter>".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cytoloop.core.words import Words

Criticality = Literal["CPP", "KPP", "non-critical"]
Level = Literal["general", "site", "master"]
"""ISA-88 recipe levels that are written; the control recipe is a batch of a master recipe."""


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
class Within:
    """A maximum wait: the step must start within so many hours after another ended ("within 6 h of harvest")."""

    hours: float
    after: str
    """The step that begins the wait: "harvest/wash"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every step has."""

    phase: str
    words: Words
    every_nth: int = 1
    """In a loop: only every so many rounds."""
    within: Within | None = None
    rework: str | None = None
    """Name of the operation's rework that quality assurance may choose when this step failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityScan(Common):
    """Scan a label and compare it with the batch's chain of identity."""

    kind: Literal["identity_scan"] = "identity_scan"
    label: str
    """What is scanned: "leukapheresis_bag", "culture_vessel", "final_bag"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialAddition(Common):
    """A person adds a material: its lot is scanned, must not have expired, and must hold as much as is taken."""

    kind: Literal["material_addition"] = "material_addition"
    material: str
    """Name in the pack's plant: "vector"."""
    quantity: str
    """Name of the parameter that says how much, in its unit."""
    tolerance: float = 0.05
    """Fraction by which the quantity added may differ from the one asked for."""
    verified: bool = False
    """Whether a second person confirms what was added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Common):
    """A person moves the batch's material from the unit to one of another class; both labels are scanned."""

    kind: Literal["transfer"] = "transfer"
    to: str
    """Equipment class it goes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPrint(Common):
    """Print labels with the chain of identity, read one back, and account for each (21 CFR 211.125)."""

    kind: Literal["label_print"] = "label_print"
    label: str
    """Which label: "final_bag"."""
    copies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A typed answer that a person gives."""

    name: str
    words: Words
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    type: Literal["number", "text", "choice", "yes_no"] = "number"
    choices: tuple[str, ...] = ()
    """What may be chosen, for a choice."""
    expected: tuple[str, ...] = ()
    """Choices ("yes", "no" for a yes_no) that let the step succeed; empty: every one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction(Common):
    """A person does something and gives typed answers."""

    kind: Literal["instruction"] = "instruction"
    answers: tuple[Answer, ...] = ()
    pictures: tuple[str, ...] = ()
    """File names in the pack's folder `pictures/`."""
    verified: bool = False
    """Whether a second person confirms the answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint(Common):
    """Write parameters of the operation to the unit as set-points."""

    kind: Literal["set_point"] = "set_point"
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(Common):
    """Move a set-point from a value to its parameter in equal moves over some hours.

    Each move is an entry; a ramp faster than the record belongs into a program of the unit.
    """

    kind: Literal["ramp"] = "ramp"
    parameter: str
    begin: float
    """Value of the first move, in the parameter's unit."""
    over: str
    """Name of the parameter that holds the hours from the first move to the last."""
    moves: int
    """Number of moves after the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Common):
    """Start a program of the unit with parameters of the operation and wait for its end."""

    kind: Literal["program"] = "program"
    program: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Common):
    """Hold for as many hours as a parameter of the operation says."""

    kind: Literal["hold"] = "hold"
    duration: str
    """Name of the parameter that holds the hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incubation(Common):
    """Set the unit's conditions, hold them for a parameter's hours, and take the readings of that time."""

    kind: Literal["incubation"] = "incubation"
    parameters: tuple[str, ...]
    """Set-points that make the conditions."""
    duration: str
    """Name of the parameter that holds the hours."""
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Common):
    """Wait until a condition holds, at most so many hours; then the step fails."""

    kind: Literal["wait"] = "wait"
    until: str
    """A condition (`production.expression`)."""
    at_most: float
    """Hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Common):
    """Take the readings of the unit since the last time."""

    kind: Literal["read"] = "read"
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Common):
    """Take a sample and test it as an entry of the sampling plan says."""

    kind: Literal["sample"] = "sample"
    plan: str
    """Name in the sampling plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation(Common):
    """Compute a value from results, answers, readings and parameters; outside its range the step fails."""

    kind: Literal["calculation"] = "calculation"
    value: str
    """An expression (`production.expression`)."""
    unit: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way a person may decide."""

    option: str
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Common):
    """A person chooses among options and signs."""

    kind: Literal["decision"] = "decision"
    role: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign(Common):
    """A person signs what was done in the operation so far."""

    kind: Literal["sign"] = "sign"
    role: str
    meaning: Literal["performed", "verified", "reviewed", "approved"]


Phase: TypeAlias = (
    IdentityScan
    | MaterialAddition
    | Transfer
    | LabelPrint
    | Instruction
    | SetPoint
    | Ramp
    | Program
    | Hold
    | Incubation
    | Wait
    | Read
    | Sample
    | Calculation
    | Decision
    | Sign
)


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
class Repeat:
    """Repeat a sequence until a condition holds after a round, at most so many rounds; then a person decides."""

    kind: Literal["repeat"] = "repeat"
    repeat: str
    words: Words
    until: str
    """A condition (`production.expression`)."""
    at_most: int
    """Rounds."""
    steps: tuple["Item", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One of several sequences that run at the same time."""

    branch: str
    words: Words
    steps: tuple["Item", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Run branches at the same time; what follows starts when all have ended."""

    kind: Literal["parallel"] = "parallel"
    parallel: str
    words: Words
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One of several sequences, of which the first whose condition holds is taken."""

    way: str
    words: Words
    when: str
    """A condition (`production.expression`); "otherwise" for the last, which is taken when no other is."""
    steps: tuple["Item", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Take one of several ways; which one is decided once and entered."""

    kind: Literal["selection"] = "selection"
    selection: str
    words: Words
    ways: tuple[Way, ...]


Item: TypeAlias = Phase | Loop | Repeat | Parallel | Selection
"""What stands in a sequence: a step, or a form that holds sequences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rework:
    """Steps by which quality assurance may have a failed step made good before it is tried again."""

    words: Words
    at_most: int
    """Times for one step of a batch."""
    steps: tuple[Phase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """ISA-88 operation: the parameters that belong together, and the steps that use them."""

    operation: str
    words: Words
    parameters: Mapping[str, Parameter] = field(default_factory=dict, hash=False)
    steps: tuple[Item, ...]
    reworks: Mapping[str, Rework] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProcedure:
    """ISA-88 unit procedure: operations on one unit of one equipment class."""

    unit_procedure: str
    words: Words
    equipment_class: str
    operations: tuple[Operation, ...]
    safe_state: Operation | None = None
    """Steps that bring the unit into a safe state when the batch is aborted after the unit procedure has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRecipe:
    """The recipe that this one was derived from."""

    recipe: str
    level: Level
    version: int
    content_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe of one product. What a batch runs is a master recipe."""

    recipe: str
    version: int
    words: Words
    product: str
    procedure: tuple[UnitProcedure, ...]
    level: Level = "master"
    derived_from: ParentRecipe | None = None

    def operations(self) -> Iterator[tuple[UnitProcedure, Operation]]:
        """Every operation with the unit procedure it belongs to, in order."""
        for unit_procedure in self.procedure:
            for operation in unit_procedure.operations:
                yield unit_procedure, operation

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter under its full name "<operation>.<parameter>", those of safe states behind the others."""
        safe = (each.safe_state for each in self.procedure if each.safe_state is not None)
        return {
            f"{operation.operation}.{name}": parameter
            for operation in (*(operation for _, operation in self.operations()), *safe)
            for name, parameter in operation.parameters.items()
        }


def operation_of(parameter: str) -> str:
    """The operation in a full parameter name."""
    return parameter.partition(".")[0]


def name_of(item: Item) -> str:
    """The item's own name in its sequence."""
    match item:
        case Loop():
            return item.loop
        case Repeat():
            return item.repeat
        case Parallel():
            return item.parallel
        case Selection():
            return item.selection
        case _:
            return item.phase


def sequences(item: Item) -> tuple[tuple[str, tuple[Item, ...]], ...]:
    """The sequences that an item holds, each with what it adds to a step's path (rounds left out); none for a step."""
    match item:
        case Loop() | Repeat():
            return ((name_of(item), item.steps),)
        case Parallel():
            return tuple((f"{item.parallel}/{each.branch}", each.steps) for each in item.branches)
        case Selection():
            return tuple((f"{item.selection}/{each.way}", each.steps) for each in item.ways)
        case _:
            return ()


def placed(path: str, steps: tuple[Item, ...]) -> Iterator[tuple[str, Item]]:
    """Every item of a sequence with its path, a form before what it holds, in the order of the text."""
    for item in steps:
        yield f"{path}/{name_of(item)}", item
        for inside, inner in sequences(item):
            yield from placed(f"{path}/{inside}", inner)


def phases(steps: tuple[Item, ...]) -> Iterator[Phase]:
    """Every step of a sequence, those inside its forms included, in the order of the text."""
    for _, item in placed("", steps):
        if not isinstance(item, Loop | Repeat | Parallel | Selection):
            yield item
