"""View of the audit trail: the entries asked for, in the order asked for, page by page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cytoloop.app.audit.asked import Asked
from cytoloop.app.audit.by import user_of
from cytoloop.app.audit.changes import CHANGING, changes_of, reason_of
from cytoloop.app.audit.rows import AuditRow, row_of
from cytoloop.app.audit.who import KnownPeople, known_people, who_of
from cytoloop.app.telling import tell
from cytoloop.app.views_shelf import BATCH, Shelf
from cytoloop.core.entry import Recorded

PAGE = 50
"""Rows on one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One page of the audit trail."""

    rows: tuple[AuditRow, ...]
    asked: Asked
    page: int
    """From 1."""
    pages: int
    found: int
    """Entries that the filter lets through."""
    size: int
    users: tuple[str, ...]
    names: tuple[str, ...]
    batches: tuple[str, ...]
    """What the filters may be set to."""


def audit_view(shelf: Shelf, asked: Asked, *, page: int = 1, per_page: int = PAGE) -> AuditView:
    """Page `page` of the entries asked for; a page beyond the last shows the last. UserError for an unknown batch."""
    people = known_people(shelf)
    chosen = _ordered(_chosen(shelf, asked, people), asked)
    pages = max(1, -(-len(chosen) // per_page))
    page = min(max(page, 1), pages)
    shown = chosen[(page - 1) * per_page : page * per_page]
    return AuditView(
        rows=tuple(row_of(each, shelf, people) for each in shown),
        asked=asked,
        page=page,
        pages=pages,
        found=len(chosen),
        size=shelf.size,
        users=shelf.users(),
        names=shelf.names(),
        batches=tuple(stream.removeprefix(BATCH) for stream in shelf.streams(BATCH)),
    )


def audit_rows(shelf: Shelf, asked: Asked) -> Iterator[AuditRow]:
    """Every row asked for, in the order asked for: what an export holds. UserError for an unknown batch."""
    people = known_people(shelf)
    return (row_of(each, shelf, people) for each in _ordered(_chosen(shelf, asked, people), asked))


def _chosen(shelf: Shelf, asked: Asked, people: KnownPeople) -> Sequence[Recorded]:
    chosen = _candidates(shelf, asked)
    for test in _tests(shelf, asked, people):
        chosen = [each for each in chosen if test(each)]
    return chosen


def _candidates(shelf: Shelf, asked: Asked) -> Sequence[Recorded]:
    """Entries to look through, by sequence: those of a batch and its order, else all."""
    if not asked.batch:
        return shelf.entries()
    streams = (f"{BATCH}{asked.batch}", f"order/{shelf.batch(asked.batch).created.order}")
    found = [each for stream in streams for each in shelf.stream(stream)]
    return sorted(found, key=lambda each: each.entry.sequence)


def _tests(shelf: Shelf, asked: Asked, people: KnownPeople) -> Iterator[Callable[[Recorded], bool]]:
    """What an entry has to pass, the cheapest first."""
    if asked.name:
        yield lambda each: each.entry.name == asked.name
    if asked.stream:
        yield lambda each: each.entry.stream.startswith(asked.stream)
    if (since := asked.since) is not None:
        yield lambda each: each.entry.happened_at >= since
    if (until := asked.until) is not None:
        yield lambda each: each.entry.happened_at < until
    if asked.changes:
        yield lambda each: isinstance(each.fact, CHANGING) and bool(changes_of(each, shelf))
    if asked.who:
        yield lambda each: user_of(each) == asked.who
    if asked.role:
        yield lambda each: asked.role in who_of(each, people).roles
    if text := asked.text.strip().casefold():
        yield lambda each: text in _read(each)


def _read(recorded: Recorded) -> str:
    """What a search for a text looks in."""
    told, entry = tell(recorded.fact), recorded.entry
    parts = (told.en, told.zh, reason_of(recorded.fact)[0], entry.stream, entry.name, entry.actor)
    return "\n".join(parts).casefold()


def _ordered(chosen: Sequence[Recorded], asked: Asked) -> Sequence[Recorded]:
    """By time recorded; by who or by what, and then always newest first."""
    newest_first = chosen[::-1]
    if asked.sort == "time":
        return newest_first if asked.descending else chosen
    return sorted(newest_first, key=_who if asked.sort == "who" else _what, reverse=asked.descending)


def _who(recorded: Recorded) -> str:
    return user_of(recorded) or recorded.entry.actor


def _what(recorded: Recorded) -> str:
    return recorded.entry.name
