"""What a host application knows of edge nodes and their devices: a fold over the messages that arrived.

Pure: (state, message) -> (state, what to do about it). The rules are those of Eclipse Sparkplug 3.0.0:

- A node is there from its NBIRTH to the NDEATH with the same bdSeq (§5.4, §5.5); a death of an earlier session, which a
  broker may deliver after the next birth, is passed over. With a node, all of its devices are gone.
- A device is there from its DBIRTH to its DDEATH (§5.6, §5.7); after a new NBIRTH, only from its next DBIRTH on.
- Every message but NBIRTH and NDEATH carries the number after that of the one before, 255 followed by 0 (§6.4.5). What
  comes too early waits for what is missing, `Rules.reorder` seconds at most; then a rebirth is asked for (§5.9).
- What names a metric or a device that no birth defined is passed over and a rebirth asked for (§5.17, §6.4.23).

Whatever is passed over is said in a remark.
"""

from dataclasses import replace
from typing import TypeAlias

from cytoloop.adapters.sparkplug.births import Birth, Defined, Taken, bd_seq, read_birth, taken
from cytoloop.adapters.sparkplug.payload import Metric, Payload
from cytoloop.adapters.sparkplug.state import (
    Arrived,
    AskRebirth,
    Born,
    Came,
    Died,
    Effect,
    Key,
    Metrics,
    Missed,
    Node,
    Nodes,
    Remark,
    Rules,
)
from cytoloop.adapters.sparkplug.topics import Topic
from cytoloop.adapters.sparkplug.wire import PayloadError

HELD_BACK = 64
"""Messages of one node that wait for one that is missing."""
ROUND = 256
"""Sequence numbers there are."""
AHEAD = ROUND // 2
"""How far a number may be ahead; what is further came late or twice."""


Step: TypeAlias = tuple[Node, tuple[Effect, ...]]


def received(nodes: Nodes, arrived: Arrived, rules: Rules) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state after a message from an edge node, and what is to be done."""
    key = (arrived.topic.group, arrived.topic.node)
    try:
        node, effects = _received(key, nodes.get(key, Node()), arrived, rules)
    except PayloadError as error:
        node, unsaid = _unsure(key, nodes.get(key, Node()), arrived.tick)
        effects = (Remark(f"{arrived.topic.message_type} of {arrived.topic.where} is passed over: {error}"), *unsaid)
    return {**nodes, key: node}, effects


def unreadable(nodes: Nodes, topic: Topic, error: PayloadError, tick: float) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state after a message that could not be read: it is passed over, and a rebirth asked for."""
    key = (topic.group, topic.node)
    node, unsaid = _unsure(key, nodes.get(key, Node()), tick)
    return {**nodes, key: node}, (Remark(f"{topic.message_type} of {topic.where} is passed over: {error}"), *unsaid)


def passed(nodes: Nodes, tick: float, rules: Rules) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state once `tick` has come: what waited too long is taken as it is, and rebirths are asked for."""
    after, effects = dict(nodes), list[Effect]()
    for key, each in nodes.items():
        node = each
        if node.gap is not None and node.gap <= tick:
            node, said = _gave_up(key, node, tick)
            effects += said
        if node.ask is not None and node.ask <= tick:
            node = replace(node, ask=tick + rules.again)
            effects.append(AskRebirth(key))
        after[key] = node
    return after, tuple(effects)


def next_due(nodes: Nodes) -> float | None:
    """The tick at which `passed` has something to do."""
    ticks = (tick for node in nodes.values() for tick in (node.gap, node.ask) if tick is not None)
    return min(ticks, default=None)


def disconnected(nodes: Nodes) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state once this host has lost its broker: nobody is known to be there (§5.3)."""
    effects: tuple[Effect, ...] = tuple(Died(key, "") for key, node in nodes.items() if node.own.online)
    return {key: _dead(node) for key, node in nodes.items()}, effects


# -- one message ------------------------------------------------------------------------------------------------------


