"""Facts of stage 2: recipe versions, batches and their steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeApproved:
    """A recipe version is in force for batches that start from now on."""

    NAME: ClassVar[str] = "recipe-approved/1"
    recipe: str
    version: int
    content_sha256: str
    content: Mapping[str, JSON] = field(hash=False)
    """The whole recipe as data: the record can be read without the pack."""
    line: str
    """The production line it is in force on."""
    change: str | None
    """The signed change that made it; None for the first version."""
    signature: Signature
    effective_from: Instant | None = None
    """When batches may first be made of it; None: from the approval on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCreated:
    """A batch of a recipe version exists, pinned to that version."""

    NAME: ClassVar[str] = "batch-created/1"
    batch: str
    order: str
    subject: str
    study: str
    coi: str
    product: str
    line: str
    recipe: str
    recipe_version: int
    recipe_sha256: str
    weight: float
    """The patient's weight in kg, for limits per kilogram."""
    equipment: Mapping[str, str] = field(hash=False)
    """Equipment class -> equipment id allotted to this batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """Intent: the step's command is about to be sent."""

    NAME: ClassVar[str] = "step-started/1"
    step: str
    attempt: int
    key: str
    """The command's idempotency key."""
    target: str
    verb: str
    arguments: Mapping[str, JSON] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCompleted:
    """The step was done."""

    NAME: ClassVar[str] = "step-completed/1"
    step: str
    attempt: int
    values: Mapping[str, JSON] = field(hash=False)
    recovered: bool = False
    """Whether the outcome was read back from the equipment after an interruption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """The step was tried and did not succeed; a deviation follows."""

    NAME: ClassVar[str] = "step-failed/1"
    step: str
    attempt: int
    reason: str
    values: Mapping[str, JSON] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInDoubt:
    """The platform stopped between intent and outcome: nobody knows yet whether the step was done."""

    NAME: ClassVar[str] = "step-in-doubt/1"
    step: str
    attempt: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResolved:
    """A step in doubt is settled: the command certainly never arrived, or a person says whether it was done."""

    NAME: ClassVar[str] = "step-resolved/1"
    step: str
    attempt: int
    resolution: Literal["never-arrived", "done", "not-done"]
    reason: str
    signature: Signature | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingsRecorded:
    """Readings came from the equipment."""

    NAME: ClassVar[str] = "readings-recorded/1"
    step: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPointMoved:
    """A parameter of this batch was deliberately moved, as the gate allowed."""

    NAME: ClassVar[str] = "set-point-moved/1"
    parameter: str
    old: float
    new: float
    unit: str
    reason: str
    triggered_by: int
    """Position, in this stream, of the entry whose result or reading asked for the move."""
    gate_row: int
    model: str
    """Controller and model version, "<twin>@<sha256>"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCorrected:
    """A person corrected a value that somebody typed wrong. The old one stays where it stands."""

    NAME: ClassVar[str] = "value-corrected/1"
    corrects: int
    """Position, in this stream, of the entry that holds the wrong value."""
    field: str
    """Name of the value in that entry's `values`."""
    old: JSON
    new: JSON
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFinished:
    """Every step of the recipe is done."""

    NAME: ClassVar[str] = "batch-finished/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHeld:
    """A person's answer was refused too often: the batch stands still until it is run again and answered rightly."""

    NAME: ClassVar[str] = "batch-held/1"
    step: str
    """What waits for the answer: a decision on a deviation, or a step in doubt."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAborted:
    """A person ended the batch before its recipe did."""

    NAME: ClassVar[str] = "batch-aborted/1"
    deviation: str
    """The deviation it was terminated for; empty when a person ordered it."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCarried:
    """A release of the platform carries the batch from here on."""

    NAME: ClassVar[str] = "batch-carried/1"
    release: str
    """Version of the platform."""
    decisions: int
    """Decisions of earlier releases that this one was asked for again, all with the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBlocked:
    """The step's turn has come and it may not start: its equipment or a person is not fit for it."""

    NAME: ClassVar[str] = "step-blocked/1"
    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineMissed:
    """A step did not start within its maximum wait."""

    NAME: ClassVar[str] = "deadline-missed/1"
    step: str
    deadline: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class WayTaken:
    """A selection took one of its ways, or a repeat goes on or not after a round."""

    NAME: ClassVar[str] = "way-taken/1"
    step: str
    """The selection, or the round of the repeat."""
    way: str
    """Of a selection: a way. Of a repeat: "again", "enough", or "exhausted" when its last round was not enough."""
    because: str
    """The condition as it stands in the recipe, with the values it was judged on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialAdded:
    """A material went into the batch."""

    NAME: ClassVar[str] = "material-added/1"
    step: str
    material: str
    lot: str
    expiry: str
    """Last day of use, ISO 8601."""
    quantity: float
    unit: str
    left: float
    """What the lot still holds, in the same unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialTransferred:
    """The batch's material was moved from one unit to another."""

    NAME: ClassVar[str] = "material-transferred/1"
    step: str
    source: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsPrinted:
    """Labels were printed, and each is accounted for."""

    NAME: ClassVar[str] = "labels-printed/1"
    step: str
    label: str
    printed: int
    used: int
    destroyed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSigned:
    """A person chose one of the options that the recipe offers, and signed."""

    NAME: ClassVar[str] = "decision-signed/1"
    step: str
    decision: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSigned:
    """A person signed what was done in an operation."""

    NAME: ClassVar[str] = "step-signed/1"
    step: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOrdered:
    """A person stops the batch: no step starts until the hold is lifted. What is underway in equipment goes on."""

    NAME: ClassVar[str] = "hold-ordered/1"
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLifted:
    """A person lets the batch go on."""

    NAME: ClassVar[str] = "hold-lifted/1"
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortOrdered:
    """A person ends the batch: its units are brought into a safe state, then it is aborted."""

    NAME: ClassVar[str] = "abort-ordered/1"
    reason: str
    signature: Signature


FACTS = (
    RecipeApproved, BatchCreated, StepStarted, StepCompleted, StepFailed, StepInDoubt, StepResolved,
    ReadingsRecorded, SetPointMoved, ValueCorrected, BatchFinished, BatchHeld,
    BatchAborted, BatchCarried, StepBlocked, DeadlineMissed, WayTaken, MaterialAdded, MaterialTransferred,
    LabelsPrinted, DecisionSigned, StepSigned, HoldOrdered, HoldLifted, AbortOrdered,
)  # fmt: skip
