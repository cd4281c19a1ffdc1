"""Claim: whether the batches of a new recipe version bear out what its change was said to improve.

A rank-order sequential probability ratio test. Batches of both versions are put in one order by their result; the
statistic is the likelihood of that order under Lehmann alternatives over its likelihood when the versions do not
differ (Savage & Sethuraman 1966, Ann Math Stat 37:1154; Lehmann 1953, Ann Math Stat 24:23):

    E = mean over odds c of  c^k N! / prod_{j=1..N} S_j,   S_j = sum over the j worst of (c when new, else 1)

with N batches of which k are new, the worst first. While the versions do not differ, E is a nonnegative martingale
that begins at 1, so that it ever reaches 1/a with probability of at most a (Ville's inequality): looking after every
batch costs nothing (Wald 1945, Ann Math Stat 16:117; Ramdas et al. 2023, Stat Sci 38:576). E rises with every new
result, so the same bound holds where the new version is worse (by coupling). Nothing is assumed of the shape of the
distribution; a batch without a result stands below all. Ties are broken against the evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from cytoloop.core.errors import UserError
from cytoloop.core.facts.claim import Arm, ClaimedAttribute, ClaimRule, ClaimVerdict
from cytoloop.core.json import JSON, digest
from cytoloop.core.words import Words

Floats = NDArray[np.float64]

TEST = "lehmann-rank-sprt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One ended batch as the claim reads it."""

    batch: str
    arm: Arm
    results: Mapping[str, float | None] = field(hash=False)
    """Attribute -> release result; None or absent: failed, aborted or not tested."""
    expected: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attribute -> what the twin expected of this donor on the version before; absent: nothing is taken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the claim stands after some batches."""

    kept: float
    """E-value against "no improvement"."""
    refuted: float
    """E-value against "the improvement is at least the one claimed"."""
    harm: Mapping[str, float] = field(hash=False)
    """Guarded attribute -> e-value against "not worse than let pass"."""
    before: int
    after: int
    verdict: ClaimVerdict | None
    """None while the claim is open."""
    reason: Words


def rule_document(rule: ClaimRule) -> dict[str, JSON]:
    """The rule as plain JSON: what is hashed and signed."""
    return {
        "test": rule.test,
        "line": rule.line,
        "recipe": rule.recipe,
        "from_version": rule.from_version,
        "to_version": rule.to_version,
        "claimed": _attribute_document(rule.claimed),
        "guarded": [_attribute_document(each) for each in rule.guarded],
        "odds": list(rule.odds),
        "error_kept": rule.error_kept,
        "error_refuted": rule.error_refuted,
        "most_batches": rule.most_batches,
        "references": list(rule.references),
        "twin": rule.twin,
        "expected_from": rule.expected_from,
        "power": {name: rule.power[name] for name in sorted(rule.power)},
    }


def rule_sha256(rule: ClaimRule) -> str:
    """Digest of everything that decides on the claim."""
    return digest(rule_document(rule))


def standing(rule: ClaimRule, tried: Sequence[Tried]) -> Standing:
    """How the claim stands after the batches that ended so far, in any order; the rule alone decides.

    UserError when the rule cannot be applied, or a batch stands twice.
    """
    check_rule(rule)
    if len({each.batch for each in tried}) < len(tried):
        raise UserError("a batch stands twice among those that test the claim; each counts once")
    new = np.array([each.arm == "after" for each in tried], dtype=np.bool_)
    better = _better(rule.claimed, tried)
    kept = e_value(better, new, rule.odds)
    refuted = e_value(-_shifted(better, new, -rule.claimed.effect), new, rule.odds)
    harm = {
        each.attribute: e_value(-_shifted(_better(each, tried), new, each.effect), new, rule.odds)
        for each in rule.guarded
    }
    verdict, reason = _verdict(rule, kept, refuted, harm, int(new.sum()))
    return Standing(
        kept=kept,
        refuted=refuted,
        harm=harm,
        before=int((~new).sum()),
        after=int(new.sum()),
        verdict=verdict,
        reason=reason,
    )


def e_value(values: Floats, new: NDArray[np.bool_], odds: Sequence[float]) -> float:
    """Evidence that the new values are the greater ones; shapes (batches,) both; 1 without two kinds of batches."""
    if not new.any() or new.all():
        return 1.0
    return float(e_values(values[None, :], new, odds)[0])


def e_values(values: Floats, new: NDArray[np.bool_], odds: Sequence[float]) -> Floats:
    """`e_value` of many histories at once; shapes (n, batches), (batches,) -> (n,)."""
    label = np.broadcast_to(new, values.shape)
    order = np.lexsort((~label, values), axis=-1)  # among equals the new ones come first: against the evidence
    ranked = np.take_along_axis(label, order, axis=-1)
    count, total = int(new.sum()), values.shape[-1]
    logs = [
        count * log(each) + gammaln(total + 1) - np.log(np.cumsum(np.where(ranked, each, 1.0), axis=-1)).sum(axis=-1)
        for each in odds
    ]
    return np.asarray(np.exp(np.minimum(logs, 700.0)).mean(axis=0))


def check_rule(rule: ClaimRule) -> None:
    """UserError when a rule is not one that this test can hold to."""
    figures = [rule.error_kept, rule.error_refuted, rule.expected_from, *rule.odds, *rule.power.values()]
    for each in (rule.claimed, *rule.guarded):
        figures += [each.effect, each.predicted.low, each.predicted.median, each.predicted.high]
    if rule.test != TEST:
        raise UserError(f"the claim is to be tested by {rule.test!r}; this release knows {TEST!r}")
    if not all(isfinite(each) for each in figures) or not rule.odds or min(rule.odds) <= 1.0:
        raise UserError("the claim's rule has figures that are no finite numbers, or odds that are not above 1")
    if not (0 < rule.error_kept < 1 and 0 < rule.error_refuted < 1 and rule.most_batches >= 1):
        raise UserError("the claim's rule needs error rates between 0 and 1 and at least one batch")
    if rule.claimed.effect <= 0 or any(each.effect < 0 for each in rule.guarded):
        raise UserError("a claim states an improvement above 0, and worsenings let pass of 0 or more")


def _verdict(
    rule: ClaimRule, kept: float, refuted: float, harm: Mapping[str, float], after: int
) -> tuple[ClaimVerdict | None, Words]:
    """The verdict and why. Harm comes first: a claim that improved one attribute at another's cost is refuted."""
    bound, name = (1 + len(rule.guarded)) / rule.error_refuted, rule.claimed.attribute
    worse = [each for each, value in harm.items() if value >= bound]
    if worse:
        return "refuted", Words(
            en=f"worse than let pass: {', '.join(worse)} (e-value {harm[worse[0]]:.3g} of {bound:g})",
            zh=f"变差超过允许：{'、'.join(worse)}（e 值 {harm[worse[0]]:.3g}，界限 {bound:g}）",
        )
    if refuted >= bound:
        return "refuted", Words(
            en=f"{name} improved by less than claimed (e-value {refuted:.3g} of {bound:g})",
            zh=f"{name} 的改进小于声明（e 值 {refuted:.3g}，界限 {bound:g}）",
        )
    if kept >= 1.0 / rule.error_kept:
        least = 1.0 / rule.error_kept
        return "kept", Words(
            en=f"{name} improved (e-value {kept:.3g} of {least:g})",
            zh=f"{name} 已改进（e 值 {kept:.3g}，界限 {least:g}）",
        )
    if after >= rule.most_batches:
        return "undecided", Words(
            en=f"{after} batches of the new version neither bear the claim out nor refute it",
            zh=f"新版本 {after} 批既未证实也未否定该声明",
        )
    return None, Words(
        en=f"{after} of at most {rule.most_batches} batches of the new version",
        zh=f"新版本已有 {after} 批，最多 {rule.most_batches} 批",
    )


def _better(attribute: ClaimedAttribute, tried: Sequence[Tried]) -> Floats:
    """Each batch's result on the attribute's scale, less what was expected of its donor; more is better."""
    return np.array([_adjusted(attribute, each) for each in tried], dtype=np.float64)


def _adjusted(attribute: ClaimedAttribute, tried: Tried) -> float:
    result, expected = tried.results.get(attribute.attribute), tried.expected.get(attribute.attribute)
    if result is None or not isfinite(result):
        return -np.inf
    value = _scaled(attribute, result) - (_scaled(attribute, expected) if expected is not None else 0.0)
    return value if attribute.better == "more" else -value


def _scaled(attribute: ClaimedAttribute, value: float) -> float:
    return log(max(value, 1e-9)) if attribute.scale == "log" else value


def _shifted(values: Floats, new: NDArray[np.bool_], by: float) -> Floats:
    return np.where(new, values + by, values)


def _attribute_document(each: ClaimedAttribute) -> dict[str, JSON]:
    predicted = each.predicted
    return {
        "attribute": each.attribute,
        "unit": each.unit,
        "better": each.better,
        "scale": each.scale,
        "effect": each.effect,
        "predicted": [predicted.low, predicted.median, predicted.high, predicted.unit],
    }
