"""The embedded store: one SQLite file, durable at every append."""

from cytoloop.adapters.sqlite.copying import copy_file, make_record
from cytoloop.adapters.sqlite.migrations import OLDER, fold_in, format_of
from cytoloop.adapters.sqlite.opening import open_store
from cytoloop.adapters.sqlite.schema import FORMAT, SCHEMA
from cytoloop.adapters.sqlite.store import SqliteStore

__all__ = [
    "FORMAT", "OLDER", "SCHEMA", "SqliteStore", "copy_file", "fold_in", "format_of", "make_record", "open_store",
]  # fmt: skip
