"""Facts of stage 3a: results, deviations, disposition."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cytoloop.core.product import Stage
from cytoloop.core.signature import Signature

DeviationKind = Literal[
    "out-of-specification", "excursion", "step-failed", "identity-mismatch", "late-start", "rounds-exhausted"
]
Decision = Literal["continue", "repeat", "rework", "terminate"]
DispositionKind = Literal["released", "conditionally-released", "rejected", "supplied-out-of-specification"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecorded:
    """A test of a sample gave a result."""

    NAME: ClassVar[str] = "result-recorded/1"
    sample: str
    """The step that took the sample."""
    attribute: str
    stage: Stage
    value: float
    unit: str
    method: str
    tested_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationOpened:
    """Something departed from what was approved; the batch is blocked until a person decides."""

    NAME: ClassVar[str] = "deviation-opened/1"
    deviation: str
    kind: DeviationKind
    what: str
    """One sentence: what, where, against which limit."""
    cause: int
    """Position, in this stream, of the entry that showed it."""
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationClosed:
    """A person decided, and signed what was shown."""

    NAME: ClassVar[str] = "deviation-closed/1"
    deviation: str
    decision: Decision
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionSigned:
    """The qualified person decided on the batch."""

    NAME: ClassVar[str] = "disposition-signed/1"
    disposition: DispositionKind
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReviewed:
    """Somebody who did not act in the batch read its record and its audit trail, and signed what was shown."""

    NAME: ClassVar[str] = "record-reviewed/1"
    batch: str
    position: int
    """Length of the batch's stream that was reviewed; a later entry asks for a new review."""
    remarks: str
    signature: Signature


FACTS = (ResultRecorded, DeviationOpened, DeviationClosed, DispositionSigned, RecordReviewed)
