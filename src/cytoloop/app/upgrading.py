"""Upgrade: a record of an earlier release into today's format. No entry is touched, and the old file is kept."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cytoloop.adapters import sqlite
from cytoloop.adapters.files import promise_names
from cytoloop.adapters.folder import writing
from cytoloop.app.backup import Tick, copy_store, say
from cytoloop.app.records import RECORD, open_record
from cytoloop.app.settings import read_settings
from cytoloop.app.verifying import verify_record
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.facts.record import RecordUpgraded
from cytoloop.core.store import TreeHead
from cytoloop.core.time import Clock
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """A record that was brought to today's format."""

    from_format: int
    to_format: int
    before: TreeHead
    """Tree head before: the new record's tree head over its first `before.size` entries."""
    kept: Path
    """The old file."""


def upgrade(folder: Path, clock: Clock, tick: Tick = lambda _: None) -> Upgraded | None:
    """Bring the record of `folder` to today's format; None when it has it, so that calling it again does no harm.

    The new file is made and proven beside the old one and takes its name at the end: whoever is cut off before that
    finds the old one as it was. Raises FindingError when the old record does not verify, StoreError when something
    else has it open, UserError when there is none or its format is not known.
    """
    if read_settings(folder).store is not None:
        open_record(folder).close()  # there has been one format in databases so far; this says when it is another
        return None
    path = folder / RECORD
    if not path.exists():
        raise UserError(f"there is no record at {path}; name a data folder")
    with writing(folder):
        sqlite.open_store(path, read_only=True).close()  # says when it is no record, or of a later version
        old = sqlite.format_of(path)
        return _upgraded(path, old, clock, tick) if old in sqlite.OLDER else None


def _upgraded(path: Path, old: int, clock: Clock, tick: Tick) -> Upgraded:
    beside, kept = path.with_name("record.upgrading.db"), path.with_name(f"record.format-{old}.db")
    for left_over in path.parent.glob(f"{beside.name}*"):
        left_over.unlink()
    try:
        sqlite.fold_in(path)
        before = _made(path, beside, tick)
        _told(beside, RecordUpgraded(from_format=old, to_format=sqlite.FORMAT), before, clock)
        _keep(path, kept)
        beside.replace(path)
        promise_names(path.parent)
    except OSError as error:
        raise StoreError(f"{path} could not be upgraded ({error.strerror}); it is as it was; free space") from error
    return Upgraded(from_format=old, to_format=sqlite.FORMAT, before=before, kept=kept)


def _keep(path: Path, kept: Path) -> None:
    """Give the old file a second name; where the file system has no links, a copy of it."""
    try:
        os.link(path, kept)
    except FileExistsError:
        pass  # an upgrade that was cut off has kept it
    except OSError:
        beside = Path(shutil.copyfile(path, kept.with_suffix(".new")))
        with beside.open("rb") as copy:
            os.fsync(copy.fileno())
        beside.replace(kept)


def _made(path: Path, beside: Path, tick: Tick) -> TreeHead:
    """Make the new file from the old one, which verifies; the tree head of both."""
    before = verify_record(path.parent, tick=tick).head
    source = sqlite.open_store(path, read_only=True)
    try:
        copy_store(source, lambda *parts: sqlite.make_record(beside, *parts))
    finally:
        source.close()
    return before


def _told(beside: Path, fact: RecordUpgraded, before: TreeHead, clock: Clock) -> None:
    """Write the upgrade's own entry into the new file and prove it: the old tree head is one of its own."""
    store = sqlite.open_store(beside)
    try:
        say(Ledger(store, clock), fact, clock)
        verify(store)
        if before.size and before not in store.heads():
            raise FindingError(f"{beside} does not carry the old tree head over {before.size} entries; nothing changed")
    finally:
        store.close()
