"""Facts of stage 1: study, subject, consent, order, collection, administration, outcome."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cytoloop.core.signature import Signature

Pathway = Literal["drug", "device", "newtech", "other"]
"""Which law a study follows. "newtech": the Decree 818 route for new biomedical technologies."""
Capacity = Literal["full", "limited", "none"]
"""Of age and of sound mind, limited, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRegistered:
    """A study exists."""

    NAME: ClassVar[str] = "study-registered/1"
    study: str
    title: str
    product: str
    pathway: Pathway | None
    pathway_basis: str | None
    """The document that says why this pathway applies."""
    site: str
    involves_offspring: bool
    filed_scope: Literal["targets", "ranges", "none"]
    """What of the recipe the filed protocol fixes: its targets, its ranges only, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDecided:
    """A committee decided on a protocol version."""

    NAME: ClassVar[str] = "review-decided/1"
    review: Literal["academic", "ethics"]
    board: str
    protocol_version: str
    result: Literal["pass", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFiled:
    """The site filed the study with the health authority."""

    NAME: ClassVar[str] = "study-filed/1"
    receipt: str
    protocol_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEnded:
    """The study ended; the retention period begins."""

    NAME: ClassVar[str] = "study-ended/1"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectEnrolled:
    """A person takes part, under a pseudonym. Nothing here names the person."""

    NAME: ClassVar[str] = "subject-enrolled/1"
    subject: str
    study: str
    source: str
    """Where the subject comes from: "simulated", "fhir:<resource id's hash>"."""
    sex: Literal["female", "male", "other", "unknown"] = "unknown"
    weight: float | None = None
    """kg; None when nobody measured it."""
    capacity: Capacity | None = None
    """Capacity for civil conduct: decides who must consent. None when nobody established it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSigned:
    """The subject (or the guardian) consented in writing."""

    NAME: ClassVar[str] = "consent-signed/1"
    study: str
    protocol_version: str
    signer_role: Literal["subject", "guardian"]
    form_sha256: str
    disclosures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalObservationRecorded:
    """A clinical observation of a subject, in its house unit when it is a quantity."""

    NAME: ClassVar[str] = "clinical-observation-recorded/1"
    code: str
    system: str
    value: float | str | None
    unit: str | None
    comparator: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceImported:
    """A FHIR resource came in. Only its type, a pseudonymous reference and its hash are kept here."""

    NAME: ClassVar[str] = "resource-imported/1"
    resource_type: str
    reference: str
    """Keyed hash of the resource's own id: the same resource gives the same reference."""
    sha256: str
    subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """A clinician ordered one dose for one subject."""

    NAME: ClassVar[str] = "order-placed/1"
    order: str
    subject: str
    study: str
    product: str
    weight: float
    """kg, measured for the dose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialCollected:
    """Starting material was taken from the subject: the chain of identity begins."""

    NAME: ClassVar[str] = "material-collected/1"
    order: str
    coi: str
    """Chain of identity: travels on every label, names nobody."""
    collection_site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductAdministered:
    """The subject received the product."""

    NAME: ClassVar[str] = "product-administered/1"
    order: str
    batch: str
    coi: str
    viable_car_cells: float
    """1e6 cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRecorded:
    """How the subject fares at a visit."""

    NAME: ClassVar[str] = "outcome-recorded/1"
    order: str
    batch: str
    visit_day: int
    response: Literal["complete", "partial", "none"]
    cytokine_release_grade: int
    signature: Signature | None = None


FACTS = (
    StudyRegistered, ReviewDecided, StudyFiled, StudyEnded, SubjectEnrolled, ConsentSigned,
    ClinicalObservationRecorded, ResourceImported, OrderPlaced, MaterialCollected, ProductAdministered,
    OutcomeRecorded,
)  # fmt: skip
