"""Verifying a record: its entries, in several processes when there are many, and what was attested of it.

Kept checkpoints must be signed by the record's own keys while these were in force and hold for the entries; kept
cosignatures by the witnesses that the site trusts. A checkpoint noted outside finds a record that was rolled back.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from cytoloop.app.keyring import LATEST
from cytoloop.app.publishing import cosignature, witnesses
from cytoloop.app.records import open_record, readable_store
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.store import Attestation, AttestationKind, Store, TreeHead
from cytoloop.record.checkpoint import KEYS, LogKey, check_own, key_history, open_checkpoint, parse_checkpoint
from cytoloop.record.codec import Codec
from cytoloop.record.note import Note, VerifierKey, check_note, parse_note
from cytoloop.record.parts import Claim, Claims, Part, Range, check_part
from cytoloop.record.rows import entry_of
from cytoloop.record.verify import conclude

SEVERAL_FROM = 200_000
"""Entries from which it pays to start processes."""
MOST_PROCESSES = 8

OpenStore = Callable[[], Store]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What somebody noted of the record before, outside it."""

    root: str | None = None
    """Tree head, hexadecimal: the record must end there."""
    checkpoint: str | None = None
    """Checkpoint as a signed note: the record must begin with it."""
    key: VerifierKey | None = None
    """Key that was handed over by another way: it must have signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A record in which everything fits."""

    head: TreeHead
    checkpoints: int
    """Checkpoints kept, each signed by a key of the record in force and true of its entries."""
    published: int
    """Entries under the newest of them."""
    witnesses: tuple[str, ...]
    """Names of the trusted witnesses who signed some of them."""
    strangers: tuple[str, ...]
    """Names under kept cosignatures that `witnesses.txt` does not name: nobody can say whose they are."""


