"""The contract every driver and simulator keeps. Subclass `DeviceContract`, give a fixture `bench`, run with pytest.

Each test takes a fresh `Bench` (`cytoloop.testing.bench`): one device, idle, and a door to it. The first sentence of
each test's docstring is what is demanded; `docs/how-to/write-a-driver.md` lists them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import get_args

import pytest

from cytoloop.core.equipment import Command, Outcome, UnreachableError, Verb
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.telemetry import STATUS, Readings, microseconds, moment
from cytoloop.core.time import Instant
from cytoloop.core.units import HOUSE_UNITS
from cytoloop.testing.bench import Bench, Driver

MINUTE = 1.0 / 60.0
PATIENCE = 6000
"""Minutes of the device's time that a command may take to arrive, or to end."""
SECONDS = (0.0, 0.0005, 0.002, 0.01)
"""Of the wall, from sending a command to cutting its line."""
Row = tuple[int, str, str, float, int]
"""Source time, tag, unit, value, status."""


def demand_refusal(outcome: Outcome) -> None:
    """The outcome says no, in a sentence."""
    assert not outcome.ok, "what cannot be done must come back as an outcome that is not ok"
    assert len(outcome.note.split()) > 3, f"a refusal is a sentence that a person can act on, not {outcome.note!r}"


def rows_of(readings: Readings | None) -> list[Row]:
    """What a driver gave, by time and tag."""
    if readings is None:
        return []
    return sorted((at, tag.name, tag.unit, value, status) for tag, at, _, value, status in readings.rows())


def rows_measured(bench: Bench, since: Instant, until: Instant) -> list[Row]:
    """What the device itself keeps of that time."""
    return sorted(_row(each) for each in bench.device.measured(None) if since <= each.at < until)


def _row(reading: Reading) -> Row:
    tag = f"{reading.source}/{reading.signal}"
    return (microseconds(reading.at), tag, reading.unit, reading.value, STATUS[reading.quality])


async def reached(bench: Bench, what: Callable[[], bool], said: str) -> None:
    """Let time pass until `what` holds."""
    for _ in range(PATIENCE):
        if what():
            return
        await bench.pass_time(MINUTE)
    raise AssertionError(f"{said} within {PATIENCE} minutes of the device's time")


async def arrived(bench: Bench, since: Instant, until: Instant) -> list[Row]:
    """The readings of that time as the driver gives them, once it has them all or patience has ended."""
    found: list[Row] = []
    for _ in range(bench.patience):
        try:
            found = rows_of(await bench.driver.readings("B-1", bench.unit, since, until))
        except UnreachableError:
            found = []
        if len(found) >= len(rows_measured(bench, since, until)):
            break
        await bench.pass_time(MINUTE)
    return found


async def answered(driver: Driver, command: Command) -> Outcome | None:
    """The outcome; None when the driver says that the equipment cannot be asked."""
    try:
        return await driver.perform(command)
    except UnreachableError:
        return None


async def found_again(bench: Bench, command: Command) -> Outcome:
    """The outcome of a command, once the driver has found its way back over a mended line."""
    for _ in range(bench.patience):
        outcome = await answered(bench.driver, command)
        if outcome is not None:
            return outcome
        await bench.pass_time(MINUTE)
    raise AssertionError("a mended line must be found again by the driver itself")


async def known(bench: Bench, key: str) -> Outcome | None:
    """What the driver recalls, once it has found its way back over a mended line."""
    for _ in range(bench.patience):
        try:
            return await bench.driver.recall(key)
        except UnreachableError:
            await bench.pass_time(MINUTE)
    raise AssertionError("a mended line must be found again by the driver itself")


