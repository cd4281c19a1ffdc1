"""Views of proposals: what a reviewer reads before signing, and what became of the claim batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from cytoloop.app.claims import ClaimRecord, ClaimState, arm_of, claims_of, lineage_of, results_of
from cytoloop.app.telling_claim import effect
from cytoloop.app.views_results import attribute_words
from cytoloop.app.views_shelf import Kept, Shelf
from cytoloop.core.batch import Batch
from cytoloop.core.errors import UserError
from cytoloop.core.facts.claim import Arm, ClaimedAttribute, ClaimTested, ProposalWithheld
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, Interval, Lineage, ProposalDeclined, ProposalDrafted
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.quality.specification import limits

ProposalState = Literal["open", "signed", "declined"]
Kind = Literal["improve", "roll-back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalBrief:
    """A proposal in a list."""

    proposal: str
    line: str
    at: Instant
    kind: Kind
    moves: str
    state: ProposalState
    claim: ClaimState | None
    after: int
    """Batches of the new version that have tested the claim."""
    most: int
    """Batches of the new version after which it is undecided; 0 without a claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One attribute of a proposal: expected, observed, claimed."""

    attribute: str
    words: Words
    unit: str
    role: Literal["claimed", "guarded", ""]
    effect: Words | None
    """What the claim stands for, or what it lets pass; None without a claim."""
    predicted: Interval | None
    before: tuple[float, ...]
    """Expected quantiles over donors on the version in force; empty when nothing was kept."""
    after: tuple[float, ...]
    low: float | None
    high: float | None
    """Release limits; those per kilogram at the median weight of the batches."""
    observed: Mapping[Arm, tuple[float, ...]] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One batch that the proposal rests on."""

    lineage: Lineage
    disposition: str
    known: bool
    """Whether the record still holds the batch as it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalView:
    """One proposal, whole."""

    line: str
    draft: ProposalDrafted
    at: Instant
    kind: Kind
    risk: Words
    filing: Words
    gate: GateJudged | None
    state: ProposalState
    reason: str
    """Why it was declined."""
    change: ChangeSigned | None
    claim: ClaimRecord | None
    tested: tuple[ClaimTested, ...]
    bound_kept: float | None
    bound_refuted: float | None
    undoes: str
    """The proposal that a roll-back takes back; empty for any other."""
    attributes: tuple[Shown, ...]
    evidence: tuple[Evidence, ...]


def proposals_view(shelf: Shelf, line: str | None = None) -> tuple[ProposalBrief, ...]:
    """Every proposal, or those of one line, newest first."""
    found = [_brief(shelf, kept) for kept in shelf.facts(ProposalDrafted, "recipe/")]
    chosen = [each for each in found if line in (None, each.line)]
    return tuple(sorted(chosen, key=lambda each: each.at, reverse=True))


def withheld_view(shelf: Shelf, line: str | None = None) -> tuple[tuple[str, Instant, Words], ...]:
    """Line, when and why feedback proposed nothing, newest first."""
    told = [
        (_line_of(kept.entry.stream), kept.entry.happened_at, Words(en=kept.fact.reason, zh=kept.fact.reason_zh))
        for kept in shelf.facts(ProposalWithheld, "recipe/")
    ]
    return tuple(sorted((each for each in told if line in (None, each[0])), key=lambda each: each[1], reverse=True))


def proposal_view(shelf: Shelf, proposal: str) -> ProposalView:
    """One proposal by its name; UserError when there is none."""
    kept = next((each for each in shelf.facts(ProposalDrafted, "recipe/") if each.fact.proposal == proposal), None)
    if kept is None:
        raise UserError(
            Words(
                en=f"there is no proposal {proposal!r} in this record; `cytoloop proposal list` shows those there are",
                zh=f"记录中没有提案 {proposal!r}；请在治疗闭环页面查看已有提案",
            )
        )
    draft, stream = kept.fact, kept.entry.stream
    claim = _claim(shelf, stream, draft.proposal)
    rule = claim.claimed.rule if claim else None
    undone = claims_of(each.fact for each in shelf.stream(stream)).get(draft.undoes)
    compared = claim or undone
    return ProposalView(
        line=_line_of(stream),
        draft=draft,
        at=kept.entry.happened_at,
        kind=kind_of(draft),
        risk=Words(en=draft.risk, zh=draft.risk_zh or draft.risk),
        filing=Words(en=draft.filing, zh=draft.filing_zh or draft.filing),
        gate=next((g.fact for g in shelf.facts(GateJudged, stream) if g.fact.subject == proposal), None),
        state=_state(shelf, stream, proposal),
        reason=next((d.fact.reason for d in shelf.facts(ProposalDeclined, stream) if d.fact.proposal == proposal), ""),
        change=_change(shelf, stream, proposal),
        claim=claim,
        tested=claim.tested if claim else (),
        bound_kept=1.0 / rule.error_kept if rule else None,
        bound_refuted=(1 + len(rule.guarded)) / rule.error_refuted if rule else None,
        undoes=undone.claimed.proposal if undone else "",
        attributes=tuple(_attributes(shelf, stream, draft, compared)),
        evidence=tuple(_evidence(shelf, each) for each in draft.lineage),
    )


def kind_of(draft: ProposalDrafted) -> Kind:
    """Whether it is to improve something, or takes a refuted change back."""
    return "roll-back" if draft.undoes else "improve"


def _brief(shelf: Shelf, kept: Kept[ProposalDrafted]) -> ProposalBrief:
    draft, stream = kept.fact, kept.entry.stream
    claim = _claim(shelf, stream, draft.proposal)
    return ProposalBrief(
        proposal=draft.proposal,
        line=_line_of(stream),
        at=kept.entry.happened_at,
        kind=kind_of(draft),
        moves="; ".join(f"{m.parameter} {m.old:g} → {m.new:g} {m.unit}" for m in draft.moves),
        state=_state(shelf, stream, draft.proposal),
        claim=claim.state if claim else None,
        after=max((each.after for each in claim.tested), default=0) if claim else 0,
        most=claim.claimed.rule.most_batches if claim else 0,
    )


def _claim(shelf: Shelf, stream: str, proposal: str) -> ClaimRecord | None:
    found = claims_of(each.fact for each in shelf.stream(stream)).values()
    return next((claim for claim in found if claim.claimed.proposal == proposal), None)


def _change(shelf: Shelf, stream: str, proposal: str) -> ChangeSigned | None:
    return next((c.fact for c in shelf.facts(ChangeSigned, stream) if c.fact.proposal == proposal), None)


def _state(shelf: Shelf, stream: str, proposal: str) -> ProposalState:
    if _change(shelf, stream, proposal) is not None:
        return "signed"
    declined = any(each.fact.proposal == proposal for each in shelf.facts(ProposalDeclined, stream))
    return "declined" if declined else "open"


def _attributes(shelf: Shelf, stream: str, draft: ProposalDrafted, compared: ClaimRecord | None) -> Iterator[Shown]:
    approved = [kept.fact for kept in shelf.facts(RecipeApproved, stream) if kept.fact.version == draft.from_version]
    master = shelf.master(approved[0].content_sha256) if approved else None
    words = attribute_words(master.product) if master else {}
    rule = compared.claimed.rule if compared else None
    own = rule is not None and not draft.undoes  # a roll-back is compared by the claim it undoes, and claims nothing
    said = {each.attribute: each for each in (rule.claimed, *rule.guarded)} if rule and own else {}
    line = _line_of(stream)
    batches = [batch for batch in shelf.batches() if batch.created.line == line and batch.ended]
    names = [name for name in draft.predicted if name != "in_specification"]
    first = rule.claimed.attribute if rule else ""
    for name in sorted(names, key=lambda each: (each != first, each)):
        low, high = _limits(master, name, batches)
        each: ClaimedAttribute | None = said.get(name)
        yield Shown(
            attribute=name,
            words=words.get(name, Words(en=name, zh=name)),
            unit=draft.predicted[name].unit,
            role="" if each is None else "claimed" if name == first else "guarded",
            effect=effect(each) if each else None,
            predicted=draft.predicted[name],
            before=draft.expected_before.get(name, ()),
            after=draft.expected_after.get(name, ()),
            low=low,
            high=high,
            observed=_observed(name, draft, compared, batches),
        )


def _observed(
    name: str, draft: ProposalDrafted, compared: ClaimRecord | None, batches: list[Batch]
) -> dict[Arm, tuple[float, ...]]:
    """Release results of the batches of each version; a roll-back compares the versions that its claim compared."""
    found: dict[Arm, list[float]] = {"before": [], "after": []}
    for batch in batches:
        if compared is not None:
            arm = arm_of(compared.claimed.rule, batch)
        else:
            arm = "before" if batch.created.recipe_version == draft.from_version else None
        value = results_of(batch).get(name)
        if arm is not None and value is not None:
            found[arm].append(value)
    return {arm: tuple(values) for arm, values in found.items()}


def _limits(master: MasterRecipe | None, name: str, batches: list[Batch]) -> tuple[float | None, float | None]:
    release = master.product.at("release") if master else ()
    attribute = next((each for each in release if each.attribute == name), None)
    if attribute is None:
        return None, None
    weights = [batch.created.weight for batch in batches]
    return limits(attribute, median(weights) if weights else 70.0)


def _evidence(shelf: Shelf, lineage: Lineage) -> Evidence:
    entries = shelf.stream(f"batch/{lineage.batch}")
    if len(entries) < lineage.entries:
        return Evidence(lineage=lineage, disposition="", known=False)

    batch = shelf.batch(lineage.batch)
    again = lineage_of(batch, entries[: lineage.entries])
    disposition = batch.disposition.fact.disposition if batch.disposition else ""
    return Evidence(lineage=lineage, disposition=disposition, known=again.sha256 == lineage.sha256)


def _line_of(stream: str) -> str:
    return stream.split("/")[1]
