"""Views of the record itself and of the recipe versions of a line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cytoloop.app.telling import tell
from cytoloop.app.views_results import attribute_words
from cytoloop.app.views_shelf import Kept, Shelf
from cytoloop.core.entry import Entry, document
from cytoloop.core.errors import UserError
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, Interval, ParameterMove, ProposalDeclined, ProposalDrafted
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.json import canonical
from cytoloop.core.recipe import Parameter
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.difference import Difference, difference
from cytoloop.record.merkle import leaf_hash

PAGE = 50
"""Entries on one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One page of the record, newest entries first."""

    entries: tuple[Entry, ...]
    told: tuple[Words, ...]
    """Each entry as a sentence, in the same order."""
    page: int
    """From 1."""
    pages: int
    found: int
    """Entries that the filter lets through."""
    size: int
    tree_head: str
    stream: str
    """Prefix that the streams shown begin with; empty for all."""
    name: str
    """Entry name shown; empty for all."""
    streams: tuple[str, ...]
    names: tuple[str, ...]
    """What the filters may be set to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One entry with the bytes that were hashed."""

    entry: Entry
    body: str
    """Canonical JSON of the entry: the leaf's input."""
    leaf_hash: str
    previous_in_stream: int | None
    next_in_stream: int | None
    """Sequences of its neighbours in the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeVersion:
    """One version of a recipe with the change that made it."""

    recipe: str
    version: int
    content_sha256: str
    approved_at: Instant
    signature: Signature
    change: ChangeSigned | None
    """None for the first version."""
    proposal: ProposalDrafted | None
    differences: tuple[Difference, ...]
    """Against the version before; empty for the first."""
    batches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalLine:
    """A proposal and what became of it."""

    proposal: str
    at: Instant
    from_version: int
    moves: tuple[ParameterMove, ...]
    predicted: Mapping[str, Interval] = field(hash=False)
    batches: tuple[str, ...]
    risk: str
    gate_row: int
    gate_reason: str
    filing: str
    answer: str
    """ "open", "signed" or "declined"."""
    reason: str
    """Why it was declined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeView:
    """The recipe of one line: versions newest first, proposals, the parameters in force."""

    line: str
    recipe: str
    words: Words
    versions: tuple[RecipeVersion, ...]
    proposals: tuple[ProposalLine, ...]
    parameters: Mapping[str, Parameter] = field(hash=False)
    attribute_words: Mapping[str, Words] = field(hash=False)
    """Attribute -> its words in the pack."""


def record_view(shelf: Shelf, *, page: int = 1, stream: str = "", name: str = "", per_page: int = PAGE) -> RecordView:
    """Page `page` of the entries whose stream begins with `stream` and whose name is `name`; newest first.

    A page beyond the last shows the last.
    """
    chosen = [
        recorded
        for recorded in reversed(shelf.entries())
        if recorded.entry.stream.startswith(stream) and name in ("", recorded.entry.name)
    ]
    pages = max(1, -(-len(chosen) // per_page))
    page = min(max(page, 1), pages)
    shown = chosen[(page - 1) * per_page : page * per_page]
    return RecordView(
        entries=tuple(recorded.entry for recorded in shown),
        told=tuple(tell(recorded.fact) for recorded in shown),
        page=page,
        pages=pages,
        found=len(chosen),
        size=shelf.size,
        tree_head=shelf.head().root.hex(),
        stream=stream,
        name=name,
        streams=shelf.streams(),
        names=tuple(sorted({recorded.entry.name for recorded in shelf.entries()})),
    )


def entry_view(shelf: Shelf, sequence: int) -> EntryView:
    """The entry at that sequence; UserError when the record is shorter."""
    entries = shelf.entries()
    if not 0 <= sequence < len(entries):
        raise UserError(f"there is no entry {sequence}; the record holds {len(entries)}, numbered from 0")
    entry = entries[sequence].entry
    stream = shelf.stream(entry.stream)
    body = canonical(document(entry))
    after = entry.position + 1
    return EntryView(
        entry=entry,
        body=body.decode(),
        leaf_hash=leaf_hash(body).hex(),
        previous_in_stream=stream[entry.position - 1].entry.sequence if entry.position else None,
        next_in_stream=stream[after].entry.sequence if after < len(stream) else None,
    )


def recipe_view(shelf: Shelf, line: str) -> RecipeView:
    """The versions in force on `line`, newest first; UserError when the line has no recipe."""
    approved = shelf.facts(RecipeApproved, f"recipe/{line}/")
    if not approved:
        raise UserError(f"no recipe was approved for line {line!r} in this record")
    newest = approved[-1].fact
    master = shelf.master(newest.content_sha256)
    assert master is not None, "a shelf keeps the content of every approved recipe"
    return RecipeView(
        line=line,
        recipe=newest.recipe,
        words=master.recipe.words,
        versions=tuple(reversed(tuple(_versions(shelf, line, approved)))),
        proposals=tuple(reversed(tuple(_proposals(shelf, line)))),
        parameters=master.recipe.parameters(),
        attribute_words=attribute_words(master.product),
    )


def _versions(shelf: Shelf, line: str, approved: tuple[Kept[RecipeApproved], ...]) -> Iterator[RecipeVersion]:
    changes = {kept.fact.change: kept.fact for kept in shelf.facts(ChangeSigned, f"recipe/{line}/")}
    drafts = {kept.fact.proposal: kept.fact for kept in shelf.facts(ProposalDrafted, f"recipe/{line}/")}
    before = None
    for kept in approved:
        fact = kept.fact
        master = shelf.master(fact.content_sha256)
        change = changes.get(fact.change) if fact.change else None
        yield RecipeVersion(
            recipe=fact.recipe,
            version=fact.version,
            content_sha256=fact.content_sha256,
            approved_at=kept.entry.happened_at,
            signature=fact.signature,
            change=change,
            proposal=drafts.get(change.proposal) if change else None,
            differences=difference(before.recipe, master.recipe) if before and master else (),
            batches=sum(
                batch.created.line == line and batch.created.recipe_version == fact.version for batch in shelf.batches()
            ),
        )
        before = master


def _proposals(shelf: Shelf, line: str) -> Iterator[ProposalLine]:
    prefix = f"recipe/{line}/"
    signed = {kept.fact.proposal for kept in shelf.facts(ChangeSigned, prefix)}
    declined = {kept.fact.proposal: kept.fact.reason for kept in shelf.facts(ProposalDeclined, prefix)}
    judged = {kept.fact.subject: kept.fact.reason for kept in shelf.facts(GateJudged, prefix)}
    for kept in shelf.facts(ProposalDrafted, prefix):
        fact = kept.fact
        yield ProposalLine(
            proposal=fact.proposal,
            at=kept.entry.happened_at,
            from_version=fact.from_version,
            moves=fact.moves,
            predicted=fact.predicted,
            batches=fact.batches,
            risk=fact.risk,
            gate_row=fact.gate_row,
            gate_reason=judged.get(fact.proposal, ""),
            filing=fact.filing,
            answer="signed" if fact.proposal in signed else "declined" if fact.proposal in declined else "open",
            reason=declined.get(fact.proposal, ""),
        )
