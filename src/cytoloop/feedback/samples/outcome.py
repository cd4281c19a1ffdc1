"""Outcome: how clinical outcomes go with attributes of the product, as far as ten to fifty patients can tell.

One endpoint and one attribute at a time, both stated before anybody looked; Firth's logistic regression with profile
intervals (`firth.py`), since maximum likelihood is biased and often infinite at such numbers. Where several attributes
are looked at, a direction is told only when Holm's rule allows it (Holm 1979, Scand J Stat 6:65). "Not enough" is an
answer. What is told is an association between patients who were not assigned at random: it never writes a set-point.
It may train a candidate model, which goes through the change gate as a changed model does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, isfinite, log, log2
from typing import Literal

import numpy as np

from cytoloop.core.errors import UserError
from cytoloop.core.facts.feedback import Interval
from cytoloop.core.words import Words
from cytoloop.feedback.samples.firth import Slope, slope

LEAST_OUTCOMES, LEAST_OF_A_KIND = 10, 3
"""Outcomes, and outcomes of the rarer kind, below which nothing is said."""
WIDEST = log(2.5)
"""Log odds ratio for a standard deviation of the attribute; an interval that reaches beyond it on both sides would fit
a strong effect either way."""
LEVEL = 0.9

Verdict = Literal["more", "less", "undecided", "not-enough"]
"""more, less: the endpoint is more, less frequent with more of the attribute; undecided: no direction can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """One patient who received a product and was seen afterwards."""

    batch: str
    subject: str
    response: Literal["complete", "partial", "none"]
    """At the last visit."""
    cytokine_release_grade: int
    """The highest over the visits."""
    attributes: Mapping[str, float] = field(hash=False)
    """Attribute of ATTRIBUTES -> release result, or dose given per kilogram; those not tested are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An outcome as yes or no."""

    words: Words
    met: Callable[[Treated], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A pre-stated attribute and the step in which its odds ratio is told."""

    words: Words
    step: Words
    scale: Callable[[float], float]
    """To where the step is 1."""
    low: float
    """Smallest value that can be."""


ENDPOINTS: Mapping[str, Endpoint] = {
    "complete_response": Endpoint(
        words=Words(en="complete response", zh="完全缓解"), met=lambda each: each.response == "complete"
    ),
    "severe_cytokine_release": Endpoint(
        words=Words(en="cytokine release of grade 3 or more", zh="3 级及以上细胞因子释放"),
        met=lambda each: each.cytokine_release_grade >= 3,
    ),
}

ATTRIBUTES: Mapping[str, Attribute] = {
    "given_per_kg": Attribute(
        words=Words(en="dose per kilogram", zh="每千克剂量"),
        step=Words(en="a doubling", zh="每翻一倍"),
        scale=log2,
        low=1e-9,
    ),
    "memory_fraction": Attribute(
        words=Words(en="memory fraction", zh="记忆性细胞比例"),
        step=Words(en="ten percentage points", zh="每 10 个百分点"),
        scale=lambda value: 10.0 * value,
        low=0.0,
    ),
    "car_fraction": Attribute(
        words=Words(en="CAR+ fraction", zh="CAR 阳性比例"),
        step=Words(en="ten percentage points", zh="每 10 个百分点"),
        scale=lambda value: 10.0 * value,
        low=0.0,
    ),
    "vector_copy_number": Attribute(
        words=Words(en="vector copy number", zh="载体拷贝数"),
        step=Words(en="a quarter of a copy", zh="每 0.25 个拷贝"),
        scale=lambda value: 4.0 * value,
        low=0.0,
    ),
}
"""Few, and stated here before any data: each one more costs the others certainty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeEffect:
    """How the odds of an endpoint go with an attribute."""

    endpoint: str
    attribute: str
    outcomes: int
    met: int
    """Outcomes in which the endpoint was met."""
    ratio: Interval | None
    """Odds ratio for one step of the attribute, 90 % interval; None when it was not computed."""
    p: float | None
    holm: float | None
    """`p` held against all attributes looked at for this endpoint."""
    verdict: Verdict
    reason: Words


def effects_of(
    treated: Sequence[Treated],
    *,
    attributes: Sequence[str] = tuple(ATTRIBUTES),
    endpoints: Sequence[str] = tuple(ENDPOINTS),
) -> tuple[OutcomeEffect, ...]:
    """Every endpoint with every attribute asked for.

    UserError for a name that was not stated before, a value that cannot be, or two rows of one subject: outcomes of
    one patient are one outcome.
    """
    _check(treated, attributes, endpoints)
    told = []
    for endpoint in endpoints:
        told += _holm([_effect(treated, endpoint, attribute) for attribute in attributes])
    return tuple(told)


def _check(treated: Sequence[Treated], attributes: Sequence[str], endpoints: Sequence[str]) -> None:
    for asked, known in ((attributes, ATTRIBUTES), (endpoints, ENDPOINTS)):
        for name in asked:
            if name not in known:
                raise UserError(f"{name!r} was not stated before; the outcome report knows {', '.join(known)}")
    subjects = [each.subject for each in treated]
    if len(set(subjects)) < len(subjects):
        raise UserError("a subject stands there twice; outcomes of one patient are one outcome: keep the first")
    for each in treated:
        for name, value in each.attributes.items():
            if name in ATTRIBUTES and not (isfinite(value) and value >= ATTRIBUTES[name].low):
                raise UserError(
                    f"batch {each.batch}: {name} is {value}; expected a number from {ATTRIBUTES[name].low:g}"
                )


def _effect(treated: Sequence[Treated], endpoint: str, attribute: str) -> OutcomeEffect:
    kept = [each for each in treated if attribute in each.attributes]
    met = np.array([float(ENDPOINTS[endpoint].met(each)) for each in kept])
    scaled = np.array([ATTRIBUTES[attribute].scale(each.attributes[attribute]) for each in kept])
    plain = OutcomeEffect(
        endpoint=endpoint, attribute=attribute, outcomes=len(kept), met=int(met.sum()), ratio=None, p=None, holm=None,
        verdict="not-enough", reason=Words(en="", zh=""),
    )  # fmt: skip
    why = _too_few(plain, scaled.tolist())
    if why is not None:
        return replace(plain, reason=why)
    spread = float(scaled.std())
    design = np.column_stack([np.ones(len(kept)), (scaled - scaled.mean()) / spread])
    found = slope(design, met, 1, LEVEL)
    ratio = Interval(
        median=exp(found.estimate / spread), low=_exp(found.low / spread), high=_exp(found.high / spread), unit="1"
    )
    if _too_wide(found):
        return replace(plain, ratio=ratio, p=found.p, reason=_wide(ratio))
    return replace(plain, ratio=ratio, p=found.p, verdict="undecided")


def _too_few(plain: OutcomeEffect, scaled: list[float]) -> Words | None:
    count, rarer = plain.outcomes, min(plain.met, plain.outcomes - plain.met)
    if count < LEAST_OUTCOMES:
        return Words(
            en=f"not enough: {count} outcomes, at least {LEAST_OUTCOMES} are needed",
            zh=f"数据不足：仅 {count} 例结局，至少需要 {LEAST_OUTCOMES} 例",
        )
    if rarer < LEAST_OF_A_KIND:
        return Words(
            en=f"not enough: {rarer} outcomes of the rarer kind, at least {LEAST_OF_A_KIND} are needed",
            zh=f"数据不足：较少一类结局仅 {rarer} 例，至少需要 {LEAST_OF_A_KIND} 例",
        )
    if max(scaled) - min(scaled) < 1e-9 * max(1.0, abs(max(scaled))):
        return Words(
            en="not enough: the attribute never varied, so nothing can be said of it",
            zh="数据不足：该属性从未变化，无法判断",
        )
    return None


def _too_wide(found: Slope) -> bool:
    return found.low < -WIDEST and found.high > WIDEST


def _wide(ratio: Interval) -> Words:
    return Words(
        en=f"not enough: the interval of the odds ratio, {ratio.low:.2g} to {ratio.high:.2g}, fits a strong effect "
        "either way",
        zh=f"数据不足：比值比区间 {ratio.low:.2g} 至 {ratio.high:.2g}，两个方向的强关联均有可能",
    )


def _holm(effects: list[OutcomeEffect]) -> list[OutcomeEffect]:
    """Tell directions by Holm's rule over the attributes of one endpoint; those not computed count as looked at."""
    ranked = sorted((each for each in effects if each.p is not None), key=lambda each: each.p or 0.0)
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, each in enumerate(ranked):
        highest = max(highest, min(1.0, (len(effects) - place) * (each.p or 0.0)))
        adjusted[each.attribute] = highest
    return [_told(each, adjusted.get(each.attribute), len(effects)) for each in effects]


def _told(each: OutcomeEffect, holm: float | None, looked_at: int) -> OutcomeEffect:
    if each.verdict == "not-enough" or holm is None or each.ratio is None:
        return replace(each, holm=holm)
    if holm > 1.0 - LEVEL:
        return replace(each, holm=holm, reason=Words(
            en=f"undecided: no direction can be told ({looked_at} attributes looked at)",
            zh=f"未定：无法判断方向（共考察 {looked_at} 个属性）",
        ))  # fmt: skip
    more = each.ratio.median > 1.0
    step = ATTRIBUTES[each.attribute].step
    return replace(each, holm=holm, verdict="more" if more else "less", reason=Words(
        en=f"{'more' if more else 'less'} frequent with {step.en} more of it; an association, not a cause",
        zh=f"{step.zh}，发生{'更多' if more else '更少'}；仅为关联，并非因果",
    ))  # fmt: skip


def _exp(value: float) -> float:
    """The odds ratio of an open end is beyond any number: told as the largest that a table can hold."""
    return inf if value > 700 else exp(value) if isfinite(value) else 0.0
