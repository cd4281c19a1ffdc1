"""What several bodies need of physics."""

from math import exp

ROOM = 22.0
"""°C of a production room; assumed."""


def toward(value: float, goal: float, hours: float, lag: float) -> float:
    """`value` after `hours` of a first-order approach to `goal` with the time constant `lag` (h). Exact."""
    return goal + (value - goal) * exp(-hours / lag)


def ramped(value: float, goal: float, most: float) -> float:
    """`value` moved toward `goal` by no more than `most`."""
    return min(max(goal, value - most), value + most)


def heated(value: float, target: float | None, hours: float, *, lag: float, loss: float, power: float) -> float:
    """Temperature after `hours` under a proportional controller that heats only and whose heater has a limit.

    The room cools with the time constant `loss` (h); the controller asks for what is lost and for the difference to
    `target` within `lag` (h), and gets at most `power` (°C/h). `target` None: no heating. A few steps per `lag` are
    stable.
    """
    cooling = (value - ROOM) / loss
    wanted = 0.0 if target is None else (target - ROOM) / loss + (target - value) / lag
    return value + hours * (min(max(wanted, 0.0), power) - cooling)
