"""Facts of a change claim: what a change is said to improve, the rule it is tested by, and what came of it.

The rule is written before the first batch of the new version and never changes: its digest is what is signed with the
change, and every later fact of the claim repeats it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from cytoloop.core.facts.feedback import Interval

Better = Literal["more", "less"]
Scale = Literal["log", "linear"]
"""log     compared by their ratio: counts and copies
linear  compared by their difference: fractions and concentrations"""
ClaimVerdict = Literal["kept", "refuted", "undecided"]
Arm = Literal["before", "after"]
"""Version before the change, or the version that the change made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedAttribute:
    """One attribute of a change claim."""

    attribute: str
    unit: str
    better: Better
    scale: Scale
    effect: float
    """Claimed attribute: the improvement that the claim stands for. Guarded one: the worsening that is let pass.
    Above or equal to 0, on the scale: a difference in the unit, or the logarithm of a ratio."""
    predicted: Interval
    """Change of the median that the proposal expects, in the unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """The sequential rule, whole: nothing outside it decides on the claim."""

    test: str
    """Name and version of the test: "lehmann-rank-sprt/1"."""
    line: str
    recipe: str
    from_version: int
    to_version: int
    claimed: ClaimedAttribute
    guarded: tuple[ClaimedAttribute, ...]
    """Attributes that must not become worse by more than their `effect`."""
    odds: tuple[float, ...]
    """Odds that a batch of the new version is the better one of two, over which the test bets equally."""
    error_kept: float
    """Most probable at which a claim is kept whose improvement is none."""
    error_refuted: float
    """Most probable at which a claim is refuted that holds, all attributes together."""
    most_batches: int
    """Batches of the new version after which an open claim is undecided."""
    references: tuple[str, ...]
    """Batches of the version before that had ended when the rule was written; those that end later are added."""
    twin: str
    """The twin ("<twin>@<sha256>") whose expectation of each donor is taken off; empty: results as they are."""
    expected_from: float
    """Hours of culture up to which the twin may know the donor: before the moved parameter acts."""
    power: Mapping[ClaimVerdict, float] = field(hash=False)
    """Verdict -> how probable it is when the improvement is as predicted, by simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeClaimed:
    """A proposal states what it claims, and the rule by which the batches to come will test it."""

    NAME: ClassVar[str] = "change-claimed/1"
    claim: str
    proposal: str
    rule: ClaimRule
    rule_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTested:
    """A batch ended and the claim was tested once more; a batch without a result counts as the worst."""

    NAME: ClassVar[str] = "claim-tested/1"
    claim: str
    rule_sha256: str
    batch: str
    arm: Arm
    position: int
    """Entries of the batch's stream that were read."""
    result: float | None
    """Release result of the claimed attribute; None: failed, aborted or not tested."""
    expected: float | None
    """What the twin expected of this donor on the version before; None where nothing is taken off."""
    before: int
    after: int
    """Batches of each version so far, this one included."""
    moved: int
    """Set-points that were moved while the batch ran: what else differed."""
    evidence_kept: float
    """E-value against "no improvement"."""
    evidence_refuted: float
    """E-value against "the improvement is at least the one claimed"."""
    evidence_harm: Mapping[str, float] = field(hash=False)
    """Guarded attribute -> e-value against "not worse than let pass"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimDecided:
    """The claim's verdict, as its rule gave it. It changes nothing: a refuted claim drafts a proposal to roll back."""

    NAME: ClassVar[str] = "claim-decided/1"
    claim: str
    rule_sha256: str
    verdict: ClaimVerdict
    reason: str
    reason_zh: str
    batches: tuple[str, ...]
    """Of the new version, in the order they ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalWithheld:
    """Feedback looked at the finished batches and proposes nothing: no suggestion rather than a wrong one."""

    NAME: ClassVar[str] = "proposal-withheld/1"
    recipe: str
    from_version: int
    batches: tuple[str, ...]
    reason: str
    reason_zh: str


FACTS = (ChangeClaimed, ClaimTested, ClaimDecided, ProposalWithheld)