def verify_record(
    folder: Path, noted: Noted | None = None, tick: Callable[[int], None] = lambda _: None, processes: int = 0
) -> Checked:
    """Check the record of `folder`. FindingError with the first thing that does not fit; 0 processes: as many as pay.

    Entries come first, then what was attested of them: a checkpoint says nothing about a record that does not fit.
    """
    noted = noted or Noted()
    with readable_store(folder) as store:
        attested = _attestations(store)
        notes = {at: _note(each) for at, each in enumerate(attested) if each.kind == "checkpoint"}
        _check_origin(noted, list(notes.values()))
        outside = [*_said(noted.checkpoint, "the checkpoint noted"), *_signed_last(folder)]
        claims = Claims(store.heads(), [*map(_claim, notes.values()), *outside])
        with work_on(store, claims, partial(open_record, folder, read_only=True), processes) as work:
            verified = conclude(store, claims, work.parts, tick, noted.root, problems=work.problems)
        keys = key_history(Codec().decode(entry_of(row)) for row in store.stream(KEYS))
    for note in notes.values():
        check_own(note, keys)
    _check_noted(noted, keys, list(notes.values()))
    trusted, strangers = _check_cosignatures(attested, list(notes.values()), witnesses(folder))
    return Checked(
        head=verified.tree_head,
        checkpoints=len(notes),
        published=max((parse_checkpoint(note.text).head.size for note in notes.values()), default=0),
        witnesses=trusted,
        strangers=strangers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be checked of a record before the verdict. Each thing is checked when it is asked for, or before."""

    parts: Iterator[Part]
    """In order."""
    problems: Iterator[str]
    """Of the store itself."""


@contextmanager
def work_on(store: Store, claims: Claims, again: OpenStore, processes: int = 0) -> Iterator[Work]:
    """The work; shared by several processes, which open the store `again`, when there are many entries."""
    count = processes or min(os.cpu_count() or 1, MOST_PROCESSES)
    if count == 1 or (not processes and claims.newest < SEVERAL_FROM):
        yield Work(parts=(check_part(store, each) for each in claims.ranges()), problems=store.problems())
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"), _open, (again,))
    try:
        problems = pool.submit(_problems)
        yield Work(parts=_ahead(pool, claims, 2 * count), problems=_told(problems))
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(pool: ProcessPoolExecutor, claims: Claims, most: int) -> Iterator[Part]:
    """The checked parts; at most so many are begun before they are asked for."""
    begun: deque[Future[Part]] = deque()
    for each in claims.ranges():
        begun.append(pool.submit(_check_part, each))
        if len(begun) > most:
            yield begun.popleft().result()
    yield from (each.result() for each in begun)


def _told(problems: Future[list[str]]) -> Iterator[str]:
    yield from problems.result()


_mine: list[Store] = []
"""The store of a process that checks parts."""


def _open(again: OpenStore) -> None:
    _mine.append(again())


def _check_part(part: Range) -> Part:
    return check_part(_mine[0], part)


def _problems() -> list[str]:
    return list(_mine[0].problems())


def _note(kept: Attestation) -> Note:
    try:
        note = parse_note(kept.body.decode())
        size = parse_checkpoint(note.text).head.size
    except (UserError, UnicodeDecodeError, AttributeError) as error:
        raise FindingError(f"a checkpoint kept over {kept.size} entries cannot be read ({error})") from error
    if size != kept.size:
        raise FindingError(f"a checkpoint is kept over {kept.size} entries and says {size}; it was changed")
    return note


def _claim(note: Note) -> Claim:
    head = parse_checkpoint(note.text).head
    return Claim(head.size, head.root, "the checkpoint kept")


def _said(document: str | None, what: str) -> Iterator[Claim]:
    if document is not None:
        head = parse_checkpoint(parse_note(document).text).head
        yield Claim(head.size, head.root, what)


def _check_origin(noted: Noted, kept: list[Note]) -> None:
    """FindingError when the checkpoint noted names another record than those kept here: no entry is to blame then."""
    if noted.checkpoint is None or not kept:
        return
    named = parse_checkpoint(parse_note(noted.checkpoint).text).origin
    own = {parse_checkpoint(note.text).origin for note in kept}
    if named not in own:
        raise FindingError(
            f"the checkpoint noted is of {named}, and this record is {', '.join(sorted(own))}; name the folder of the "
            "record it is of"
        )


def _signed_last(folder: Path) -> Iterator[Claim]:
    """What the folder's own key signed last, remembered beside it: a record rolled back by itself does not fit it."""
    path = folder / LATEST
    if path.exists():
        try:
            yield from _said(path.read_text(encoding="utf-8"), f"the checkpoint signed last ({path})")
        except (OSError, UnicodeDecodeError, UserError) as error:
            raise FindingError(f"the checkpoint signed last cannot be read from {path} ({error})") from error


def _attestations(store: Store) -> list[Attestation]:
    found = list(store.attestations())
    strange = [each for each in found if each.kind not in get_args(AttestationKind)]
    if strange:
        raise FindingError(f"an attestation over {strange[0].size} entries is of an unknown kind ({strange[0].kind})")
    return found


def _check_noted(noted: Noted, keys: tuple[LogKey, ...], kept: list[Note]) -> None:
    """The noted checkpoint is by a key of this record, and by the noted key; the noted key signed at least one."""
    notes = kept
    if noted.checkpoint is not None:
        notes = [parse_note(noted.checkpoint)]
        check_own(notes[0], keys)
    if noted.key is None:
        return
    if noted.key not in {each.key for each in keys}:
        raise FindingError(f"the key {noted.key.text} never signed for this record; it is another record's")
    by = [note for note in notes if (noted.key.name, noted.key.key_id) in {(x.name, x.key_id) for x in note.lines}]
    if not by:
        raise FindingError(f"no checkpoint that is kept or was given is signed by {noted.key.text}")
    for note in by:
        open_checkpoint(note, [noted.key])


def _check_cosignatures(
    kept: list[Attestation], notes: list[Note], trusted: tuple[VerifierKey, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of witnesses who signed, and names that nobody vouches for. FindingError when one is not by its key."""
    texts = {parse_checkpoint(note.text).head.size: note.text for note in notes}
    known = {(key.name, key.key_id): key for key in trusted}
    names: dict[str, None] = {}
    strangers: dict[str, None] = {}
    for each in (each for each in kept if each.kind == "cosignature"):
        line = _under(each, texts).lines[0]
        key = known.get((line.name, line.key_id))
        if key is None:
            strangers[line.name] = None
        else:
            check_note(_under(each, texts), [key])
            names[line.name] = None
    return tuple(names), tuple(strangers)


def _under(kept: Attestation, texts: dict[int, str]) -> Note:
    try:
        return cosignature(kept, texts[kept.size])
    except (KeyError, UserError, UnicodeDecodeError) as error:
        raise FindingError(
            f"a cosignature kept over {kept.size} entries is of no checkpoint that is kept, or cannot be read"
        ) from error
