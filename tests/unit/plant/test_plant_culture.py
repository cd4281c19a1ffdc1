"""The simulated culture behaves like T cells, whatever the donor."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytoloop.adapters.plant.biology import DonorFactors, Environment
from cytoloop.adapters.plant.culture import (
    CELLS,
    DIVISIONS,
    GLUCOSE,
    IL2,
    LACTATE,
    MEMORY,
    OTHER,
    Culture,
    activated,
    contaminated,
    dosed,
    seeded,
    transduced,
)

STILL = Environment(perfusion=0.0, il2=100.0, temperature=37.0)
FED = Environment(perfusion=0.5 / 24, il2=100.0, temperature=37.0)


def fresh(donor: DonorFactors | None = None, memory: float = 0.6) -> Culture:
    return seeded(
        density=1.0, volume=200.0, viability=0.93, purity=0.96, cd4=0.55, memory=memory, il2=100.0,
        donor=donor or DonorFactors(),
    )  # fmt: skip


def grown(donor: DonorFactors | None = None, *, environment: Environment = FED, hours: float = 192.0) -> Culture:
    culture = activated(fresh(donor), 1.0).grown(24.0, STILL)
    return transduced(culture, 0.45).grown(24.0, STILL).grown(hours, environment)


def memory_of_car(culture: Culture) -> float:
    positive = culture.cells[[1, 3]]
    return float(positive[:, list(MEMORY)].sum() / positive.sum())


def test_an_ordinary_culture_expands_as_published_ones_do() -> None:
    culture = grown()
    assert 6.0 < culture.viable < 20.0
    assert 0.70 < culture.viability < 0.92
    assert 0.2 < culture.cells[[1, 3]].sum() / culture.cells.sum() < 0.45
    assert 3.0 < culture.state[DIVISIONS] < 9.0


def test_cells_that_were_not_activated_do_not_divide() -> None:
    culture = fresh().grown(120.0, STILL)
    assert culture.state[DIVISIONS] == 0.0
    assert culture.viable < 1.0


def test_only_activated_cells_take_the_vector() -> None:
    resting = transduced(fresh(), 2.0)
    assert resting.cells[[1, 3]].sum() == 0.0
    later = transduced(activated(fresh(), 1.0).grown(24.0, STILL), 0.5)
    assert 0.1 < later.cells[[1, 3]].sum() / later.cells.sum() < 0.40
    assert later.copies == pytest.approx(0.5 / (1 - 2.718281828**-0.5), rel=1e-6)


def test_transduction_moves_cells_and_loses_none() -> None:
    before = activated(fresh(), 1.0).grown(24.0, STILL)
    assert transduced(before, 0.7).cells.sum() == pytest.approx(before.cells.sum())


def test_a_crowded_culture_without_fresh_medium_starves() -> None:
    assert grown(environment=STILL, hours=240.0).viability < grown(hours=240.0).viability - 0.1
    assert grown(environment=STILL, hours=240.0).solute(GLUCOSE) < 1.0


def test_more_perfusion_gives_more_cells_and_less_memory() -> None:
    more = grown(environment=FED._replace(perfusion=1.5 / 24))
    assert more.viable > 1.2 * grown().viable
    assert memory_of_car(more) < memory_of_car(grown())
    assert more.solute(LACTATE) < grown().solute(LACTATE)


def test_more_il2_gives_more_cells_and_less_memory() -> None:
    rich, poor = (grown(environment=FED._replace(il2=il2)) for il2 in (300.0, 20.0))
    assert rich.viable > poor.viable
    assert memory_of_car(rich) < memory_of_car(poor)


def test_a_donor_who_does_not_need_il2_does_not_answer_to_it() -> None:
    indifferent = DonorFactors(il2=0.1)
    ratio = grown(indifferent).viable / grown(indifferent, environment=FED._replace(il2=1.0)).viable
    usual = grown().viable / grown(environment=FED._replace(il2=1.0)).viable
    assert 1.0 <= ratio < usual


@pytest.mark.parametrize("temperature", [35.0, 39.5])
def test_off_temperature_slows_growth(temperature: float) -> None:
    assert grown(environment=FED._replace(temperature=temperature)).viable < 0.95 * grown().viable


def test_contamination_kills() -> None:
    dirty = contaminated(grown(hours=96.0)).grown(72.0, FED)
    assert dirty.viability < 0.3


def test_dosing_il2_never_takes_any_out() -> None:
    culture = fresh()
    assert dosed(culture, 250.0).solute(IL2) == 250.0
    assert dosed(culture, 10.0).solute(IL2) == 100.0


@settings(max_examples=25, deadline=None)
@given(
    growth=st.floats(0.5, 1.7), apoptosis=st.floats(0.4, 2.5), uptake=st.floats(0.6, 1.6), il2=st.floats(0.1, 2.0),
    perfusion=st.floats(0.0, 3.0), medium=st.floats(0.0, 400.0), temperature=st.floats(34.0, 40.0),
)  # fmt: skip
def test_every_culture_stays_physical(
    *, growth: float, apoptosis: float, uptake: float, il2: float, perfusion: float, medium: float, temperature: float
) -> None:
    donor = DonorFactors(growth=growth, apoptosis=apoptosis, uptake=uptake, il2=il2)
    culture = grown(donor, environment=Environment(perfusion=perfusion / 24, il2=medium, temperature=temperature))
    assert (culture.state >= 0.0).all()
    assert culture.state[: OTHER + 1].sum() < culture.biology.density_max
    assert 0.0 <= culture.viability <= 1.0
    assert culture.state[GLUCOSE] <= 17.0 + 1e-6


@settings(max_examples=10, deadline=None)
@given(cut=st.floats(0.5, 190.0))
def test_looking_at_a_culture_changes_nothing(cut: float) -> None:
    whole, looked = grown(), grown(hours=cut).grown(192.0 - cut, FED)
    assert looked.viable == pytest.approx(whole.viable, rel=1e-4)
    assert looked.state[:CELLS] == pytest.approx(whole.state[:CELLS], rel=1e-3, abs=1e-6)


def test_the_step_is_fine_enough() -> None:
    """Halving the step (by asking every 0.05 h) changes a hungry culture by less than a thousandth."""
    hungry = replace(grown(DonorFactors(growth=1.4, uptake=1.5), hours=150.0))
    coarse, fine = hungry.grown(10.0, FED), hungry
    for _ in range(200):
        fine = fine.grown(0.05, FED)
    assert coarse.state == pytest.approx(fine.state, rel=1e-3, abs=1e-6)
