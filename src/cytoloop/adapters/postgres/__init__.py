"""The server store: a record in a PostgreSQL database, for several machines on one record. Extra `postgres`.

psycopg is imported when a database is first named, so that nobody else needs it.
"""

from cytoloop.adapters.postgres.address import Address, address
from cytoloop.adapters.postgres.schema import (
    FORMAT,
    drop_record,
    grant_to,
    holds_record,
    make_record,
    open_at,
    open_store,
    rename_record,
)
from cytoloop.adapters.postgres.store import PostgresStore

__all__ = [
    "FORMAT",
    "Address",
    "PostgresStore",
    "address",
    "drop_record",
    "grant_to",
    "holds_record",
    "make_record",
    "open_at",
    "open_store",
    "rename_record",
]
