"""A disk that is full or fails: stop, say it in one sentence, never trust a second try; lose nothing acknowledged."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.fault.failing import Answer, Scenario
from tests.fault.power_cut import ROOT

Play = Callable[[Sequence[Scenario]], list[Answer]]


@pytest.fixture
def play(shim: Path, tmp_path: Path) -> Play:
    """Plays scenarios in a process of its own, on a disk that fails."""

    def played(scenarios: Sequence[Scenario]) -> list[Answer]:
        folder = tmp_path / "disk"
        folder.mkdir()
        disk = {"LD_PRELOAD": str(shim), "FAULT_ROOT": str(folder), "FAULT_LOG": str(tmp_path / "log")}
        program = [sys.executable, "-m", "tests.fault.failing", str(folder)]
        asked = "\n".join(json.dumps(asdict(each)) for each in scenarios)
        done = subprocess.run(
            program, cwd=ROOT, env=os.environ | disk, input=asked, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [Answer(**json.loads(line)) for line in done.stdout.splitlines()]

    return played


def all_there(answer: Answer) -> None:
    """Every acknowledged entry once and in order; beyond them at most the one that failed first."""
    acknowledged = [*answer.acknowledged, *answer.acknowledged_later]
    for found in (answer.found, answer.found_killed):
        assert [number for number in found if number in acknowledged] == acknowledged
        assert len(set(found)) == len(found), "an entry is doubled"
        beyond = set(found) - set(acknowledged)
        assert len(beyond) <= 1, "more was kept than could be in doubt"
        assert not beyond or "nothing of this append was kept" not in answer.said[0], "it was kept after all"


def test_after_a_failed_fsync_the_store_writes_no_more_until_it_is_opened_again(play: Play) -> None:
    scenarios = [
        Scenario(kind="sync", error=errno.EIO, name="-wal", after=after, for_ever=for_ever)
        for after in range(4)
        for for_ever in (False, True)
    ]
    for scenario, answer in zip(scenarios, play(scenarios), strict=True):
        all_there(answer)
        assert len(answer.acknowledged) >= 3 + scenario.after // 2
        assert "mend the disk and start again; what was acknowledged before is safe" in answer.said[0]
        assert len(answer.acknowledged) + len(answer.said) == 9
        assert len(answer.said_later) == 2, "neither an append nor an attestation may be tried again"
        assert all("is not written any more: a write failed earlier" in said for said in answer.said_later)
        assert not answer.acknowledged_later


def test_a_failed_fsync_of_the_file_itself_stops_the_store_and_loses_nothing(play: Play) -> None:
    answers = play([Scenario(kind="sync", error=errno.EIO, name=".db", after=after, tries=12) for after in range(14)])
    for answer in answers:
        all_there(answer)
        assert answer.said, "the disk failed and nobody was told"
        assert not answer.acknowledged_later


def test_a_full_disk_keeps_nothing_of_the_append_and_goes_on_once_there_is_space(play: Play) -> None:
    scenarios = [
        Scenario(kind="write", error=errno.ENOSPC, name="-wal", after=after, for_ever=for_ever)
        for after in range(12)
        for for_ever in (False, True)
    ]
    for answer in play(scenarios):
        all_there(answer)
        assert "full" in answer.said[0]
        assert "nothing of this append was kept" in answer.said[0]
        assert set(answer.found) == {*answer.acknowledged, *answer.acknowledged_later}
        assert len(answer.acknowledged_later) == 1


def test_a_write_that_fails_stops_the_store(play: Play) -> None:
    for answer in play([Scenario(kind="write", error=errno.EIO, after=after, tries=12) for after in range(30)]):
        all_there(answer)
        assert answer.said
        assert not answer.acknowledged_later
