"""What readings are held against, from when to when; and which excursions are one and the same."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from tests.followed import CELSIUS, CHECK, LIMIT, PH, UNIT, Followed, watched

from cytoloop.app.quality import inspect
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.facts.monitoring import AlarmCleared, AlarmRaised, ExcursionFound
from cytoloop.core.facts.production import BatchFinished, ReadingsRecorded
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.intake import NEVER, Check
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import microseconds
from cytoloop.core.time import after
from cytoloop.production.recipe_text import content, from_content
from cytoloop.quality.expectation import changes, checks, in_use
from cytoloop.testing.builders import START

NAME = f"{CELSIUS.name}/limit/20260601T100000Z"


def held(batch: Batch, hours: float, tag: str = CELSIUS.name) -> Check:
    return next(each for each in checks(batch, UNIT, after(START, hours)) if each.tag == tag)


def test_a_signal_is_watched_from_the_first_step_in_the_unit_to_the_first_of_what_follows() -> None:
    plot = Followed([], master=watched(LIMIT))
    assert in_use(plot.batch, UNIT) == (START, None)
    assert held(plot.batch, -1.0).silence == 0
    watching = held(plot.batch, 1.0)
    assert (watching.low, watching.high, watching.tolerance) == (36.0, 38.0, 3_600_000_000)
    assert (watching.silence, watching.armed, watching.most) == (1_800_000_000, microseconds(START), 60.0)
    plot.enter(BatchFinished(), 9.0)
    assert changes(plot.batch, UNIT) == (START, after(START, 9.0))
    assert (held(plot.batch, 9.0).low, held(plot.batch, 9.0).armed) == (-inf, NEVER)
    assert checks(plot.batch, "no-such-unit", START) == ()


def test_a_signal_without_alarm_and_check_is_held_against_its_unit_alone() -> None:
    only = held(Followed([], master=watched()).batch, 1.0, PH.name)
    assert only == Check(tag=PH.name, unit="pH", begins=microseconds(START), armed=microseconds(START))


def test_limits_narrow_to_the_proven_range_of_the_parameter_that_was_set_last() -> None:
    plot = Followed([], master=watched(replace(LIMIT, low=30.0, high=37.5, par=True)))
    plot.step("activation/set_conditions", "set", 2.0, temperature=37.0)
    assert (held(plot.batch, 1.0).low, held(plot.batch, 1.0).high) == (30.0, 37.5)
    assert (held(plot.batch, 2.0).low, held(plot.batch, 2.0).high) == (36.0, 37.5)
    assert after(START, 2.0) in changes(plot.batch, UNIT)


def test_a_plant_that_was_recorded_before_alarms_had_delays_reads_as_it_was() -> None:
    old: Any = content(watched(LIMIT, checks=()))
    for each in old["plant"]["classes"]:
        each.pop("checks")
        for alarm in each["alarms"]:
            for name in ("priority", "on_delay", "off_delay", "deadband", "par"):
                alarm.pop(name)
    assert from_content(old) == watched(LIMIT, checks=())
    assert CHECK not in from_content(old).plant.classes[2].checks


def excursion(since: float, at: float, alarm: str = NAME, kind: str = "high") -> ExcursionFound:
    return ExcursionFound(
        alarm=alarm, tag=CELSIUS.name, kind=kind, since=after(START, since), at=after(START, at), until=None,  # type: ignore[arg-type]
        value=39.0, unit="°C", low=36.0, high=38.0, tolerance=1.0,
    )  # fmt: skip


def raised(since: float) -> AlarmRaised:
    return AlarmRaised(
        alarm=NAME, tag=CELSIUS.name, kind="high", priority="high", since=after(START, since), at=after(START, since),
        value=39.0, unit="°C", low=36.0, high=38.0,
    )  # fmt: skip


def readings(*hours: float, value: float = 39.0) -> ReadingsRecorded:
    return ReadingsRecorded(
        step="activation/read",
        readings=tuple(
            Reading(signal="temperature", value=value, unit="°C", at=after(START, hour), source=UNIT) for hour in hours
        ),
    )


def opened(plot: Followed) -> int:
    """How many deviations the batch has, once what is needed is opened."""
    for draft in inspect(plot.batch, START):
        plot.enter(draft.fact, 9.0)
    assert inspect(plot.batch, START) == []
    return len(plot.facts(DeviationOpened))


@pytest.mark.parametrize("first", ["telemetry", "steps"])
def test_one_excursion_that_both_ways_show_is_one_deviation_whichever_comes_first(first: str) -> None:
    plot = Followed([])
    plot.enter(raised(2.0), 2.1)
    told: list[Fact] = [excursion(2.0, 3.1), readings(2.0, 3.0, 4.0)]
    for fact in told if first == "telemetry" else reversed(told):
        plot.enter(fact, 4.0)
        assert opened(plot) == 1
    plot.enter(AlarmCleared(alarm=NAME, at=after(START, 4.9), why="returned"), 5.0)
    plot.enter(readings(5.0, value=37.0), 5.0)
    plot.enter(readings(6.0, 7.0, 8.0), 8.0)
    assert opened(plot) == 2, "back inside, and out again for too long: another one"
    plot.enter(excursion(6.1, 7.2, alarm="another"), 8.5)
    assert opened(plot) == 2


def test_an_excursion_that_began_after_another_was_over_is_another_one() -> None:
    plot = Followed([])
    cleared = AlarmCleared(alarm=NAME, at=after(START, 4.0), why="returned")
    facts: list[Fact] = [raised(2.0), excursion(2.0, 3.1), cleared]
    for fact in facts:
        plot.enter(fact, 4.0)
    plot.enter(readings(2.0, 3.0, 3.5), 4.0)
    assert opened(plot) == 1
    plot.enter(excursion(5.0, 6.1, alarm="another"), 6.2)
    assert opened(plot) == 2


def test_signals_of_one_unit_that_are_missing_together_are_one_deviation() -> None:
    plot = Followed([])
    plot.enter(excursion(2.0, 3.1, alarm="a", kind="missing"), 3.1)
    plot.enter(replace(excursion(2.1, 3.2, alarm="b", kind="missing"), tag=PH.name), 3.2)
    assert opened(plot) == 1
