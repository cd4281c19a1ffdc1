"""Appends to a record while its disk fails, and tells what was said and what was kept. Runs under disk_shim.c.

`python -m tests.fault.failing FOLDER` reads scenarios as JSON lines and answers each with a JSON line.
"""

import ctypes
import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import copyfile

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store, store
from cytoloop.bench.killing import CODEC, START, draft, number_of
from cytoloop.core.errors import CytoloopError
from cytoloop.core.store import Attestation
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify

STREAM = "study/1"
KINDS = {"write": 1, "sync": 2, "rename": 3}
_disk = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A disk that fails at one kind of operation, on files whose name has `name`, after so many that went well."""

    kind: str
    error: int
    name: str = ""
    after: int = 0
    for_ever: bool = False
    before: int = 3
    """Appends before the disk begins to fail."""
    tries: int = 6
    """Appends while it fails."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What came of it."""

    acknowledged: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """By the appends that failed."""
    said_later: list[str] = field(default_factory=list)
    """By appends and attestations to the same store, once the disk was well again."""
    acknowledged_later: list[int] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    """After the store was closed, and the record opened again and verified."""
    found_killed: list[int] = field(default_factory=list)
    """The same of a process that was killed there and could not close it."""
    asked: int = 0
    """Operations of the kind that were asked for while armed."""


def fail(kind: str, scenario: Scenario) -> None:
    _disk.fault_arm(KINDS[kind], scenario.after, scenario.error, int(scenario.for_ever), scenario.name.encode())


def play(path: Path, scenario: Scenario) -> Answer:
    """Append before, while and after the disk fails; then open the record again."""
    answer = Answer()
    opened = open_store(path, create=True)
    try:
        ledger, number = Ledger(opened, SimulatedClock(START), CODEC), 0
        for _ in range(scenario.before):
            _append(ledger, number, answer.acknowledged, answer.said)
            number += 1
        fail(scenario.kind, scenario)
        for _ in range(scenario.tries):
            _append(ledger, number, answer.acknowledged, answer.said)
            number += 1
        answer.asked = _disk.fault_seen()
        _disk.fault_arm(0, 0, 0, 0, b"")
        _append(ledger, number, answer.acknowledged_later, answer.said_later)
        _attest(ledger, opened, answer.said_later)
        for file in path.parent.glob(f"{path.name}*"):
            copyfile(file, path.with_name(f"killed-{file.name}"))
    finally:
        opened.close()
    answer.found, answer.found_killed = _found(path), _found(path.with_name(f"killed-{path.name}"))
    return answer


def _found(path: Path) -> list[int]:
    """What the record holds, when it is opened again; and it goes on."""
    with closing(open_store(path)) as again:
        verify(again)
        found = [number_of(row) for row in again.rows()]
        ledger = Ledger(again, SimulatedClock(START), CODEC)
        ledger.append(STREAM, [draft(999)], expected=ledger.position(STREAM))
        verify(again)
    return found


def _append(ledger: Ledger, number: int, acknowledged: list[int], said: list[str]) -> None:
    try:
        ledger.append(STREAM, [draft(number)], expected=ledger.position(STREAM))
        acknowledged.append(number)
    except CytoloopError as error:
        said.append(str(error))


def _attest(ledger: Ledger, opened: store.SqliteStore, said: list[str]) -> None:
    try:
        opened.attest(Attestation(ledger.head().size, "checkpoint", b"note"))
    except CytoloopError as error:
        said.append(str(error))


if __name__ == "__main__":
    store.CHECKPOINT_EVERY = 8
    for number, line in enumerate(sys.stdin):
        played = play(Path(sys.argv[1]) / f"{number}.db", Scenario(**json.loads(line)))
        sys.stdout.write(json.dumps(asdict(played)) + "\n")
