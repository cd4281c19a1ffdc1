"""Claiming: what a change claims, tested batch by batch as its signed rule says, until there is a verdict.

Everything is read from the recipe's stream and the batches; nothing here decides otherwise than the rule. A verdict
changes no recipe: a refuted claim drafts a proposal to roll back, which a person signs like any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cytoloop.app.claims import ClaimRecord, arm_of, results_of
from cytoloop.app.dataset import history_of
from cytoloop.core.batch import Batch
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.claim import Arm, ChangeClaimed, ClaimDecided, ClaimRule, ClaimTested
from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.forecast import Limits
from cytoloop.feedback.proposal.claim import Standing, Tried, rule_sha256, standing
from cytoloop.feedback.proposal.claim_draft import Expected, Versions, draft_rule
from cytoloop.feedback.proposal.claim_expected import acts_from, expected_before, narrows
from cytoloop.feedback.proposal.propose import Proposal
from cytoloop.feedback.twin import Twin

Knows = Callable[[str], Twin]
"""The twin of a key, as the record keeps it."""


def claim_of(
    proposal: Proposal, name: str, versions: Versions, batches: Sequence[Batch], *, twin: Twin, limits: Limits,
    targets: Mapping[str, float], generator: np.random.Generator,
) -> ChangeClaimed | None:  # fmt: skip
    """The claim of a proposal, with its rule; None when no attribute is expected to improve for certain."""
    until = min(acts_from(move.parameter, targets) for move in proposal.moves)
    expected = Expected(predicted=proposal.predicted, medians=proposal.medians, spread=proposal.spread)
    rule = draft_rule(expected, limits, versions, twin=twin.key, expected_from=until, generator=generator)
    if rule is None:
        return None
    if not _narrowed(rule, batches, twin, targets):
        rule = replace(rule, twin="")
    return ChangeClaimed(claim=name.replace("PROP", "CLAIM"), proposal=name, rule=rule, rule_sha256=rule_sha256(rule))


def what_is_due(
    claim: ClaimRecord, batches: Sequence[Batch], knows: Knows, targets: Mapping[str, float]
) -> list[ClaimTested | ClaimDecided]:
    """What is to be entered of an open claim now that `batches` have ended, in the order they ended.

    FindingError when the claim's rule is not the one that was signed. Each batch counts once, failed ones too.
    """
    rule = signed_rule(claim)
    found: list[ClaimTested | ClaimDecided] = []
    seen = {*rule.references, *(each.batch for each in claim.tested)}
    compared = [batch for batch in batches if batch.ended and arm_of(rule, batch) is not None]
    twin = knows(rule.twin) if rule.twin else None
    tried = [tried_of(rule, batch, twin, targets) for batch in compared if batch.number in seen]
    for batch in compared:
        if batch.number in seen:
            continue
        tried.append(tried_of(rule, batch, twin, targets))
        stands = standing(rule, tried)
        found.append(_tested(claim, tried[-1], stands, batch))
        if stands.verdict is not None:
            found.append(_decided(claim, stands, tried))
            break
    return found


def signed_rule(claim: ClaimRecord) -> ClaimRule:
    """The rule, as it was signed with the change; FindingError when it is another."""
    claimed = claim.claimed
    signed = claim.change.claim_sha256 if claim.change else ""
    if not claimed.rule_sha256 == rule_sha256(claimed.rule) == signed:
        raise FindingError(f"the rule of {claimed.claim} is not the one that was signed; run `cytoloop verify`")
    return claimed.rule


def tried_of(rule: ClaimRule, batch: Batch, twin: Twin | None, targets: Mapping[str, float]) -> Tried:
    """A batch as the test reads it: what it came to, and what the twin expected of its donor."""
    arm = arm_of(rule, batch)
    assert arm is not None, "only batches of the two versions are tried"
    results: dict[str, float | None] = dict(results_of(batch))
    expected: Mapping[str, float] = {}
    if twin is not None and results:
        history = _readable(batch)
        expected = expected_before(twin, history, targets, rule.expected_from) if history else {}
        results = results if expected else {}
    return Tried(batch=batch.number, arm=arm, results=results, expected=expected)


def observed_changes(rule: ClaimRule, batches: Sequence[Batch], generator: np.random.Generator) -> dict[str, Interval]:
    """What going back is expected to bring: the difference between the versions that the batches showed, turned round.

    Differences of medians over batches with a result, 90 % intervals by the bootstrap (Efron 1979, Ann Stat 7:1).
    """
    found: dict[str, Interval] = {}
    for each in (rule.claimed, *rule.guarded):
        arms: dict[Arm, list[float]] = {"before": [], "after": []}
        for batch in batches:
            arm, value = arm_of(rule, batch), results_of(batch).get(each.attribute)
            if arm is not None and value is not None:
                arms[arm].append(value)
        if arms["before"] and arms["after"]:
            draws = _medians(arms["before"], generator) - _medians(arms["after"], generator)
            low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95))
            found[each.attribute] = Interval(median=float(middle), low=float(low), high=float(high), unit=each.unit)
    return found


def _medians(values: Sequence[float], generator: np.random.Generator) -> NDArray[np.float64]:
    drawn = generator.integers(0, len(values), (500, len(values)))
    return np.asarray(np.median(np.array(values)[drawn], axis=1))


def _narrowed(rule: ClaimRule, batches: Sequence[Batch], twin: Twin, targets: Mapping[str, float]) -> bool:
    name = rule.claimed.attribute
    pairs = [
        (value, each.expected[name])
        for batch in batches
        if arm_of(rule, batch) == "before"
        and (each := tried_of(rule, batch, twin, targets)).expected
        and (value := each.results.get(name)) is not None
    ]
    return narrows(rule.claimed, [value for value, _ in pairs], [expected for _, expected in pairs])


def _readable(batch: Batch) -> BatchHistory | None:
    try:
        return history_of(batch)
    except UserError:
        return None  # values that cannot be: the batch counts as one without a result


def _tested(claim: ClaimRecord, tried: Tried, stands: Standing, batch: Batch) -> ClaimTested:
    name = claim.claimed.rule.claimed.attribute
    return ClaimTested(
        claim=claim.claimed.claim,
        rule_sha256=claim.claimed.rule_sha256,
        batch=tried.batch,
        arm=tried.arm,
        position=batch.position,
        result=tried.results.get(name),
        expected=tried.expected.get(name),
        before=stands.before,
        after=stands.after,
        moved=len(batch.moves),
        evidence_kept=stands.kept,
        evidence_refuted=stands.refuted,
        evidence_harm=dict(stands.harm),
    )


def _decided(claim: ClaimRecord, stands: Standing, tried: Sequence[Tried]) -> ClaimDecided:
    assert stands.verdict is not None
    return ClaimDecided(
        claim=claim.claimed.claim,
        rule_sha256=claim.claimed.rule_sha256,
        verdict=stands.verdict,
        reason=stands.reason.en,
        reason_zh=stands.reason.zh,
        batches=tuple(each.batch for each in tried if each.arm == "after"),
    )
