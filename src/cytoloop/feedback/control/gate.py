"""What a controller may move: levers with their proven acceptable ranges, how far and how often, and who has the last
word. The controller knows no law: `Gate.judge` is asked before anything is decided, and its answer stands.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cytoloop.core.errors import UserError
from cytoloop.core.recipe import operation_of
from cytoloop.core.words import Words

DURATION = "expansion.culture_duration"
PERFUSION = "expansion.perfusion_rate"
IL2 = "expansion.il2"
LEVERS: Mapping[str, str] = {DURATION: "h", PERFUSION: "1/d", IL2: "IU/mL"}
"""Parameters whose effect in a running batch the twin knows -> unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """A parameter that may be moved: its value in force and its proven acceptable range."""

    value: float
    low: float
    high: float
    unit: str
    step: float = math.inf
    """Largest distance of one move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move that was made in this batch."""

    parameter: str
    at: float
    """h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move that is asked for. It does nothing until the gate allows it."""

    parameter: str
    old: float
    new: float
    unit: str
    reason: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer to the moves of one step."""

    allowed: bool
    reason: str
    row: int | None = None
    """Of the gate's table, where it has one."""


Judge = Callable[[tuple[Move, ...]], Verdict]
"""Has the last word on the moves of one step: all of them or none."""


def let_through(moves: tuple[Move, ...]) -> Verdict:
    """The judge of a simulation: what obeys the levers' ranges and rests is allowed."""
    return Verdict(allowed=True, reason=f"{len(moves)} inside the ranges")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What may move in one batch now. Building it checks it: UserError names what cannot be."""

    levers: Mapping[str, Lever] = field(hash=False)
    """Parameter of LEVERS -> lever. What is not named here is never moved."""
    duration: float | None = None
    """h, expansion.culture_duration in force; None: that of its lever."""
    design_space: frozenset[str] = frozenset()
    """Parameters for which an approved design space lets several of one unit operation move; else one alone does."""
    moved: tuple[Moved, ...] = ()
    """Moves made in this batch so far, in order of time."""
    rest: float = 24.0
    """h between two moves."""
    most_moves: int = 8
    """Moves of one batch."""
    notice: float = 6.0
    """h that a harvest needs to be prepared."""
    barred: Words | None = None
    """Why nothing may be moved now (bad readings, a person took over); None when something may."""
    shadow: bool = False
    """The controller says what it would do and moves nothing."""
    judge: Judge = field(default=let_through, hash=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be judged."""
        for name, lever in self.levers.items():
            if name not in LEVERS:
                raise UserError(f"lever {name}: the twin does not know its effect; use {', '.join(LEVERS)}")
            if not (lever.low < lever.high and lever.step > 0 and math.isfinite(lever.low + lever.high + lever.value)):
                raise UserError(
                    f"lever {name}: value {lever.value}, range {lever.low} to {lever.high}, step {lever.step}; "
                    "expected finite numbers, low below high and a step above 0"
                )
        if not (self.rest >= 0 and self.notice >= 0):
            raise UserError(f"the gate's rest is {self.rest} h and its notice {self.notice} h; expected 0 or more")
        if self.planned is None or not math.isfinite(self.planned):
            raise UserError(f"the gate plans no harvest: give {DURATION} as a lever, or its value as `duration`")

    @property
    def planned(self) -> float | None:
        """h, expansion.culture_duration in force."""
        lever = self.levers.get(DURATION)
        return self.duration if self.duration is not None or lever is None else lever.value

    @property
    def several(self) -> bool:
        """Whether an approved design space holds every lever."""
        return len(self.levers) > 1 and self.levers.keys() <= self.design_space

    def free(self) -> list[str]:
        """Levers that may be moved: without a design space, once one of an operation was moved, only that one."""
        taken = {operation_of(move.parameter): move.parameter for move in self.moved}
        return [
            name
            for name, lever in self.levers.items()
            if lever.low <= lever.value <= lever.high and (self.several or taken.get(operation_of(name), name) == name)
        ]


def gate_of(levers: "Gate | Mapping[str, Lever | tuple[float, float, float]]") -> Gate:
    """A gate from a plain mapping: parameter -> lever, or (value in force, low, high)."""
    if isinstance(levers, Gate):
        return levers
    return Gate(levers={name: _lever(name, told) for name, told in levers.items()})


def _lever(name: str, told: Lever | tuple[float, float, float]) -> Lever:
    if isinstance(told, Lever):
        return told
    try:
        value, low, high = (float(each) for each in told)
    except (TypeError, ValueError):
        raise UserError(f"lever {name} is {told!r}; expected (value in force, low, high)") from None
    return Lever(value=value, low=low, high=high, unit=LEVERS.get(name, "1"))
