"""Facts of stage 4: the controller, what it is released for, and what it would have done in shadow mode."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from cytoloop.core.facts.feedback import Interval
from cytoloop.core.signature import Signature

ControllerMode = Literal["shadow", "moves"]
"""shadow  it says what it would do and moves nothing
moves   it may move what the change gate lets through"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerReleased:
    """A person released a controller with a twin version, for shadow mode or for moves, in batches that start after."""

    NAME: ClassVar[str] = "controller-released/1"
    sha256: str
    """Of the controller's figures, which stand in what was signed."""
    twin: str
    """The twin it decides with, "<twin>@<sha256>"."""
    mode: ControllerMode
    ground: str
    """On what evidence, in one sentence."""
    signature: Signature
    """The one signature over twin and controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowMove:
    """What a controller in shadow mode would have moved in this batch. Nothing was moved."""

    NAME: ClassVar[str] = "shadow-move/1"
    parameter: str
    old: float
    """In force, had the shadow moves before been made."""
    new: float
    unit: str
    reason: str
    triggered_by: int
    """Position, in this stream, of the entry whose result asked for the move."""
    twin: str
    controller: str
    """Digest of the controller's figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCompared:
    """A harvested batch against what its shadow moves would have made of it, by a twin that saw the whole batch."""

    NAME: ClassVar[str] = "shadow-compared/1"
    batch: str
    moves: int
    executed: Interval
    """Yield in specification as the batch was run."""
    shadow: Interval
    """The same, had the shadow moves been made."""
    gain: Interval
    """Of the shadow over the batch as run, as a share of the larger of the two."""
    twin: str
    controller: str


FACTS = (ControllerReleased, ShadowMove, ShadowCompared)
