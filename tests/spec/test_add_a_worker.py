"""The page on workers runs as it is written: every ```console block, in order, against a real server and plant."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pyotp
import pytest
from tests.contract.opcua_plant import free_port, plant_process
from tests.contract.postgres_server import APP, OWNER, PostgresServer
from tests.fault.crew import short_master
from tests.spec.test_tutorial import Shown, missing, shown_commands
from tests.staff import founded, secret_of

from cytoloop.adapters import postgres as record
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.settings import Settings, write_settings
from cytoloop.cli.signer import CODE, SECRET
from cytoloop.core.entry import Draft
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.store import Store
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import approved

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-worker.md"
SPEED = 20_000.0
"""How many times as fast as the wall the plant runs."""
COI = "DEMO26000001X"


def run_in(folder: Path, command: str, more: dict[str, str]) -> str:
    """Output and errors of a shell command. A file, not a pipe: what it leaves in the background holds a pipe open."""
    beside_python = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{beside_python}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"} | more
    with (folder / "said").open("w+", encoding="utf-8") as said:
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, env=environment, stdout=said, stderr=said, check=False, timeout=90
        )
        said.seek(0)
        output = said.read()
    assert done.returncode == 0, f"$ {command}\n{output}\n{workers_said(folder)}"
    return output


def workers_said(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8")[-3000:] for file in sorted(folder.glob("worker-*.txt")))


def here(shown: Shown, server: str, plant: str, database: str) -> str:
    """The command of the page with this test's server, plant and speed, and less patience with the dead."""
    command = shown.command.replace(
        "opc.tcp://plant.example.org:4840/cytoloop", f"{plant} --factor {SPEED:g} --take-over 3"
    )
    for role in (OWNER, APP):
        command = command.replace(
            f"postgresql://{role}@db.example.org/plant", f"'postgresql://{role}@/{database}?{server}'"
        )
    return command


def prepared(folder: Path, store: Store) -> dict[str, str]:
    """People, a recipe in force and an order with its material, in the shared record and the folder `office`.

    Returns the one-time-code secret of each person.
    """
    staff = founded(folder / "office")
    staff.enrolled("pl.xu", "planner")
    head = staff.store.head()
    assert head is not None
    store.append(list(staff.store.rows()), head)
    ledger, now = Ledger(store, ScaledClock()), datetime.now(UTC)

    def say(stream: str, *facts: object) -> None:
        drafts = [Draft(fact=fact, actor="system:test", happened_at=now) for fact in facts]  # type: ignore[arg-type]
        ledger.append(stream, drafts, expected=0)

    say("recipe/fixed/car_t_cd19", approved(short_master(), line="fixed"))
    placed = OrderPlaced(order="O-1", subject="S-1", study="ST-1", product="car_t_cd19", weight=70.0)
    say("order/O-1", placed, MaterialCollected(order="O-1", coi=COI, collection_site="test"))
    return staff.codes


async def receive(endpoint: str) -> None:
    door = OpcUaDoor(endpoint=endpoint)
    try:
        await door.receive(COI, "donor-001")
    finally:
        await door.close()


@contextmanager
def nobody_left(folder: Path) -> Iterator[None]:
    """End the workers that the page's commands left running."""
    try:
        yield
    finally:
        for file in folder.glob("worker-*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(file.read_text(encoding="ascii")), 9)


def test_the_page_runs_as_it_is_written(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.contract.opcua_plant.FACTOR", SPEED)
    commands = shown_commands(PAGE.read_text(encoding="utf-8"))
    assert len(commands) == 8
    database, codes = postgres.database(), dict[str, str]()
    with plant_process(free_port()) as plant, nobody_left(tmp_path):
        asyncio.run(receive(plant))
        for shown in commands:
            command = here(shown, f"host={postgres.folder}", plant, database)
            code = pyotp.TOTP(codes["pl.xu"]).now() if codes else ""
            output = run_in(tmp_path, command, {SECRET: secret_of("pl.xu"), CODE: code})
            expected = tuple(each.replace("database plant", f"database {database}") for each in shown.expected)
            absent = missing(expected, output)
            assert absent is None, f"$ {command}\nthe page shows {absent!r}; the output is\n{output}"
            if not codes:
                write_settings(tmp_path / "office", Settings(store=postgres.url(database, APP), telemetry="part"))
                store = record.open_store(postgres.url(database, OWNER))
                codes = prepared(tmp_path, store)
                store.close()
    assert "its worker gave no sign of life" in workers_said(tmp_path)