def _received(key: Key, node: Node, arrived: Arrived, rules: Rules) -> Step:
    match arrived.topic.message_type:
        case "NBIRTH":
            return _node_born(key, node, arrived.payload)
        case "NDEATH":
            return _node_died(key, node, arrived.payload)
        case "DBIRTH" | "DDEATH" | "NDATA" | "DDATA":
            return _numbered(key, node, arrived, rules)
        case _:
            return node, ()


def _node_born(key: Key, node: Node, payload: Payload) -> Step:
    """A session begins; one that began before the present one and comes late is passed over."""
    number, birth = bd_seq(payload), read_birth(payload)
    seq = _number(payload)
    near = (None, number, (number - 1) % ROUND)
    twice = node.own.online and (number, birth.timestamp) == (node.bd_seq, node.born)
    if twice or (birth.timestamp < node.born and node.bd_seq not in near):
        return node, (Remark(f"an NBIRTH of {'/'.join(key)} came twice or after that of a later session"),)
    gone = {name: replace(device, online=False) for name, device in node.devices.items()}
    born = Node(bd_seq=number, born=birth.timestamp, seq=seq, devices=gone)
    return _with_birth(born, "", birth), (Born(key, ""), Came(key, "", _there(birth)))


def _node_died(key: Key, node: Node, payload: Payload) -> Step:
    if node.bd_seq is not None and bd_seq(payload) != node.bd_seq:
        return node, ()
    if not node.own.online:
        return _dead(node), ()
    return _dead(node), (Died(key, ""),)


def _dead(node: Node) -> Node:
    gone = {name: replace(device, online=False) for name, device in node.devices.items()}
    return replace(node, own=replace(node.own, online=False), devices=gone, early={}, gap=None, ask=None)


def _numbered(key: Key, node: Node, arrived: Arrived, rules: Rules) -> Step:
    """A message in its turn is taken, and those that waited for it; an early one waits, a late one is passed over."""
    if not node.own.online:
        return _unsure(key, node, arrived.tick)
    number, sent = _number(arrived.payload), arrived.payload.timestamp
    if sent is not None and sent < node.born:
        said = f"{arrived.topic.message_type} of {arrived.topic.where} was sent before the last birth of its node"
        node, unsaid = _unsure(key, node, arrived.tick)  # or its clock was set back: a birth settles that, too
        return node, (Remark(f"{said}; it is passed over and a rebirth asked for"), *unsaid)
    ahead = (number - node.seq - 1) % ROUND
    if ahead == 0:
        return _in_turn(key, node, arrived)
    if ahead >= AHEAD or number in node.early:
        said = f"{arrived.topic.message_type} of {arrived.topic.where} with number {number} came late or twice"
        return node, (Remark(f"{said}, after number {node.seq}; it is passed over"),)
    waiting = replace(node, early={**node.early, number: arrived})
    wait = arrived.tick + (rules.reorder if len(waiting.early) < HELD_BACK else 0.0)
    return replace(waiting, gap=wait if node.gap is None else min(node.gap, wait)), ()


def _in_turn(key: Key, node: Node, arrived: Arrived) -> Step:
    node, effects = _applied(key, replace(node, seq=_number(arrived.payload)), arrived)
    while (number := (node.seq + 1) % ROUND) in node.early:
        following = node.early[number]
        rest = {each: early for each, early in node.early.items() if each != number}
        node, more = _applied(key, replace(node, seq=number, early=rest), following)
        effects = (*effects, *more)
    return (node if node.early else replace(node, gap=None)), effects


def _gave_up(key: Key, node: Node, tick: float) -> Step:
    """What waited for a message that did not come is taken without it: a measured value stays true."""
    order = sorted(node.early, key=lambda number: (number - node.seq - 1) % ROUND)
    said = f"of the messages of {'/'.join(key)}, number {(node.seq + 1) % ROUND} did not come; a rebirth is asked for"
    effects: tuple[Effect, ...] = (Remark(said),)
    early = node.early
    node, missed = _unsure(key, replace(node, early={}, gap=None, seq=order[-1]), tick)
    effects = (*effects, *missed)
    for number in order:
        node, more = _applied(key, node, early[number])
        effects = (*effects, *more)
    return node, effects


