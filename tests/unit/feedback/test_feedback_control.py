"""Control inside the batch: what moves, what holds, and what the kernel says against the twin itself."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import cytoloop
from cytoloop.core.errors import UserError
from cytoloop.core.words import Words
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION, Controller, Gate, Lever, Move, Moved, Verdict
from cytoloop.feedback.control.kernel import _carry
from cytoloop.feedback.control.readings import history_from
from cytoloop.feedback.control.shadow import counterfactual
from cytoloop.feedback.culture import X, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.twin import NAMES, Twin

PACK = Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml"
LIMITS = {"viability": (0.7, None), "viable_car_cells": (136.0, None), "memory_fraction": (0.3, None)}
LEVERS = {
    DURATION: Lever(value=192.0, low=120.0, high=264.0, unit="h", step=36.0),
    PERFUSION: Lever(value=0.5, low=0.0, high=2.0, unit="1/d", step=0.5),
    IL2: Lever(value=100.0, low=20.0, high=400.0, unit="IU/mL", step=95.0),
}
READINGS: dict[str, Any] = {
    "batch": "B-1",
    "start": {"seeding_density": 1.0, "volume": 200.0},
    "controls": [{"at": 48.0, "perfusion_rate": 0.5, "il2": 100.0}],
    "readings": {
        "viable_cell_density": [(72.0, 1.2), (96.0, 2.4), (120.0, 5.0)],
        "viability": [(72.0, 0.9), (96.0, 0.92), (120.0, 0.93)],
        "glucose": [(72.0, 12.0), (96.0, 9.0), (120.0, 4.0)],
        "memory_fraction": [(96.0, 0.65)],
    },
}
"""A culture that grows fast and runs out of glucose: more perfusion is what it needs."""


@pytest.fixture(scope="module")
def twin() -> Twin:
    """The pack's figures, as if fitted on twelve batches."""
    pack = Twin.from_data(yaml.safe_load(PACK.read_text("utf-8")))
    return pack.with_figures(pack.figures(), version=2, batches=tuple(f"B-{n}" for n in range(12)))


def gate(**changes: Any) -> Gate:
    """All levers, one at a time."""
    return Gate(**{"levers": LEVERS, **changes})


def with_readings(**changes: Any) -> dict[str, Any]:
    return {**READINGS, "readings": {**READINGS["readings"], **changes}}


def test_a_hungry_culture_is_fed_by_one_step_of_one_lever(twin: Twin) -> None:
    found = Controller(twin, gate(), limits=LIMITS).step(READINGS, 121.0)
    assert [(move.parameter, move.old, move.new) for move in found.moves] == [(PERFUSION, 0.5, 1.0)]
    assert found.plan is not None
    assert found.plan.gain > 0.03
    assert found.why.en
    assert found.why.zh


def test_a_design_space_moves_several_and_no_lever_is_forgotten(twin: Twin) -> None:
    found = Controller(twin, gate(design_space=frozenset(LEVERS)), limits=LIMITS).step(READINGS, 121.0)
    assert {PERFUSION, IL2} <= {move.parameter for move in found.moves}
    for move in found.moves:
        assert abs(move.new - move.old) <= LEVERS[move.parameter].step + 1e-9


def test_a_twin_of_few_batches_moves_one_lever_even_in_a_design_space(twin: Twin) -> None:
    few = replace(twin, batches=twin.batches[:8])
    found = Controller(few, gate(design_space=frozenset(LEVERS)), limits=LIMITS, loss=1.0).step(READINGS, 121.0)
    assert len(found.moves) == 1


def test_the_same_batch_at_the_same_hour_gets_the_same_decision(twin: Twin) -> None:
    one, two = (Controller(twin, gate(), limits=LIMITS).step(READINGS, 121.0) for _ in range(2))
    assert one == two


def test_a_plain_mapping_of_levers_is_a_gate_and_a_controller_remembers_what_it_moved(twin: Twin) -> None:
    levers: Any = {DURATION: (192.0, 120.0, 264.0), PERFUSION: (0.5, 0.0, 2.0)}
    controller = Controller(twin, levers)
    first = controller.step(READINGS, 121.0)
    assert first.moves
    assert "moved lately" in controller.step(READINGS, 130.0).why.en
    later = controller.step(READINGS, 146.0)
    assert all(move.parameter == first.moves[0].parameter for move in later.moves), "one lever of the operation"


