"""`cytoloop simulate`: what it says, and its exit codes."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from cytoloop.app.simulation import after_entries, invariants
from cytoloop.app.simulation.story import Story
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Recorded

Command = Callable[..., CompletedProcess[str]]


def test_seeds_that_hold(cytoloop: Command) -> None:
    done = cytoloop("simulate", "--seeds", "2", "--batches", "1", "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert (told["seeds"], told["batches"], told["violated"]) == (2, 2, [])
    assert sum(told["faults"].values()) > 0


def test_nothing_goes_wrong_when_asked(cytoloop: Command) -> None:
    done = cytoloop("simulate", "--seeds", "1", "--batches", "1", "--faults", "none")
    assert done.returncode == 0
    assert "every invariant held" in done.stdout
    assert "Faults" not in done.stdout


def test_an_unknown_fault_is_the_users_mistake(cytoloop: Command) -> None:
    done = cytoloop("simulate", "--faults", "partition,flood")
    assert done.returncode == 2
    assert "'flood' is no kind of fault; choose from: all, partition" in done.stderr


def test_the_kinds_of_faults_are_listed(cytoloop: Command) -> None:
    done = cytoloop("simulate", "--list")
    assert done.returncode == 0
    assert "wrong-bag" in done.stdout


def test_a_seed_that_fails_is_told_with_the_command_that_replays_it(
    cytoloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_holds(story: Story, before: Batch, recorded: Recorded) -> str | None:
        """Never holds."""
        return "as asked" if recorded.entry.position == 9 else None

    broken = (*invariants.AFTER_EVERY_ENTRY, never_holds)
    monkeypatch.setattr(invariants, "AFTER_EVERY_ENTRY", broken)
    assert after_entries.readings_once in broken
    done = cytoloop("simulate", "--seeds", "2", "--batches", "1", "--rate", "2")
    assert done.returncode == 1
    assert "seed 1 violated never_holds: as asked (batch B-1)" in done.stderr
    replay = "cytoloop simulate --seed 1 --batches 1 --faults all --rate 2 --trace"
    assert f"replay it: {replay}" in done.stderr
    again = cytoloop(*replay.split()[1:])
    assert again.returncode == 1
    assert again.stdout.splitlines()[-1].endswith("VIOLATED never_holds: as asked (batch B-1)")
