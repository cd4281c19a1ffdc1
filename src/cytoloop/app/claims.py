"""Claims: what a record says of the claims of changes, read without any model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact, Recorded, document
from cytoloop.core.facts.claim import Arm, ChangeClaimed, ClaimDecided, ClaimRule, ClaimTested
from cytoloop.core.facts.feedback import ChangeSigned, Lineage, ProposalDeclined, ProposalDrafted
from cytoloop.core.json import canonical
from cytoloop.feedback.attributes import IN_PRODUCT

ClaimState = Literal["proposed", "dropped", "open", "kept", "refuted", "undecided"]
"""proposed  stated with a proposal that nobody has decided on
dropped   its proposal was declined
open      the change was signed, and batches are awaited"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRecord:
    """A claim with all that the record says of it."""

    claimed: ChangeClaimed
    change: ChangeSigned | None = None
    declined: bool = False
    tested: tuple[ClaimTested, ...] = ()
    decided: ClaimDecided | None = None
    roll_back: str = ""
    """The proposal that takes the change back; empty while there is none."""

    @property
    def state(self) -> ClaimState:
        """Where the claim stands."""
        if self.decided is not None:
            return self.decided.verdict
        return "open" if self.change is not None else "dropped" if self.declined else "proposed"


def claims_of(facts: Iterable[Fact]) -> dict[str, ClaimRecord]:
    """Claims of one recipe's stream by their names, in the order they were stated."""
    claims: dict[str, ClaimRecord] = {}
    by_proposal: dict[str, str] = {}
    for fact in facts:
        if isinstance(fact, ChangeClaimed):
            claims[fact.claim] = ClaimRecord(claimed=fact)
            by_proposal[fact.proposal] = fact.claim
        elif isinstance(fact, ChangeSigned) and (name := by_proposal.get(fact.proposal)):
            claims[name] = replace(claims[name], change=fact)
        elif isinstance(fact, ProposalDeclined) and (name := by_proposal.get(fact.proposal)):
            claims[name] = replace(claims[name], declined=True)
        elif isinstance(fact, ProposalDrafted) and fact.undoes in claims:
            claims[fact.undoes] = replace(claims[fact.undoes], roll_back=fact.proposal)
        elif isinstance(fact, ClaimTested) and fact.claim in claims:
            claims[fact.claim] = replace(claims[fact.claim], tested=(*claims[fact.claim].tested, fact))
        elif isinstance(fact, ClaimDecided) and fact.claim in claims:
            claims[fact.claim] = replace(claims[fact.claim], decided=fact)
    return claims


def arm_of(rule: ClaimRule, batch: Batch) -> Arm | None:
    """Which side of the comparison a batch is on; None when on neither."""
    created = batch.created
    if (created.line, created.recipe) != (rule.line, rule.recipe):
        return None
    arms: dict[int, Arm] = {rule.from_version: "before", rule.to_version: "after"}
    return arms.get(created.recipe_version)


def results_of(batch: Batch) -> dict[str, float]:
    """Attribute -> the newest release result that the twin speaks of; none of a batch that was aborted."""
    if batch.aborted is not None:
        return {}
    told = (each.fact for each in batch.results if each.fact.stage == "release")
    return {fact.attribute: fact.value for fact in told if fact.attribute in IN_PRODUCT}


def lineage_of(batch: Batch, entries: Sequence[Recorded]) -> Lineage:
    """The batch as it stood when it was read, with the digest of its entries."""
    told = sha256()
    for each in entries:
        told.update(canonical(document(each.entry)) + b"\n")
    return Lineage(
        batch=batch.number,
        recipe_version=batch.created.recipe_version,
        entries=len(entries),
        sha256=told.hexdigest(),
    )
