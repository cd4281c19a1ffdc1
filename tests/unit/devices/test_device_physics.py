"""Each simulator behaves as its kind of device does."""

from itertools import pairwise
from statistics import mean, stdev

import pytest
from tests.unit.devices.on_a_bench import MINUTE, Table, table

from cytoloop.adapters.devices import cell_counter, metabolite_analyser
from cytoloop.adapters.devices.closed_processor import PHASES
from cytoloop.adapters.devices.controlled_rate_freezer import FREEZING

# -- perfusion bioreactor ----------------------------------------------------------------------------------------------


def seeded(volume: float = 200.0, density: float = 1.0) -> Table:
    reactor = table("perfusion_bioreactor")
    assert reactor.run("seed", volume=volume, seeding_density=density).ok
    return reactor


def test_a_bioreactor_warms_with_a_lag_and_without_a_jump() -> None:
    reactor = table("perfusion_bioreactor")
    reactor.wait(2.0)
    warming = reactor.series("temperature")
    assert warming[0] == pytest.approx(22.0, abs=0.2)
    assert warming[5] < 30.0
    assert warming[-1] == pytest.approx(37.0, abs=0.2)
    assert max(after - before for before, after in pairwise(warming)) < 1.0, "no step of a minute is a jump"
    assert max(warming) < 37.4


def test_a_bioreactor_whose_heater_fails_goes_to_the_rooms_temperature() -> None:
    reactor = table("perfusion_bioreactor")
    reactor.wait(2.0)
    reactor.device.disturb("heater-off")
    reactor.wait(2.0)
    half = reactor.shown("temperature")
    assert 26.0 < half < 30.0, "after one time constant a good third of the difference is left"
    reactor.wait(20.0)
    assert reactor.shown("temperature") == pytest.approx(22.0, abs=0.2)


def test_seeding_fills_the_vessel_at_an_even_rate() -> None:
    reactor = table("perfusion_bioreactor")
    key = reactor.send("program", program="seed", parameters={"volume": 200.0, "seeding_density": 1.0})
    reactor.wait(0.5)
    assert reactor.shown("volume") == pytest.approx(100.0, abs=5.0)
    assert reactor.ended(key).values["volume"] == 200.0
    again = reactor.run("seed", volume=200.0, seeding_density=1.0)
    assert again.note == "the vessel still holds a culture; run drain first"
    assert reactor.run("drain").ok
    assert reactor.shown("volume") == pytest.approx(0.0, abs=2.0)
    assert not reactor.run("add_vector", moi=3.0).ok


def test_cells_use_glucose_and_perfusion_brings_it_back() -> None:
    reactor = seeded(density=2.0)
    assert reactor.run("add_activator", beads_per_cell=1.0).ok
    reactor.wait(48.0)
    eaten = reactor.shown("glucose")
    assert eaten < 12.0
    reactor.set(perfusion_rate=2.0)
    reactor.wait(24.0)
    assert reactor.shown("glucose") > eaten
    assert reactor.shown("perfusion_rate") == pytest.approx(2.0, abs=0.02)


def test_a_stuck_pump_shows_in_the_perfusion_rate_and_starves_the_culture() -> None:
    turning, stuck = seeded(density=8.0), seeded(density=8.0)
    for reactor in (turning, stuck):
        reactor.set(perfusion_rate=1.0)
    stuck.device.disturb("pump-stuck")
    for reactor in (turning, stuck):
        reactor.wait(48.0)
    assert stuck.shown("perfusion_rate") == pytest.approx(0.0, abs=0.02)
    assert stuck.shown("glucose") < turning.shown("glucose") - 3.0
    assert stuck.shown("ph") < turning.shown("ph")


def test_oxygen_is_held_until_the_cells_use_more_than_the_gas_can_bring() -> None:
    thin, dense = seeded(density=1.0), seeded(density=60.0)
    for reactor in (thin, dense):
        reactor.set(agitation=20.0)
        reactor.wait(2.0)
    assert thin.shown("dissolved_oxygen") == pytest.approx(0.5, abs=0.03)
    assert dense.shown("dissolved_oxygen") < 0.1
    dense.set(agitation=200.0)
    dense.wait(1.0)
    assert dense.shown("dissolved_oxygen") == pytest.approx(0.5, abs=0.03), "stirring faster brings it back"
    dense.device.disturb("gas-lost")
    dense.wait(1.0)
    assert dense.shown("dissolved_oxygen") == 0.0


