"""Starting: how likely the next batch is to fail, known before its starting material is collected.

A failure is a batch that was aborted, rejected, or out of specification at release. Few batches have been made when
this is asked for, so the model says little and says how little:

    logit P(failure) = a + s * t + sum_j b_j x_j

t is the logit of the failure probability that the twin's virtual donors give for this patient and recipe (left out
where there is no twin), x_j is a pre-stated factor of the patient in standard deviations of the batches so far. Priors
are weakly informative, after Gelman et al. 2008 (Ann Appl Stat 2:1360): the intercept normal with standard deviation
1.5, around 0 beside a twin, else around one failure in five; s normal around 1 with 0.5; b_j normal around 0 with 0.5,
for a standard deviation of one factor beside others seldom changes the odds more than threefold.
The posterior is sampled by importance from a t around its
mode (Gelman et al., Bayesian Data Analysis 3rd ed., ch. 10.4): a log-concave posterior of a few dimensions, whose
effective number of draws is checked. What it says is an association in past batches, not what a change would cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np

from cytoloop.core.errors import UserError
from cytoloop.core.facts.feedback import Interval
from cytoloop.core.words import Words
from cytoloop.feedback.culture import Floats
from cytoloop.feedback.samples.posterior import Draws, Regression, quantiles, sampled
from cytoloop.feedback.samples.starting_factors import FACTORS

LEAST_ENDED = 10
"""Ended batches below which history alone says nothing of the next one."""
LEAST_KNOWN = 8
"""Ended batches in which a factor must be known, each with another value than the others at least once."""
WIDEST = 0.5
"""Width of the 90 % interval above which the answer is "not enough": it would fit a safe batch and a lost one."""

_INTERCEPT, _BASE, _SLOPE, _TWIN_SLOPE = 1.5, log(0.2 / 0.8), 0.5, 0.5
_CHANCE = (0.005, 0.995)
"""Where a twin's probability is cut: it has been wrong by more than a simulation can show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One ended batch: what was known before, and whether it failed."""

    batch: str
    failed: bool
    factors: Mapping[str, float] = field(hash=False)
    """Factor of FACTORS -> value in its unit; a factor nobody recorded is left out."""
    twin: float | None = None
    """Failure probability the twin's virtual donors give for it, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorEffect:
    """What a factor adds to this patient's risk."""

    factor: str
    value: float
    effect: Interval
    """On the log odds, against a patient in the middle of those so far."""
    outside: bool
    """Whether the value lies outside those of the batches so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What is expected of the next batch."""

    probability: float
    """Of failure: the mean of the posterior."""
    interval: Interval
    """Its median with the 90 % interval, fraction."""
    enough: bool
    reason: Words
    """On what it rests; when it is not enough, why."""
    ended: int
    failed: int
    factors: tuple[FactorEffect, ...]


def risk_of(
    past: Sequence[Past],
    factors: Mapping[str, float],
    *,
    twin: float | None = None,
    generator: np.random.Generator,
    draws: int = 4000,
) -> Risk:
    """The risk of a patient with these `factors`, from ended batches and, where there is one, the twin's `twin`.

    UserError for a factor that is not one of FACTORS, or whose value cannot be.
    """
    for name, value in factors.items():
        check_factor(name, value)
    names = usable(past, factors)
    model = _model(past, names, with_twin=twin is not None)
    found = sampled(model.regression, generator, draws)
    row = _row(model, {name: factors[name] for name in names}, twin)
    chance = 1.0 / (1.0 + np.exp(-np.clip(found.values @ row, -30, 30)))
    low, median, high = quantiles(chance, found.weights, (0.05, 0.5, 0.95))
    interval = Interval(median=median, low=low, high=high, unit="fraction")
    enough, reason = _enough(past, interval, names, twin)
    return Risk(
        probability=float(chance @ found.weights),
        interval=interval,
        enough=enough,
        reason=reason,
        ended=len(past),
        failed=sum(each.failed for each in past),
        factors=tuple(_effects(model, found, factors)),
    )


def check_factor(name: str, value: float) -> None:
    """UserError for a factor nobody stated before, or a value that cannot be."""
    factor = FACTORS.get(name)
    if factor is None:
        raise UserError(f"{name!r} is no factor of the risk; the pre-stated ones are {', '.join(FACTORS)}")
    if not (np.isfinite(value) and factor.low <= value <= factor.high):
        raise UserError(f"{name} is {value:g}; expected {factor.low:g} to {factor.high:g} {factor.unit}")


