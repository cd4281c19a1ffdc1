"""Feedback against cultures whose structure is not the twin's: two growing populations and a resting one.

Helper and killer cells grow at different rates, a part of them comes to rest, crowding slows growth exponentially,
lactate likewise, glucose binds at another constant. Nothing here is fitted by the equations under test.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

import cytoloop
from cytoloop.feedback.calibrate import PopulationFit, fit_donor, fit_population
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION, Controller, Gate, Lever, Moved
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history
from cytoloop.feedback.evaluate import fit_and_check
from cytoloop.feedback.forecast import Forecast, NotEnoughData, forecast
from cytoloop.feedback.proposal.propose import RESOLUTION, NoProposal, Proposal, propose
from cytoloop.feedback.twin import Twin

START = Start(seeding_density=1.0, volume=200.0)
CONTROLS = (Control(at=48.0, perfusion_rate=0.5, il2=100.0),)
HARVEST = 240.0
LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    "viability": (0.70, None),
    "viable_car_cells": (600.0, None),
    "memory_fraction": (0.30, None),
    "car_fraction": (0.15, None),
}
PARAMETERS = {
    "activation.seeding_density": 1.0,
    "activation.volume": 200.0,
    "activation.il2": 100.0,
    "activation.duration": 24.0,
    "transduction.moi": 3.0,
    "transduction.duration": 24.0,
    DURATION: 192.0,
    PERFUSION: 0.5,
    IL2: 100.0,
}
LEVERS = {
    DURATION: Lever(value=192.0, low=120.0, high=264.0, unit="h"),
    PERFUSION: Lever(value=0.5, low=0.0, high=2.0, unit="1/d"),
    IL2: Lever(value=100.0, low=20.0, high=400.0, unit="IU/mL"),
}


def culture(
    generator: np.random.Generator, controls: tuple[Control, ...], harvest_at: float
) -> tuple[np.ndarray, Mapping[str, float]]:
    """States every hour (viable, dead, glucose, lactate, memory) and the donor's constants."""
    helper = 0.043 * np.exp(0.15 * generator.standard_normal())
    killers, lag = generator.uniform(0.2, 0.5), generator.uniform(22, 38)
    death = 0.003 * np.exp(0.4 * generator.standard_normal())
    hunger = 0.07 * np.exp(0.25 * generator.standard_normal())
    memory, fading = generator.uniform(0.5, 0.9), 0.0025 * np.exp(0.3 * generator.standard_normal())
    constants = {
        "events": 0.17 * float(np.exp(0.4 * generator.standard_normal())),
        "kept": generator.uniform(0.65, 0.85),
        "thawed": generator.uniform(0.88, 0.97),
    }
    alive = generator.uniform(0.75, 0.95)
    a, b, rest = START.seeding_density * alive * (1 - killers), START.seeding_density * alive * killers, 0.0
    dead, glucose, lactate, il2 = START.seeding_density * (1 / 0.95 - alive), 20.0, 0.0, START.il2
    out, dt = [], 0.25
    for step in range(round(harvest_at / dt) + 1):
        t = step * dt
        if step % 4 == 0:
            out.append((a + b + rest, dead, glucose, lactate, memory))
        active = [control for control in controls if control.at <= t]
        rate = active[-1].perfusion_rate / 24.0 if active else 0.0
        medium = active[-1].il2 if active else START.il2
        woken = 1 - np.exp(-((max(0.0, t - 0.5 * lag) / lag) ** 3))
        sated, total = glucose / (0.4 + glucose), a + b + rest
        drive = (0.6 + 0.4 * il2 / (15.0 + il2)) * sated * np.exp(-lactate / 45.0 - total / 30.0) * woken
        tired = 0.0018 * woken
        grown, grown_b = (helper * drive - death - tired) * a, (1.15 * helper * drive - 1.2 * death - 1.3 * tired) * b
        died = death * (a + 1.2 * b + 1.8 * rest)
        used = hunger * sated * total * (0.4 + 0.6 * woken * np.exp(-t / 400.0))
        rest += dt * (tired * (a + 1.3 * b) - 1.8 * death * rest)
        a, b, dead = a + dt * grown, b + dt * grown_b, dead + dt * (died - 0.015 * dead)
        glucose += dt * (-used + rate * (20.0 - glucose))
        lactate += dt * (1.75 * used - rate * lactate)
        il2 += dt * (-0.1 * total * il2 / (il2 + 10.0) - 0.004 * il2 + rate * (medium - il2))
        memory -= dt * fading * woken * memory * (1 + 0.4 * il2 / (il2 + 30.0))
    return np.array(out), constants


