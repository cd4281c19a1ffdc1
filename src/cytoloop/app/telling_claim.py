"""Telling: facts of a change claim as sentences, in both languages."""

from math import exp

from cytoloop.app.names import CLAIM_VERDICTS, named
from cytoloop.core.entry import Fact
from cytoloop.core.facts import claim
from cytoloop.core.words import Words


def tell_claim(fact: Fact) -> tuple[str, str] | None:
    """The sentence of a fact of `core.facts.claim`; None for any other."""
    match fact:
        case claim.ChangeClaimed() as f:
            said = stated(f.rule)
            return f"claim {f.claim}: {said.en}", f"变更声明 {f.claim}：{said.zh}"
        case claim.ClaimTested() as f:
            kept, refuted = f"{f.evidence_kept:.2f}", f"{f.evidence_refuted:.2f}"
            return (
                f"claim {f.claim} tested on {f.batch} (version {f.arm} the change, {f.after} new so far): "
                f"evidence for it {kept}, against it {refuted}",
                f"变更声明 {f.claim} 以 {f.batch} 检验（{_ARMS[f.arm]}版本，新版本累计 {f.after} 批）："
                f"支持证据 {kept}，反对证据 {refuted}",
            )
        case claim.ClaimDecided() as f:
            verdict = named(CLAIM_VERDICTS, f.verdict)
            return (
                f"claim {f.claim} {verdict.en} after {len(f.batches)} batches: {f.reason}",
                f"变更声明 {f.claim} {verdict.zh}（新版本 {len(f.batches)} 批）：{f.reason_zh}",
            )
        case claim.ProposalWithheld() as f:
            return f"nothing proposed: {f.reason}", f"不提出提案：{f.reason_zh}"
        case _:
            return None


def stated(rule: claim.ClaimRule) -> Words:
    """What a claim says and how it is tested, in one sentence."""
    each = rule.claimed
    size = effect(each)
    way = {"more": ("more", "提高"), "less": ("less", "降低")}[each.better]
    return Words(
        en=f"{each.attribute} by at least {size.en} {way[0]} in version {rule.to_version} than in {rule.from_version}, "
        f"{len(rule.guarded)} attributes guarded, at most {rule.most_batches} batches",
        zh=f"第 {rule.to_version} 版相比第 {rule.from_version} 版，{each.attribute} 至少{way[1]} {size.zh}，"
        f"另有 {len(rule.guarded)} 项属性受监护，最多 {rule.most_batches} 批",
    )


def effect(each: claim.ClaimedAttribute) -> Words:
    """The size of an attribute's effect as a person reads it: a share, percentage points, or its unit."""
    if each.scale == "log":
        change = exp(each.effect) - 1.0 if each.better == "more" else 1.0 - exp(-each.effect)
        return Words(en=f"{100 * change:.0f} %", zh=f"{100 * change:.0f}%")
    if each.unit == "fraction":
        return Words(en=f"{100 * each.effect:.1f} percentage points", zh=f"{100 * each.effect:.1f} 个百分点")
    return Words(en=f"{each.effect:.3g} {each.unit}", zh=f"{each.effect:.3g} {each.unit}")


_ARMS = {"before": "变更前", "after": "变更后"}
