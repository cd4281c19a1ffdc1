"""What a message does that came in its turn: a device is born or dies, values come. Pure, as `session.py` is."""

from dataclasses import replace
from typing import TypeAlias

from cytoloop.adapters.sparkplug.births import Birth, Defined, Taken, read_birth, taken
from cytoloop.adapters.sparkplug.payload import Metric
from cytoloop.adapters.sparkplug.state import Arrived, Born, Came, Died, Effect, Key, Metrics, Node, Remark
from cytoloop.adapters.sparkplug.topics import Topic
from cytoloop.adapters.sparkplug.wire import PayloadError

Step: TypeAlias = tuple[Node, tuple[Effect, ...]]


def applied(key: Key, node: Node, arrived: Arrived) -> Step:
    device = arrived.topic.device
    try:
        match arrived.topic.message_type:
            case "DBIRTH":
                birth = read_birth(arrived.payload)
                return with_birth(node, device, birth), (Born(key, device), Came(key, device, there(birth)))
            case "DDEATH":
                gone = replace(node.devices.get(device, Metrics()), online=False)
                return replace(node, devices={**node.devices, device: gone}), (Died(key, device),)
            case _:
                return _data(key, node, arrived)
    except PayloadError as error:
        return unsure(node, arrived.tick), (passed_over(arrived.topic, error),)


def there(birth: Birth) -> tuple[Taken, ...]:
    """The values that a birth has; what is null there has never been measured or sent."""
    return tuple(each for each in birth.values if each.value is not None)


def with_birth(node: Node, device: str, birth: Birth) -> Node:
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
        said = f"{arrived.topic.message_type} of {arrived.topic.where} came before its birth"
        return unsure(node, arrived.tick), (Remark(said),)
    values, wrong = _values(node, about, arrived)
    current = dict(about.current)
    for value in values:
        if not value.historical and (value.name not in current or current[value.name].at <= value.at):
            current[value.name] = value
    now = replace(about, current=current)
    node = replace(node, devices={**node.devices, device: now}) if device else replace(node, own=now)
    came = (Came(key, device, values),) if values else ()
    return (unsure(node, arrived.tick) if wrong else node), (*came, *wrong)


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


def unsure(node: Node, tick: float) -> Node:
    """Something could not be understood: a rebirth is asked for, at once unless one was asked for already."""
    return replace(node, ask=tick if node.ask is None else node.ask)


def passed_over(topic: Topic, error: PayloadError) -> Remark:
    """The remark about a message that could not be understood."""
    return Remark(f"{topic.message_type} of {topic.where} is passed over: {error}")
