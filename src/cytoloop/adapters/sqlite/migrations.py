"""Records of earlier releases: what their files lack, so that they are read for ever as they are.

Nothing is changed in an old file. `cytoloop upgrade` writes a new one beside it, and entries keep every byte.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from cytoloop.adapters.files import sqlite_address
from cytoloop.core.errors import StoreError

OLDER: dict[int, str] = {
    1: "CREATE TEMP TABLE attestation (number INTEGER PRIMARY KEY, size INTEGER, kind TEXT, body BLOB);",
}
"""Format of an earlier release -> the tables it did not have, empty, so that today's queries read it.

1  release 0.1.0: entries and tree heads, no attestations
"""


def format_of(path: Path) -> int:
    """Number of the format of the file; sqlite3.DatabaseError when it is no database."""
    with closing(sqlite3.connect(sqlite_address(path, "ro"), uri=True)) as connection:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        return int(found)


def fold_in(path: Path) -> None:
    """Carry everything that is kept beside the file into it, so that it may be replaced by its name.

    StoreError while another process has it open: SQLite gives up the write-ahead log only to who is alone.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError:
        mode = "in use"
    if mode != "delete":
        raise StoreError(f"{path} is open in another process; stop `cytoloop serve` and everything else that reads it")
