"""What is rejected before anything is drafted: poisoned, flipped, stale, useless models; what batches correct."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from cytoloop.core.facts.feedback import Interval, ParameterMove
from cytoloop.core.recipe import Parameter
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import Donor, PopulationFit
from cytoloop.feedback.control.controller import Lever
from cytoloop.feedback.dataset import BatchHistory, Control, Start
from cytoloop.feedback.proposal.check import (
    Executed,
    naive_error,
    problem_with_batches,
    problem_with_figures,
    problem_with_model,
    problem_with_moves,
    problem_with_sign,
    slope,
)
from cytoloop.feedback.proposal.correct import Shown, varied
from cytoloop.feedback.twin import NAMES, Twin

MOVE = ParameterMove(parameter="transduction.moi", old=3.0, new=4.0, unit="TU/cell")


def said(problem: Words | None) -> str:
    assert problem is not None
    assert problem.zh
    return problem.en


def history(batch: str, density: float = 10.0) -> BatchHistory:
    return BatchHistory(
        batch=batch, start=Start(seeding_density=1.0, volume=200.0),
        controls=(Control(at=48.0, perfusion_rate=0.5, il2=100.0),),
        observations={"viable_cell_density": ((96.0, density),)}, harvest_at=240.0,
    )  # fmt: skip


HISTORIES = [history("B-1", 8.0), history("B-2", 10.0), history("B-3", 12.5)]


@pytest.fixture(scope="module")
def fit() -> PopulationFit:
    twin = replace(_pack(), batches=("B-1", "B-2", "B-3"))
    donor = Donor(
        z=np.zeros(len(NAMES)), covariance=np.eye(len(NAMES)), misfit=1.0, observations=1, residuals=np.zeros(1)
    )
    return PopulationFit(twin=twin, donors=(donor,) * 3, misfits=(1.0,) * 3, unidentified=(), error=0.1)


def _pack() -> Twin:
    from cytoloop.app.packs import read_pack

    return Twin.from_data(dict(read_pack("car_t_cd19").twin))


def test_a_sound_model_on_enough_batches_passes(fit: PopulationFit) -> None:
    assert problem_with_batches(HISTORIES) is None
    assert problem_with_model(fit, HISTORIES) is None


def test_fewer_than_three_batches_or_one_twice_are_no_ground() -> None:
    assert "2 finished batches are too few" in said(problem_with_batches(HISTORIES[:2]))
    assert "stands twice" in said(problem_with_batches([*HISTORIES, HISTORIES[0]]))


@pytest.mark.parametrize("poison", [nan, inf, -inf])
def test_a_poisoned_model_proposes_nothing(fit: PopulationFit, poison: float) -> None:
    population = {**fit.twin.population, "mu_max": (poison, 0.1)}
    assert "no finite numbers" in said(
        problem_with_model(replace(fit, twin=replace(fit.twin, population=population)), HISTORIES)
    )
    z = fit.donors[0].z.copy()
    z[3] = poison
    donors = (replace(fit.donors[0], z=z), *fit.donors[1:])
    assert "no finite numbers" in said(problem_with_model(replace(fit, donors=donors), HISTORIES))


def test_a_negative_spread_is_poison_too(fit: PopulationFit) -> None:
    population = {**fit.twin.population, "lag": (3.0, -0.1)}
    assert problem_with_model(replace(fit, twin=replace(fit.twin, population=population)), HISTORIES)


def test_a_stale_model_proposes_nothing(fit: PopulationFit) -> None:
    assert "stale" in said(problem_with_model(fit, [*HISTORIES, history("B-4")]))


def test_a_model_no_better_than_the_mean_of_the_others_proposes_nothing(fit: PopulationFit) -> None:
    naive = naive_error(HISTORIES)
    assert naive is not None
    assert naive == pytest.approx(np.mean([np.sqrt(125) / 8 - 1, 0.0, 1 - np.sqrt(80) / 12.5]))
    assert "errs by" in said(problem_with_model(replace(fit, error=0.5), HISTORIES))
    assert problem_with_model(replace(fit, error=1.2 * naive), HISTORIES) is None, "too few to tell"
    many = [history(f"B-{n}", 8.0 + n % 3) for n in range(30)]
    twin = replace(fit.twin, batches=tuple(each.batch for each in many))
    naive = naive_error(many)
    assert naive is not None
    assert problem_with_model(replace(fit, twin=twin, error=1.5 * naive), many)


@pytest.mark.parametrize(
    "figures", [(nan, 0.0, 1.0), (0.0, 0.5, inf), (1.0, 0.5, 0.0)], ids=["nan", "infinite", "crossed"]
)
def test_figures_that_cannot_be_are_no_prediction(figures: tuple[float, float, float]) -> None:
    low, median, high = figures
    assert problem_with_figures({"viability": Interval(low=low, median=median, high=high, unit="fraction")})


def ran(
    slope_of: float, count: int = 10, noise: float = 0.01, values: tuple[float, ...] = (3.0, 4.0)
) -> list[Executed]:
    generator = np.random.default_rng(1)
    found = []
    for n in range(count):
        at = values[n % len(values)]
        share = 0.3 + slope_of * (at - 3.0) + noise * generator.standard_normal()
        found.append(Executed(batch=f"B-{n}", parameters={MOVE.parameter: at}, results={"car_fraction": share}))
    return found


UP = {"car_fraction": Interval(median=0.07, low=0.05, high=0.09, unit="fraction")}


def test_a_sign_flipped_model_is_contradicted_by_batches_that_speak() -> None:
    assert "contradict" in said(problem_with_sign(MOVE, UP, ran(-0.07)))
    assert problem_with_sign(MOVE, UP, ran(0.07)) is None
    down = replace(MOVE, new=2.0)
    assert "contradict" in said(problem_with_sign(down, UP, ran(0.07)))


def test_batches_that_do_not_speak_contradict_nothing() -> None:
    assert slope(MOVE.parameter, "car_fraction", ran(-0.07, values=(3.0,))) is None, "never varied"
    assert slope(MOVE.parameter, "car_fraction", ran(-0.07, count=4)) is None, "too few"
    assert problem_with_sign(MOVE, UP, ran(-0.01, noise=0.2)) is None, "noise"


PARAMETER = Parameter(
    words=Words(en="x", zh="x"), unit="TU/cell", target=3.0, nor=(2.7, 3.3), par=(1.0, 5.0), criticality="CPP",
    dossier_ref="D",
)  # fmt: skip
PARAMETERS = {"transduction.moi": PARAMETER, "transduction.duration": replace(PARAMETER, unit="h")}


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ((), "moves nothing"),
        ((MOVE, MOVE), "moved twice"),
        ((replace(MOVE, parameter="x.y"),), "has no parameter"),
        ((replace(MOVE, new=nan),), "no finite number"),
        ((replace(MOVE, unit="TU/mL"),), "is proposed in TU/mL"),
        ((replace(MOVE, old=2.0),), "the draft is stale"),
        ((replace(MOVE, new=3.0),), "would not move at all"),
        ((replace(MOVE, new=5.1),), "outside its proven acceptable range"),
        ((MOVE, replace(MOVE, parameter="transduction.duration", unit="h")), "without a design space"),
    ],
)
def test_moves_that_may_not_be_drafted(moves: tuple[ParameterMove, ...], reason: str) -> None:
    assert reason in said(problem_with_moves(moves, PARAMETERS))


def test_moves_that_may() -> None:
    assert problem_with_moves((MOVE,), PARAMETERS) is None
    both = (MOVE, replace(MOVE, parameter="transduction.duration", unit="h"))
    assert problem_with_moves(both, PARAMETERS, frozenset(PARAMETERS)) is None
    nowhere = {"transduction.moi": replace(PARAMETER, dossier_ref=None)}
    assert "names no dossier" in said(problem_with_moves((MOVE,), nowhere))


LEVERS = {"transduction.moi": Lever(value=3.0, low=1.0, high=5.0, unit="TU/cell")}


def shown(executed: list[Executed], per_unit: float) -> Shown:
    """A twin that expects `per_unit` more CAR share with each TU/cell."""
    return Shown(
        executed=executed, levers=LEVERS, targets={"transduction.moi": 3.0}, seed=1,
        outlook=lambda at: {"car_fraction": 0.3 + per_unit * (at["transduction.moi"] - 3.0)},
    )  # fmt: skip


def test_what_batches_showed_shifts_the_prediction_towards_it() -> None:
    executed = ran(0.02, count=16, values=(2.0, 3.0, 4.0, 5.0))
    shifts = shown(executed, 0.08).shifts(MOVE, UP)
    assert isinstance(shifts, dict)
    assert -0.08 < shifts["car_fraction"] < -0.02


def test_a_twin_that_is_right_is_left_alone() -> None:
    executed = ran(0.07, count=16, values=(2.0, 3.0, 4.0, 5.0))
    shifts = shown(executed, 0.07).shifts(MOVE, UP)
    assert isinstance(shifts, dict)
    assert abs(shifts["car_fraction"]) < 0.02


def test_a_parameter_that_never_varied_is_not_corrected() -> None:
    executed = ran(0.02, values=(3.0,))
    assert varied(executed, LEVERS) == []
    assert shown(executed, 0.08).shifts(MOVE, UP) == {}


def test_batches_that_contradict_the_model_speak_against_the_move() -> None:
    assert isinstance(shown(ran(-0.07), 0.08).shifts(MOVE, UP), Words)
