"""View of what was foretold: the risk of orders' batches before they began, beside what came of them."""

from dataclasses import dataclass

from cytoloop.app.foreseen import failed
from cytoloop.app.views_shelf import Kept, Shelf
from cytoloop.core.batch import Batch
from cytoloop.core.facts.feedback import Interval
from cytoloop.core.facts.foresight import RiskAssessed
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

NEWEST = 6
"""Orders that the loop's page shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Something that may be kept ready."""

    plan: str
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class ForetoldView:
    """One order with what was foretold of its batch, and what came of it."""

    order: str
    at: Instant
    probability: float | None
    """Of failure; None when there was not enough to say."""
    interval: Interval | None
    reason: Words
    plan_b: tuple[PlanView, ...]
    batch: str | None
    failed: bool | None
    """None while its batch has not ended."""


def foretold_view(shelf: Shelf, *, newest: int | None = None) -> tuple[ForetoldView, ...]:
    """Every risk that was told, newest first, or the newest ones alone."""
    batches = {batch.created.order: batch for batch in shelf.batches()}
    told = sorted(shelf.facts(RiskAssessed, "order/"), key=lambda kept: -kept.entry.sequence)
    return tuple(_foretold(kept, batches.get(kept.fact.order)) for kept in told[:newest])


def _foretold(kept: Kept[RiskAssessed], batch: Batch | None) -> ForetoldView:
    fact = kept.fact
    return ForetoldView(
        order=fact.order,
        at=kept.entry.happened_at,
        probability=fact.probability,
        interval=fact.interval,
        reason=Words(en=fact.reason_en, zh=fact.reason_zh),
        plan_b=tuple(PlanView(plan=each.plan, words=Words(en=each.en, zh=each.zh)) for each in fact.plan_b),
        batch=batch.number if batch else None,
        failed=failed(batch) if batch is not None and batch.ended else None,
    )
