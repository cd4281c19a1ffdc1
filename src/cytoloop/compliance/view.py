"""View: what the rules of law read, folded from entries. Holds no judgement.

The streams of a study and of its subjects are handed in as decoded entries; what they do not say stays None.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.clinic import (
    Capacity,
    ConsentSigned,
    Pathway,
    ReviewDecided,
    StudyEnded,
    StudyFiled,
    StudyRegistered,
    SubjectEnrolled,
)
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A committee's decision on a protocol version."""

    review: Literal["academic", "ethics"]
    protocol_version: str
    passed: bool
    decided_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """A filing with the health authority."""

    receipt: str
    protocol_version: str
    filed_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A written consent."""

    protocol_version: str
    signer_role: Literal["subject", "guardian"]
    signed_at: Instant
    form_sha256: str
    disclosures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """A study as the law looks at it."""

    study: str
    pathway: Pathway | None = None
    pathway_basis: str | None = None
    involves_offspring: bool | None = None
    filed_scope: Literal["targets", "ranges", "none"] | None = None
    reviews: tuple[Review, ...] = ()
    filings: tuple[Filing, ...] = ()
    ended_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectView:
    """A subject of a study as the law looks at it."""

    subject: str
    study: str
    capacity: Capacity | None = None
    consents: tuple[Consent, ...] = field(default=())


def study_view(study: str, entries: Iterable[Recorded]) -> StudyView:
    """The study that its stream adds up to."""
    view = StudyView(study=study)
    for recorded in entries:
        view = _with_study_fact(view, recorded)
    return view


def _with_study_fact(view: StudyView, recorded: Recorded) -> StudyView:
    at = recorded.entry.happened_at
    match recorded.fact:
        case StudyRegistered() as fact if fact.study == view.study:
            return replace(
                view,
                pathway=fact.pathway,
                pathway_basis=fact.pathway_basis,
                involves_offspring=fact.involves_offspring,
                filed_scope=fact.filed_scope,
            )
        case ReviewDecided() as fact:
            review = Review(
                review=fact.review,
                protocol_version=fact.protocol_version,
                passed=fact.result == "pass",
                decided_at=at,
            )
            return replace(view, reviews=(*view.reviews, review))
        case StudyFiled() as fact:
            filing = Filing(receipt=fact.receipt, protocol_version=fact.protocol_version, filed_at=at)
            return replace(view, filings=(*view.filings, filing))
        case StudyEnded():
            return replace(view, ended_at=at)
        case _:
            return view


def subject_view(subject: str, study: str, entries: Iterable[Recorded]) -> SubjectView:
    """The subject that its stream adds up to, as far as `study` is concerned."""
    view = SubjectView(subject=subject, study=study)
    for recorded in entries:
        view = _with_subject_fact(view, recorded)
    return view


def _with_subject_fact(view: SubjectView, recorded: Recorded) -> SubjectView:
    match recorded.fact:
        case SubjectEnrolled() as fact if fact.subject != view.subject:
            raise ValueError(f"the stream of {view.subject} enrols {fact.subject}")
        case SubjectEnrolled(capacity=capacity) if capacity is not None:
            return replace(view, capacity=capacity)
        case ConsentSigned() as fact if fact.study == view.study:
            consent = Consent(
                protocol_version=fact.protocol_version,
                signer_role=fact.signer_role,
                signed_at=recorded.entry.happened_at,
                form_sha256=fact.form_sha256,
                disclosures=fact.disclosures,
            )
            return replace(view, consents=(*view.consents, consent))
        case _:
            return view
