"""Two at once: the same act sent twice is done once, and a person may act while a line writes."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.records import RECORD, acting_record, readable_store, writable_record
from cytoloop.bench.killing import CODEC, draft
from cytoloop.core.errors import ConflictError, UserError
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify

ROUNDS = 60

TAB = """
import sys
from pathlib import Path
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.bench.killing import CODEC, draft
from cytoloop.core.errors import ConflictError
from cytoloop.record.ledger import Ledger

ledger = Ledger(open_store(Path(sys.argv[1])), ScaledClock(), CODEC)
for line in sys.stdin:
    number = int(line)
    try:
        ledger.append("study/1", [draft(number)], expected=number)
        print("kept", flush=True)
    except ConflictError as error:
        print(error, flush=True)
print("ready", flush=True)
"""


def told_once(answers: list[str], round_: int) -> None:
    """One of two was kept; the other hears in one sentence that it was not, and what to do."""
    kept, refused = sorted(answers, key=lambda said: said != "kept")
    assert (kept, refused != "kept") == ("kept", True), answers
    assert refused == f"study/1 ends at {round_ + 1} and not at {round_}: read again, decide again"


def send(ledger: Ledger, number: int, together: Barrier) -> str:
    together.wait()
    try:
        ledger.append("study/1", [draft(number)], expected=number)
    except ConflictError as error:
        return str(error)
    return "kept"


@pytest.mark.parametrize("ledgers", [1, 2], ids=["in one server", "in two servers"])
def test_an_act_that_two_tabs_send_at_once_is_done_once(tmp_path: Path, start: Instant, ledgers: int) -> None:
    path = tmp_path / RECORD
    opened = [open_store(path, create=True) for _ in range(ledgers)]
    tabs = [Ledger(store, SimulatedClock(start), CODEC) for store in opened]
    together = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        for number in range(ROUNDS):
            sent = [threads.submit(send, ledger, number, together) for ledger in (tabs[0], tabs[-1])]
            told_once([each.result() for each in sent], number)
    assert verify(opened[0]).entries == ROUNDS
    for store in opened:
        store.close()


def test_an_act_that_two_processes_send_at_once_is_done_once(tmp_path: Path) -> None:
    path = tmp_path / RECORD
    open_store(path, create=True).close()
    program = [sys.executable, "-c", TAB, str(path)]
    tabs = [subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for number in range(ROUNDS):
        for tab in tabs:
            assert tab.stdin is not None
            tab.stdin.write(f"{number}\n")
            tab.stdin.flush()
        told_once([(tab.stdout.readline() if tab.stdout else "").strip() for tab in tabs], number)
    for tab in tabs:
        tab.communicate()
    with readable_store(tmp_path) as store:
        assert verify(store).entries == ROUNDS


def test_a_second_line_on_one_folder_is_refused_and_a_person_may_act_meanwhile(tmp_path: Path, start: Instant) -> None:
    clock = SimulatedClock(start)
    with writable_record(tmp_path, clock) as line:
        with (
            pytest.raises(UserError, match="is in use by another process; wait until it ends"),
            writable_record(tmp_path, clock),
        ):
            raise AssertionError("two lines on one folder")
        with acting_record(tmp_path, clock) as person:
            for number in range(20):
                line.append("study/line", [draft(number)], expected=number)
                person.append("study/person", [draft(number)], expected=number)
                assert person.position("study/line") == line.position("study/person") == number + 1
    with readable_store(tmp_path) as store:
        assert verify(store).entries == 40


def test_a_reader_never_sees_half_an_append(tmp_path: Path, start: Instant) -> None:
    """Each append is three entries: whoever looks sees none or all of them, under a tree head that fits."""
    with closing(open_store(tmp_path / RECORD, create=True)) as store, ThreadPoolExecutor(1) as threads:
        ledger = Ledger(store, SimulatedClock(start), CODEC)

        def write() -> None:
            for number in range(0, 300, 3):
                ledger.append("study/1", [draft(number + each) for each in range(3)], expected=number)

        writing = threads.submit(write)
        looked: Callable[[], bool] = writing.done
        while not looked():
            with readable_store(tmp_path) as reader:
                assert verify(reader).entries % 3 == 0
        writing.result()
