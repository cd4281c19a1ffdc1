"""Telling foresight: what was expected of a batch before it began, as one sentence in both languages."""

from cytoloop.core.entry import Fact
from cytoloop.core.facts.foresight import RiskAssessed


def tell_foresight(fact: Fact) -> tuple[str, str] | None:
    """The sentence, English and Chinese; None for other facts."""
    if not isinstance(fact, RiskAssessed):
        return None
    if fact.probability is None or fact.interval is None:
        return f"risk before the batch: {fact.reason_en}", f"批次开始前的风险：{fact.reason_zh}"
    low, high = f"{fact.interval.low:.0%}", f"{fact.interval.high:.0%}"
    plans = "".join(f"; plan B: {plan.en}" for plan in fact.plan_b)
    plans_zh = "".join(f"；备选方案：{plan.zh}" for plan in fact.plan_b)
    return (
        f"risk of failure {fact.probability:.0%} ({low} to {high}); {fact.reason_en}{plans}",
        f"失败风险 {fact.probability:.0%}（{low} 至 {high}）；{fact.reason_zh}{plans_zh}",
    )
