"""Outcomes: patients of the record who were treated and seen, and the report of how their outcomes go with the product.

A report only: nothing here writes into the record, and no set-point or target is read from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from cytoloop.app.views_shelf import Shelf
from cytoloop.core.batch import Batch
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import OutcomeRecorded, ProductAdministered
from cytoloop.core.facts.feedback import Interval
from cytoloop.core.json import JSON
from cytoloop.feedback.samples.outcome import ATTRIBUTES, ENDPOINTS, LEVEL, OutcomeEffect, Treated, effects_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReport:
    """What the outcomes of a line, or of all lines, can tell."""

    line: str | None
    patients: int
    again: int
    """Further treatments of patients that stand there already; they are left out."""
    effects: tuple[OutcomeEffect, ...]
    batches: tuple[str, ...]
    """What it rests on."""


def outcome_report(
    shelf: Shelf, *, line: str | None = None, attributes: Sequence[str] = tuple(ATTRIBUTES)
) -> OutcomeReport:
    """The report; UserError for a line without a batch, or an attribute that was not stated before."""
    batches = [batch for batch in shelf.batches() if line in (None, batch.created.line)]
    if line is not None and not batches:
        known = sorted({batch.created.line for batch in shelf.batches()})
        raise UserError(f"no batch is of line {line!r}; this record has {', '.join(known) or 'none'}")
    found = [each for batch in batches if (each := treated(shelf, batch)) is not None]
    first = {each.subject: each for each in reversed(found)}
    kept = [each for each in found if first[each.subject] is each]
    return OutcomeReport(
        line=line,
        patients=len(kept),
        again=len(found) - len(kept),
        effects=effects_of(kept, attributes=attributes),
        batches=tuple(each.batch for each in kept),
    )


def treated(shelf: Shelf, batch: Batch) -> Treated | None:
    """The patient of a batch, once treated and seen; None before."""
    facts = [each.fact for each in shelf.stream(f"order/{batch.created.order}")]
    given = [each for each in facts if isinstance(each, ProductAdministered) and each.batch == batch.number]
    seen = [each for each in facts if isinstance(each, OutcomeRecorded) and each.batch == batch.number]
    if not given or not seen:
        return None
    release = {t.fact.attribute: t.fact.value for t in batch.results if t.fact.stage == "release"}
    dose = given[-1].viable_car_cells / batch.created.weight
    values = {**release, "given_per_kg": dose}
    return Treated(
        batch=batch.number,
        subject=batch.created.subject,
        response=max(seen, key=lambda each: each.visit_day).response,
        cytokine_release_grade=max(each.cytokine_release_grade for each in seen),
        attributes={name: values[name] for name in ATTRIBUTES if values.get(name, 0.0) >= ATTRIBUTES[name].low},
    )


def document(report: OutcomeReport) -> dict[str, JSON]:
    """The report as plain JSON."""
    batches: list[JSON] = list(report.batches)
    effects: list[JSON] = [_effect(each) for each in report.effects]
    return {
        "line": report.line, "patients": report.patients, "again": report.again, "level": LEVEL,
        "endpoints": {name: {"en": e.words.en, "zh": e.words.zh} for name, e in ENDPOINTS.items()},
        "effects": effects, "batches": batches,
    }  # fmt: skip


def _effect(each: OutcomeEffect) -> dict[str, JSON]:
    attribute = ATTRIBUTES[each.attribute]
    return {
        "endpoint": each.endpoint, "attribute": each.attribute, "outcomes": each.outcomes, "met": each.met,
        "step": {"en": attribute.step.en, "zh": attribute.step.zh}, "odds_ratio": _ratio(each.ratio), "p": each.p,
        "holm": each.holm, "verdict": each.verdict, "reason": {"en": each.reason.en, "zh": each.reason.zh},
    }  # fmt: skip


def _ratio(found: Interval | None) -> JSON:
    """Low, estimate, high; an open end as null."""
    if found is None:
        return None
    return [found.low, found.median, found.high if isfinite(found.high) else None]
