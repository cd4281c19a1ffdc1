"""Processes: one function over many items, though workers die."""

import os
import signal
from pathlib import Path

import pytest

from cytoloop.adapters.processes import processes
from cytoloop.core.errors import FindingError


def squared(item: tuple[int, str]) -> int:
    """The square; whoever first gets the item 3 dies, as after kill -9."""
    number, mark = item
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def dies(_: int) -> None:
    """Every worker dies of it."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_takes_nothing_with_it(tmp_path: Path) -> None:
    with processes(2) as workers:
        items = [(number, str(tmp_path / "mark")) for number in range(12)]
        found = sorted(workers.each(squared, items))
        assert (tmp_path / "mark").exists()
        assert found == [number * number for number in range(12)]
        assert sorted(workers.each(squared, items[:2])) == [0, 1]


def test_workers_that_die_again_and_again_are_told() -> None:
    with processes(2) as workers, pytest.raises(FindingError, match="died 3 times"):
        list(workers.each(dies, [1]))


def test_one_worker_is_this_process() -> None:
    with processes(1) as workers:
        assert list(workers.each(os.path.basename, ["a/b", "c/d"])) == ["b", "d"]
