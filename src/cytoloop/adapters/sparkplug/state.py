"""What a host application knows of edge nodes and their devices, as data, and what may follow from a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cytoloop.adapters.sparkplug.births import Defined, Taken
from cytoloop.adapters.sparkplug.payload import Payload
from cytoloop.adapters.sparkplug.topics import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a site may set."""

    reorder: float = 2.0
    """Seconds that a missing message is waited for (§5.9 "Reorder Timeout")."""
    again: float = 5.0
    """Seconds from one request for a rebirth to the next, while no birth comes."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message, and when it arrived: seconds of a clock that nobody sets."""

    topic: Topic
    payload: Payload
    tick: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a node or a device was born with. Not there (`online` False): what it said last, no longer sure."""

    online: bool = False
    metrics: Mapping[str, Defined] = field(default_factory=dict, hash=False)
    current: Mapping[str, Taken] = field(default_factory=dict, hash=False)
    """Name -> its latest value that is not historical."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An edge node as this host knows it."""

    own: Metrics = Metrics()
    devices: Mapping[str, Metrics] = field(default_factory=dict, hash=False)
    bd_seq: int | None = None
    born: int = 0
    """Timestamp of its last NBIRTH, milliseconds since 1970 UTC."""
    sent: int = 0
    """Timestamp of the last message that was taken in its turn."""
    seq: int = 0
    """Number of the last message that was taken in its turn."""
    aliases: Mapping[int, tuple[str, str]] = field(default_factory=dict, hash=False)
    """Alias -> (device or "", name of the metric)."""
    early: Mapping[int, Arrived] = field(default_factory=dict, hash=False)
    """Number -> a message that waits for one before it, or for a birth."""
    gap: float | None = None
    """Tick up to which what is missing is waited for."""
    ask: float | None = None
    """Tick at which a rebirth is to be asked for."""


Key: TypeAlias = tuple[str, str]
"""Group and edge node."""
Nodes: TypeAlias = Mapping[Key, Node]
NOBODY: Nodes = {}


@dataclass(frozen=True, slots=True)
class Born:
    """A node (device "") or a device is there, and this is all it has."""

    key: Key
    device: str


@dataclass(frozen=True, slots=True)
class Died:
    """A node with its devices, or a device, is not there any more."""

    key: Key
    device: str


@dataclass(frozen=True, slots=True)
class Came:
    """Values came from a node (device "") or a device, in this order."""

    key: Key
    device: str
    values: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class AskRebirth:
    """Ask the node to be born again."""

    key: Key


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence for whoever looks after the line."""

    text: str


Effect: TypeAlias = Born | Died | Came | AskRebirth | Remark