# -- static gas-permeable vessel ---------------------------------------------------------------------------------------


def test_a_static_vessel_takes_no_set_point() -> None:
    refused = table("gas_permeable_vessel").set(temperature=38.0)
    assert refused.note == "unit-01 has no set-point temperature; it has none"


def test_deep_medium_warms_slowly_and_feeds_for_days() -> None:
    vessel = table("gas_permeable_vessel")
    assert vessel.run("seed", volume=500.0, seeding_density=0.5).ok
    assert vessel.shown("temperature") < 26.0
    vessel.wait(8.0)
    assert vessel.shown("temperature") == pytest.approx(37.0, abs=0.3)
    assert vessel.run("add_activator", beads_per_cell=1.0).ok
    vessel.wait(72.0)
    assert 8.0 < vessel.shown("glucose") < 17.0, "nobody fed it and it still has most of it"


def test_cells_at_the_membrane_breathe_what_comes_through_it() -> None:
    shown = []
    for density in (0.2, 1.0, 4.0):
        vessel = table("gas_permeable_vessel")
        vessel.run("seed", volume=500.0, seeding_density=density)
        vessel.wait(2.0)
        shown.append(vessel.shown("dissolved_oxygen"))
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > 0.9
    assert shown[-1] < 0.3


def test_exchanging_medium_and_reducing_the_volume() -> None:
    vessel = table("gas_permeable_vessel")
    vessel.run("seed", volume=400.0, seeding_density=2.0)
    vessel.wait(48.0)
    before = vessel.shown("glucose")
    assert vessel.run("exchange_medium", share=0.8).ok
    assert vessel.shown("glucose") == pytest.approx(before + 0.8 * (17.0 - before), abs=0.8)
    reduced = vessel.run("reduce_volume", volume=100.0)
    assert reduced.values == {"volume": 100.0}
    assert not vessel.run("reduce_volume", volume=300.0).ok
    assert not vessel.run("exchange_medium", share=1.5).ok


# -- closed processing device ------------------------------------------------------------------------------------------


def test_a_processor_spins_up_in_a_minute_or_two_and_runs_its_phases() -> None:
    processor = table("closed_processor")
    key = processor.send("program", program="wash_and_harvest")
    processor.wait(1.0)
    assert processor.shown("centrifuge_speed") == pytest.approx(2200.0, abs=15.0)
    processor.wait(1.5)
    assert processor.shown("centrifuge_speed") == pytest.approx(1200.0, abs=15.0)
    outcome = processor.ended(key)
    assert 0.6 < float(str(outcome.values["recovery"])) <= 1.0
    liquid = sum(phase.liquid for phase in PHASES["wash_and_harvest"])
    processor.wait(5 * MINUTE)
    assert processor.shown("waste_volume") == pytest.approx(liquid, abs=5.0)
    assert processor.shown("centrifuge_speed") == pytest.approx(0.0, abs=15.0)


def test_the_product_is_formulated_to_the_concentration_and_filled() -> None:
    processor = table("closed_processor")
    assert "run formulate first" in processor.run("fill_bags", bags=2.0).note
    processor.run("select_t_cells")
    thick, thin = (processor.run("formulate", cell_concentration=each).values["volume"] for each in (40.0, 10.0))
    assert isinstance(thick, float)
    assert isinstance(thin, float)
    assert thin == pytest.approx(4.0 * thick, rel=0.15)
    filled = processor.run("fill_bags", bags=2.0)
    assert filled.values["volume"] == pytest.approx(thin - 3.0, abs=0.1)
    assert processor.shown("volume") == 0.0
    assert "empty" in processor.run("select_t_cells").note


def test_a_blocked_line_is_alarmed_within_minutes_and_a_lame_motor_at_once() -> None:
    for mishap, said in (("line-blocked", "line pressure"), ("motor-off", "does not reach its speed")):
        processor = table("closed_processor")
        key = processor.send("program", program="select_t_cells")
        processor.device.disturb(mishap)
        processor.wait(3 * MINUTE)
        outcome = processor.device.outcome(key)
        assert outcome is not None
        assert said in outcome.note


# -- analysers ---------------------------------------------------------------------------------------------------------