def test_the_gate_has_the_last_word(twin: Twin) -> None:
    asked: list[tuple[Move, ...]] = []

    def never(moves: tuple[Move, ...]) -> Verdict:
        asked.append(moves)
        return Verdict(allowed=False, reason="the study is on hold", row=4)

    found = Controller(twin, gate(judge=never), limits=LIMITS).step(READINGS, 121.0)
    assert not found.moves
    assert len(asked) == 1
    assert found.asked == asked[0]
    assert "the study is on hold" in found.why.en


def test_in_shadow_mode_it_says_what_it_would_do_and_moves_nothing(twin: Twin) -> None:
    found = Controller(twin, gate(shadow=True), limits=LIMITS).step(READINGS, 121.0)
    assert not found.moves
    assert [move.parameter for move in found.shadow] == [PERFUSION]


def test_the_packs_own_figures_move_nothing(twin: Twin) -> None:
    found = Controller(replace(twin, batches=("B-1", "B-2")), gate(), limits=LIMITS).step(READINGS, 121.0)
    assert not found.moves
    assert "too few finished batches" in found.why.en


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"barred": Words(en="a person took over", zh="人工接管")}, "a person took over"),
        ({"moved": (Moved(parameter=PERFUSION, at=110.0),)}, "moved lately"),
        ({"moved": tuple(Moved(parameter=PERFUSION, at=48.0 + n) for n in range(8))}, "often enough"),
        ({"levers": {}, "duration": 76.0}, "harvest is due"),
    ],
)
def test_what_the_gate_says_holds(twin: Twin, changes: dict[str, Any], said: str) -> None:
    found = Controller(twin, gate(**changes), limits=LIMITS).step(READINGS, 121.0)
    assert not found.moves
    assert said in found.why.en


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        (with_readings(viable_cell_density=[(72.0, 1.2)]), "too few counts"),
        (with_readings(viable_cell_density=[(72.0, float("nan")), (96.0, 2.0)]), "viable_cell_density is no finite"),
        (with_readings(glucose=[(72.0, None)]), "glucose is no finite"),
        (with_readings(viable_cell_density=[(72.0, 90.0), (96.0, 0.01), (120.0, 90.0)]), "does not describe"),
    ],
)
def test_bad_readings_hold_the_recipe_and_say_why(twin: Twin, readings: Mapping[str, Any], said: str) -> None:
    found = Controller(twin, gate(), limits=LIMITS).step(readings, 121.0)
    assert not found.moves
    assert said in found.why.en
    assert found.why.zh


