"""The person's door keeps what a door promises, over a record in either store, and two processes give one answer."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.asking import ask, begun
from tests.contract.postgres_server import PostgresServer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.operator.door import PersonDoor
from cytoloop.app.answering import Answering
from cytoloop.app.answers import find_in, stands_in
from cytoloop.app.asked import Typed
from cytoloop.app.cast import enrol_cast
from cytoloop.app.people import people_at
from cytoloop.app.records import open_record
from cytoloop.app.registrar import Registrar
from cytoloop.app.settings import Settings, write_settings
from cytoloop.core.equipment import Command
from cytoloop.production.asking import ANSWERS
from cytoloop.record.ledger import Ledger
from cytoloop.testing.door_contract import DoorCase, check_door

SCAN = "receipt/scan_leukapheresis"
ROUNDS = 12

TAB = """
import sys
from pathlib import Path
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app.answering import Answering
from cytoloop.app.asked import Typed
from cytoloop.app.people import people_at
from cytoloop.app.records import open_record
from cytoloop.core.errors import CytoloopError
from cytoloop.record.ledger import Ledger

folder, clock = Path(sys.argv[1]), ScaledClock()
ledger = Ledger(open_record(folder), clock)
answering = Answering(people=people_at(folder, ledger, clock), clock=clock)
print("ready", flush=True)
for line in sys.stdin:
    try:
        answering.give("op.zhou", line.strip(), Typed(texts={"code": "COI-B-2"}))
        print("given", flush=True)
    except CytoloopError as error:
        print(error, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder whose record is kept in a file, or in a database."""
    made = tmp_path / "data"
    made.mkdir()
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        write_settings(made, Settings(store=server.fresh()))
    return made


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    with closing(open_record(folder, create=True)) as store:
        made = Ledger(store, ScaledClock())
        enrol_cast(Registrar(made, ScaledClock()), Credentials(folder))
        begun(made)
        yield made


def door(ledger: Ledger) -> PersonDoor:
    return PersonDoor(clock=ScaledClock(), find=find_in(ledger), stands=stands_in(ledger), poll=0.02 / 3600)


async def test_it_keeps_what_a_door_promises(folder: Path, ledger: Ledger) -> None:
    key = ask(ledger, step=SCAN, verb="scan", arguments={"label": "leukapheresis_bag"})
    clock = ScaledClock()
    answering = Answering(people=people_at(folder, ledger, clock), clock=clock)

    async def answer() -> None:
        await asyncio.sleep(0.2)
        answering.give("op.zhou", key, Typed(texts={"code": "COI-B-2"}))

    async def effects() -> float:
        return len(ledger.streams(ANSWERS))

    giving = asyncio.create_task(answer())
    case = DoorCase(
        door=door(ledger),
        good=Command(key=key, target="person:operator", verb="scan", arguments={"label": "leukapheresis_bag"}),
        effects=effects,
        unknown=Command(key="B-2/x#1", target="person:operator", verb="program"),
    )
    await check_door(case)
    await giving


async def test_two_processes_that_answer_at_once_give_one_answer(folder: Path, ledger: Ledger) -> None:
    program = [sys.executable, "-c", TAB, str(folder)]
    tabs = [subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    waiting = door(ledger)
    try:
        for tab in tabs:
            assert tab.stdout is not None
            assert tab.stdout.readline() == "ready\n"
        for attempt in range(1, ROUNDS + 1):
            key = ask(ledger, step=SCAN, verb="scan", arguments={"label": "bag"}, attempt=attempt)
            outcome = asyncio.create_task(waiting.recall(key))
            for tab in tabs:
                assert tab.stdin is not None
                tab.stdin.write(f"{key}\n")
                tab.stdin.flush()
            told = sorted([await asyncio.to_thread(_line, tab) for tab in tabs])
            assert told[1] == "given"
            assert told[0].startswith("already answered by Zhou Min 周敏 at"), told
            found = await asyncio.wait_for(outcome, 20)
            assert found is not None
            assert (found.by, dict(found.values)) == ("person:op.zhou", {"code": "COI-B-2"})
    finally:
        for tab in tabs:
            tab.communicate()
    assert {ledger.position(stream) for stream in ledger.streams(ANSWERS)} == {1}
    assert len(ledger.streams(ANSWERS)) == ROUNDS


def _line(tab: "subprocess.Popen[str]") -> str:
    assert tab.stdout is not None
    return tab.stdout.readline().strip()