def test_counting_few_cells_scatters_more_than_counting_many() -> None:
    spreads = []
    for density in (0.02, 1.0):
        counter = Table(cell_counter.counting(lambda _, d=density: {"viable_cell_density": d, "viability": 0.9}))  # type: ignore[misc]
        counts = [counter.test("viable_cell_density")["viable_cell_density"] for _ in range(60)]
        assert mean(counts) == pytest.approx(density, rel=0.12)
        spreads.append(stdev(counts) / density)
    assert spreads[0] > 2.0 * spreads[1]
    assert 0.02 < spreads[1] < 0.1


def test_a_dense_sample_is_diluted_and_takes_longer() -> None:
    thin, dense = (
        Table(cell_counter.counting(lambda _, d=density: {"viable_cell_density": d, "viability": 0.9}))  # type: ignore[misc]
        for density in (5.0, 30.0)
    )
    begun = thin.clock.moment
    assert thin.test("viable_cell_density")["viable_cell_density"] == pytest.approx(5.0, rel=0.25)
    assert dense.test("viable_cell_density")["viable_cell_density"] == pytest.approx(30.0, rel=0.3)
    assert dense.clock.moment - begun > thin.clock.moment - begun


def test_a_counter_uses_cassettes_and_says_when_there_is_none() -> None:
    counter = table("cell_counter")
    counter.wait(0.1)
    before = counter.shown("cassettes")
    counter.test("viability")
    counter.wait(0.1)
    assert counter.shown("cassettes") == before - 1.0
    for _ in range(99):
        counter.test("viability")
    assert "no cassette left" in counter.ended(counter.send("sample", attributes=["viability"])).note


def test_a_counter_asks_for_a_check_with_beads_once_a_month() -> None:
    counter = table("cell_counter")
    counter.wait(24.0 * 31)
    assert counter.ended(counter.send("sample", attributes=["viability"])).values["check_due"] is True
    checked = counter.run("check_with_beads", bead_density=1.0)
    assert float(str(checked.values["recovery"])) == pytest.approx(0.985, abs=0.15)
    assert counter.ended(counter.send("sample", attributes=["viability"])).values["check_due"] is False


def test_samples_wait_their_turn_and_none_is_lost() -> None:
    counter = table("cell_counter")
    keys = [counter.send("sample", attributes=["viability"]) for _ in range(5)]
    assert "is running sample" in counter.run("check_with_beads", bead_density=1.0).note
    ends = [counter.ended(key).at for key in keys]
    assert ends == sorted(set(ends))
    many = [counter.send("sample", attributes=["viability"]) for _ in range(25)]
    assert sum(counter.ended(key).ok for key in many) == 20, "it takes no more than it has room for"


def test_electrodes_drift_until_they_are_calibrated() -> None:
    analyser = Table(metabolite_analyser.analysing(lambda _: {"glucose": 10.0}))
    fresh = mean(analyser.test("glucose")["glucose"] for _ in range(20))
    analyser.wait(24.0 * 20)
    drifted = mean(analyser.test("glucose")["glucose"] for _ in range(20))
    assert drifted == pytest.approx(0.82 * fresh, rel=0.03)
    calibrated = analyser.run("calibrate")
    assert float(str(calibrated.values["sensitivity_before"])) == pytest.approx(0.82, abs=0.02)
    assert mean(analyser.test("glucose")["glucose"] for _ in range(20)) == pytest.approx(fresh, rel=0.02)


def test_an_analyser_cannot_read_beyond_its_range_and_runs_out_of_reagent() -> None:
    analyser = Table(metabolite_analyser.analysing(lambda _: {"lactate": 90.0}))
    assert analyser.test("lactate")["lactate"] < 45.0
    refused = [analyser.ended(analyser.send("sample", attributes=["lactate"])) for _ in range(520)]
    assert "reagent is used up" in refused[-1].note


# -- incubator ---------------------------------------------------------------------------------------------------------


def test_an_open_door_lets_warmth_and_gas_out_at_once_and_the_load_hardly_notices() -> None:
    incubator = table("incubator")
    incubator.wait(1.0)
    incubator.device.disturb("door-open")
    incubator.wait(3 * MINUTE)
    assert incubator.shown("door_open") == 1.0
    assert incubator.shown("co2") < 0.01
    assert incubator.shown("temperature") < 34.0
    assert incubator.shown("load_temperature") > 36.4
    incubator.device.mend()
    incubator.wait(5 * MINUTE)
    assert incubator.shown("co2") < 0.048, "gas comes back with time"
    incubator.wait(1.0)
    assert incubator.shown("co2") == pytest.approx(0.05, abs=0.003)
    assert incubator.shown("temperature") == pytest.approx(37.0, abs=0.3)
    assert incubator.shown("door_open") == 0.0


