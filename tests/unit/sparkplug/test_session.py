"""What a host knows of edge nodes: births, deaths, sequence, aliases; whatever the network does to the messages."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.adapters.sparkplug.payload import DataType, Metric, Payload
from cytoloop.adapters.sparkplug.session import HELD_BACK, disconnected, next_due, passed, received, unreadable
from cytoloop.adapters.sparkplug.state import (
    Arrived,
    AskRebirth,
    Born,
    Came,
    Died,
    Effect,
    Nodes,
    Remark,
    Rules,
)
from cytoloop.adapters.sparkplug.topics import MessageType, Topic
from cytoloop.adapters.sparkplug.values import held, metric, properties
from cytoloop.adapters.sparkplug.wire import PayloadError

KEY = ("plant", "line")
RULES = Rules(reorder=2.0, again=5.0)


@dataclass
class Edge:
    """An edge node that says what the specification has it say."""

    bd_seq: int = 0
    seq: int = 0
    time: int = 1000
    aliases: bool = True

    def message(self, kind: MessageType, payload: Payload, device: str = "") -> Arrived:
        self.time += 1
        if kind not in ("NBIRTH", "NDEATH"):
            self.seq = (self.seq + 1) % 256
            payload = replace(payload, seq=self.seq)
        return Arrived(Topic(kind, *KEY, device), replace(payload, timestamp=self.time), 0.0)

    def nbirth(self) -> Arrived:
        self.seq = 0
        metrics = (
            metric("bdSeq", DataType.INT64, self.bd_seq, self.time),
            metric("Node Control/Rebirth", DataType.BOOLEAN, False, self.time),
        )
        return self.message("NBIRTH", Payload(metrics=metrics, seq=0))

    def dbirth(self, device: str = "reactor", value: float = 0.0, **other: Any) -> Arrived:
        alias = {"reactor": 7, "freezer": 8}.get(device, 9) if self.aliases else None
        one = metric("level", DataType.DOUBLE, value, self.time, properties(engUnit="mL"))
        return self.message("DBIRTH", Payload(metrics=(replace(one, **{"alias": alias, **other}),)), device)

    def ddata(self, value: float, device: str = "reactor", **other: Any) -> Arrived:
        named = {"alias": {"reactor": 7, "freezer": 8}.get(device, 9)} if self.aliases else {"name": "level"}
        one = Metric(**{"timestamp": self.time, "held": held(DataType.DOUBLE, value), **named, **other})
        return self.message("DDATA", Payload(metrics=(one,)), device)

    def ddeath(self, device: str = "reactor") -> Arrived:
        return self.message("DDEATH", Payload(), device)

    def ndeath(self) -> Arrived:
        return self.message("NDEATH", Payload(metrics=(metric("bdSeq", DataType.INT64, self.bd_seq, 0),)))


@dataclass
class Host:
    """The fold, with everything it ever asked for."""

    nodes: Nodes = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    tick: float = 0.0

    def take(self, *messages: Arrived) -> "Host":
        for message in messages:
            self.nodes, effects = received(self.nodes, replace(message, tick=self.tick), RULES)
            self.effects += effects
        return self

    def wait(self, seconds: float) -> "Host":
        self.tick += seconds
        self.nodes, effects = passed(self.nodes, self.tick, RULES)
        self.effects += effects
        return self

    def all(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.effects if isinstance(each, kind)]

    def values(self, name: str = "level") -> list[Any]:
        return [value.value for came in self.all(Came) for value in came.values if value.name == name]

    def online(self, device: str = "reactor") -> bool:
        return self.nodes[KEY].devices[device].online


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
def host(edge: Edge) -> Host:
    return Host().take(edge.nbirth(), edge.dbirth())


def test_births_tell_what_is_there(host: Host) -> None:
    assert host.all(Born) == [Born(KEY, ""), Born(KEY, "reactor")]
    assert host.nodes[KEY].own.online
    assert host.online()
    assert host.nodes[KEY].devices["reactor"].metrics["level"].properties == {"engUnit": "mL"}
    assert not host.all(Remark)


@pytest.mark.parametrize("aliases", [True, False])
def test_values_come_by_alias_or_by_name(aliases: bool) -> None:
    edge = Edge(aliases=aliases)
    host = Host().take(edge.nbirth(), edge.dbirth(), edge.ddata(1.0), edge.ddata(2.0))
    assert host.values() == [0.0, 1.0, 2.0]
    assert host.nodes[KEY].devices["reactor"].current["level"].value == 2.0


def test_a_death_takes_the_devices_along(host: Host, edge: Edge) -> None:
    host.take(edge.ndeath())
    assert host.all(Died) == [Died(KEY, "")]
    assert not host.online()
    assert host.nodes[KEY].devices["reactor"].current["level"].value == 0.0


def test_a_death_of_an_earlier_session_is_passed_over(host: Host, edge: Edge) -> None:
    late = edge.ndeath()
    edge.bd_seq = 1
    host.take(edge.nbirth(), edge.dbirth(), late)
    assert host.online()
    assert not host.all(Died)
    host.take(edge.ndeath())
    assert not host.online()


def test_a_birth_of_an_earlier_session_is_passed_over(edge: Edge) -> None:
    late = edge.nbirth()
    edge.bd_seq = 5
    host = Host().take(edge.nbirth(), edge.dbirth(), late)
    assert host.online()
    assert "later session" in host.all(Remark)[0].text


def test_a_birth_that_comes_twice_begins_nothing(edge: Edge) -> None:
    birth = edge.nbirth()
    host = Host().take(birth, edge.dbirth(), birth, edge.ddata(1.0))
    assert host.values() == [0.0, 1.0]
    assert "came twice" in host.all(Remark)[0].text


def test_an_edge_node_whose_clock_was_set_back_is_born_again(host: Host, edge: Edge) -> None:
    edge.time, edge.bd_seq = 5, 1
    assert host.take(edge.nbirth(), edge.dbirth(), edge.ddata(1.0)).values() == [0.0, 0.0, 1.0]


def test_a_node_is_there_and_its_devices_are_not_until_their_births(host: Host, edge: Edge) -> None:
    host.take(edge.nbirth())
    assert host.nodes[KEY].own.online
    assert not host.online()


def test_a_device_dies_and_is_born_by_itself(host: Host, edge: Edge) -> None:
    host.take(edge.dbirth("freezer"), edge.ddeath())
    assert (host.online(), host.online("freezer")) == (False, True)
    host.take(edge.dbirth())
    assert host.online()
    assert not host.all(AskRebirth)


def test_numbers_go_round(host: Host, edge: Edge) -> None:
    host.take(*[edge.ddata(float(each)) for each in range(600)])
    assert host.values() == [0.0, *map(float, range(600))]
    assert next_due(host.nodes) is None


def test_what_comes_early_waits_for_what_is_missing(host: Host, edge: Edge) -> None:
    one, two, three = (edge.ddata(float(each)) for each in (1, 2, 3))
    host.take(three, two)
    assert host.values() == [0.0]
    assert next_due(host.nodes) == 2.0
    host.take(one).wait(10.0)
    assert host.values() == [0.0, 1.0, 2.0, 3.0]
    assert not host.all(AskRebirth)


def test_what_stays_missing_is_asked_for_by_a_rebirth(host: Host, edge: Edge) -> None:
    edge.ddata(1.0)  # lost
    host.take(edge.ddata(2.0)).wait(1.9)
    assert not host.all(AskRebirth)
    host.wait(0.2)
    assert host.all(AskRebirth) == [AskRebirth(KEY)]
    assert host.all(Died) == [Died(KEY, "")]
    assert host.values() == [0.0]
    assert "number 2 did not come" in host.all(Remark)[0].text
    host.wait(4.9)
    assert len(host.all(AskRebirth)) == 1
    host.wait(0.2)
    assert len(host.all(AskRebirth)) == 2
    host.take(edge.nbirth(), edge.dbirth(), edge.ddata(3.0)).wait(100.0)
    assert len(host.all(AskRebirth)) == 2
    assert host.values()[-1] == 3.0


def test_what_came_before_its_birth_is_taken_after_it(host: Host, edge: Edge) -> None:
    """Whatever is overtaken: a birth, in the middle of a session or before the first."""
    host.take(*[edge.ddata(0.0) for _ in range(100)])
    edge.bd_seq = 1
    birth, device, one, two = edge.nbirth(), edge.dbirth(value=1.0), edge.ddata(2.0), edge.ddata(3.0)
    host.take(two, device, one).wait(0.1).take(birth)
    assert host.values()[-4:] == [0.0, 1.0, 2.0, 3.0]
    assert host.online()
    assert Host().take(one, two, device, birth).values() == [1.0, 2.0, 3.0]
    late = edge.ddata(4.0)
    host.take(edge.nbirth(), edge.dbirth(value=5.0), late).wait(0.0)
    assert host.values()[-1] == 5.0


def test_no_more_than_so_many_wait(host: Host, edge: Edge) -> None:
    edge.ddata(0.5)  # lost
    host.take(*[edge.ddata(float(each)) for each in range(HELD_BACK)]).wait(0.0)
    assert not host.all(AskRebirth)
    host.take(edge.ddata(1.0)).wait(0.0)
    assert host.all(AskRebirth) == [AskRebirth(KEY)]
    assert len(host.nodes[KEY].early) == HELD_BACK


def test_what_comes_twice_or_late_is_taken_once(host: Host, edge: Edge) -> None:
    one, two = edge.ddata(1.0), edge.ddata(2.0)
    host.take(one, one, two, one)
    assert host.values() == [0.0, 1.0, 2.0]
    assert ["late or twice" in remark.text for remark in host.all(Remark)] == [True, True]
    assert not host.all(AskRebirth)


def test_data_before_any_birth_asks_for_one(edge: Edge) -> None:
    host = Host().take(edge.ddata(1.0)).wait(0.0)
    assert host.all(AskRebirth) == [AskRebirth(KEY)]
    host.take(edge.ndeath()).wait(100.0)
    assert len(host.all(AskRebirth)) == 1  # nobody is there to be asked


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"alias": 99}, "no birth gave it the alias 99"),
        ({"alias": None}, "no birth gave it the alias None"),
        ({"alias": 8}, "no birth gave it the alias 8"),
        ({"name": "mood"}, "no birth defined a metric 'mood'"),
        ({"datatype": int(DataType.STRING)}, "was born as DOUBLE and came as STRING"),
        ({"held": ("string_value", "high")}, "should hold DOUBLE and holds string_value 'high'"),
        ({"held": None}, "has no value and does not say it is null"),
    ],
)
def test_a_value_that_cannot_be_understood_asks_for_a_rebirth(
    host: Host, edge: Edge, other: dict[str, Any], said: str
) -> None:
    host.take(edge.dbirth("freezer"), edge.ddata(1.0, **other)).wait(0.0)
    assert said in host.all(Remark)[0].text
    assert "plant/line/reactor" in host.all(Remark)[0].text
    assert host.all(AskRebirth) == [AskRebirth(KEY)]
    host.take(edge.ddata(2.0))
    assert host.values()[-1] == 2.0


def test_a_message_that_cannot_be_read_asks_for_a_rebirth(host: Host, edge: Edge) -> None:
    lost = edge.ddata(1.0)
    host.nodes, effects = unreadable(host.nodes, lost.topic, PayloadError("it is cut short"), 0.0)
    assert effects == (Remark("DDATA of plant/line/reactor is passed over: it is cut short"),)
    assert host.wait(0.0).all(AskRebirth) == [AskRebirth(KEY)]


@pytest.mark.parametrize("seq", [None, 256])
def test_a_sequence_number_is_from_0_to_255(host: Host, edge: Edge, seq: int | None) -> None:
    sent = edge.ddata(1.0)
    host.take(replace(sent, payload=replace(sent.payload, seq=seq)))
    assert "must be from 0 to 255" in host.all(Remark)[0].text


def test_births_that_define_badly_are_passed_over(host: Host, edge: Edge) -> None:
    no_number, edge.seq = edge.nbirth(), 1
    host.take(replace(no_number, payload=replace(no_number.payload, metrics=no_number.payload.metrics[1:])))
    host.take(edge.dbirth("other", alias=7), edge.dbirth("bare", name=None), edge.dbirth("untyped", datatype=None))
    twice = edge.dbirth("twice")
    host.take(replace(twice, payload=replace(twice.payload, metrics=twice.payload.metrics * 2)))
    said = " ".join(each.text for each in host.all(Remark))
    for part in ("no bdSeq", "already that of 'reactor/level'", "has no name", "has no data type", "defined twice"):
        assert part in said
    assert set(host.nodes[KEY].devices) == {"reactor"}


def test_a_message_of_an_earlier_session_is_passed_over(host: Host, edge: Edge) -> None:
    in_turn, late = edge.ddata(1.0), edge.ddata(1.0)
    host.take(edge.nbirth(), edge.dbirth(value=2.0), late).wait(0.0)
    assert host.values() == [0.0, 2.0]
    assert "sent before the last birth" in host.all(Remark)[0].text
    assert not host.all(AskRebirth)
    host.take(in_turn).wait(0.0)
    assert host.values() == [0.0, 2.0]
    assert host.all(AskRebirth) == [AskRebirth(KEY)]


def test_an_edge_node_whose_clock_is_set_back_in_a_session_is_asked_for_a_rebirth(host: Host, edge: Edge) -> None:
    edge.time = 10
    host.take(edge.ddata(1.0)).wait(0.0)
    assert host.all(AskRebirth) == [AskRebirth(KEY)]
    assert host.take(edge.nbirth(), edge.dbirth(value=2.0), edge.ddata(3.0)).values() == [0.0, 2.0, 3.0]


def test_a_historical_value_says_nothing_of_now(host: Host, edge: Edge) -> None:
    host.take(edge.ddata(1.0), edge.ddata(9.0, is_historical=True, timestamp=5))
    (value,) = host.all(Came)[-1].values
    assert (value.value, value.historical, value.at) == (9.0, True, 5000)
    assert host.nodes[KEY].devices["reactor"].current["level"].value == 1.0


def test_quality_and_microseconds_are_read(host: Host, edge: Edge) -> None:
    host.take(
        edge.ddata(1.0, properties=properties(Quality=0, Microseconds=7), timestamp=5), edge.ddata(2.0, is_null=True)
    )
    (bad,), (null,) = (came.values for came in host.all(Came)[-2:])
    assert (bad.quality, bad.at) == ("bad", 5007)
    assert null.value is None


def test_without_a_broker_nobody_is_known_to_be_there(host: Host, edge: Edge) -> None:
    host.nodes, effects = disconnected(host.nodes)
    assert effects == (Died(KEY, ""),)
    assert not host.online()
    host.take(edge.ddata(1.0)).wait(0.0)
    assert host.all(AskRebirth) == [AskRebirth(KEY)]


# -- whatever the network does ----------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9), max_size=120))
def test_a_network_that_only_reorders_and_repeats_changes_nothing(delays: list[int]) -> None:
    edge = Edge()
    host = Host().take(edge.nbirth(), edge.dbirth())
    messages = [(at + delay, at, edge.ddata(float(at))) for at, delay in enumerate(delays)]
    messages += [(at + 10, at, message) for _, at, message in messages[::7]]
    host.take(*[message for _, _, message in sorted(messages, key=lambda each: each[:2])]).wait(0.0)
    assert host.values()[1:] == [float(at) for at in range(len(delays))]
    assert not host.all(AskRebirth)


ACTS = st.lists(
    st.sampled_from(["send", "send", "send", "lose", "twice", "swap", "death", "ddeath", "cut"]), max_size=60
)


@given(ACTS)
def test_whatever_is_lost_the_host_ends_up_knowing_what_is_there(acts: list[str]) -> None:
    edge, host, value = Edge(), Host(), 0.0
    network: list[Arrived] = [edge.nbirth(), edge.dbirth()]
    host.take(*network)
    behind: list[Arrived] = []

    def births() -> list[Arrived]:
        return [edge.nbirth(), edge.dbirth(value=value)]

    for act in acts:
        value += 1.0
        host.tick += 0.1
        if act == "death":
            late = edge.ndeath()
            edge.bd_seq = (edge.bd_seq + 1) % 256
            host.take(*births(), late)
        elif act == "ddeath":
            host.take(edge.ddeath(), edge.dbirth(value=value))
        elif act == "swap":
            behind.append(edge.ddata(value))
            continue
        elif act == "cut":
            topic = edge.ddata(value).topic
            host.nodes, more = unreadable(host.nodes, topic, PayloadError("cut short"), host.tick)
            host.effects += more
        elif act != "lose":
            host.take(*[edge.ddata(value)] * (2 if act == "twice" else 1))
        host.take(*behind)
        behind.clear()
    for _ in range(4):  # the edge node answers what it is asked
        value += 1.0
        asked = len(host.all(AskRebirth))
        host.take(edge.ddata(value)).wait(3.0)
        if len(host.all(AskRebirth)) > asked:
            host.take(*births())
    assert host.online()
    assert host.nodes[KEY].devices["reactor"].current["level"].value == value
    assert next_due(host.nodes) is None
    taken = host.values()
    assert taken == sorted(taken)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "DDATA"]),
            st.integers(0, 3),
            st.integers(0, 2**64 - 1),
        ),
        max_size=30,
    )
)
def test_any_messages_in_any_order_are_taken_or_passed_over_with_a_remark(
    sent: list[tuple[MessageType, int, int]],
) -> None:
    shapes: list[Callable[[int], tuple[Metric, ...]]] = [
        lambda _: (),
        lambda n: (Metric(name="bdSeq", datatype=4, held=("long_value", n % 256)),),
        lambda n: (Metric(name="x", alias=n % 3, datatype=10, held=("double_value", 1.0), timestamp=n),),
        lambda n: (Metric(alias=n % 5, held=("int_value", n % 2**32)),),
    ]
    host = Host()
    for kind, shape, number in sent:
        device = "reactor" if kind.startswith("D") else ""
        payload = Payload(metrics=shapes[shape](number), seq=number % 300, timestamp=number)
        host.take(Arrived(Topic(kind, *KEY, device), payload, 0.0)).wait(0.3)
