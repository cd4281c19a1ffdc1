"""`cytoloop bench production --quick`: every figure is measured, small."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.bench import in_flight
from cytoloop.core.time import hours_between
from cytoloop.production.runner import advance
from cytoloop.record.ledger import Ledger


def test_a_quick_run_gives_every_row(cytoloop: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = cytoloop("bench", "production", "--quick", "--json", "--scratch", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {each["id"]: each for each in json.loads(done.stdout)["rows"]}
    assert {"L1", "L1 memory", "L1 open", "L1 read", "L1 start", "L2", "L2 disk", "R1", "R1 one"} <= set(rows)
    assert all(each["value"] >= 0 for each in rows.values())
    assert rows["L2"]["peer"] == "DBOS step"
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_batches_in_flight_each_wait_for_a_timer(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    entries = in_flight.write(tmp_path / "record.db", 5, 16.0, now)
    store = open_store(tmp_path / "record.db")
    batches = in_flight.read(Ledger(store, ScaledClock()), in_flight.master())
    store.close()
    assert len(batches) == 5
    for batch in batches:
        assert batch.position == entries > 20
        assert batch.number in next(iter(batch.steps.values())).key
        wake_at = advance(batch, now).wake_at
        assert wake_at is not None
        assert 0 < hours_between(now, wake_at) < 6


async def test_a_process_that_carries_them_says_when_all_of_them_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_flight.write(tmp_path / "record.db", 5, 16.0, datetime.now(UTC))
    await in_flight.carry_all(tmp_path / "record.db")
    told = json.loads(capsys.readouterr().out)
    assert told["batches"] == 5
    assert told["mebibytes"] > 10