def usable(past: Sequence[Past], factors: Mapping[str, float]) -> tuple[str, ...]:
    """The factors of this patient that the past can speak of: known in enough batches, and not constant in them."""
    found = []
    for name in FACTORS:
        values = [each.factors[name] for each in past if name in each.factors]
        if name in factors and len(values) >= LEAST_KNOWN and max(values) > min(values):
            found.append(name)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """The regression: one row for each past batch."""

    names: tuple[str, ...]
    centres: Floats
    spreads: Floats
    regression: Regression
    twin: bool


def _model(past: Sequence[Past], names: tuple[str, ...], *, with_twin: bool) -> _Model:
    known = [[_scaled(name, each.factors[name]) for each in past if name in each.factors] for name in names]
    centres = np.array([float(np.median(values)) for values in known])
    spreads = np.array([max(float(np.std(values)), 1e-9) for values in known])
    rows = [_past_row(each, names, centres, spreads, with_twin=with_twin) for each in past]
    width = 1 + with_twin + len(names)
    means = np.array([0.0 if with_twin else _BASE, *([1.0] * with_twin), *([0.0] * len(names))])
    deviations = np.array([_INTERCEPT, *([_TWIN_SLOPE] * with_twin), *([_SLOPE] * len(names))])
    return _Model(
        names=names,
        centres=centres,
        spreads=spreads,
        regression=Regression(
            design=np.array(rows, dtype=np.float64).reshape(len(past), width),
            outcome=np.array([float(each.failed) for each in past]),
            means=means,
            precisions=1.0 / deviations**2,
        ),
        twin=with_twin,
    )


def _past_row(each: Past, names: tuple[str, ...], centres: Floats, spreads: Floats, *, with_twin: bool) -> list[float]:
    """A past batch in the design; a factor that nobody recorded stands at the middle of those recorded."""
    standard = [
        (_scaled(name, each.factors[name]) - centre) / spread if name in each.factors else 0.0
        for name, centre, spread in zip(names, centres, spreads, strict=True)
    ]
    return [1.0, *([_logit(each.twin)] if with_twin else []), *standard]


def _row(model: _Model, factors: Mapping[str, float], twin: float | None) -> Floats:
    scaled = np.array([_scaled(name, factors[name]) for name in model.names])
    standard = (scaled - model.centres) / model.spreads if model.names else scaled
    return np.array([1.0, *([_logit(twin)] if model.twin else []), *standard])


def _scaled(name: str, value: float) -> float:
    return log(max(value, 1e-9)) if FACTORS[name].log else value


def _logit(chance: float | None) -> float:
    """The twin's log odds; where it says nothing of a past batch, those of the prior's base rate."""
    if chance is None:
        return _BASE
    cut = min(max(chance, _CHANCE[0]), _CHANCE[1])
    return log(cut / (1.0 - cut))


def _effects(model: _Model, found: Draws, factors: Mapping[str, float]) -> list[FactorEffect]:
    row = _row(model, factors, 0.5 if model.twin else None)
    first = 1 + model.twin
    effects = []
    for place, name in enumerate(model.names):
        added = found.values[:, first + place] * row[first + place]
        low, median, high = quantiles(added, found.weights, (0.05, 0.5, 0.95))
        column = model.regression.design[:, first + place]
        outside = not float(column.min()) <= row[first + place] <= float(column.max())
        effect = Interval(median=median, low=low, high=high, unit="1")
        effects.append(FactorEffect(factor=name, value=factors[name], effect=effect, outside=outside))
    return effects


def _enough(past: Sequence[Past], found: Interval, names: tuple[str, ...], twin: float | None) -> tuple[bool, Words]:
    ended, failed = len(past), sum(each.failed for each in past)
    if twin is None and ended < LEAST_ENDED:
        return False, Words(
            en=f"not enough: {ended} batches have ended, and without a twin at least {LEAST_ENDED} are needed",
            zh=f"数据不足：仅 {ended} 批已结束；无孪生模型时至少需要 {LEAST_ENDED} 批",
        )
    if found.high - found.low > WIDEST:
        return False, Words(
            en=f"not enough: the 90 % interval, {found.low:.0%} to {found.high:.0%}, would fit a safe batch and a "
            "lost one",
            zh=f"数据不足：90% 区间为 {found.low:.0%} 至 {found.high:.0%}，无法区分高低风险",
        )
    rests = [f"{ended} ended batches, {failed} failed", *([] if twin is None else ["the twin's virtual donors"])]
    told = [FACTORS[name].words for name in names]
    factors_en = ", ".join(each.en for each in told) or "no factor of the patient"
    factors_zh = "、".join(each.zh for each in told) or "无患者因素"
    also = "" if twin is None else "及孪生模型的虚拟供者"
    return True, Words(
        en=f"rests on {' and '.join(rests)}; factors: {factors_en}",
        zh=f"依据：{ended} 批已结束（{failed} 批失败）{also}；因素：{factors_zh}",
    )
