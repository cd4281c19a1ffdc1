"""Starting plan: what may be kept ready when the next batch is likely to fail. Suggestions; a clinician decides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from scipy.special import ndtr

from cytoloop.core.facts.feedback import Interval
from cytoloop.core.words import Words
from cytoloop.feedback.samples.starting import Past, Risk
from cytoloop.feedback.samples.starting_factors import FACTORS, PlanB

SLOT_FROM, SECOND_FROM = 0.15, 0.3
"""Probability of failure from which a slot, and a second collection, are suggested. Chosen here."""
_CLEAR = 0.8
"""Share of the draws that must say that a factor adds to the risk before another day is suggested for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One thing that may be kept ready."""

    plan: PlanB
    words: Words
    risk: Interval | None = None
    """The risk with it, as far as past batches can say; None where they cannot."""


WhatIf = Callable[[Mapping[str, float]], Risk]
"""The risk of the same patient with other factors."""


def plan_b(risk: Risk, past: Sequence[Past], factors: Mapping[str, float], what_if: WhatIf) -> tuple[Suggestion, ...]:
    """What to keep ready; nothing while there is not enough to tell the risk."""
    if not risk.enough:
        return ()
    return (*_timing(risk, past, factors, what_if), *_second(risk), *_slot(risk))


def _timing(risk: Risk, past: Sequence[Past], factors: Mapping[str, float], what_if: WhatIf) -> Iterator[Suggestion]:
    """Another day of collection, when a count that recovers is low and past batches say that low counts failed."""
    for effect in risk.factors:
        factor = FACTORS[effect.factor]
        middle = median(each.factors[effect.factor] for each in past if effect.factor in each.factors)
        harmful = effect.effect.low > 0 or (effect.effect.median > 0 and _share_above(effect.effect) >= _CLEAR)
        if not factor.timing or effect.value >= middle or not harmful:
            continue
        then = what_if({**factors, effect.factor: middle})
        value, at = f"{effect.value:.3g}", f"{middle:.3g} {factor.unit}"
        yield Suggestion(
            plan="timing",
            words=Words(
                en=f"{factor.words.en} are low ({value}; middle of the batches so far {at}): collect before the next "
                f"treatment, or after wash-out; batches of patients at the middle failed in {then.probability:.0%}",
                zh=f"{factor.words.zh}偏低（{value}，既往批次中位 {at}）：宜在下一次治疗前或洗脱期后采集；"
                f"中位水平患者的预计失败率为 {then.probability:.0%}",
            ),
            risk=then.interval,
        )


def _second(risk: Risk) -> Iterator[Suggestion]:
    if risk.probability < SECOND_FROM:
        return
    p, best = risk.probability, risk.probability**2
    yield Suggestion(
        plan="second-collection",
        words=Words(
            en=f"plan a day for a second collection now: that both batches fail lies between {best:.0%}, if only "
            f"chance decides, and {p:.0%}, if only the patient does",
            zh=f"宜预先安排第二次采集：两批均失败的概率介于 {best:.0%}（纯属偶然）与 {p:.0%}（完全取决于患者）之间",
        ),
    )


def _slot(risk: Risk) -> Iterator[Suggestion]:
    if risk.probability < SLOT_FROM:
        return
    yield Suggestion(
        plan="reserved-slot",
        words=Words(
            en="keep a production slot free from the day of the release tests on, so that a second batch waits for "
            "nobody",
            zh="自放行检验之日起预留一个生产时段，使第二批无须等待",
        ),
    )


def _share_above(effect: Interval) -> float:
    """Share of a normal with this median and 90 % interval that lies above 0."""
    spread = max((effect.high - effect.low) / (2 * 1.6449), 1e-12)
    return float(ndtr(effect.median / spread))
