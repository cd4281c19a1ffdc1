"""Kill -9 at any point, thousands of times: no acknowledged entry is lost or doubled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fault.power_cut import ROOT


def killed(folder: Path, kills: int, way: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.fault.killed", str(folder), str(kills), way]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("way", "kills"), [("one at a time", 1_300), ("in groups", 400), ("side by side", 300)])
def test_no_acknowledged_entry_is_lost_or_doubled_when_the_writer_is_killed(
    tmp_path: Path, way: str, kills: int, long: bool
) -> None:
    kills *= 5 if long else 1
    done = killed(tmp_path, kills, way)
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    assert tally["kills"] == kills
    assert tally["acknowledged"] > kills, "the writers were killed before they wrote anything"
    assert tally["before_ready"] > 0, "no writer was killed while it opened the record"
    assert tally["under_way"] > 0, "no writer was killed between the disk's yes and its own"


@pytest.mark.parametrize(
    ("way", "said"),
    [("said too early", "was acknowledged and is lost"), ("written again", "one is doubled or missing")],
)
def test_the_loop_finds_a_writer_that_loses_or_doubles(tmp_path: Path, way: str, said: str) -> None:
    done = killed(tmp_path, 200, way)
    assert done.returncode != 0
    assert said in done.stderr
