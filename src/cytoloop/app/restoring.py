"""Restore: a data folder from a backup. The record takes its place only once it gave the same tree head again."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cytoloop.adapters import postgres, sqlite
from cytoloop.adapters.archive import Archive, keys_of, read_archive, unpack
from cytoloop.adapters.files import keep, make_folder, promise_names
from cytoloop.app.backup import FOLDER, Tick, copy_store, say
from cytoloop.app.records import RECORD, TELEMETRY
from cytoloop.app.settings import Settings, read_settings, settings_text, write_settings
from cytoloop.app.verifying import Noted, verify_record
from cytoloop.app.verifying_telemetry import verify_telemetry_of
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.facts.record import RecordRestored
from cytoloop.core.store import TreeHead
from cytoloop.core.time import Clock
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants restored, and where."""

    backup: Path
    to: Path
    """Data folder: not there yet, or empty."""
    reason: str
    store: str | None = None
    """Address of the database that keeps the record from now on; None: a file in the folder."""
    passphrase: str | None = None
    """Opens the keys in the backup; None: they are left out."""
    root: str | None = None
    """Tree head that was noted outside, hexadecimal: the backup must be of exactly that."""


def restore(wish: Wish, clock: Clock, tick: Tick = lambda _: None) -> TreeHead:
    """Bring the backup back into an empty place; the tree head that was proven, the same as when it was backed up.

    Raises UserError for a file that is no backup, a wrong passphrase or a place that is not empty, FindingError for a
    backup that was changed; nothing is left then.
    """
    archive = read_archive(wish.backup)
    wish = replace(wish, to=_free(wish.to))
    settings_text(wish.to, Settings(store=wish.store))
    keys = keys_of(archive, wish.passphrase) if wish.passphrase is not None and archive.has_keys else {}
    with _room(wish.to) as room:
        for name in archive.parts:
            _unpack(archive, name, room)
        for name, content in keys.items():
            keep(room / _safe(archive, name), content)
        write_settings(room, replace(read_settings(room), store=None))
        head = _proven(room, archive, wish, tick)
        write_settings(room, replace(read_settings(room), store=wish.store))
        told = RecordRestored(size=head.size, root=head.root.hex(), reason=wish.reason)
        _settle(room, wish, told, clock)
        _name(room, wish.to)
    return head


def _proven(room: Path, archive: Archive, wish: Wish, tick: Tick) -> TreeHead:
    """The tree head of the restored record, once everything fits and it is the one that was backed up."""
    checked = verify_record(room, Noted(root=wish.root or str(archive.about.get("root"))), tick)
    verify_telemetry_of(room)
    return checked.head


def _settle(room: Path, wish: Wish, told: RecordRestored, clock: Clock) -> None:
    """Write the restoring's own entry, and move the record into its database when it is to live in one."""
    if wish.store is None:
        with closing(sqlite.open_store(room / RECORD)) as store:
            say(Ledger(store, clock), told, clock)
        return
    to = postgres.address(wish.store)
    if postgres.holds_record(wish.store):
        raise UserError(f"{to.shown} holds a record in schema {to.schema!r} already; name another with ?schema=NAME")
    beside = to.beside("_restoring")
    postgres.drop_record(beside)
    postgres.make_record(beside)
    with (
        closing(sqlite.open_store(room / RECORD, read_only=True)) as source,
        closing(postgres.open_at(beside)) as target,
    ):
        copy_store(source, target.load)
        verify(target, expected_root=told.root)
        say(Ledger(target, clock), told, clock)
    for path in room.glob(f"{RECORD}*"):
        path.unlink()
    postgres.rename_record(beside, to)


def _unpack(archive: Archive, name: str, room: Path) -> None:
    if name in (RECORD, TELEMETRY):
        unpack(archive, name, room / name)
    elif name.startswith(FOLDER):
        place = room / _safe(archive, name.removeprefix(FOLDER))
        place.parent.mkdir(parents=True, exist_ok=True)
        unpack(archive, name, place)


def _safe(archive: Archive, name: str) -> PurePosixPath:
    """`name` as a place inside the folder; FindingError when it leads out of it."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or not place.parts or place.parts[0] in (RECORD, TELEMETRY):
        raise FindingError(f"the backup {archive.path} holds a file named {name!r}, which none of ours does")
    return place


def _free(to: Path) -> Path:
    """The place that is meant by `to`; UserError when a folder cannot take it as a whole."""
    place = to.resolve()
    if place.is_mount():
        raise UserError(f"{to} is where a disk is mounted and cannot be replaced as a whole; name a folder in it")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UserError(f"{to} is not empty; a backup is restored into a new folder")
    return place


@contextmanager
def _room(to: Path) -> Iterator[Path]:
    """A folder beside `to` to restore into; what a restore that was cut off left there is removed."""
    room = to.with_name(f".{to.name}.restoring")
    try:
        shutil.rmtree(room, ignore_errors=True)
        make_folder(to.parent)
        room.mkdir(mode=0o700)
    except OSError as error:
        raise UserError(f"{to} cannot be made ({error.strerror}); name another folder") from error
    try:
        yield room
    except OSError as error:
        raise StoreError(f"the backup could not be restored into {to} ({error}); free space and try again") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _name(room: Path, to: Path) -> None:
    """Give the restored folder its name, durably."""
    for folder in (room, *(each for each in room.rglob("*") if each.is_dir())):
        promise_names(folder)
    room.rename(to)
    promise_names(to.parent)