@cache
def batch(
    seed: int, controls: tuple[Control, ...] = CONTROLS, harvest_at: float = HARVEST
) -> tuple[BatchHistory, float]:
    """A finished batch of the donor `seed` as it would be recorded, and its true viable cells at harvest."""
    generator = np.random.default_rng(seed)
    states, constants = culture(generator, controls, harvest_at)
    share = float(-np.expm1(-constants["events"] * START.moi))
    days = np.arange(72, round(harvest_at) + 1, 24)

    def fraction(value: float, error: float) -> float:
        return float(np.clip(value + error * generator.standard_normal(), 0.0, 1.0))

    def near(value: float, error: float) -> float:
        return max(0.0, float(value + error * generator.standard_normal()))

    observations = {
        "viable_cell_density": [(d, states[d, 0] * np.exp(0.1 * generator.standard_normal())) for d in days],
        "viability": [(d, fraction(states[d, 0] / (states[d, 0] + states[d, 1]), 0.02)) for d in days],
        "glucose": [(d, near(states[d, 2], 0.3)) for d in days],
        "lactate": [(d, near(states[d, 3], 0.6)) for d in days],
        "car_fraction": [(d, fraction(share, 0.02)) for d in days[1::2]],
        "memory_fraction": [(d, fraction(states[d, 4], 0.03)) for d in days[1::2]],
    }
    viable, dead = states[-1, 0], states[-1, 1]
    dose = viable * START.volume * constants["kept"] * share
    product = {
        "viable_car_cells": float(dose * np.exp(0.1 * generator.standard_normal())),
        "viability": fraction(viable / (viable + dead) * constants["thawed"], 0.02),
        "memory_fraction": fraction(states[-1, 4], 0.03),
        "car_fraction": fraction(share, 0.02),
    }
    made = history(
        batch=f"B-{seed}",
        start=START,
        controls=controls,
        observations=observations,
        harvest_at=harvest_at,
        product=product,
    )
    return made, float(viable * START.volume)


@pytest.fixture(scope="module")
def pack() -> Twin:
    """The pack's twin, fitted on nothing."""
    path = Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml"
    return Twin.from_data(yaml.safe_load(path.read_text("utf-8")))


@pytest.fixture(scope="module")
def fit(pack: Twin) -> PopulationFit:
    """The twin fitted on eight finished batches."""
    return fit_and_check(pack, [batch(seed)[0] for seed in range(8)], np.random.default_rng(0))


def seen(twin: Twin, made: BatchHistory, at: float) -> Forecast:
    """The forecast of the harvest from hour `at`."""
    found = forecast(twin, made, at=at, harvest_at=HARVEST, limits=LIMITS, generator=np.random.default_rng(1), draws=96)
    assert isinstance(found, Forecast)
    return found


def test_a_fit_learns_the_plant_and_names_its_batches(pack: Twin, fit: PopulationFit) -> None:
    assert fit.twin.version == pack.version + 1
    assert fit.twin.batches == tuple(f"B-{seed}" for seed in range(8))
    assert fit.twin.sha256 != pack.sha256
    assert np.exp(fit.twin.population["medium_glucose"][0]) == pytest.approx(20.0, rel=0.1)
    assert fit.error is not None
    assert fit.error < 0.25
    assert "il2_independent" in fit.unidentified, "IL-2 was never varied"


def test_new_donors_are_foretold_two_and_a_half_days_ahead(pack: Twin, fit: PopulationFit) -> None:
    def errors(twin: Twin) -> list[float]:
        found = [(seen(twin, batch(seed)[0], HARVEST - 60.0), batch(seed)[1]) for seed in range(50, 66)]
        return [abs(f.made.quantities["total_viable_cells"].median / true - 1) for f, true in found]

    assert np.mean(errors(fit.twin)) < 0.12
    assert np.mean(errors(fit.twin)) < np.mean(errors(pack))


def test_intervals_cover_what_comes_under_a_wrong_structure(fit: PopulationFit) -> None:
    inside = []
    for seed in range(50, 66):
        made, _ = batch(seed)
        for at in (120.5, 180.0, 216.5):
            quantities = seen(fit.twin, made, at).made.quantities
            inside += [quantities[name].low <= value <= quantities[name].high for name, value in made.product.items()]
    assert np.mean(inside) >= 0.8


def test_more_readings_narrow_the_forecast(fit: PopulationFit) -> None:
    widths = []
    for at in (73.0, 145.0, 217.0):
        found = seen(fit.twin, batch(51)[0], at).made.quantities["total_viable_cells"]
        widths.append(found.high / found.low)
    assert widths[0] > widths[1] > widths[2]


def test_nothing_seen_is_not_enough(fit: PopulationFit) -> None:
    found = forecast(
        fit.twin, batch(51)[0], at=60.0, harvest_at=HARVEST, limits=LIMITS, generator=np.random.default_rng(1)
    )
    assert isinstance(found, NotEnoughData)
    assert "hour 60" in found.reason


def test_the_same_dice_give_the_same_forecast(fit: PopulationFit) -> None:
    assert seen(fit.twin, batch(51)[0], 150.0).made == seen(fit.twin, batch(51)[0], 150.0).made


def test_one_wrong_count_hardly_moves_the_donor(fit: PopulationFit) -> None:
    made = batch(52)[0]
    counts = made.observations["viable_cell_density"]
    wrong = (*counts[:3], (counts[3][0], 0.1 * counts[3][1]), *counts[4:])
    spoiled = replace(made, observations={**made.observations, "viable_cell_density": wrong})
    right, bent = fit_donor(fit.twin, made), fit_donor(fit.twin, spoiled)
    assert np.max(np.abs(right.z - bent.z)) < 1.0
    assert bent.misfit > right.misfit