class DeviceContract:
    """What a driver must do, whatever the device and the protocol."""

    # -- one key, one effect ------------------------------------------------------------------------------------------

    async def test_the_same_key_acts_once(self, bench: Bench) -> None:
        """The same key twice gives the first outcome again and has no second effect. For every verb that acts."""
        for command in bench.acts():
            first = await bench.driver.perform(command)
            again = await bench.driver.perform(command)
            assert first.ok, f"{command.verb} must succeed on a fresh device, but: {first.note}"
            assert again == first, f"{command.verb}: the same key must give the first outcome"
            assert bench.device.effects[command.key] == 1, f"{command.verb}: the same key must have one effect"

    async def test_two_clients_with_one_key_act_once(self, bench: Bench) -> None:
        """Two doors that send the same key at the same time get the same outcome, and there is one effect."""
        other = await bench.second()
        for command in bench.acts():
            one, two = await asyncio.gather(bench.driver.perform(command), other.perform(command))
            assert one.ok, f"{command.verb} must succeed on a fresh device, but: {one.note}"
            assert one == two, f"{command.verb}: both must get the same outcome"
            assert bench.device.effects[command.key] == 1, f"{command.verb}: one key, one effect"

    async def test_commands_with_different_keys_do_not_mix(self, bench: Bench) -> None:
        """Commands sent at once under different keys each get the outcome of their own key."""
        commands = [*bench.acts(), bench.read()]
        outcomes = await asyncio.gather(*(bench.driver.perform(command) for command in commands))
        for command, outcome in zip(commands, outcomes, strict=True):
            assert outcome.key == command.key, "an outcome carries the key of its command"
            assert outcome.ok, f"{command.verb} beside others must succeed, but: {outcome.note}"
            assert not outcome.readings or command.verb == "read", "readings belong to the read alone"

    async def test_an_outcome_says_when_and_by_whom(self, bench: Bench) -> None:
        """An outcome carries its key, the actor `equipment:<id>`, and the device's time at which it ended."""
        before = bench.clock.now()
        for command in bench.acts():
            outcome = await bench.driver.perform(command)
            assert (outcome.key, outcome.by) == (command.key, f"equipment:{bench.unit}")
            assert outcome.at.tzinfo is not None, "times are UTC instants"
            assert before <= outcome.at <= bench.clock.now(), "it ended after it was sent and before it came back"

    # -- what is remembered -------------------------------------------------------------------------------------------

    async def test_a_key_never_sent_is_recalled_as_none(self, bench: Bench) -> None:
        """Recalling a key that was never sent gives None: certainly not done."""
        assert await bench.driver.recall("B-1/never-sent#1") is None

    async def test_what_was_done_is_recalled(self, bench: Bench) -> None:
        """Recalling a key gives the outcome that performing it gave; another door recalls it as well."""
        performed = [await bench.driver.perform(command) for command in bench.acts()]
        other = await bench.second()
        for outcome in performed:
            assert await bench.driver.recall(outcome.key) == outcome
            assert await other.recall(outcome.key) == outcome, "what is remembered is with the device, not the door"

    async def test_what_was_done_is_recalled_after_a_disconnect(self, bench: Bench) -> None:
        """Once a line that was cut is mended, the door finds its way back and recalls what was done before."""
        performed = [await bench.driver.perform(command) for command in bench.acts()]
        await bench.cut()
        await bench.pass_time(5 * MINUTE)
        await bench.mend()
        for outcome in performed:
            assert await known(bench, outcome.key) == outcome

    async def test_a_refusal_is_remembered(self, bench: Bench) -> None:
        """A refusal is an outcome like any other: the same key gives it again, and it is recalled."""
        command = bench.command("program", program="fly", parameters={})
        refused = await bench.driver.perform(command)
        demand_refusal(refused)
        assert await bench.driver.perform(command) == refused
        assert await bench.driver.recall(command.key) == refused

    # -- the line is cut ----------------------------------------------------------------------------------------------

    async def test_a_command_sent_while_cut_never_acts_twice(self, bench: Bench) -> None:
        """A command sent while the line is cut raises UnreachableError; sent again after it, it acts once in all."""
        for command in bench.acts():
            await bench.cut()
            assert await answered(bench.driver, command) is None, f"{command.verb}: nobody can tell while it is cut"
            await bench.mend()
            outcome = await found_again(bench, command)
            assert outcome.ok, f"{command.verb} after the line is mended must succeed, but: {outcome.note}"
            assert bench.device.effects[command.key] == 1, f"{command.verb}: one effect in all"

    async def test_a_line_cut_while_sending_leaves_no_doubt(self, bench: Bench) -> None:
        """Cut at any moment of sending, a command is recalled if it acted; told as None, it never acts later either.

        The platform believes None and sends the command under a new key.
        """
        again = [bench.set_points() for _ in SECONDS] if bench.device.kind.set_points else []
        for command, seconds in zip([*bench.acts(), *again], cycle(SECONDS), strict=False):
            sending = asyncio.ensure_future(answered(bench.driver, command))
            await asyncio.wait({sending}, timeout=seconds)
            await bench.cut()
            await bench.pass_time(MINUTE)
            await bench.mend()
            outcome = await sending
            recalled = await known(bench, command.key)
            assert outcome is None or outcome == recalled
            if recalled is None:
                recalled = await bench.driver.perform(replace(command, key=f"{command.key}/2"))
                assert bench.device.effects[command.key] == 0, "it was told that this key had never arrived"
                assert bench.device.effects[recalled.key] == 1
            assert recalled.ok, f"{command.verb} must succeed, but: {recalled.note}"
            assert bench.device.effects[command.key] + bench.device.effects[f"{command.key}/2"] == 1

    async def test_nothing_is_recalled_as_none_while_cut(self, bench: Bench) -> None:
        """While the line is cut, recalling an unknown key raises UnreachableError: None would say "never arrived"."""
        await bench.cut()
        with pytest.raises(UnreachableError) as said:
            await bench.driver.recall("B-1/unknown#1")
        assert len(str(said.value).split()) > 3, "it says in a sentence who does not answer"

    async def test_a_program_outlives_the_connection(self, bench: Bench) -> None:
        """A program goes on when its line is cut; once it is mended, its outcome is recalled, with one effect."""
        command = bench.longest()
        waiting = asyncio.ensure_future(answered(bench.driver, command))
        await reached(bench, lambda: bench.device.seen(command.key), "the command must arrive")
        assert bench.device.outcome(command.key) is None, "it ended before it could be cut: run the clock slower"
        await bench.cut()
        await reached(bench, lambda: bench.device.outcome(command.key) is not None, "the program must end by itself")
        await bench.mend()
        recalled = await known(bench, command.key)
        assert recalled is not None, "the device has seen it"
        assert recalled.ok, f"it went on without a line, but: {recalled.note}"
        assert await waiting in (None, recalled), "who waited gets the outcome or hears that nobody can tell"
        assert bench.device.effects[command.key] == 1

    # -- what cannot be done ------------------------------------------------------------------------------------------

    async def test_a_set_point_takes_effect(self, bench: Bench) -> None:
        """A set-point inside its range is in force afterwards, and the outcome's values say it as accepted."""
        if not bench.device.kind.set_points:
            return demand_refusal(await bench.driver.perform(bench.command("set", temperature=37.0)))
        command = bench.set_points()
        outcome = await bench.driver.perform(command)
        assert outcome.ok, outcome.note
        assert dict(outcome.values) == dict(command.arguments)
        assert {name: bench.device.targets()[name] for name in command.arguments} == dict(command.arguments)
        return None

    async def test_a_set_point_out_of_range_is_refused_whole(self, bench: Bench) -> None:
        """A set-point outside the device's own range is refused in a sentence; nothing of that command is in force."""
        before = dict(bench.device.targets())
        for name, quantity in bench.device.kind.set_points.items():
            for value in (quantity.high + 1.0, quantity.low - 1.0, "warm", True):
                command = bench.command("set", **{**bench.set_points().arguments, name: value})
                demand_refusal(await bench.driver.perform(command))
                assert bench.device.effects[command.key] == 0
        assert dict(bench.device.targets()) == before

    async def test_what_the_type_does_not_have_is_refused(self, bench: Bench) -> None:
        """An unknown set-point, program, signal, attribute or verb is refused in a sentence and has no effect."""
        strange = [
            bench.command("set", warp=1.0),
            bench.command("program", program="fly", parameters={}),
            bench.command("read", signals=["aura"]),
            bench.command("sample", plan="p", attributes=["charm"], volume=0.5),
            bench.command("ask", instruction="who are you", answers=[]),
        ]
        for command in strange:
            demand_refusal(await bench.driver.perform(command))
            assert bench.device.effects[command.key] == 0

    async def test_a_program_with_a_parameter_missing_is_refused(self, bench: Bench) -> None:
        """A program that lacks a parameter, or has one that is no number or strange to it, is refused; none begins."""
        for name, needed in bench.device.kind.programs.items():
            whole: dict[str, float] = dict.fromkeys(needed, 1.0)
            wrong = [{**whole, "spin": 1.0}]
            wrong += [{each: value for each, value in whole.items() if each != missing} for missing in needed]
            for parameters in wrong:
                command = bench.command("program", program=name, coi="COI-1", parameters=dict(parameters))
                demand_refusal(await bench.driver.perform(command))
                assert bench.device.effects[command.key] == 0
            for each in needed:
                command = bench.command("program", program=name, coi="COI-1", parameters={**whole, each: "much"})
                demand_refusal(await bench.driver.perform(command))
        assert bench.device.state() == "idle"

    async def test_a_second_program_is_refused_while_one_runs(self, bench: Bench) -> None:
        """While a program runs, the device says so and refuses another; the first is not disturbed."""
        if not bench.device.kind.programs:
            return
        command, other = bench.program(), bench.program()
        first = asyncio.ensure_future(bench.driver.perform(command))
        await reached(bench, lambda: bench.device.seen(command.key), "the command must arrive")
        assert bench.device.state() == "running"
        demand_refusal(await bench.driver.perform(other))
        assert bench.device.effects[other.key] == 0
        outcome = await first
        assert outcome.ok, f"the first program must go on, but: {outcome.note}"

    # -- a device that failed -----------------------------------------------------------------------------------------

    async def test_a_failed_device_acts_no_more_until_it_is_mended(self, bench: Bench) -> None:
        """After an alarm whatever acts is refused in a sentence, readings still come; once mended, a new key acts."""
        bench.device.fail()
        assert bench.device.state() == "failed"
        for command in bench.acts():
            demand_refusal(await bench.driver.perform(command))
            assert bench.device.effects[command.key] == 0
        assert (await bench.driver.perform(bench.read())).ok, "who must look at it needs its readings"
        bench.device.mend()
        for command in bench.acts():
            outcome = await bench.driver.perform(command)
            assert outcome.ok, f"{command.verb} after the alarm was acknowledged must succeed, but: {outcome.note}"

    async def test_a_program_that_an_alarm_stops_has_failed(self, bench: Bench) -> None:
        """What is underway when the device fails ends with an outcome that is not ok and says why."""
        command = bench.longest()
        waiting = asyncio.ensure_future(bench.driver.perform(command))
        await reached(bench, lambda: bench.device.seen(command.key), "the command must arrive")
        bench.device.fail()
        stopped = await waiting
        demand_refusal(stopped)
        assert await bench.driver.recall(command.key) == stopped

    # -- readings -----------------------------------------------------------------------------------------------------

    async def test_a_reading_says_what_where_when_and_how_good(self, bench: Bench) -> None:
        """A read gives each signal that was measured since the last read, at least at its newest.

        Each reading has its house unit, the device's source time, its quality and its source.
        """
        began = bench.device.measured(None)[0].at
        await bench.pass_time(10 * MINUTE)
        signals = bench.device.kind.signals
        outcome = await bench.driver.perform(bench.read())
        assert {each.signal for each in outcome.readings} == set(signals), "every signal that was asked for, no other"
        for each in outcome.readings:
            assert each.unit in HOUSE_UNITS, f"{each.unit!r} is not a house unit"
            assert (each.unit, each.source) == (signals[each.signal].unit, bench.unit)
            assert signals[each.signal].low <= each.value <= signals[each.signal].high
            assert began <= each.at <= bench.clock.now(), "the source time is the device's own, not the door's"
            assert each.quality in get_args(Quality)

    async def test_readings_are_those_the_device_measured(self, bench: Bench) -> None:
        """The readings of a stretch of time are those the device measured from its begin up to but not at its end."""
        begin = bench.clock.now()
        await bench.pass_time(15 * MINUTE)
        times = sorted({reading.at for reading in bench.device.measured(None) if reading.at >= begin})
        since, until = times[1], times[-2]
        expected = rows_measured(bench, since, until)
        assert len(expected) > len(bench.device.kind.signals), "a device on the bench measures every few minutes"
        assert await arrived(bench, since, until) == expected
        assert await arrived(bench, begin, begin) == [], "nothing lies between a moment and itself"

    async def test_asking_for_readings_changes_nothing(self, bench: Bench) -> None:
        """Whoever asks for the same stretch again gets the same."""
        begin = bench.clock.now()
        await bench.pass_time(10 * MINUTE)
        until = bench.clock.now()
        await bench.pass_time(5 * MINUTE)
        first = await arrived(bench, begin, until)
        assert first, "the device measured meanwhile"
        assert await arrived(bench, begin, until) == first

    async def test_readings_from_while_it_was_cut_come_afterwards(self, bench: Bench) -> None:
        """What the device measured while the line was cut comes once it is mended: all, once, at its source time."""
        begin = bench.clock.now()
        await bench.pass_time(5 * MINUTE)
        cut = bench.clock.now()
        await bench.cut()
        await bench.pass_time(20 * MINUTE)
        mended = bench.clock.now()
        await bench.mend()
        await bench.pass_time(5 * MINUTE)
        until = bench.clock.now()
        expected = rows_measured(bench, begin, until)
        assert any(cut <= moment(row[0]) < mended for row in expected), "the device went on measuring by itself"
        found = await arrived(bench, begin, until)
        assert len(found) == len({row[:2] for row in found}), "each reading once"
        assert found == expected

    async def test_readings_of_each_signal_come_in_order(self, bench: Bench) -> None:
        """Within one answer the readings of a signal are in order of source time, also those from before."""
        begin = bench.clock.now()
        await bench.cut()
        await bench.pass_time(10 * MINUTE)
        await bench.mend()
        await bench.pass_time(5 * MINUTE)
        until = bench.clock.now()
        assert await arrived(bench, begin, until), "the device measured meanwhile"
        given = await bench.driver.readings("B-1", bench.unit, begin, until)
        assert given is not None
        for signal in bench.device.kind.signals:
            times = [at for tag, at, *_ in given.rows() if tag.name == f"{bench.unit}/{signal}"]
            assert times == sorted(times), f"{signal} came out of order"

    async def test_readings_that_nobody_can_ask_for_are_not_nothing(self, bench: Bench) -> None:
        """While the line is cut, asking for readings raises UnreachableError, or gives what has come already.

        An empty answer would say that nothing was measured.
        """
        begin = bench.clock.now()
        await bench.pass_time(5 * MINUTE)
        until = bench.clock.now()
        await bench.pass_time(5 * MINUTE)
        expected = await arrived(bench, begin, until)
        await bench.cut()
        try:
            found = rows_of(await bench.driver.readings("B-1", bench.unit, begin, until))
        except UnreachableError:
            return
        assert found == expected

    # -- what the type says -------------------------------------------------------------------------------------------

    async def test_the_type_is_said_in_house_units(self, bench: Bench) -> None:
        """The device type names at least one signal; every quantity has a house unit and a range that is one."""
        kind = bench.device.kind
        assert kind.signals, "a device that measures nothing cannot be watched"
        assert kind.words.en, "the type has an English name"
        assert kind.words.zh, "the type has a Chinese name"
        for name, quantity in {**kind.signals, **kind.set_points}.items():
            assert quantity.unit in HOUSE_UNITS, f"{name} is in {quantity.unit!r}, which is not a house unit"
            assert quantity.low < quantity.high, f"the range of {name} is none"

    async def test_a_sample_gives_a_result_for_each_attribute(self, bench: Bench) -> None:
        """A sample's outcome has for each attribute a value, its house unit and the method that found it."""
        if not bench.device.kind.attributes:
            return
        outcome = await bench.driver.perform(bench.sample())
        assert outcome.ok, outcome.note
        results = outcome.values["results"]
        assert isinstance(results, dict)
        assert set(results) == set(bench.device.kind.attributes)
        for attribute, result in results.items():
            assert isinstance(result, dict), attribute
            assert isinstance(result["value"], float), attribute
            assert result["unit"] in HOUSE_UNITS, attribute
            assert result["method"], attribute

    async def test_people_verbs_are_for_people(self, bench: Bench) -> None:
        """Equipment refuses to answer, decide or sign: only a person can."""
        people: tuple[Verb, ...] = ("ask", "decide", "sign")
        for verb in people:
            demand_refusal(await bench.driver.perform(bench.command(verb)))
