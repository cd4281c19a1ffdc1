"""Session: one connection to the server that is made anew when it was lost, and that knows what a loss means.

Reading is simply asked again. A statement that writes and whose answer was lost is *in doubt*: `LostError` leaves it
to the caller to look whether it was done, after `end_lost` has made sure that the server works on it no more.
https://www.postgresql.org/docs/current/wal-async-commit.html
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from cytoloop.adapters.postgres.address import Address
from cytoloop.core.errors import FindingError, StoreError, UserError

if TYPE_CHECKING:
    import psycopg

PATIENCE = 20.0
"""Seconds that a lost server is waited for: a restart with recovery takes a few."""
TRIES = 5
"""Times that a question is asked which the connection is lost over: a server may go down twice in a row."""
OLDEST = 140000
"""Oldest server that is supported, as its `server_version_num`."""

_DEFAULTS = {
    "connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "20000", "client_encoding": "UTF8",
}  # fmt: skip

_STATE = """SELECT current_setting('fsync'), current_setting('full_page_writes'),
  current_setting('synchronous_commit'), current_setting('server_encoding'),
  current_setting('server_version_num')::int"""


class LostError(StoreError):
    """The connection was lost while the server worked on a statement: nobody knows yet whether it was done."""


class Session:
    """A connection in autocommit; threads may share it, one statement at a time. Connects at once."""

    def __init__(self, where: Address) -> None:
        self._where = where
        self._lock = threading.RLock()
        self._name = f"cytoloop {uuid4().hex}"
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = _connected(where, self._name)

    def ask(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query that changes nothing; asked again when the connection was lost, a few times at most.

        StoreError when it is refused or lost for good.
        """
        import psycopg  # noqa: PLC0415  (extra `postgres`)

        with self._lock:
            try:
                for _ in range(TRIES - 1):
                    with suppress(LostError):
                        return self.tell(query, values)
                    self.connect_again()
                return self.tell(query, values)
            except psycopg.Error as error:
                raise StoreError(
                    f"the record in {self._where.shown} could not be read ({said(error)}); give the role its rights "
                    "(`cytoloop store init URL --app-role ROLE`, as the owner) or mend the server, and try again"
                ) from error

    def tell(self, query: str, values: Sequence[object] = (), *, binary: bool = True) -> list[tuple[Any, ...]]:
        """Rows of any statement; LostError when its answer was lost, errors of psycopg when it was refused.

        `binary`: False for a script of several statements, which the server takes as one transaction.
        """
        import psycopg  # noqa: PLC0415  (extra `postgres`)

        with self._lock:
            if self._connection is None or self._connection.closed:
                self.connect_again()
            connection = self.connection
            try:
                # None, not (): only then may a statement hold a per cent sign.
                cursor = connection.execute(query, values or None, binary=binary)
                return cursor.fetchall() if cursor.description else []
            except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
                raise FindingError(
                    f"the record in {self._where.shown} is damaged ({error}); restore it from a copy and verify that"
                ) from error
            except psycopg.OperationalError as error:
                if connection.closed or isinstance(error, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown):
                    connection.close()
                    raise LostError(
                        f"the {self._where.shown} was lost in the middle of its work ({said(error)}); check that the "
                        "server runs and try again; what was acknowledged before is safe"
                    ) from error
                raise

    @property
    def connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """The connection itself, for transactions of several statements."""
        if self._connection is None:
            raise StoreError(f"the record in {self._where.shown} was closed; open it again")
        return self._connection

    def connect_again(self) -> None:
        """A new connection; StoreError when the server cannot be reached within `PATIENCE`."""
        if self._connection is None:
            raise StoreError(f"the record in {self._where.shown} was closed; open it again")
        self._connection.close()
        started = time.monotonic()
        while True:
            try:
                self._connection = _connected(self._where, self._name)
                return
            except StoreError:
                if time.monotonic() - started > PATIENCE:
                    raise
                time.sleep(0.1)

    def end_lost(self) -> None:
        """Make sure that a session of ours that lost its client has ended: afterwards what is to be seen is final."""
        others = (
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE application_name = %s AND pid <> pg_backend_pid()"
        )
        while self.ask(others, (self._name,)) != [(0,)]:
            pass

    def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def said(error: Exception) -> str:
    """What the server or libpq said, in one line."""
    return " ".join(str(error).split())


def _connected(where: Address, name: str) -> "psycopg.Connection[tuple[Any, ...]]":
    try:
        import psycopg  # noqa: PLC0415  (extra `postgres`)
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError as error:
        raise UserError(
            "a record in PostgreSQL needs a package that is not installed; run `pip install 'cytoloop[postgres]'`"
        ) from error
    try:
        arguments = _DEFAULTS | conninfo_to_dict(where.url) | {"application_name": name}
        connection = psycopg.connect(autocommit=True, **cast(dict[str, Any], arguments))
        try:
            _make_durable(connection, where)
        except BaseException:
            connection.close()
            raise
    except psycopg.Error as error:
        raise StoreError(
            f"the record's {where.shown} cannot be reached ({said(error)}); check the address, the role and its "
            "password (PGPASSWORD or PGPASSFILE), and that the server runs"
        ) from error
    return connection


def _make_durable(connection: "psycopg.Connection[tuple[Any, ...]]", where: Address) -> None:
    """Refuse a server that could lose what it acknowledged; ask for a durable commit when its default is another."""
    row = connection.execute(_STATE).fetchone()
    fsync, full_pages, commit, encoding, version = row or ("", "", "", "", 0)
    if version < OLDEST:
        raise UserError(f"the {where.shown} is PostgreSQL {version // 10000}; the record needs {OLDEST // 10000}")
    if (fsync, full_pages) != ("on", "on"):
        raise UserError(
            f"the {where.shown} runs with fsync {fsync} and full_page_writes {full_pages}: a power cut may take what "
            "was acknowledged; switch both on in postgresql.conf"
        )
    if encoding != "UTF8":
        raise UserError(f"the {where.shown} keeps text as {encoding}; make a database with ENCODING 'UTF8'")
    if commit == "off":
        connection.execute("SET synchronous_commit = on")
