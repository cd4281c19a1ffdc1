"""What a host application knows of edge nodes and their devices: a fold over the messages that arrived.

Pure: (state, message) -> (state, what to do about it). The rules are those of Eclipse Sparkplug 3.0.0:

- A node is there from its NBIRTH to the NDEATH with the same bdSeq (§5.4, §5.5); a death of an earlier session, which a
  broker may deliver after the next birth, is passed over. With a node, all of its devices are gone.
- A device is there from its DBIRTH to its DDEATH (§5.6, §5.7); after a new NBIRTH, only from its next DBIRTH on.
- Every message but NBIRTH and NDEATH carries the number after that of the one before, 255 followed by 0 (§6.4.5). What
  comes too early waits for what is missing, `Rules.reorder` seconds at most; then a rebirth is asked for (§5.9), and
  until it comes the node counts as gone: what is missing may have been a birth with other meanings.
- What names a metric or a device that no birth defined is passed over and a rebirth asked for (§5.17, §6.4.23).

Whatever is passed over is said in a remark.
"""

from dataclasses import replace

from cytoloop.adapters.sparkplug.applying import Step, applied, passed_over, there, unsure, with_birth
from cytoloop.adapters.sparkplug.births import bd_seq, read_birth
from cytoloop.adapters.sparkplug.payload import Payload
from cytoloop.adapters.sparkplug.state import (
    Arrived,
    AskRebirth,
    Born,
    Came,
    Died,
    Effect,
    Key,
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


def received(nodes: Nodes, arrived: Arrived, rules: Rules) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state after a message from an edge node, and what is to be done."""
    key = (arrived.topic.group, arrived.topic.node)
    try:
        node, effects = _received(key, nodes.get(key, Node()), arrived, rules)
    except PayloadError as error:
        node, effects = unsure(nodes.get(key, Node()), arrived.tick), (passed_over(arrived.topic, error),)
    return {**nodes, key: node}, effects


def unreadable(nodes: Nodes, topic: Topic, error: PayloadError, tick: float) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state after a message that could not be read: it is passed over, and a rebirth asked for."""
    key = (topic.group, topic.node)
    return {**nodes, key: unsure(nodes.get(key, Node()), tick)}, (passed_over(topic, error),)


def passed(nodes: Nodes, tick: float, rules: Rules) -> tuple[Nodes, tuple[Effect, ...]]:
    """The state once `tick` has come: sessions with a gap are over, and rebirths are asked for."""
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
            return _node_born(key, node, arrived, rules)
        case "NDEATH":
            return _node_died(key, node, arrived.payload)
        case "DBIRTH" | "DDEATH" | "NDATA" | "DDATA":
            return _numbered(key, node, arrived, rules)
        case _:
            return node, ()


def _node_born(key: Key, node: Node, arrived: Arrived, rules: Rules) -> Step:
    """A session begins, with what came of it already; one that comes after a later one is passed over."""
    number, birth, seq = bd_seq(arrived.payload), read_birth(arrived.payload), _number(arrived.payload)
    near = (None, number, (number - 1) % ROUND)
    twice = node.own.online and (number, birth.timestamp) == (node.bd_seq, node.born)
    if twice or (birth.timestamp < node.born and node.bd_seq not in near):
        return node, (Remark(f"an NBIRTH of {'/'.join(key)} came twice or after that of a later session"),)
    gone = {name: replace(device, online=False) for name, device in node.devices.items()}
    its = {number: each for number, each in node.early.items() if (each.payload.timestamp or 0) >= birth.timestamp}
    born = Node(bd_seq=number, born=birth.timestamp, sent=birth.timestamp, seq=seq, devices=gone, early=its)
    node, effects = _drained(key, with_birth(born, "", birth))
    gap = arrived.tick + rules.reorder if node.early else None
    return replace(node, gap=gap), (Born(key, ""), Came(key, "", there(birth)), *effects)


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
    number, sent = _number(arrived.payload), arrived.payload.timestamp or node.sent
    if not node.own.online:
        return unsure(_held_back(node, number, arrived), arrived.tick), ()
    about = f"{arrived.topic.message_type} of {arrived.topic.where}"
    ahead = (number - node.seq - 1) % ROUND
    if sent < node.born:  # in its turn all the same: its clock may have been set back, which a birth settles
        said = Remark(f"{about} was sent before the last birth of its node; it is passed over")
        return (unsure(node, arrived.tick) if ahead == 0 else node), (said,)
    if ahead == 0:
        node, effects = _taken(key, node, arrived)
        node, more = _drained(key, node)
        return replace(node, gap=node.gap if node.early else None), (*effects, *more)
    if (ahead >= AHEAD and sent <= node.sent) or number in node.early:
        return node, (Remark(f"{about} with number {number} came late or twice, after {node.seq}; it is passed over"),)
    wait = arrived.tick + (rules.reorder if len(node.early) < HELD_BACK else 0.0)
    gap = wait if node.gap is None else min(node.gap, wait)
    return replace(_held_back(node, number, arrived), gap=gap), ()


def _taken(key: Key, node: Node, arrived: Arrived) -> Step:
    number, sent = _number(arrived.payload), arrived.payload.timestamp or node.sent
    rest = {each: early for each, early in node.early.items() if each != number}
    return applied(key, replace(node, seq=number, sent=sent, early=rest), arrived)


def _drained(key: Key, node: Node) -> Step:
    """What waited and is in its turn now is taken."""
    effects: tuple[Effect, ...] = ()
    while (number := (node.seq + 1) % ROUND) in node.early:
        node, more = _taken(key, node, node.early[number])
        effects = (*effects, *more)
    return node, effects


def _held_back(node: Node, number: int, arrived: Arrived) -> Node:
    """The node with one more message that waits; beyond HELD_BACK the first to come goes."""
    early = {**node.early, number: arrived}
    if len(early) > HELD_BACK:
        del early[min(early, key=lambda each: early[each].tick)]
    return replace(node, early=early)


def _gave_up(key: Key, node: Node, tick: float) -> Step:
    """A message is missing for good. It may have been any, a birth as well: the session is over.

    What waited is kept for the next birth, should it belong to it.
    """
    said = f"of the messages of {'/'.join(key)}, number {(node.seq + 1) % ROUND} did not come; a rebirth is asked for"
    over = replace(_dead(node), early=node.early, ask=tick if node.ask is None else node.ask)
    return over, (Remark(said), Died(key, ""))


def _number(payload: Payload) -> int:
    if payload.seq is None or payload.seq >= ROUND:
        raise PayloadError(f"its sequence number is {payload.seq} and must be from 0 to 255; see its edge node")
    return payload.seq
