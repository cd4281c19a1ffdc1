"""What every test may ask for."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.contract.postgres_server import PostgresServer, running_server

from cytoloop.cli.main import run
from cytoloop.core.time import Instant

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` (or CYTOLOOP_LONG=1): the long form of the fault tests, for hours and not for every change."""
    parser.addoption("--long", action="store_true", help="the long form of the fault tests")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the long form of the fault tests was asked for."""
    return bool(request.config.getoption("--long") or os.environ.get("CYTOLOOP_LONG"))


@pytest.fixture
def start() -> Instant:
    """A moment to begin at: Monday 1 June 2026, 08:00 UTC."""
    return START


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and law texts that lies beside the checkout; the test is skipped without it."""
    folder = Path(os.environ.get("CYTOLOOP_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data" / "tcell_guide").is_dir():
        pytest.skip(f"the real data are not here: put them at {folder} or name their folder in CYTOLOOP_SHARED")
    return folder


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demonstration of 3 patients, for reading only; its figures are in `demo.json` beside it."""
    folder = tmp_path_factory.mktemp("demonstration") / "data"
    figures = str(folder.parent / "demo.json")
    arguments = ["demo", "--patients", "3", "--no-serve", "--data", str(folder), "--json", figures]
    # A process of its own: browser tests keep an event loop running in this one.
    subprocess.run([sys.executable, "-m", "cytoloop.cli.main", *arguments], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test run's own; databases are made in it by `postgres.database()`."""
    with running_server() as server:
        yield server


@pytest.fixture
def cytoloop(capsys: pytest.CaptureFixture[str]) -> Callable[..., CompletedProcess[str]]:
    """The command line, run in this process: exit code, output and errors of one command."""

    def command(*arguments: str | Path) -> CompletedProcess[str]:
        capsys.readouterr()
        words = [str(each) for each in arguments]
        code = run(words)
        said = capsys.readouterr()
        return CompletedProcess(words, code, said.out, said.err)

    return command
