"""What an edge node says for its devices, without a broker: a host's fold takes what it says."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from cytoloop.adapters.sparkplug.asking import addressed, command_metrics, history_metrics, reading_of, recall_metrics
from cytoloop.adapters.sparkplug.births import REBIRTH, Taken
from cytoloop.adapters.sparkplug.collecting import Collected, Count
from cytoloop.adapters.sparkplug.convention import (
    HISTORY_COUNT,
    OUTCOME_DOCUMENT,
    OUTCOME_STATE,
    read_outcome,
    written,
)
from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.serving import AT_ONCE, TOGETHER, Message, Serving
from cytoloop.adapters.sparkplug.session import passed, received
from cytoloop.adapters.sparkplug.state import Arrived, AskRebirth, Came, Metrics, Nodes, Remark, Rules
from cytoloop.adapters.sparkplug.topics import Topic
from cytoloop.adapters.sparkplug.values import metric
from cytoloop.core.device import DeviceState, DeviceType, Quantity
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
KEY, UNIT = ("site", "line-1"), "tank-01"
KIND = DeviceType(
    device_type="tank",
    words=Words(en="tank", zh="罐"),
    equipment_class="bioreactor",
    signals={"level": Quantity(unit="mL", low=0.0, high=math.inf)},
    set_points={"level": Quantity(unit="mL", low=0.0, high=10.0)},
)


@dataclass
class Clock:
    at: Instant = START

    def now(self) -> Instant:
        return self.at

    async def until(self, when: Instant) -> None:
        self.at = when


@dataclass
class Tank:
    """A device that measures when it is told to."""

    clock: Clock
    unit: str = UNIT
    kind: DeviceType = KIND
    kept: list[Reading] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    underway: set[str] = field(default_factory=set)
    levels: dict[str, float] = field(default_factory=dict)

    def measure(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.at += timedelta(microseconds=1500)
            value = float(len(self.kept))
            self.kept.append(Reading(signal="level", value=value, unit="mL", at=self.clock.at, source=self.unit))

    def state(self) -> DeviceState:
        return "running" if self.underway else "idle"

    def targets(self) -> Mapping[str, float]:
        return self.levels

    def submit(self, command: Command) -> None:
        if not self.seen(command.key):
            self.commands.append(command)
            self.levels |= {name: value for name, value in command.arguments.items() if isinstance(value, float)}

    def seen(self, key: str) -> bool:
        return any(each.key == key for each in self.commands)

    def outcome(self, key: str) -> Outcome | None:
        if not self.seen(key) or key in self.underway:
            return None
        return Outcome(key=key, ok=True, at=START, by=f"equipment:{self.unit}")

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        return tuple(each for each in self.kept if since is None or each.at > since)


@dataclass
class Ends:
    """Both ends, with nothing between."""

    tank: Tank
    serving: Serving
    nodes: Nodes = field(default_factory=dict)
    came: list[Taken] = field(default_factory=list)
    asked: list[AskRebirth] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def take(self, messages: Iterable[Message]) -> list[Message]:
        sent = list(messages)
        for topic, payload in sent:
            self.nodes, effects = received(self.nodes, Arrived(topic, payload, 0.0), Rules())
            self.came += [value for each in effects if isinstance(each, Came) for value in each.values]
            self.remarks += [each.text for each in effects if isinstance(each, Remark)]
        self.nodes, effects = passed(self.nodes, 0.0, Rules())
        self.asked += [each for each in effects if isinstance(each, AskRebirth)]
        return sent

    def born(self) -> "Ends":
        self.take(self.serving.births())
        self.take(self.serving.backlog(0.0))
        return self

    @property
    def device(self) -> Metrics:
        return self.nodes[KEY].devices[UNIT]

    def online(self) -> bool:
        return self.device.online

    def write(self, metrics: Iterable[Metric], tick: float = 0.0) -> dict[str, object]:
        """What the device answers to what is written."""
        topic = Topic("DCMD", *KEY, UNIT)
        self.came.clear()
        named = addressed(metrics, self.device.metrics)
        self.take(self.serving.told(topic, Payload(timestamp=1, metrics=named), tick))
        return {each.name: each.value for each in self.came}

    def levels(self, *, historical: bool | None = None) -> list[object]:
        found = [each for each in self.came if each.name == "Signals/level"]
        return [each.value for each in found if historical is None or each.historical == historical]


@pytest.fixture
def ends() -> Ends:
    tank = Tank(Clock())
    remarks: list[str] = []
    serving = Serving(group="site", node="line-1", devices=[tank], clock=tank.clock, remark=remarks.append)
    return Ends(tank, serving, remarks=remarks)


def test_births_hold_what_is_there_and_the_backlog_follows(ends: Ends) -> None:
    ends.tank.measure(3)
    ends.born()
    assert ends.device.current["Signals/level"].value == 2.0
    said = ends.device.metrics["Signals/level"].properties
    assert [said[name] for name in ("engUnit", "engLow", "engHigh")] == ["mL", 0.0, math.inf]
    assert ends.levels(historical=True) == [0.0, 1.0, 2.0]
    assert not ends.remarks
    assert not ends.asked


def test_what_is_new_is_sent_once(ends: Ends) -> None:
    ends.born()
    ends.tank.measure(2)
    assert len(ends.take(ends.serving.changes(1.0))) == 1
    assert ends.levels(historical=False) == [0.0, 1.0]
    assert ends.take(ends.serving.changes(2.0)) == []


def test_source_times_keep_their_microseconds(ends: Ends) -> None:
    ends.born()
    ends.tank.measure(3)
    ends.take(ends.serving.changes(1.0))
    found = [reading_of(UNIT, each) for each in ends.came if each.name == "Signals/level"]
    assert found == ends.tank.kept


def test_readings_without_a_value_come_with_their_quality(ends: Ends) -> None:
    ends.born()
    ends.tank.measure()
    ends.tank.kept[0] = replace(ends.tank.kept[0], value=math.nan, quality="bad")
    ends.take(ends.serving.changes(1.0))
    found = reading_of(UNIT, ends.came[-1])
    assert found is not None
    assert math.isnan(found.value)
    assert found.quality == "bad"


def test_what_was_sent_just_before_a_loss_is_sent_again(ends: Ends) -> None:
    ends.serving.overlap = 10.0
    ends.born()
    for tick in (1.0, 50.0, 55.0):
        ends.tank.measure()
        ends.serving.changes(tick)
    ends.serving.doubt(60.0)
    ends.came.clear()
    ends.born()
    assert ends.levels(historical=True) == [1.0, 2.0]


def test_many_values_go_in_several_messages(ends: Ends) -> None:
    ends.born()
    ends.tank.measure(2 * TOGETHER + 1)
    assert [len(payload.metrics) for _, payload in ends.take(ends.serving.changes(1.0))] == [TOGETHER, TOGETHER, 1]


def test_a_command_is_begun_once_and_its_outcome_said_when_it_is_there(ends: Ends) -> None:
    ends.born()
    command = Command(key="k", target=UNIT, verb="set", arguments={"level": 5, "coi": "C1", "fast": True})
    ends.tank.underway = {"k"}
    written_ = command_metrics(command, ends.device.metrics, START)
    assert {each.name for each in written_} >= {"Set-points/level", "Command/Key"}
    assert ends.write(written_)[OUTCOME_STATE] == "underway"
    assert ends.write(written_)[OUTCOME_STATE] == "underway"
    assert ends.tank.commands == [replace(command, arguments={"coi": "C1", "fast": True, "level": 5.0})]
    assert ends.device.current["Set-points/level"].value == 5.0
    ends.tank.underway = set()
    ends.came.clear()
    ends.take(ends.serving.changes(1.0))
    said = {each.name: each.value for each in ends.came}
    assert said[OUTCOME_STATE] == "ended"
    assert read_outcome(str(said[OUTCOME_DOCUMENT])) == ends.tank.outcome("k")
    assert ends.write(recall_metrics("never", START))[OUTCOME_STATE] == "unknown"


def test_history_is_counted_or_sent_a_thousand_at_a_time(ends: Ends) -> None:
    ends.born()
    ends.tank.measure(AT_ONCE + 10)
    first = ends.tank.kept[0].at
    assert ends.write(history_metrics("h", first, False, START))[HISTORY_COUNT] == AT_ONCE + 9
    assert ends.levels(historical=True) == []
    ends.tank.clock.at += timedelta(milliseconds=1)
    assert ends.write(history_metrics("h", first, False, START))[HISTORY_COUNT] == AT_ONCE + 10
    assert ends.write(history_metrics("h", first, True, START))[HISTORY_COUNT] == AT_ONCE
    assert len(ends.levels(historical=True)) == AT_ONCE


def test_a_rebirth_keeps_session_number_and_aliases(ends: Ends) -> None:
    ends.serving.bd_seq = 7
    births = ends.take(ends.serving.births())
    wish = Payload(timestamp=1, metrics=(metric(REBIRTH, DataType.BOOLEAN, True, 0),))
    again = ends.take(ends.serving.told(Topic("NCMD", *KEY), wish, 0.0))
    assert [payload.seq for _, payload in again] == [0, 1]
    assert [each.alias for each in again[1][1].metrics] == [each.alias for each in births[1][1].metrics]
    assert ends.nodes[KEY].bd_seq == 7


def test_a_device_that_is_lost_is_dead_until_it_is_regained(ends: Ends) -> None:
    ends.born()
    ends.take(ends.serving.lose(UNIT))
    assert not ends.online()
    ends.tank.measure(2)
    assert ends.serving.changes(1.0) == []
    assert (
        ends.serving.told(Topic("DCMD", *KEY, UNIT), Payload(metrics=(metric("State", DataType.STRING, "x", 0),)), 1.0)
        == []
    )
    ends.take(ends.serving.regain(UNIT, 2.0))
    assert ends.online()
    assert ends.levels(historical=True) == [0.0, 1.0]


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "a\0"])
def test_ids_fit_into_a_topic(name: str) -> None:
    with pytest.raises(UserError, match="must not be empty nor hold"):
        Serving(group=name, node="n", devices=[], clock=Clock())


def test_two_devices_of_one_id_are_a_mistake() -> None:
    clock = Clock()
    with pytest.raises(UserError, match="have the same id"):
        Serving(group="g", node="n", devices=[Tank(clock), Tank(clock)], clock=clock)


def test_an_outcome_comes_back_from_its_document() -> None:
    reading = Reading(signal="t", value=math.nan, unit="°C", at=START, quality="bad", source=UNIT)
    outcome = Outcome(key="k", ok=False, at=START, by="equipment:t", values={"a": [1, None]}, note="不行")
    assert read_outcome(written(outcome)) == outcome
    (found,) = read_outcome(written(replace(outcome, readings=(reading,)))).readings
    assert math.isnan(found.value)
    assert replace(found, value=0.0) == replace(reading, value=0.0)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"key": 1}', written(Outcome(key="k", ok=True, at=START, by="e")).replace("2026", "x")]
)
def test_what_is_no_outcome_is_said(text: str) -> None:
    with pytest.raises(UserError, match="is no outcome"):
        read_outcome(text)


# -- readings that were collected -------------------------------------------------------------------------------------


def reading(second: int) -> Reading:
    return Reading(signal="level", value=float(second), unit="mL", at=START + timedelta(seconds=second), source=UNIT)


def at(second: int) -> Instant:
    return START + timedelta(seconds=second)


def test_a_stretch_is_whole_when_as_many_are_here_as_the_device_says() -> None:
    kept = Collected()
    assert kept.missing(at(0), at(5)) == at(0)
    kept.take([reading(0), reading(2), reading(2)])
    assert not kept.counted(at(0), Count(3, at(0), at(5)))
    kept.take([reading(1)])
    assert kept.counted(at(0), Count(3, at(0), at(5)))
    assert kept.missing(at(0), at(5)) is None
    assert kept.missing(at(2), at(9)) == at(5)
    assert kept.missing(at(7), at(9)) == at(7)
    kept.take([reading(6)])
    assert kept.counted(at(5), Count(1, at(6), at(8)))
    assert kept.whole == (at(0), at(8))
    found = kept.within("B", at(1), at(7), at(9))
    assert found is not None
    assert [value for _, _, _, value, _ in found.rows()] == [1.0, 2.0, 6.0]


def test_what_the_device_has_forgotten_is_not_waited_for() -> None:
    kept = Collected()
    kept.take([reading(0), reading(1), reading(5)])
    assert kept.counted(at(0), Count(1, at(5), at(9))), "it has none before 5 any more"


def test_old_readings_are_let_go_of_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cytoloop.adapters.sparkplug.collecting.KEPT", 10)
    kept = Collected()
    kept.take([reading(second) for second in range(10)])
    assert kept.counted(at(0), Count(10, at(0), at(10)))
    kept.take([reading(10)])
    assert kept.missing(at(0), at(10)) == at(0)
    assert kept.missing(at(7), at(10)) is None