def test_one_batch_says_nothing_of_the_spread(pack: Twin) -> None:
    assert fit_population(pack, [batch(0)[0]]).twin == pack
    assert fit_population(pack, []).twin == pack


def controlled(twin: Twin, seed: int) -> tuple[BatchHistory, list[Moved]]:
    """The batch of donor `seed` with the controller in the loop, asked daily."""
    controls: tuple[Control, ...] = CONTROLS
    levers, moved = {name: replace(lever, step=STEPS[name]) for name, lever in LEVERS.items()}, list[Moved]()
    at = 120.5
    while at < 48.0 + levers[DURATION].value:
        made, _ = batch(seed, controls, 48.0 + levers[DURATION].value)
        gate = Gate(levers=levers, moved=tuple(moved))
        found = Controller(twin, gate, limits=LIMITS).step(made, at).move
        if found is not None:
            assert levers[found.parameter].low <= found.new <= levers[found.parameter].high
            moved.append(Moved(parameter=found.parameter, at=at))
            levers[found.parameter] = replace(levers[found.parameter], value=found.new)
            if found.parameter != DURATION:
                control = Control(at=at, perfusion_rate=levers[PERFUSION].value, il2=levers[IL2].value)
                controls = (*controls, control)
        at += 24.0
    return batch(seed, controls, 48.0 + levers[DURATION].value)[0], moved


STEPS = {DURATION: 36.0, PERFUSION: 0.5, IL2: 95.0}


def gained(made: BatchHistory) -> float:
    """Viable CAR+ cells of a product in specification."""
    return made.product["viable_car_cells"] if released(made) else 0.0


def released(made: BatchHistory) -> bool:
    """Whether every result is in specification."""
    return all(made.product[name] >= low for name, (low, _) in LIMITS.items() if low is not None)


def test_the_loop_gains_more_than_the_fixed_recipe(fit: PopulationFit) -> None:
    fixed = [batch(seed)[0] for seed in range(100, 112)]
    results = [controlled(fit.twin, seed) for seed in range(100, 112)]
    assert sum(gained(made) for made, _ in results) > 1.28 * sum(gained(made) for made in fixed)
    for _, moved in results:
        assert len({move.parameter for move in moved}) <= 1, "one parameter of the operation, in one batch"


def test_a_parameter_without_the_right_is_never_moved(fit: PopulationFit) -> None:
    only = Gate(levers={PERFUSION: LEVERS[PERFUSION]}, duration=192.0)
    for seed in range(100, 106):
        found = Controller(fit.twin, only, limits=LIMITS).step(batch(seed)[0], 145.0)
        assert all(move.parameter == PERFUSION for move in found.moves)


def proposed(fit: PopulationFit, levers: Mapping[str, Lever]) -> Proposal | NoProposal:
    """What is proposed for the next batches."""
    return propose(fit, parameters=PARAMETERS, levers=levers, patients=[LIMITS], generator=np.random.default_rng(5))


def test_a_proposal_moves_one_target_inside_its_range_for_certain(fit: PopulationFit) -> None:
    found = proposed(fit, LEVERS)
    assert isinstance(found, Proposal)
    (move,) = found.moves
    assert LEVERS[move.parameter].low <= move.new <= LEVERS[move.parameter].high
    assert move.new != move.old == LEVERS[move.parameter].value
    assert found.predicted["in_specification"].low > 0 or found.predicted["viable_car_cells"].low > 0
    assert found.batches == fit.twin.batches
    assert found.risk.en
    assert found.risk.zh


def test_the_proposal_holds_on_the_plant(fit: PopulationFit) -> None:
    """The claim is tried on forty donors nobody has seen."""
    found = proposed(fit, LEVERS)
    assert isinstance(found, Proposal)
    assert found.moves[0].parameter == PERFUSION
    control = replace(CONTROLS[0], perfusion_rate=found.moves[0].new)
    before = sum(released(batch(seed)[0]) for seed in range(200, 240))
    after = sum(released(batch(seed, (control,))[0]) for seed in range(200, 240))
    assert after >= before + 2


def test_nothing_is_proposed_on_few_batches_or_without_a_lever(fit: PopulationFit) -> None:
    few = replace(fit, donors=fit.donors[:2])
    assert "too few" in str(proposed(few, LEVERS))
    temperature = {"expansion.temperature": Lever(value=37.0, low=36.0, high=38.0, unit="°C")}
    assert "expansion.temperature" not in RESOLUTION
    assert isinstance(proposed(fit, temperature), NoProposal)


def test_nothing_is_proposed_when_all_is_well_already(fit: PopulationFit) -> None:
    easy = propose(
        fit,
        parameters=PARAMETERS,
        levers={IL2: LEVERS[IL2]},
        patients=[{"viability": (0.1, None)}],
        generator=np.random.default_rng(5),
    )
    assert isinstance(easy, NoProposal)
    assert "holds zero" in easy.reason.en
