"""The frame of the benchmarks: turns, medians, goals, peers that are not there."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cytoloop.bench.frame import Goal, Options, alternate, document, machine, row
from cytoloop.bench.peers import PINNED, Peers


def test_measures_are_run_in_turns() -> None:
    order: list[str] = []

    def measure(name: str, value: float) -> float:
        order.append(name)
        return value

    values = alternate(3, lambda: measure("ours", 2.0), lambda: measure("peer", 1.0), lambda: None)
    assert order == ["ours", "peer"] * 3
    assert values == [[2.0] * 3, [1.0] * 3, []]


def test_a_row_of_array_numbers_is_plain_json() -> None:
    made = row(
        "X1", "writes", [np.float64(3.0)], "/s", goal=Goal(bound=2.0), peer="other", peer_values=[np.float64(1.0)]
    )
    told = json.loads(json.dumps(dataclasses.asdict(made)))
    assert (told["value"], told["ratio"], told["met"]) == (3.0, 3.0, True)


def test_a_row_takes_medians_and_judges_its_goal() -> None:
    made = row(
        "X1",
        "writes",
        [3.0, 100.0, 2.0],
        "/s",
        goal=Goal(bound=3, of="ratio"),
        peer="other",
        peer_values=[1.0, 0.5, 9.0],
    )
    assert (made.value, made.peer_value, made.ratio, made.goal, made.met) == (3.0, 1.0, 3.0, "≥ 3x", True)


@pytest.mark.parametrize(
    ("value", "better", "met", "told"),
    [(0.9, "less", True, "≤ 1 s"), (1.1, "less", False, "≤ 1 s"), (1.1, "more", True, "≥ 1 s")],
)
def test_a_goal_is_met_on_the_right_side(value: float, better: str, met: bool, told: str) -> None:
    goal = Goal(bound=1, better="less" if better == "less" else "more")
    made = row("X2", "seconds", [value], "s", goal=goal)
    assert (made.met, made.goal) == (met, told)


def test_less_is_ahead_where_less_is_better() -> None:
    made = row("X3", "seconds", [2.0], "s", better="less", peer="other", peer_values=[6.0])
    assert made.ratio == 3.0


def test_without_its_peer_a_row_has_no_ratio_and_no_verdict() -> None:
    made = row("X4", "writes", [3.0], "/s", goal=Goal(bound=10, of="ratio"), peer="other", peer_values=[])
    assert (made.value, made.peer, made.peer_value, made.ratio, made.met) == (3.0, "other", None, None, None)


def test_a_run_says_what_it_was_measured_on(tmp_path: Path) -> None:
    options = Options(scratch=tmp_path, peers=Peers(None), seed=7)
    told = document([row("X5", "writes", [1.0], "/s")], options, machine())
    on = told["machine"]
    assert isinstance(on, dict)
    assert {"processor", "cores", "python", "cytoloop", "load", "load_after"} <= set(on)
    assert told["seed"] == 7
    assert told["peers"] == {}
    assert document([], Options(scratch=tmp_path, peers=Peers(tmp_path)), machine())["peers"] == PINNED
    assert told["rows"] == [
        {
            "id": "X5", "what": "writes", "value": 1.0, "unit": "/s", "peer": None, "peer_value": None, "ratio": None,
            "goal": "", "met": None,
        }
    ]  # fmt: skip


def test_a_peer_that_cannot_be_installed_is_told_once_and_done_without(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the environments' folder should be")
    peers = Peers(tmp_path / "taken")
    for _ in range(2):
        assert peers.run("eventsourcing", "eventsourcing_appends.py", {"folder": str(tmp_path), "appends": 1}) is None
    (note,) = peers.notes
    assert note.startswith("eventsourcing is not available: its environment could not be made")


def test_no_peers_are_looked_for_when_none_are_wanted() -> None:
    peers = Peers(None)
    assert all(peers.run(name, "none.py", {}) is None for name in PINNED)
    assert peers.notes == []
