"""Claim, drafted: the sequential rule that a proposal states before the first batch of the new version.

The claimed attribute is the one in which the expected improvement is largest against the spread between donors: there
the fewest batches decide. Every other attribute of the specification is guarded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from cytoloop.core.facts.claim import Better, ClaimedAttribute, ClaimRule, ClaimVerdict, Scale
from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.forecast import Limits
from cytoloop.feedback.predict import RELATIVE
from cytoloop.feedback.proposal.claim import TEST, Floats, e_values

ODDS = (2.0, 6.0)
ERROR_KEPT, ERROR_REFUTED = 0.10, 0.10
MOST_BATCHES = 12
"""Policy of this house; a site states its own."""
LEAST_EFFECT = 0.5
"""Share of the predicted improvement that the claim stands for."""
LET_PASS = 0.25
"""Spreads between donors by which a guarded attribute may be worse, beside what the proposal owns up to."""
_SIMULATED = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a proposal expects, as far as a claim needs it."""

    predicted: Mapping[str, Interval] = field(hash=False)
    """Attribute -> change of the median."""
    medians: Mapping[str, float] = field(hash=False)
    """Attribute -> median over donors on the version before."""
    spread: Mapping[str, float] = field(hash=False)
    """Attribute -> standard deviation between donors, on the scale it is compared on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Which versions of which recipe are compared."""

    line: str
    recipe: str
    from_version: int
    references: tuple[str, ...]


def draft_rule(
    expected: Expected,
    limits: Limits,
    versions: Versions,
    *,
    twin: str,
    expected_from: float,
    generator: np.random.Generator,
) -> ClaimRule | None:
    """The rule; None when no attribute is expected to improve, so that there is nothing to claim.

    `limits`: release specification of any patient: it says which way is better.
    """
    sides = {name: better for name in IN_PRODUCT if (better := better_of(name, limits)) is not None}
    sizes = {name: _improvement(name, better, expected) for name, better in sides.items()}
    known = {name: size / expected.spread[name] for name, size in sizes.items() if expected.spread.get(name, 0) > 0}
    best = max(known, key=lambda name: known[name], default=None)
    if best is None or known[best] <= 0 or not _certain(expected.predicted[best], sides[best]):
        return None
    claimed = _attribute(best, sides[best], LEAST_EFFECT * sizes[best], expected)
    rule = ClaimRule(
        test=TEST,
        line=versions.line,
        recipe=versions.recipe,
        from_version=versions.from_version,
        to_version=versions.from_version + 1,
        claimed=claimed,
        guarded=tuple(
            _attribute(name, better, _let_pass(name, better, expected), expected)
            for name, better in sides.items()
            if name != best
        ),
        odds=ODDS,
        error_kept=ERROR_KEPT,
        error_refuted=ERROR_REFUTED,
        most_batches=MOST_BATCHES,
        references=versions.references,
        twin=twin,
        expected_from=expected_from,
        power={},
    )
    return replace(rule, power=power_of(rule, sizes[best], expected.spread[best], generator))


def better_of(name: str, limits: Limits) -> Better | None:
    """Which way of an attribute is better by its release limits; None when it has none, or one on each side."""
    low, high = limits.get(name, (None, None))
    if low is not None and high is None:
        return "more"
    return "less" if high is not None and low is None else None


def power_of(
    rule: ClaimRule, improvement: float, spread: float, generator: np.random.Generator
) -> dict[ClaimVerdict, float]:
    """How probable each verdict is when the improvement is as predicted; donors normal on the scale, no harm done.

    Guarded attributes are left out: they add refutations with a probability of at most the rule's own error.
    """
    old, most = max(len(rule.references), 1), rule.most_batches
    draws = generator.standard_normal((_SIMULATED, old + most)) * spread
    draws[:, old:] += improvement
    lowered = draws - np.where(np.arange(old + most) >= old, rule.claimed.effect, 0.0)
    verdicts = np.zeros(_SIMULATED, dtype=np.int64)
    refute = (1 + len(rule.guarded)) / rule.error_refuted
    for count in range(1, most + 1):
        new = np.arange(old + count) >= old
        kept = _reached(draws[:, : old + count], new, rule, 1.0 / rule.error_kept)
        refuted = _reached(-lowered[:, : old + count], new, rule, refute)
        verdicts = np.where(verdicts == 0, np.where(refuted, 2, np.where(kept, 1, 0)), verdicts)
    shares = [float(np.mean(verdicts == each)) for each in (1, 2, 0)]
    return {"kept": shares[0], "refuted": shares[1], "undecided": shares[2]}


def _reached(values: Floats, new: NDArray[np.bool_], rule: ClaimRule, bound: float) -> NDArray[np.bool_]:
    return np.asarray(e_values(values, new, rule.odds) >= bound)


def _improvement(name: str, better: Better, expected: Expected) -> float:
    """Predicted improvement on the attribute's scale, below 0 when it becomes worse."""
    size = _on_scale(name, expected.predicted[name].median, expected.medians[name])
    return size if better == "more" else -size


def _let_pass(name: str, better: Better, expected: Expected) -> float:
    """The worsening that the proposal itself holds possible, and a share of the spread between donors."""
    predicted = expected.predicted[name]
    worst = predicted.low if better == "more" else predicted.high
    size = _on_scale(name, worst, expected.medians[name])
    return max(0.0, -size if better == "more" else size) + LET_PASS * expected.spread[name]


def _on_scale(name: str, change: float, median: float) -> float:
    if name not in RELATIVE:
        return change
    return log(max(median + change, 1e-9) / max(median, 1e-9))


def _certain(predicted: Interval, better: Better) -> bool:
    return predicted.low > 0 if better == "more" else predicted.high < 0


def _attribute(name: str, better: Better, effect: float, expected: Expected) -> ClaimedAttribute:
    scale: Scale = "log" if name in RELATIVE else "linear"
    return ClaimedAttribute(
        attribute=name,
        unit=IN_PRODUCT[name],
        better=better,
        scale=scale,
        effect=effect,
        predicted=expected.predicted[name],
    )