def test_an_incubator_with_an_empty_bottle_loses_its_gas_over_hours() -> None:
    incubator = table("incubator")
    incubator.device.disturb("gas-empty")
    incubator.wait(1.0)
    assert incubator.shown("co2") > 0.03
    incubator.wait(12.0)
    assert incubator.shown("co2") < 0.005


def test_decontamination_is_hot_for_two_hours_and_ends_cool() -> None:
    incubator = table("incubator")
    begun = incubator.clock.moment
    key = incubator.send("program", program="decontaminate")
    outcome = incubator.ended(key)
    hot = [value for value in incubator.series("temperature") if value > 178.0]
    assert len(hot) >= 2 * 60 - 2
    assert incubator.series("temperature", outcome.at)[:1] == [] or incubator.shown("temperature") < 45.0
    assert (outcome.at - begun).total_seconds() / 3600.0 > 4.0
    incubator.device.disturb("door-open")
    assert "the door is open; close it" in incubator.run("decontaminate").note


# -- controlled-rate freezer -------------------------------------------------------------------------------------------


def frozen(rate: float = -1.0, seed: int = 1) -> tuple[Table, dict[str, float]]:
    freezer = table("controlled_rate_freezer", seed=seed)
    outcome = freezer.run("freeze", cooling_rate=rate)
    assert outcome.ok, outcome.note
    return freezer, {name: float(str(value)) for name, value in outcome.values.items()}


def test_the_gas_follows_the_programmed_rate() -> None:
    freezer = table("controlled_rate_freezer")
    freezer.send("program", program="freeze", parameters={"cooling_rate": -1.0})
    freezer.wait(0.5)
    assert freezer.shown("cooling_rate") == pytest.approx(-1.0, abs=1e-6)
    freezer.wait(0.25)
    assert freezer.shown("temperature") == pytest.approx(4.0 - 35.0, abs=1.5)


def test_the_bag_supercools_jumps_back_and_stays_at_its_freezing_point() -> None:
    freezer, values = frozen()
    load = freezer.series("load_temperature")
    coldest_liquid = next(place for place, (before, after) in enumerate(pairwise(load)) if after - before > 3.0)
    assert load[coldest_liquid] == pytest.approx(values["nucleation_temperature"], abs=1.0)
    assert values["nucleation_temperature"] < FREEZING - 1.0
    plateau = [value for value in load if abs(value - FREEZING) < 0.8]
    assert len(plateau) * 0.5 / 60.0 == pytest.approx(values["plateau"], abs=0.1), "scans are half a minute apart"
    assert values["plateau"] > 0.15
    assert load[-1] < -130.0


def test_where_the_crystal_forms_differs_from_run_to_run_and_is_the_same_for_a_seed() -> None:
    temperatures = [frozen(seed=seed)[1]["nucleation_temperature"] for seed in (1, 2, 3, 1)]
    assert len(set(temperatures[:3])) == 3
    assert temperatures[3] == temperatures[0]


def test_cooling_faster_makes_the_plateau_shorter() -> None:
    assert frozen(-2.0)[1]["plateau"] < frozen(-0.5)[1]["plateau"]


def test_heat_is_kept_over_the_freezing_point() -> None:
    """What the bag gave off is what the gas took: enthalpy, not temperature, is what changes."""
    freezer, _ = frozen()
    freezer.set(temperature=20.0)
    freezer.wait(12.0)
    thawing = freezer.series("load_temperature")
    assert freezer.shown("load_temperature") == pytest.approx(20.0, abs=1.0)
    assert sum(abs(value - FREEZING) < 0.8 for value in thawing[-1440:]) > 20, "it thaws at its freezing point too"


@pytest.mark.parametrize("rate", [0.0, 1.0, -30.0])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    refused = table("controlled_rate_freezer").run("freeze", cooling_rate=rate)
    assert "bags are cooled at" in refused.note


def test_without_nitrogen_the_chamber_warms() -> None:
    freezer, _ = frozen()
    freezer.device.disturb("nitrogen-empty")
    freezer.wait(6.0)
    assert freezer.shown("temperature") > -30.0
