"""The platform is killed in the middle of a batch; the plant goes on; the platform comes back and so does the batch."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.contract.opcua_plant import BATCH, carry_one, free_port, plant_process

from cytoloop.app.bootstrap import RECORD, readable_record, readable_store
from cytoloop.core.facts.production import StepCompleted, StepInDoubt, StepStarted
from cytoloop.record.verify import verify

ROOT = Path(__file__).parents[2]


def entries_in(folder: Path) -> int:
    if not (folder / RECORD).exists():
        return 0
    with readable_store(folder) as store:
        head = store.head()
        return head.size if head else 0


def killed_platform(endpoint: str, folder: Path, after_entries: int) -> None:
    """Start the platform on the batch and kill it, without a word, once so many entries stand in its record."""
    program = [sys.executable, "-m", "tests.contract.opcua_plant", endpoint, str(folder)]
    with subprocess.Popen(program, cwd=ROOT, stderr=subprocess.DEVNULL) as platform:
        deadline = time.monotonic() + 60.0
        while entries_in(folder) < after_entries:
            assert platform.poll() is None, "the platform ended before it was killed"
            assert time.monotonic() < deadline, "the platform does not get on"
            time.sleep(0.01)
        os.kill(platform.pid, signal.SIGKILL)


def test_a_batch_goes_on_after_the_platform_was_killed_twice(tmp_path: Path) -> None:
    with plant_process(free_port()) as endpoint:
        for after_entries in (12, 60):
            killed_platform(endpoint, tmp_path, after_entries)
            with readable_store(tmp_path) as store:
                assert verify(store).entries >= after_entries
        batch = asyncio.run(carry_one(endpoint, tmp_path))
    assert batch.finished_at is not None
    with readable_record(tmp_path) as ledger:
        facts = [each.fact for each in ledger.stream(f"batch/{BATCH}")]
    started = [fact.key for fact in facts if isinstance(fact, StepStarted)]
    assert max(Counter(started).values()) == 1, "a command was sent under one key twice"
    doubts = {fact.key for fact in facts if isinstance(fact, StepInDoubt)}
    recovered = {(fact.step, fact.attempt) for fact in facts if isinstance(fact, StepCompleted) and fact.recovered}
    assert len(recovered) <= len(doubts)
    done = Counter(fact.step for fact in facts if isinstance(fact, StepCompleted))
    assert max(done.values()) == 1, "a step was done twice"
