"""Whole facilities on seeded dice, with every kind of fault: hundreds of seeds, and not one violates an invariant.

A seed that fails is told with the command that replays it and the end of its trace. `--long` simulates thousands.
"""

import os
import subprocess
import sys
from collections import Counter
from typing import get_args

import pytest
from tests.simulated import every_form

from cytoloop.adapters.faulty.faults import FaultKind, rates
from cytoloop.app.simulation.running import Asked, many, simulated
from cytoloop.app.simulation.setting import Setting
from cytoloop.app.simulation.world import Ended, World

CHUNKS, SEEDS = 8, 25
"""Seeds of the ordinary form: so many for each of so many tests, which may run side by side."""
LONG = 40
"""Times as many in the long form."""
PACK = every_form()


def sound(asked: Asked, first: int, seeds: int) -> Counter[str]:
    """Simulate these seeds; what faults they met."""
    met = Counter[str]()
    for ended in many(asked, range(first, first + seeds)):
        assert ended.violation is None, told(asked, ended)
        met.update(ended.faults)
    return met


def told(asked: Asked, ended: Ended) -> str:
    """What a seed that fails is told with."""
    trace = simulated(asked, ended.seed, traced=True).trace
    return "\n".join((f"seed {ended.seed}: {ended.violation}", *trace[-40:], f"replay: {asked.words(ended.seed)}"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_seeds_of_the_light_world(chunk: int, long: bool) -> None:
    seeds = SEEDS * (LONG if long else 1)
    sound(Asked(batches=1 + chunk % 2), 1 + chunk * seeds, seeds)


@pytest.mark.parametrize("factor", [4.0, 8.0])
def test_seeds_with_many_times_the_faults(factor: float, long: bool) -> None:
    """Crashes, cuts and absences several times a day."""
    sound(Asked(batches=2, factor=factor), 1, 2 * (LONG if long else 1))


def test_seeds_of_the_full_world(long: bool) -> None:
    """With biology and patients: clinic to administration."""
    sound(Asked(batches=3, full=True), 1, 2 * (LONG if long else 1))


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_seeds_of_a_recipe_with_every_form(factor: float, long: bool) -> None:
    odds = rates(["all"], factor)
    for seed in range(8 * (LONG if long else 1)):
        ended = World(Setting(seed=seed, batches=3, rates=odds, pack=PACK)).run()
        if ended.violation is not None:
            again = World(Setting(seed=seed, batches=3, rates=odds, pack=PACK, traced=True)).run()
            pytest.fail("\n".join((f"seed {seed}: {ended.violation}", *again.trace[-40:])))


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_each_kind_of_fault_alone_happens_and_is_survived(kind: str) -> None:
    factor = 10.0 if kind in MANY else 0.7 / rates([kind])[kind]
    assert sound(Asked(batches=1, kinds=(kind, *NEEDS.get(kind, ())), factor=factor), 1, 2)[kind] > 0


MANY = ("crash", "full-disk", "slow-disk", "partition", "command-lost", "outcome-lost", "program-fails")
"""Faults that a batch meets often enough, and that it would not survive at every turn."""
NEEDS = {"forgets": ("outcome-lost",), "unsigned-answer": ("program-fails",)}
"""Faults that only show when there is something to recall, or to decide on."""


def replayed(seed: int, hashes: str, *options: str) -> str:
    """The whole trace of a seed and its tree head, from a process of its own."""
    command = [sys.executable, "-m", "cytoloop.cli.main", "simulate", "--seed", str(seed), "--trace", *options]
    environment = {**os.environ, "PYTHONHASHSEED": hashes, "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


@pytest.mark.parametrize(
    "options",
    [("--batches", "1", "--rate", "6"), ("--full", "--batches", "1")],
    ids=["many", "full"],
)
def test_a_seed_replays_bit_for_bit_in_another_process(options: tuple[str, ...]) -> None:
    one, two = replayed(5, "1", *options), replayed(5, "2", *options)
    assert "tree head" in one
    assert "FAULT" in one
    assert len(one.splitlines()) > 300
    assert one == two


def test_another_seed_is_another_history() -> None:
    heads = {ended.head for ended in many(Asked(batches=1), range(1, 5))}
    assert len(heads) == 4


def test_tracing_changes_nothing() -> None:
    asked = Asked(batches=2)
    assert simulated(asked, 9, traced=True).head == simulated(asked, 9).head
