"""Eight processes append to one record at once: nobody starves, nothing is lost, doubled or out of place."""

import subprocess
import sys
from pathlib import Path

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify

WRITERS, EACH = 8, 40

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.core.entry import Draft
from cytoloop.core.errors import ConflictError
from cytoloop.core.facts.clinic import StudyFiled
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import Ledger

path, name, each = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = Ledger(open_store(path), ScaledClock(), Codec([StudyFiled]))
print("ready", flush=True)
sys.stdin.readline()

def draft(number):
    fact = StudyFiled(receipt=f"{name}-{number}", protocol_version="1")
    return Draft(fact=fact, actor="person:" + name, happened_at=datetime.now(UTC))

shared = 0
for number in range(each):
    ledger.append(f"study/{name}", [draft(number)], expected=number)
    while True:
        try:
            ledger.append("study/shared", [draft(number)], expected=shared)
        except ConflictError:
            shared = ledger.position("study/shared")
        else:
            shared += 1
            break
print("done", flush=True)
"""


def test_eight_processes_append_to_one_record(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    open_store(path, create=True).close()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"w{number}", str(EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    told = [writer.communicate(timeout=120)[0] for writer in _all_told(writers)]
    assert told == ["done\n"] * WRITERS
    store = open_store(path, read_only=True)
    try:
        assert verify(store).entries == 2 * WRITERS * EACH
        ledger = Ledger(store, ScaledClock())
        for number in range(WRITERS):
            assert _receipts(ledger, f"study/w{number}") == [f"w{number}-{n}" for n in range(EACH)]
        shared = _receipts(ledger, "study/shared")
        assert sorted(shared) == sorted(f"w{number}-{n}" for number in range(WRITERS) for n in range(EACH))
    finally:
        store.close()


def _all_told(writers: "list[subprocess.Popen[str]]") -> "list[subprocess.Popen[str]]":
    """Say go to all of them before anybody is waited for."""
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    return writers


def _receipts(ledger: Ledger, stream: str) -> list[str]:
    return [each.fact.receipt for each in ledger.stream(stream) if isinstance(each.fact, StudyFiled)]
