"""Records: the record of a data folder, opened where its settings say: a file in the folder, or a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cytoloop.adapters import postgres, sqlite
from cytoloop.adapters.clocks import FolderClock, ScaledClock
from cytoloop.adapters.folder import writing
from cytoloop.app.settings import read_settings
from cytoloop.core.store import Store
from cytoloop.core.time import Clock
from cytoloop.record.ledger import Ledger

RECORD = "record.db"
"""The record's file in a folder whose settings name no database."""
TELEMETRY = "telemetry.db"
"""The file of the readings in a data folder."""


def holds_record(folder: Path) -> bool:
    """Whether a record is kept for `folder`, in it or in the database that its settings name."""
    settings = read_settings(folder)
    return (folder / RECORD).exists() if settings.store is None else postgres.holds_record(settings.store)


def open_record(folder: Path, *, create: bool = False, read_only: bool = False) -> Store:
    """The store of `folder`, where its settings say: a SQLite file in it, or a PostgreSQL database.

    UserError when there is none (and `create` is False) or this version cannot write it; StoreError when it cannot be
    reached.
    """
    settings = read_settings(folder)
    if settings.store is None:
        return sqlite.open_store(folder / RECORD, create=create, read_only=read_only)
    return postgres.open_store(settings.store, create=create)


@contextmanager
def writable_record(folder: Path, clock: Clock) -> Iterator[Ledger]:
    """The record of `folder`, made when it is not there, held by this process alone while it is written."""
    with writing(folder):
        store = open_record(folder, create=True)
        try:
            yield Ledger(store, clock)
        finally:
            store.close()


@contextmanager
def acting_record(folder: Path, clock: Clock | None = None) -> Iterator[Ledger]:
    """The record of `folder` for single acts of people (sign in, review, export), also while a line writes it.

    The store orders the appends of several processes; only a line that runs batches holds the folder for itself. Left
    out, the clock is the line's while one runs here. UserError when there is no record.
    """
    store = open_record(folder)
    try:
        yield Ledger(store, clock or FolderClock(folder))
    finally:
        store.close()


@contextmanager
def readable_store(folder: Path) -> Iterator[Store]:
    """The store of `folder` for reading, also while another process writes; UserError when there is none."""
    store = open_record(folder, read_only=True)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def readable_record(folder: Path) -> Iterator[Ledger]:
    """The record of `folder` for reading."""
    with readable_store(folder) as store:
        yield Ledger(store, ScaledClock())