@pytest.mark.parametrize(
    ("readings", "at", "said"),
    [
        ({"start": READINGS["start"]}, 121.0, "no controls, readings"),
        (with_readings(viability=[(72.0, 93.0)]), 121.0, "a fraction from 0 to 1"),
        (with_readings(viability=[72.0]), 121.0, "expected .h, value."),
        ({**READINGS, "start": {"seeding_density": "many", "volume": 200.0}}, 121.0, "expected a finite number"),
        (READINGS, float("nan"), "give the hour of the culture"),
        ([1.0, 2.0], 121.0, "give a BatchHistory or a mapping"),
    ],
)
def test_what_is_no_batch_is_the_users_error(twin: Twin, readings: Any, at: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Controller(twin, gate(), limits=LIMITS).step(readings, at)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (np.linalg.LinAlgError("Singular matrix"), "LinAlgError: Singular matrix"),
        (FloatingPointError("underflow"), "FloatingPointError"),
        (OverflowError("math range error"), "OverflowError"),
    ],
)
def test_numbers_that_fail_hold_and_name_themselves(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("cytoloop.feedback.control.controller.estimate", failing)
    found = Controller(twin, gate(), limits=LIMITS).step(READINGS, 121.0)
    assert not found.moves
    assert said in found.why.en


def test_programming_errors_surface(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a slip")

    monkeypatch.setattr("cytoloop.feedback.control.controller.estimate", broken)
    with pytest.raises(KeyError, match="a slip"):
        Controller(twin, gate(), limits=LIMITS).step(READINGS, 121.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 700.0])
def test_a_poisoned_twin_moves_nothing(twin: Twin, value: float) -> None:
    for name in ("mu_max", "memory_loss", "recovery"):
        sick = replace(twin, population={**twin.population, name: (value, 0.1)})
        found = Controller(sick, gate(), limits=LIMITS).step(READINGS, 121.0)
        assert not found.moves
        assert "no finite numbers" in found.why.en
    blind = replace(twin, drift=dict.fromkeys(twin.drift, (value, 0.1)))
    found = Controller(blind, gate(), limits=LIMITS).step(READINGS, 121.0)
    assert not found.moves
    assert "no finite numbers" in found.why.en


def test_the_fewer_batches_a_twin_saw_the_wider_its_scenarios(twin: Twin) -> None:
    known = history_from(READINGS, 121.0)
    doubts = []
    for count in (0, 3, 6, 12, 1000):
        seen = replace(twin, batches=tuple(f"B-{n}" for n in range(count)))
        found = Controller(seen, gate(), limits=LIMITS).estimate(known, 121.0)
        doubts.append(found.doubt)
    assert doubts[0] == doubts[1]
    assert doubts[1:] == sorted(doubts[1:], reverse=True)
    assert doubts[1] == pytest.approx(2.92 / 1.645 * (4 / 3) ** 0.5, rel=1e-3)
    assert doubts[-1] == pytest.approx(1.0, abs=0.01)


def test_a_gate_that_cannot_be_is_refused_plainly() -> None:
    with pytest.raises(UserError, match="stirring: the twin does not know"):
        gate(levers={"expansion.stirring": LEVERS[PERFUSION]})
    with pytest.raises(UserError, match="low below high"):
        gate(levers={PERFUSION: replace(LEVERS[PERFUSION], low=3.0)}, duration=192.0)
    with pytest.raises(UserError, match="plans no harvest"):
        gate(levers={PERFUSION: LEVERS[PERFUSION]})


def test_the_figures_that_decide_have_a_digest(twin: Twin) -> None:
    one, two = Controller(twin, gate()), Controller(twin, gate(), dead_band=0.2)
    assert one.sha256 == Controller(twin, gate()).sha256 != two.sha256
    assert set(one.document()) == set(two.document())


def test_the_kernel_follows_the_twin_within_two_per_cent(twin: Twin) -> None:
    known = history_from(READINGS, 121.0)
    found = Controller(twin, gate(), limits=LIMITS).estimate(known, 96.0)
    plan = np.tile([1.0, 100.0], (16, 1))
    runs = np.empty((len(found.states), 17, 6))
    runs[:, 0] = found.states
    _carry(found.figures, np.array([96.0, 12.0, 12.0]), plan, 16, runs)
    values = np.ones((len(found.states), len(NAMES)))
    values[:, : found.parameters.shape[1]] = found.parameters
    course = schedule((Control(at=96.0, perfusion_rate=1.0, il2=100.0),), 100.0, 96.0 + 192.0)
    true = simulate(twin, values, found.states, course, first=192)[:, ::24]
    assert np.abs(runs[..., X] / true[..., X] - 1.0).max() < 0.05
    assert np.median(np.abs(runs[..., X] / true[..., X] - 1.0)) < 0.02


def test_a_counterfactual_of_the_same_course_gains_nothing_and_feeding_gains(twin: Twin) -> None:
    known: BatchHistory = replace(history_from(READINGS, 121.0), harvest_at=240.0)
    same = counterfactual(twin, known, known.controls, 240.0, LIMITS, generator=np.random.default_rng(1), draws=32)
    assert same.gain.low == same.gain.high == 0.0
    fed = (*known.controls, Control(at=121.0, perfusion_rate=1.5, il2=100.0))
    more = counterfactual(twin, known, fed, 240.0, LIMITS, generator=np.random.default_rng(1), draws=32)
    assert more.gain.median > 0.0
    assert more.executed == same.executed
