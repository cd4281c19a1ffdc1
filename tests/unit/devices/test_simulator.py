"""What every simulator does alike: time, keys, probes, holding, failing, and that looking changes nothing."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.devices.on_a_bench import MINUTE, Table, table

from cytoloop.adapters.devices.library import LIBRARY, model_of, types
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.app.packs import read_pack
from cytoloop.core.device import Device
from cytoloop.core.equipment import Command
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.units import HOUSE_UNITS

EVERY = pytest.mark.parametrize("device_type", LIBRARY)
HOURS = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=6)


def test_there_are_seven() -> None:
    assert len(types()) == 7
    assert all(kind.device_type == name for name, kind in zip(LIBRARY, types(), strict=True))
    with pytest.raises(UserError, match="there is no device type 'toaster'; choose from perfusion_bioreactor"):
        model_of("toaster")


@EVERY
def test_a_model_is_whole(device_type: str) -> None:
    model = LIBRARY[device_type]
    kind = model.kind
    assert set(model.spread) <= set(kind.signals)
    assert set(model.idle) == set(kind.set_points)
    assert all(kind.set_points[name].low <= value <= kind.set_points[name].high for name, value in model.idle.items())
    assert {name: set(needed) for name, needed in kind.programs.items()} == {
        name: set(parameters) for name, parameters in model.examples.items()
    }
    assert model.breaks_by in model.mishaps
    assert all(each.unit in HOUSE_UNITS for each in (*kind.signals.values(), *kind.set_points.values()))
    device: Device = table(device_type).device
    assert set(kind.signals) == {reading.signal for reading in device.measured(None)}


@pytest.mark.parametrize("equipment_class", ["bioreactor", "closed_processor", "controlled_rate_freezer"])
def test_the_shipped_plant_fits_the_library(equipment_class: str) -> None:
    """What a recipe may ask of the class, a device of the library can do."""
    wanted = next(each for each in read_pack("car_t_cd19").plant.classes if each.equipment_class == equipment_class)
    (kind,) = (kind for kind in types() if kind.equipment_class == equipment_class)
    assert set(wanted.programs) <= set(kind.programs)
    assert {name: kind.set_points[name].unit for name in wanted.set_points} == dict(wanted.set_points)
    assert {name: kind.signals[name].unit for name in wanted.signals} == dict(wanted.signals)


@EVERY
@settings(max_examples=8, deadline=None)
@given(looks=HOURS, seed=st.integers(0, 5))
def test_looking_changes_nothing(device_type: str, looks: list[float], seed: int) -> None:
    """A device that was looked at again and again measured what one did that was left alone, with the same outcomes."""
    watched, alone = table(device_type, seed=seed), table(device_type, seed=seed)
    keys = [each.send("program", **_first(each)) for each in (watched, alone)]
    for hours in looks:
        watched.wait(hours)
        watched.device.measured(None)
        watched.device.state()
        watched.device.outcome(keys[0])
    alone.wait((watched.clock.moment - alone.clock.moment).total_seconds() / 3600.0)
    assert alone.device.measured(None) == watched.device.measured(None)
    assert alone.device.outcome(keys[1]) == watched.device.outcome(keys[0])


def _first(each: Table) -> dict[str, JSON]:
    name, parameters = next(iter(each.model.examples.items()))
    return {"program": name, "parameters": dict(parameters)}


@EVERY
def test_one_seed_gives_one_history_and_another_seed_another(device_type: str) -> None:
    histories: list[tuple[Reading, ...]] = []
    for seed in (1, 1, 2):
        each = table(device_type, seed=seed)
        each.wait(1.0)
        histories.append(each.device.measured(None))
    assert histories[0] == histories[1]
    assert histories[0] != histories[2]


@EVERY
def test_a_mishap_stops_the_program_with_an_alarm_and_mending_lets_it_run(device_type: str) -> None:
    each = table(device_type)
    key = each.send("program", **_first(each))
    each.wait(2 * MINUTE)
    assert each.device.state() == "running"
    each.device.disturb(each.model.breaks_by)
    each.wait(5 * MINUTE)
    stopped = each.device.outcome(key)
    assert stopped is not None
    assert not stopped.ok
    assert "was stopped by an alarm" in stopped.note
    assert each.device.state() == "failed"
    each.device.mend()
    assert each.device.state() == "idle"


def test_a_program_on_hold_stands_still_and_ends_later_by_that() -> None:
    held, free = table("closed_processor"), table("closed_processor")
    keys = [each.send("program", program="fill_bags") for each in (held, free)]
    refused = [each.ended(key) for each, key in zip((held, free), keys, strict=True)]
    assert ["needs a number for bags" in outcome.note for outcome in refused] == [True, True]
    keys = [each.send("program", program="select_t_cells") for each in (held, free)]
    held.wait(1.0)
    held.device.hold()
    assert held.device.state() == "held"
    held.wait(2.0)
    assert held.device.outcome(keys[0]) is None
    held.device.go_on()
    late, early = held.ended(keys[0]), free.ended(keys[1])
    assert late.at - early.at == timedelta(hours=2)
    held.device.hold()
    assert held.device.state() == "idle", "there is nothing to hold"


def test_who_is_switched_off_takes_nothing_and_measures_nothing() -> None:
    each = table("incubator")
    each.wait(0.5)
    each.device.switch(on=False)
    assert each.device.state() == "off"
    before = len(each.device.measured(None))
    for refused in (each.set(temperature=38.0), each.ended(each.send("read", signals=["co2"]))):
        assert not refused.ok
        assert "switched off" in refused.note
    each.wait(5.0)
    assert len(each.device.measured(None)) == before
    each.device.switch(on=True)
    each.wait(2 * MINUTE)
    assert each.shown("temperature") < 30.0, "it went cold meanwhile"


def test_switching_off_loses_the_program() -> None:
    each = table("incubator")
    key = each.send("program", program="decontaminate")
    each.device.switch(on=False)
    outcome = each.ended(key)
    assert not outcome.ok
    assert "it was switched off" in outcome.note


def test_another_units_command_is_refused() -> None:
    device = table("incubator").device
    device.submit(Command(key="k", target="incubator-77", verb="read", arguments={"signals": ["co2"]}))
    outcome = device.outcome("k")
    assert outcome is not None
    assert outcome.note == "there is no incubator-77 here; this is unit-01"


def test_readings_are_kept_for_a_while_and_then_forgotten() -> None:
    each = table("incubator")
    each.device = Simulator(each.model, "unit-01", clock=each.clock, keeps=2.0)
    each.wait(10.0)
    kept = each.device.measured(None)
    assert kept[-1].at - kept[0].at == timedelta(hours=2)
    assert each.device.measured(kept[-1].at) == ()
    assert {reading.at for reading in each.device.measured(kept[-6].at)} == {kept[-1].at}


def test_a_clock_that_goes_back_lets_no_time_pass() -> None:
    each = table("incubator")
    each.wait(1.0)
    before = each.device.measured(None)
    each.wait(-0.7)
    assert each.device.measured(None) == before
    each.wait(0.7)
    assert each.device.measured(None) == before


@pytest.mark.parametrize(("fault", "quality"), [("stuck", "good"), ("lost", "bad")])
def test_a_probe_that_stands_still_shows_its_last_value(fault: str, quality: str) -> None:
    each = table("incubator")
    each.wait(0.5)
    last = each.shown("co2")
    each.device.disturb(f"{fault}:co2")
    each.set(co2=0.1)
    each.wait(2.0)
    newest = [reading for reading in each.device.measured(None) if reading.signal == "co2"][-1]
    assert (newest.value, newest.quality) == (last, quality)
    each.device.mend()
    each.wait(0.1)
    assert each.shown("co2") == pytest.approx(0.1, abs=0.005)


def test_a_drifting_probe_is_off_by_ever_more_and_says_nothing_of_it() -> None:
    each = table("incubator")
    each.device.disturb("drift:temperature")
    each.wait(24.0)
    assert each.shown("temperature") == pytest.approx(37.0 + 0.02 * 200.0, abs=0.3)
    assert {reading.quality for reading in each.device.measured(None)} == {"good"}


def test_what_lies_outside_a_probes_range_is_shown_at_its_end_and_uncertain() -> None:
    each = table("incubator")
    each.device.disturb("drift:humidity")
    each.wait(24.0 * 5)
    newest = [reading for reading in each.device.measured(None) if reading.signal == "humidity"][-1]
    assert (newest.value, newest.quality) == (1.0, "uncertain")


@pytest.mark.parametrize("what", ["earthquake", "drift:aura", "bent:co2"])
def test_what_cannot_happen_is_said(what: str) -> None:
    with pytest.raises(UserError, match="unit-01"):
        table("incubator").device.disturb(what)
