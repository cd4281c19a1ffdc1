"""D3b: ten thousand batches read back after the process that wrote them was killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from time import perf_counter

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.packs import read_pack
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.bench.work import created, drafts, steps
from cytoloop.core.batch import fold
from cytoloop.core.errors import FindingError
from cytoloop.record.ledger import Ledger, Request

BATCHES, QUICK = 10_000, 200
APPENDS = 6
"""Of each batch: its creation and five of its steps' appends, nine entries."""
TOGETHER = 200
"""Batches written in one durable append."""
AT = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def rows(options: Options) -> list[Row]:
    """Seconds from opening the record to the state of every batch."""
    batches = QUICK if options.quick else BATCHES
    path = options.scratch / "d3b.db"
    options.tick(f"{batches:,} batches written; their writer is killed")
    _write_and_kill(path, batches)
    options.tick("read back")
    seconds = [_read_back(path, batches) for _ in range(options.repeats)]
    what = f"{batches:,} batches read back and folded after kill -9 of their writer"
    goal = None if options.quick else Goal(bound=1.0, better="less")
    return [row("D3b", what, seconds, "s", better="less", goal=goal)]


def _write_and_kill(path: Path, batches: int) -> None:
    """Have a process write the batches and go on writing, and kill it while it does."""
    command = [sys.executable, "-m", "cytoloop.bench.record_read", str(path), str(batches)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None, "a pipe was asked for"
        told = writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    if told != "written\n":
        raise FindingError(
            "the writer of the benchmark ended before it had written its batches; see what it says above"
        )


def _read_back(path: Path, batches: int) -> float:
    """Seconds until every acknowledged batch is known as its entries add up; FindingError when one is missing."""
    master = read_pack("car_t_cd19").master
    began = perf_counter()
    with closing(open_store(path)) as store:
        ledger = Ledger(store, ScaledClock())
        folded = [fold(ledger.stream(stream), master) for stream in ledger.streams("batch/")]
    seconds = perf_counter() - began
    whole = sum(batch.position == _entries() for batch in folded)
    if whole < batches:
        raise FindingError(f"{batches} batches were acknowledged and only {whole} were read back whole")
    return seconds


def _entries() -> int:
    return 1 + sum(len(facts) for facts in islice(steps("B-1", AT), APPENDS - 1))


def _written(ledger: Ledger) -> Iterator[int]:
    """Write batches, many in one append, and say after each append how many there are."""
    for first in count(0, TOGETHER):
        numbers = [f"B-{number:06d}" for number in range(first, first + TOGETHER)]
        ends = dict.fromkeys(numbers, 0)
        work = {number: [(created(number),), *islice(steps(number, AT), APPENDS - 1)] for number in numbers}
        for place in range(APPENDS):
            requests = [
                Request(f"batch/{number}", drafts(facts[place], AT), ends[number]) for number, facts in work.items()
            ]
            for number, answer in zip(numbers, ledger.append_all(requests), strict=True):
                if isinstance(answer, Exception):
                    raise answer
                ends[number] += len(answer)
        yield first + TOGETHER


def _writer(path: Path, batches: int) -> None:
    told = False
    for written in _written(Ledger(open_store(path, create=True), ScaledClock())):
        if written >= batches and not told:
            told = True
            print("written", flush=True)


if __name__ == "__main__":
    _writer(Path(sys.argv[1]), int(sys.argv[2]))
