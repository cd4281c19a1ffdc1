"""Simulators for the benchmarks: ours, and one that lives in another process."""

import subprocess
import sys
from pathlib import Path

import pytest

from cytoloop.bench.optimum import optimum, true_value
from cytoloop.bench.peers import Peers
from cytoloop.bench.simulators import (
    NOISE,
    RemoteSimulator,
    facility_simulator,
    noisy,
    simulators,
)
from cytoloop.core.errors import FindingError, UserError

SERVED = """
import json, sys
print(json.dumps({"name": "bowl", "space": {"x": [0, 1], "y": [-2, 2]}, "objective": "height"}), flush=True)
for line in sys.stdin:
    asked = json.loads(line); p = asked["parameters"]
    if p["x"] > 0.9:
        print(json.dumps({"failed": "too far"}), flush=True)
    elif p["x"] < -0.5:
        sys.exit(3)
    else:
        value = 10 - (p["x"] - 0.25) ** 2 - (p["y"] - 1) ** 2 + asked["donor"]
        print(json.dumps({"values": {"height": value}}), flush=True)
"""


def process(program: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def bowl() -> RemoteSimulator:
    return RemoteSimulator(process=process(SERVED))


def test_ours_answers_the_same_to_the_same_dice_and_differs_between_donors() -> None:
    ours = facility_simulator()
    middle = {name: sum(pair) / 2.0 for name, pair in ours.space.items()}
    assert ours.simulate(middle, 3, 5) == ours.simulate(middle, 3, 5)
    assert ours.simulate(middle, 3, 5) != ours.simulate(middle, 3, 6)
    assert ours.truth(middle, 3) != ours.truth(middle, 4)
    found = ours.truth(middle, 3)
    assert found["in_specification_yield"] == pytest.approx(found["viable_car_cells"] * found["in_specification"])
    assert 0.0 <= found["in_specification"] <= 1.0
    with pytest.raises(UserError, match="stirring"):
        ours.truth({"stirring": 1.0}, 0)


def test_noise_is_as_large_as_stated() -> None:
    drawn = [noisy({"a": 2.0}, seed)["a"] / 2.0 for seed in range(400)]
    mean = sum(drawn) / len(drawn)
    sd = (sum((each - mean) ** 2 for each in drawn) / len(drawn)) ** 0.5
    assert mean == pytest.approx(1.0, abs=0.01)
    assert sd == pytest.approx(NOISE, rel=0.15)


def test_a_plant_in_another_process_is_driven_searched_and_closed(tmp_path: Path) -> None:
    with bowl() as plant:
        assert (plant.name, plant.objective, plant.space) == ("bowl", "height", {"x": (0, 1), "y": (-2, 2)})
        assert plant.truth({"x": 0.25, "y": 1.0}, 2) == {"height": 12.0}
        assert plant.simulate({"x": 0.95, "y": 0.0}, 0, 1) == {}
        assert true_value(plant, {"x": 0.95, "y": 0.0}) == 0.0
        with pytest.raises(UserError, match="z"):
            plant.truth({"x": 0.1, "z": 0.0}, 0)
        best = optimum(plant, 1, folder=tmp_path, effort=5)
        assert best.value == pytest.approx(11.0, abs=0.01)
        assert optimum(plant, 1, folder=tmp_path, effort=5) == best
        assert optimum(plant, 2, folder=tmp_path, effort=5).value == pytest.approx(12.0, abs=0.01)
    plant.close()
    assert plant.process.returncode == 0


def test_a_plant_that_ended_is_told() -> None:
    with bowl() as plant, pytest.raises(FindingError, match="ended"):
        plant.truth({"x": -1.0, "y": 0.0}, 0)
    with pytest.raises(FindingError, match="ended"):
        RemoteSimulator(process=process(""))


def test_without_peers_there_is_ours() -> None:
    with simulators(Peers(None)) as found:
        assert [each.name for each in found] == ["facility (car_t_cd19)"]
