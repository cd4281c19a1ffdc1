"""Sparkplug on a real broker: births and deaths, numbers, commands once, readings once, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.kept_device import KeptDevice
from tests.contract.mqtt_broker import Mosquitto, running_broker
from tests.contract.sparkplug_line import Line, measured, reached, rows, setting, stirring, tried

from cytoloop.adapters.sparkplug.codec import encode
from cytoloop.adapters.sparkplug.convention import CONVENTION, NAME
from cytoloop.adapters.sparkplug.door import SparkplugDoor
from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.topics import HostState, Topic, parse_state
from cytoloop.adapters.sparkplug.values import metric
from cytoloop.core.equipment import Command, UnreachableError
from cytoloop.core.errors import UserError
from cytoloop.testing.door_contract import DoorCase, check_door


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    with running_broker() as broker:
        yield broker


@pytest_asyncio.fixture
async def line(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Line]:
    line = Line(mosquitto=mosquitto, folder=tmp_path)
    yield line
    await line.close()


def _target(door: SparkplugDoor) -> object:
    """The set-point that is in force as far as the door knows."""
    return door.host.known["site", "line-1"].devices["tank-01"].current["Set-points/temperature"].value


# -- births and deaths ------------------------------------------------------------------------------------------------


async def test_it_is_a_door(line: Line) -> None:
    device = line.device()
    await line.edge(device)

    async def effects() -> float:
        return float(sum(device.effects.values()))

    case = DoorCase(door=line.door(), good=setting(1, 36.5), effects=effects, unknown=setting(2, 80.0))
    await check_door(case)
    assert device.targets() == {"temperature": 36.5}


async def test_a_birth_says_everything_that_a_host_must_know(line: Line) -> None:
    await line.edge(line.device())
    door = line.door()
    await door.perform(setting(1, 36.5))
    node = door.host.node("line-1")
    assert node is not None
    assert node.own.current["Properties/Devices"].value == ("tank-01",)
    assert node.own.metrics["Node Control/Rebirth"].alias is None
    tank = node.devices["tank-01"]
    assert tank.current[CONVENTION].value == NAME
    assert tank.metrics["Signals/temperature"].properties["engUnit"] == "°C"
    assert tank.metrics["Set-points/temperature"].properties["engLow"] == 30.0
    assert tank.current["Programs/stir"].value == "hours"
    assert await door.host.until(lambda: _target(door) == 36.5, 5.0)
    assert {"Command/Key", "Command/Verb", "Command/Arguments", "Recall/Key"} <= set(tank.metrics)


async def test_an_edge_node_keeps_to_the_numbers(line: Line) -> None:
    spy = await line.spy()
    await line.edge(line.device(), line.device("tank-02"))
    await spy.until(lambda: len(spy.payloads("DDATA")) > 40)
    sent = [payload for kind in ("NBIRTH", "DBIRTH", "DDATA") for payload in spy.payloads(kind)]
    assert [each.seq for each in sent[:40]] == list(range(40))
    assert not any(retained for *_, retained in spy.heard)
    data = spy.payloads("DDATA")[5]
    assert all(each.name is None and each.datatype is None and each.alias and each.timestamp for each in data.metrics)


async def test_a_killed_edge_node_is_dead_and_its_outcomes_are_recalled_after_its_birth(line: Line) -> None:
    edge = line.edge_process("tank-01").start()
    door = line.door(patience=0.5)
    done = await reached(lambda: door.perform(setting(1, 36.5)))
    waiting = asyncio.create_task(tried(door.perform(stirring(2, 1.0))))
    device = KeptDevice("tank-01", line.clock, line.folder)
    while not device.seen("B-1/stir-2"):
        await asyncio.sleep(0.01)
    edge.kill()
    with pytest.raises(UnreachableError, match="its death was said and no birth since"):
        await door.perform(setting(3, 35.0))
    with pytest.raises(UnreachableError, match="no birth of it came"):
        await line.door(patience=0.3).perform(setting(3, 35.0))
    assert await waiting is None
    edge.start()
    recalled = await reached(lambda: door.recall("B-1/stir-2"))
    assert recalled.ok
    assert recalled.values == {"turns": pytest.approx(100.0 / 3600)}
    assert await line.door(patience=5.0).recall("B-1/set-1") == done
    assert device.effects == {"B-1/set-1": 1, "B-1/stir-2": 1}
    assert await door.recall("B-1/set-3") is None


async def test_a_device_that_its_edge_node_lost_cannot_be_reached(line: Line) -> None:
    edge = await line.edge(line.device(), line.device("tank-02"))
    door = line.door(patience=0.4)
    await door.perform(setting(1, 36.5))
    edge.lose("tank-01")
    await door.host.until(lambda: not door.host.known[("site", "line-1")].devices["tank-01"].online, 5.0)
    with pytest.raises(UnreachableError, match=r"tank-01 cannot be reached .* death was said"):
        await door.perform(setting(2, 36.0))
    with pytest.raises(UnreachableError):
        await door.recall("B-1/unknown")
    assert (await door.perform(setting(3, 36.0, unit="tank-02"))).ok
    edge.regain("tank-01")
    assert (await reached(lambda: door.perform(setting(2, 36.0)))).ok


async def test_what_was_never_born_cannot_be_reached(line: Line) -> None:
    await line.edge(line.device())
    door = line.door(patience=0.3)
    with pytest.raises(UnreachableError, match="no birth of it came in group site"):
        await door.perform(setting(1, 36.5, unit="tank-99"))
    with pytest.raises(UnreachableError, match="line-9"):
        await line.door("line-1", "line-9", patience=0.3).recall("B-1/unknown")


async def test_two_edge_nodes_with_a_device_of_the_same_id_are_a_mistake(line: Line) -> None:
    await line.edge(line.device())
    await line.edge(line.device(), node="line-2")
    door = line.door("line-1", "line-2")
    with pytest.raises(UserError, match="device of several edge nodes"):
        await door.recall("B-1/unknown")


async def test_a_death_of_an_earlier_session_is_passed_over(line: Line) -> None:
    """The second process takes the name over: the broker says the death of the first after, or before, its birth."""
    first = line.edge_process("tank-01").start()
    door = line.door()
    await reached(lambda: door.perform(setting(1, 36.5)))
    assert first.process is not None
    spy = await line.spy()
    second = line.edge_process("tank-01").start()
    await spy.until(lambda: bool(spy.payloads("NDEATH")) and bool(spy.payloads("NBIRTH")))
    first.kill()
    await spy.again("NDEATH")
    await spy.until(lambda: len(spy.payloads("NDEATH")) >= 2)
    assert (await reached(lambda: door.perform(setting(2, 36.0)))).ok
    await asyncio.sleep(0.2)
    node = door.host.node("line-1")
    assert node is not None
    assert node.own.online
    second.kill()
    await spy.until(lambda: len(spy.payloads("NDEATH")) >= 3)
    assert await door.host.until(lambda: not door.host.known[("site", "line-1")].own.online, 5.0)


# -- numbers ----------------------------------------------------------------------------------------------------------


async def test_a_gap_in_the_numbers_is_answered_by_a_rebirth(line: Line) -> None:
    await line.edge(line.device())
    door, spy = line.door(), await line.spy()
    await door.perform(setting(1, 36.5))
    births = len(spy.payloads("NBIRTH"))
    await spy.until(lambda: bool(spy.payloads("DDATA")))
    ahead = ((spy.payloads("DDATA")[-1].seq or 0) + 40) % 256
    await spy.again("DDATA", seq=ahead)
    await spy.until(lambda: len(spy.payloads("NBIRTH")) > births)
    assert [each.held for each in spy.payloads("NCMD")[-1].metrics] == [("boolean_value", True)]
    assert (await door.perform(setting(2, 36.0))).ok
    assert any("did not come" in text or "late or twice" in text for _, text in door.remarks)


@pytest.mark.parametrize("cut", [1, 7, 30])
async def test_a_payload_cut_short_is_passed_over_and_said(line: Line, cut: int) -> None:
    device = line.device()
    await line.edge(device)
    door, spy = line.door(), await line.spy()
    await door.perform(setting(1, 36.5))
    begin = line.clock.now()
    await spy.until(lambda: bool(spy.payloads("DDATA")))
    whole = encode(Payload(timestamp=1, seq=7, metrics=(Metric(alias=3, held=("string_value", "x" * 40)),)))
    await spy.say(Topic("DDATA", "site", "line-1", "tank-01"), whole[:-cut])
    await door.host.until(lambda: any("cut short" in text for _, text in door.remarks), 5.0)
    (at, said), *_ = [each for each in door.remarks if "cut short" in each[1]]
    assert said.startswith("DDATA of site/line-1/tank-01 is passed over: the Sparkplug payload cannot be read at byte")
    assert "limit on message size" in said
    assert at >= begin
    assert (await door.perform(setting(2, 36.0))).ok
    until = line.clock.now()
    assert rows(await door.readings("B-1", "tank-01", begin, until)) == measured(device, begin, until)


async def test_what_is_no_sparkplug_is_passed_over(line: Line) -> None:
    await line.edge(line.device())
    door, spy = line.door(), await line.spy()
    await door.perform(setting(1, 36.5))
    await spy.mqtt.publish("spBv1.0/site/NDATA/line-1", b"\xff" * 100)
    await spy.mqtt.publish("spBv1.0/site/NDATA/line-7", b"\x12\x00" * 30_000)
    await spy.mqtt.publish("spBv1.0/site/DCMD/line-1/tank-01", b"nonsense")
    await spy.mqtt.publish("spBv1.0/STATE/host-0", b"ONLINE")
    assert (await door.perform(setting(2, 36.0))).ok
    assert await door.host.until(lambda: any("more than 20000 elements" in text for _, text in door.remarks), 5.0)


async def test_a_host_that_writes_no_command_changes_nothing(line: Line) -> None:
    device, remarks = line.device(), list[str]()
    await line.edge(device, remark=remarks.append)
    spy = await line.spy()
    topic, now = Topic("DCMD", "site", "line-1", "tank-01"), 1
    for name, value in (("Set-points/temperature", 33.0), ("Mood", 1.0)):
        await spy.say(topic, Payload(timestamp=1, metrics=(metric(name, DataType.DOUBLE, value, now),)))
    keyless = tuple(
        metric(f"Command/{each}", DataType.STRING, text, 1) for each, text in (("Key", "k"), ("Verb", "fly"))
    )
    await spy.say(topic, Payload(timestamp=1, metrics=keyless))
    await spy.say(Topic("DCMD", "site", "line-1", "tank-09"), Payload(timestamp=1, metrics=keyless))
    async with asyncio.timeout(5):
        while len(remarks) < 4:
            await asyncio.sleep(0.01)
    for part in ("cannot be written", "there is no metric 'Mood'", "are no command"):
        assert any(part in each for each in remarks), remarks
    assert device.targets() == {}
    assert not device.seen("k")


# -- the broker -------------------------------------------------------------------------------------------------------


async def test_a_command_acts_once_whatever_becomes_of_the_broker(line: Line) -> None:
    device = line.device()
    await line.edge(device)
    door = line.door()
    for number, pause in enumerate((0.0, 0.002, 0.01, 0.05)):
        sending = asyncio.create_task(tried(door.perform(setting(number, 36.0 + number))))
        await asyncio.sleep(pause)
        line.mosquitto.kill()
        await asyncio.sleep(0.05)
        line.mosquitto.start()
        outcome = await sending
        key = f"B-1/set-{number}"
        recalled = await reached(lambda key=key: door.recall(key))  # type: ignore[misc]
        assert (recalled is not None) == (device.effects.get(key, 0) == 1)
        assert outcome in (None, recalled)
        assert (await reached(lambda number=number: door.perform(setting(number, 36.0 + number)))).ok  # type: ignore[misc]
        assert device.effects[key] == 1


async def test_a_broker_killed_in_the_middle_of_a_program_costs_nothing(line: Line) -> None:
    device = line.device()
    await line.edge(device)
    door = line.door(patience=5.0)
    begin = line.clock.now()
    waiting = asyncio.create_task(door.perform(stirring(1, 1.2)))
    while not device.seen("B-1/stir-1"):
        await asyncio.sleep(0.01)
    line.mosquitto.kill()
    await asyncio.sleep(0.3)
    line.mosquitto.start()
    outcome = await waiting
    assert outcome.ok
    assert device.effects == {"B-1/stir-1": 1}
    until = line.clock.now()
    assert rows(await door.readings("B-1", "tank-01", begin, until)) == measured(device, begin, until)


async def test_without_a_broker_it_says_so(line: Line) -> None:
    line.mosquitto.kill()
    door = line.door(patience=0.4)
    with pytest.raises(UnreachableError, match=rf"broker at {line.mosquitto.address} does not answer \(.+\)"):
        await door.perform(setting(1, 36.5))
    with pytest.raises(UnreachableError):
        await door.recall("B-1/set-1")
    with pytest.raises(UnreachableError):
        await door.readings("B-1", "tank-01", line.clock.now() - timedelta(hours=1), line.clock.now())
    line.mosquitto.start()
    await line.edge(line.device())
    assert (await reached(lambda: door.perform(setting(1, 36.5)))).ok


async def test_a_broker_that_stands_still_is_noticed(line: Line) -> None:
    """Half open: the connections stay, nothing goes through; keep-alive finds out."""
    device = line.device()
    await line.edge(device)
    door = line.door(patience=0.5)
    begin = line.clock.now()
    await door.perform(setting(1, 36.5))
    line.mosquitto.freeze()
    assert await tried(door.perform(setting(2, 36.0))) is None
    await asyncio.sleep(4.0)
    line.mosquitto.thaw()
    recalled = await reached(lambda: door.recall("B-1/set-2"))
    assert (recalled is not None) == (device.effects.get("B-1/set-2", 0) == 1)
    assert (await reached(lambda: door.perform(setting(2, 36.0)))).ok
    assert device.effects["B-1/set-2"] == 1
    until = line.clock.now()
    assert rows(await reached(lambda: door.readings("B-1", "tank-01", begin, until))) == measured(device, begin, until)


# -- readings ---------------------------------------------------------------------------------------------------------


async def test_readings_come_once_and_in_order_however_often_one_asks(line: Line) -> None:
    device = line.device()
    await line.edge(device)
    door, other = line.door(), line.door()
    begin = line.clock.now()
    await asyncio.sleep(0.3)
    middle = line.clock.now()
    first = await door.readings("B-1", "tank-01", begin, middle)
    assert first is not None
    for signal in ("temperature", "glucose"):
        times = [at for tag, at, *_ in first.rows() if tag.name == f"tank-01/{signal}"]
        assert times == sorted(set(times))
        assert times
    await asyncio.sleep(0.2)
    until = line.clock.now()
    assert rows(await door.readings("B-1", "tank-01", middle, until)) == measured(device, middle, until)
    for each in (door, other):
        assert rows(await each.readings("B-1", "tank-01", begin, until)) == measured(device, begin, until)
        assert rows(await each.readings("B-1", "tank-01", begin, middle)) == rows(first)
    assert await door.readings("B-1", "tank-01", begin, begin) is None


async def test_what_was_measured_while_the_broker_was_away_comes_as_history_and_once(line: Line) -> None:
    device = line.device()
    await line.edge(device)
    door = line.door()
    begin = line.clock.now()
    await door.readings("B-1", "tank-01", begin, line.clock.now())
    line.mosquitto.kill()
    cut = line.clock.now()
    await asyncio.sleep(0.4)
    mended = line.clock.now()
    line.mosquitto.start()
    spy = await line.spy()
    await spy.until(lambda: any(each.is_historical for sent in spy.payloads("DDATA") for each in sent.metrics))
    until = line.clock.now()
    found = rows(await reached(lambda: door.readings("B-1", "tank-01", begin, until)))
    assert found == measured(device, begin, until)
    assert any(rows_in for rows_in in measured(device, cut, mended))
    historical = [each.timestamp for sent in spy.payloads("DDATA") for each in sent.metrics if each.is_historical]
    assert len(historical) > 2


async def test_a_read_gives_readings_with_their_unit_time_and_quality(line: Line) -> None:
    device = line.device()
    await line.edge(device)
    command = Command(key="B-1/read", target="tank-01", verb="read", arguments={"signals": ["temperature"]})
    outcome = await line.door().perform(command)
    assert outcome == device.outcome("B-1/read")
    (reading,) = outcome.readings
    assert (reading.signal, reading.unit, reading.source) == ("temperature", "°C", "tank-01")


# -- the host's own state ---------------------------------------------------------------------------------------------


def states(heard: list[tuple[str, bytes, bool]], host: str) -> list[HostState]:
    return [parse_state(data) for topic, data, _ in heard if topic == f"spBv1.0/STATE/{host}"]


async def test_a_host_says_that_it_is_there_and_that_it_leaves(line: Line) -> None:
    spy = await line.spy()
    await line.edge(line.device())
    door = line.door(host_id="scada")
    await door.perform(setting(1, 36.5))
    await spy.until(lambda: bool(states(spy.heard, "scada")))
    await spy.say(
        Topic("STATE", "", "scada"), replace(states(spy.heard, "scada")[0], online=False).payload, retain=True
    )
    await spy.until(lambda: len(states(spy.heard, "scada")) >= 3)
    assert [each.online for each in states(spy.heard, "scada")] == [True, False, True]
    await door.close()
    await spy.until(lambda: len(states(spy.heard, "scada")) >= 4)
    assert not states(spy.heard, "scada")[-1].online
    assert len({each.timestamp for each in states(spy.heard, "scada")}) == 1
    late = await line.spy()
    await late.until(lambda: bool(states(late.heard, "scada")))
    assert late.heard[0][2], "it is kept by the broker"


async def test_an_edge_node_with_a_primary_host_waits_for_it_and_sends_later_what_it_measured(line: Line) -> None:
    device, spy = line.device(), await line.spy()
    begin = line.clock.now()
    edge = await line.edge(device, primary_host="scada")
    await asyncio.sleep(0.3)
    assert not spy.payloads("NBIRTH")
    door = line.door(host_id="scada", patience=5.0)
    await door.perform(setting(1, 36.5))
    old = [each for sent in spy.payloads("DDATA") for each in sent.metrics if each.is_historical]
    assert len(old) > 20
    await door.close()
    await spy.until(lambda: bool(spy.payloads("NDEATH")))
    assert not edge.connected.is_set()
    births = len(spy.payloads("NBIRTH"))
    await asyncio.sleep(0.3)
    assert len(spy.payloads("NBIRTH")) == births
    again = line.door(host_id="scada", patience=5.0)
    until = line.clock.now()
    assert rows(await again.readings("B-1", "tank-01", begin, until)) == measured(device, begin, until)


async def test_mqtt_5_is_spoken_as_well(line: Line) -> None:
    device = line.device()
    await line.edge(device, to=line.broker(version="5"))
    door = line.door(to=line.broker(version="5"))
    assert (await door.perform(setting(1, 36.5))).ok
    line.mosquitto.kill()
    line.mosquitto.start()
    assert (await reached(lambda: door.perform(setting(2, 36.0)))).ok
    assert device.effects == {"B-1/set-1": 1, "B-1/set-2": 1}
