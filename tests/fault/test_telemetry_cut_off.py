"""The power goes, or the process is killed, while readings are written and sealed: none is lost or doubled."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from tests.fault import telemetered
from tests.fault.disk import lay_out
from tests.fault.power_cut import ROOT, cuts, run_told

from cytoloop.app.records import RECORD
from cytoloop.app.verifying_telemetry import verify_telemetry_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder whose disk tells."""
    (tmp_path / "root").mkdir()
    return (tmp_path / "root").resolve()


def test_the_power_goes_while_readings_are_written_and_sealed(
    shim: Path, root: Path, tmp_path: Path, long: bool
) -> None:
    assert judged_cuts(shim, root, tmp_path, None if long else 40) > 40


def test_a_store_that_does_not_wait_for_the_disk_would_be_found(
    shim: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASTY", "1")
    with pytest.raises(AssertionError, match=r"is gone|is lost"):
        judged_cuts(shim, root, tmp_path, 40)


def judged_cuts(shim: Path, root: Path, tmp_path: Path, moments: int | None) -> int:
    """Judge what so many power cuts could have left of the telemetry; how many states they were."""
    told = run_told(shim, root, tmp_path / "log", root / "data", program="telemetered")
    judged = 0
    for cut in cuts(told, random.Random(1), moments):
        lay_out(cut.state, tmp_path / "cut")
        try:
            telemetered.judge(tmp_path / "cut" / "data", cut.promise.said)
        except Exception as error:
            error.add_note(f"cut after operation {cut.after} of {len(told.operations)}, with {cut.how}")
            raise
        judged += 1
    return judged


def test_the_power_goes_while_batches_run_and_every_seal_in_the_record_has_its_segment(
    shim: Path, root: Path, tmp_path: Path, long: bool
) -> None:
    words = ("demo", "--patients", "1", "--no-serve", "--data", root / "data")
    told = run_told(shim, root, tmp_path / "log", *words)
    seals = 0
    for cut in cuts(told, random.Random(2), None if long else 12):
        lay_out(cut.state, tmp_path / "cut")
        if (tmp_path / "cut" / "data" / RECORD).exists():
            seals = max(seals, verify_telemetry_of(tmp_path / "cut" / "data").segments)
    assert seals > 10


def test_kill_9_while_readings_are_written_and_sealed(tmp_path: Path, long: bool) -> None:
    for round_ in range(25 if long else 1):
        _killed_eight_times(tmp_path / str(round_), random.Random(round_))


def _killed_eight_times(folder: Path, dice: random.Random) -> None:
    first, said = 0, list[str]()
    for _ in range(8):
        command = [sys.executable, "-m", "tests.fault.telemetered", str(folder), str(first)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert json.loads(writer.stdout.readline()) == {"begun": True}
            Timer(dice.uniform(0.0, 0.3), writer.kill).start()
            said += [line for line in writer.stdout if line.endswith("\n")]
        assert writer.returncode == -signal.SIGKILL
        first = telemetered.judge(folder, said)
        said.append(json.dumps({"written": first - 1}))
    assert first > 50