def _applied(key: Key, node: Node, arrived: Arrived) -> Step:
    device = arrived.topic.device
    try:
        match arrived.topic.message_type:
            case "DBIRTH":
                birth = read_birth(arrived.payload)
                return _with_birth(node, device, birth), (Born(key, device), Came(key, device, _there(birth)))
            case "DDEATH":
                gone = replace(node.devices.get(device, Metrics()), online=False)
                return replace(node, devices={**node.devices, device: gone}), (Died(key, device),)
            case _:
                return _data(key, node, arrived)
    except PayloadError as error:
        node, unsaid = _unsure(key, node, arrived.tick)
        said = f"{arrived.topic.message_type} of {arrived.topic.where} is passed over: {error}"
        return node, (Remark(said), *unsaid)


def _there(birth: Birth) -> tuple[Taken, ...]:
    """The values that a birth has; what is null there has never been measured or sent."""
    return tuple(each for each in birth.values if each.value is not None)


def _with_birth(node: Node, device: str, birth: Birth) -> Node:
    """The node with what the birth defines. PayloadError when an alias is another metric's (§6.4.6)."""
    aliases = {alias: whose for alias, whose in node.aliases.items() if whose[0] != device}
    for name, defined in birth.metrics.items():
        if defined.alias is None:
            continue
        if defined.alias in aliases:
            whose = "/".join(filter(None, aliases[defined.alias]))
            raise PayloadError(f"alias {defined.alias} of {name!r} is already that of {whose!r}; aliases must differ")
        aliases[defined.alias] = (device, name)
    current = {each.name: each for each in birth.values if not each.historical}
    born = Metrics(online=True, metrics=birth.metrics, current=current)
    if not device:
        return replace(node, own=born, aliases=aliases)
    return replace(node, devices={**node.devices, device: born}, aliases=aliases)


def _data(key: Key, node: Node, arrived: Arrived) -> Step:
    device = arrived.topic.device
    about = node.devices.get(device, Metrics()) if device else node.own
    if not about.online:
        node, unsaid = _unsure(key, node, arrived.tick)
        return node, (Remark(f"{arrived.topic.message_type} of {arrived.topic.where} came before its birth"), *unsaid)
    values, wrong = _values(node, about, arrived)
    current = dict(about.current)
    for value in values:
        if not value.historical and (value.name not in current or current[value.name].at <= value.at):
            current[value.name] = value
    now = replace(about, current=current)
    node = replace(node, devices={**node.devices, device: now}) if device else replace(node, own=now)
    effects: tuple[Effect, ...] = (Came(key, device, values),) if values else ()
    if wrong:
        node, unsaid = _unsure(key, node, arrived.tick)
        effects = (*effects, *wrong, *unsaid)
    return node, effects


def _values(node: Node, about: Metrics, arrived: Arrived) -> tuple[tuple[Taken, ...], tuple[Remark, ...]]:
    """The values that can be understood, and a remark for each that cannot."""
    values, wrong = list[Taken](), list[Remark]()
    for metric in arrived.payload.metrics:
        try:
            values.append(taken(metric, _known(node, about, arrived.topic, metric), arrived.payload.timestamp))
        except PayloadError as error:
            wrong.append(Remark(f"a value of {arrived.topic.where} is passed over: {error}"))
    return tuple(values), tuple(wrong)


def _known(node: Node, about: Metrics, topic: Topic, metric: Metric) -> Defined:
    name = metric.name
    if name is None:
        device, name = node.aliases.get(-1 if metric.alias is None else metric.alias, ("", None))
        if name is None or device != topic.device:
            raise PayloadError(f"no birth gave it the alias {metric.alias}; a rebirth is asked for")
    if name not in about.metrics:
        raise PayloadError(f"no birth defined a metric {name!r}; a rebirth is asked for")
    return about.metrics[name]


def _unsure(key: Key, node: Node, tick: float) -> Step:
    """Something was missed: a rebirth is asked for, at once unless one was asked for already."""
    return replace(node, ask=tick if node.ask is None else node.ask), (Missed(key),)


def _number(payload: Payload) -> int:
    if payload.seq is None or payload.seq >= ROUND:
        raise PayloadError(f"its sequence number is {payload.seq} and must be from 0 to 255; see its edge node")
    return payload.seq
