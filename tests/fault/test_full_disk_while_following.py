"""The disk is full while readings come in: the batch stops, and goes on once there is space; nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fault.follows import ROWS
from tests.fault.power_cut import ROOT
from tests.followed import Followed

from cytoloop.core.time import after
from cytoloop.testing.builders import START


@pytest.mark.parametrize("writes", [0, 5, 23])
def test_the_disk_is_full_while_readings_come_in(shim: Path, tmp_path: Path, writes: int) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = {"LD_PRELOAD": str(shim), "FAULT_ROOT": str(folder), "FAULT_LOG": str(tmp_path / "log")}
    program = [sys.executable, "-m", "tests.fault.follows", str(folder), str(writes)]
    done = subprocess.run(program, cwd=ROOT, env=os.environ | disk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "full" in told["said"]
    assert "free space" in told["said"]
    assert after(START, 3.0).isoformat() <= told["stopped"] < after(START, 9.0).isoformat()
    whole = Followed(ROWS, poll=0.5).go(3.0, 10.0)
    assert told["facts"] == [str(fact) for fact in whole.facts()]
    assert told["deviations"] == whole.deviations()
    assert told["stored"] == whole.stored()
    assert len(told["deviations"]) == 1
