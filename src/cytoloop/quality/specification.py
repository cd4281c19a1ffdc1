"""Specification: judges a result against the product's limits at the stage it was taken for (ICH Q6B)."""

import math
from dataclasses import dataclass
from typing import Literal

from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.product import Attribute, Product

Judgement = Literal["in", "out", "no-limit", "cannot-judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A result with its limits for this patient and what comes of comparing them."""

    result: ResultRecorded
    attribute: Attribute | None
    low: float | None
    """Lower limit in the result's unit, times the weight when the limit is per kilogram."""
    high: float | None
    judgement: Judgement
    reason: str
    """One sentence: the value, the limits, the unit."""


def judge(result: ResultRecorded, product: Product, weight: float) -> Judged:
    """Compare `result` with its attribute's limits; `weight` in kg. Limits are included in the specification.

    What cannot be compared (unknown attribute, another unit, not a number, no weight) is never "in".
    """
    attribute = find(product, result)
    if attribute is None:
        return _cannot(result, None, f"the product has no specification of {result.attribute} at {result.stage}")
    if result.unit != attribute.unit:
        return _cannot(result, attribute, f"the result is in {result.unit}, its specification in {attribute.unit}")
    if not math.isfinite(result.value):
        return _cannot(result, attribute, "the result is not a finite number")
    if attribute.per_kg and not (math.isfinite(weight) and weight > 0):
        return _cannot(result, attribute, f"the limits are per kilogram and the weight is {weight:g} kg")
    return _compared(result, attribute, weight)


def limits(attribute: Attribute, weight: float) -> tuple[float | None, float | None]:
    """Low and high limit of an attribute for a patient of `weight` kg; None where there is none."""
    times = weight if attribute.per_kg else 1.0
    low = None if attribute.low is None else attribute.low * times
    high = None if attribute.high is None else attribute.high * times
    return low, high


def find(product: Product, result: ResultRecorded) -> Attribute | None:
    """The attribute that specifies `result`; None when the product has none."""
    stage = product.at(result.stage)
    return next((each for each in stage if each.attribute == result.attribute), None)


def _cannot(result: ResultRecorded, attribute: Attribute | None, why: str) -> Judged:
    reason = f"{result.attribute} of {result.sample} cannot be judged: {why}"
    return Judged(result=result, attribute=attribute, low=None, high=None, judgement="cannot-judge", reason=reason)


def _compared(result: ResultRecorded, attribute: Attribute, weight: float) -> Judged:
    low, high = limits(attribute, weight)
    below = low is not None and result.value < low
    above = high is not None and result.value > high
    judgement: Judgement = "out" if below or above else "in"
    if low is None and high is None:
        judgement = "no-limit"
    reason = f"{result.attribute} of {result.sample} is {result.value:.4g} {result.unit}, {_limits(low, high)}"
    return Judged(result=result, attribute=attribute, low=low, high=high, judgement=judgement, reason=reason)


def _limits(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"specified {low:.4g} to {high:.4g}"
    if low is not None:
        return f"specified at least {low:.4g}"
    return "without a limit" if high is None else f"specified at most {high:.4g}"
