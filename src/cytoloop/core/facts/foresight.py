"""Facts told before a batch begins: what is expected of it from what is known of the patient and of past batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from cytoloop.core.facts.feedback import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanB:
    """Something that may be kept ready. A suggestion: a clinician decides."""

    plan: Literal["timing", "second-collection", "reserved-slot"]
    en: str
    zh: str
    risk: Interval | None = None
    """The risk with it, as far as past batches can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAssessed:
    """How likely the batch of an order is to fail or to be out of specification. It decides nothing."""

    NAME: ClassVar[str] = "risk-assessed/1"
    order: str
    known: Literal["before-collection", "before-seeding"]
    """What was known: the patient and past batches; or also the tests of what was collected."""
    probability: float | None
    """Of failure, 0 to 1; None when there is not enough to say."""
    interval: Interval | None
    """Its median and 90 % interval."""
    reason_en: str
    reason_zh: str
    """On what it rests, or why it is not enough."""
    factors: Mapping[str, float] = field(hash=False)
    """What was known of the patient, in house units."""
    batches: tuple[str, ...]
    """Ended batches it rests on."""
    failed: int
    """Of them."""
    twin: str | None
    """Twin whose virtual donors were asked, "<twin>@<sha256>"."""
    twin_failure: float | None
    """Share of the virtual donors that failed, 0 to 1; None without a twin."""
    plan_b: tuple[PlanB, ...] = ()


FACTS = (RiskAssessed,)
