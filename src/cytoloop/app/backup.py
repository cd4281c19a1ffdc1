"""Backup: the whole data folder in one file, taken while it is in use, all of it proven before it is put away."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cytoloop import __version__
from cytoloop.adapters import sqlite
from cytoloop.adapters.archive import write_archive
from cytoloop.app.records import RECORD, TELEMETRY, acting_record, readable_store
from cytoloop.app.settings import Settings, read_settings
from cytoloop.app.verifying import verify_record
from cytoloop.app.verifying_telemetry import verify_telemetry_of
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.facts.record import BackupMade
from cytoloop.core.json import JSON
from cytoloop.core.store import Store, TreeHead
from cytoloop.core.time import Clock
from cytoloop.record.ledger import Ledger

STREAM = "record/store"
"""Where backups, restores and upgrades are told."""
ACTOR = "system:record"
FOLDER = "folder/"
"""Before the name of every other file of the data folder, in the backup."""
KEYS = frozenset({"keys", "pseudonym.key"})
"""What of a data folder is secret: it goes into a backup only sealed, and only when it is asked for."""

_STORES = ("record.", "telemetry.")
_ASIDE = (".new", ".lock", "-wal", "-shm", "-journal")

Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was made."""

    head: TreeHead
    sha256: str
    parts: tuple[str, ...]
    keys: bool
    """Whether it holds the folder's keys."""
    keys_left_out: bool
    """Whether the folder has keys that are not in it."""
    told: bool
    """Whether the record has an entry of it; a record of an earlier release cannot be written."""


def back_up(
    folder: Path, to: Path, clock: Clock, *, passphrase: str | None = None, tick: Tick = lambda _: None
) -> Backup:
    """Copy the data folder `folder` into the new file `to`; others may write meanwhile.

    `passphrase`: seal the keys with it and put them in; without one they are left out. Raises FindingError when the
    record or its readings do not verify, UserError or StoreError when the file cannot be written; nothing is left
    then. A StoreError that says so leaves a whole backup, of which the record could not be told.
    """
    if to.exists():
        raise UserError(f"{to} is there already; name a new file")
    if to.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{to} lies in the folder that is backed up and would be lost with it; name a file elsewhere")
    with readable_store(folder) as store, _room(to) as room:
        # The files first: what they say of the record (its newest checkpoint) is then never ahead of the copy.
        others, keys = _copied_files(folder, room), _keys(folder)
        _copy_store(folder, store, room / RECORD)
        head = _proven(room, tick)
        files = {RECORD: room / RECORD, **others}
        if (folder / TELEMETRY).exists():  # after the record: a segment is kept before its entry
            sqlite.copy_file(folder / TELEMETRY, room / TELEMETRY)
            files[TELEMETRY] = room / TELEMETRY
        _prove_telemetry(room, read_settings(folder))
        about: dict[str, JSON] = {
            "made_at": clock.now().isoformat(), "version": __version__, "size": head.size, "root": head.root.hex(),
            "store": "sqlite" if read_settings(folder).store is None else "postgresql",
        }  # fmt: skip
        digest = write_archive(to, about, files, keys if passphrase else {}, passphrase or "")
    told = _told(folder, to, BackupMade(size=head.size, root=head.root.hex(), sha256=digest), clock)
    return Backup(
        head=head, sha256=digest, parts=tuple(files), told=told,
        keys=bool(keys and passphrase), keys_left_out=bool(keys and not passphrase),
    )  # fmt: skip


def say(ledger: Ledger, fact: Fact, clock: Clock) -> None:
    """Keep a fact of what happened to the store itself."""
    ledger.append(STREAM, [Draft(fact=fact, actor=ACTOR, happened_at=clock.now())], expected=ledger.position(STREAM))


def _told(folder: Path, to: Path, made: BackupMade, clock: Clock) -> bool:
    """Tell the record of its backup; a disk that takes nothing any more is the last reason to take the backup away."""
    if read_settings(folder).store is None and sqlite.format_of(folder / RECORD) in sqlite.OLDER:
        return False
    try:
        with acting_record(folder, clock) as ledger:
            say(ledger, made, clock)
    except StoreError as error:
        raise StoreError(
            f"the backup {to} is whole (tree head {made.root}, sha256 {made.sha256}), and the record has no entry of "
            f"it: {error}"
        ) from error
    return True


@contextmanager
def _room(to: Path) -> Iterator[Path]:
    """A folder beside `to` to gather in, gone afterwards; what a backup that was cut off left there is removed."""
    room = to.with_name(f".{to.name}.making")
    try:
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(mode=0o700)
    except OSError as error:
        raise UserError(f"{to} cannot be written ({error.strerror}); name a file in a folder that is there") from error
    try:
        yield room
    except OSError as error:
        raise StoreError(f"the backup {to} could not be made ({error}); free space and try again") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _copy_store(folder: Path, store: Store, to: Path) -> None:
    if read_settings(folder).store is None and sqlite.format_of(folder / RECORD) == sqlite.FORMAT:
        sqlite.copy_file(folder / RECORD, to)
    else:
        copy_store(store, lambda *parts: sqlite.make_record(to, *parts))


def copy_store(store: Store, make: Callable[..., None]) -> None:
    """Give `make` the rows, tree heads and attestations of `store` as they stand now, whatever comes meanwhile."""
    head = store.head()
    size = head.size if head else 0
    heads = (each for each in store.heads() if each.size <= size)
    make(store.rows(0, size), heads, (each for each in store.attestations() if each.size <= size))


def _proven(room: Path, tick: Tick) -> TreeHead:
    """The tree head of the record in `room`, which verifies; a damaged one is not put away as if it were sound."""
    try:
        return verify_record(room, tick=tick).head
    except FindingError as error:
        raise FindingError(f"the record was not backed up, because it does not verify: {error}") from error


def _prove_telemetry(room: Path, settings: Settings) -> None:
    """FindingError when a sealed reading is not as the record in `room` says: nobody could restore that."""
    try:
        verify_telemetry_of(room, settings)
    except (FindingError, UserError) as error:
        raise FindingError(f"the folder was not backed up, because its readings do not verify: {error}") from error


def _copied_files(folder: Path, room: Path) -> dict[str, Path]:
    """Copies of every other file of the folder that is no key: name in the backup -> where the copy lies."""
    copies = dict[str, Path]()
    for path in _files(folder):
        name = path.relative_to(folder)
        if name.parts[0] not in KEYS:
            copy = room / FOLDER / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copies[f"{FOLDER}{name.as_posix()}"] = Path(shutil.copy2(path, copy))
    return copies


def _keys(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in _files(folder)
        if path.relative_to(folder).parts[0] in KEYS
    }


def _files(folder: Path) -> Iterator[Path]:
    """Every file of the folder that is not copied as a store, and is not one that something works on just now."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        aside = path.name == "lock" or path.name.startswith(".") or path.name.endswith(_ASIDE)
        if path.is_file() and not aside and not str(name).startswith(_STORES):
            yield path
