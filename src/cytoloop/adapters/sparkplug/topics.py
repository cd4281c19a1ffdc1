"""Topics of Sparkplug (specification 3.0.0, §4.1): spBv1.0/<group>/<message type>/<edge node>[/<device>], and STATE.

A host application's STATE message is JSON on spBv1.0/STATE/<host id> (§4.2.3).
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.errors import UserError
from cytoloop.core.json import canonical, parse

NAMESPACE = "spBv1.0"
MessageType = Literal["NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "DDATA", "NCMD", "DCMD", "STATE"]
OF_DEVICES = ("DBIRTH", "DDEATH", "DDATA", "DCMD")
FROM_EDGE: tuple[MessageType, ...] = ("NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "DDATA")


@dataclass(frozen=True, slots=True)
class Topic:
    """Whom a message is about."""

    message_type: MessageType
    group: str
    """Empty for STATE."""
    node: str
    """Edge node; host id for STATE."""
    device: str = ""

    @property
    def text(self) -> str:
        """As MQTT has it."""
        ends = [self.group, self.message_type] if self.group else [self.message_type]
        return "/".join([NAMESPACE, *ends, self.node, *([self.device] if self.device else [])])

    @property
    def where(self) -> str:
        """For a person."""
        return "/".join(part for part in (self.group, self.node, self.device) if part)


def parse_topic(text: str) -> Topic:
    """The topic that `text` writes. PayloadError when it is none of Sparkplug's."""
    parts = text.split("/")
    if len(parts) >= 3 and parts[0] == NAMESPACE and all(parts):
        if parts[1] == "STATE" and len(parts) == 3:
            return Topic("STATE", "", parts[2])
        kind = parts[2]
        if kind in get_args(MessageType) and len(parts) == (5 if kind in OF_DEVICES else 4) and kind != "STATE":
            return Topic(cast(MessageType, kind), parts[1], parts[3], parts[4] if len(parts) == 5 else "")
    raise PayloadError(f"{text!r} is no Sparkplug topic; see who publishes under {NAMESPACE}/")


def check_id(what: str, name: str) -> str:
    """`name` if it may stand in a topic; UserError otherwise (§4.1)."""
    if not name or any(each in name for each in "+/#") or "\0" in name:
        raise UserError(f"{name!r} cannot be {what}: it must not be empty nor hold +, / or #; give another name")
    return name


@dataclass(frozen=True, slots=True)
class HostState:
    """Whether a host application is there (§4.2.3)."""

    online: bool
    timestamp: int
    """Milliseconds since 1970 UTC of the connection it belongs to."""

    @property
    def payload(self) -> bytes:
        """As it goes on the wire."""
        return canonical({"online": self.online, "timestamp": self.timestamp})


def parse_state(data: bytes) -> HostState:
    """The state that a STATE message says. PayloadError when it says none."""
    try:
        said = parse(data)
    except ValueError:
        said = None
    match said:
        case {"online": bool(online), "timestamp": int(timestamp)} if not isinstance(timestamp, bool):
            return HostState(online, timestamp)
    raise PayloadError(
        f"a STATE message must be JSON with `online` and `timestamp` and is {data[:60]!r}; "
        "see whether its host application speaks Sparkplug 3.0.0"
    )
