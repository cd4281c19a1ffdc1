"""Runs of one donor: under a fixed recipe, under the controller, and as one who knows everything would have run it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cytoloop.bench.feedback_control_plants import COUNTED, EXPANSION, TYPED, Donor, worth
from cytoloop.feedback.calibrate import Donor as Fitted
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION, Controller, Gate, Lever
from cytoloop.feedback.dataset import BatchHistory, Control, history
from cytoloop.feedback.twin import Twin

FIRST_SAMPLE, EVERY, TURNAROUND = 72.0, 24.0, 1.0
"""h of the first daily sample, between two, and until its results are known: then a decision is made."""
STEPS: Mapping[str, float] = {DURATION: 36.0, PERFUSION: 0.5, IL2: 95.0}
"""Largest step of one move: a quarter of the proven acceptable range."""
RANGES: Mapping[str, tuple[float, float]] = {DURATION: (120.0, 264.0), PERFUSION: (0.0, 2.0), IL2: (20.0, 400.0)}
"""Proven acceptable ranges of the pack's recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Targets of the expansion."""

    duration: float = 192.0
    rate: float = 0.5
    il2: float = 100.0


PACK = Recipe()


def fixed(donor: Donor, recipe: Recipe) -> float:
    """In-specification yield under a fixed recipe, 1e6 cells."""
    state = donor.carried(donor.begun(), EXPANSION, recipe.duration, recipe.rate, recipe.il2)
    return worth(donor, state)


def finished(donor: Donor, recipe: Recipe, name: str) -> BatchHistory:
    """A finished batch of the fixed recipe, as the record would tell it: what the twin is fitted on."""
    seen, _, state = _watched(donor, recipe, EXPANSION + recipe.duration)
    product = donor.product(state)
    controls = (Control(at=EXPANSION, perfusion_rate=recipe.rate, il2=recipe.il2),)
    known = ("viability", "viable_car_cells", "car_fraction", "memory_fraction")
    return history(
        batch=name, start=donor.start, controls=controls, observations=seen,
        harvest_at=EXPANSION + recipe.duration, product={each: product[each] for each in known},
    )  # fmt: skip


def _watched(donor: Donor, recipe: Recipe, until: float) -> tuple[dict[str, list[tuple[float, float]]], float, Any]:
    seen: dict[str, list[tuple[float, float]]] = {}
    at, state, day = EXPANSION, donor.begun(), 0
    while at < until:
        ahead = min(FIRST_SAMPLE + EVERY * day, until)
        state = donor.carried(state, at, ahead - at, recipe.rate, recipe.il2)
        at = ahead
        if at < until:
            _sampled(donor, state, at, day, seen)
            day += 1
    return seen, at, state


def _sampled(donor: Donor, state: Any, at: float, day: int, seen: dict[str, list[tuple[float, float]]]) -> None:
    for name in COUNTED + (TYPED if day % 2 else ()):
        seen.setdefault(name, []).append((at, donor.looked_at(state, name, day)))


@dataclass(slots=True)
class Course:
    """A batch under the controller."""

    gain: float
    """In-specification yield, 1e6 cells."""
    moves: list[tuple[float, str, float]]
    """(h, parameter, new value)."""


def gate(recipe: Recipe, *, several: bool) -> Gate:
    """What the change gate lets move in these batches: the pack's ranges, a quarter of each in one step."""
    targets = {DURATION: recipe.duration, PERFUSION: recipe.rate, IL2: recipe.il2}
    units = {DURATION: "h", PERFUSION: "1/d", IL2: "IU/mL"}
    levers = {
        name: Lever(value=targets[name], low=low, high=high, unit=units[name], step=STEPS[name])
        for name, (low, high) in RANGES.items()
    }
    return Gate(levers=levers, design_space=frozenset(levers) if several else frozenset())


def controlled(
    twin: Twin, donor: Donor, recipe: Recipe, *, several: bool, known: Fitted | None = None, **figures: Any
) -> Course:
    """The batch with the controller asked after each daily sample; `known`: the donor, told instead of estimated."""
    controller = Controller(twin, gate(recipe, several=several), limits=donor.limits, **figures)
    now, controls, moves = recipe, [Control(at=EXPANSION, perfusion_rate=recipe.rate, il2=recipe.il2)], []
    at, state, day = EXPANSION, donor.begun(), 0
    seen: dict[str, list[tuple[float, float]]] = {}
    while at < EXPANSION + now.duration - 1e-6:
        sample, end = FIRST_SAMPLE + EVERY * day, EXPANSION + now.duration
        state, at = _carried(donor, state, at, min(sample, end), now)
        if at >= end - 1e-6:
            break
        _sampled(donor, state, at, day, seen)
        day += 1
        state, at = _carried(donor, state, at, min(at + TURNAROUND, end), now)
        told = {"start": donor.start, "controls": controls, "readings": seen}
        for move in controller.step(told, at, donor=known).moves:
            now = replace(now, **{_FIELD[move.parameter]: move.new})
            moves.append((at, move.parameter, move.new))
        if (controls[-1].perfusion_rate, controls[-1].il2) != (now.rate, now.il2):
            controls.append(Control(at=at, perfusion_rate=now.rate, il2=now.il2))
    return Course(gain=worth(donor, state), moves=moves)


_FIELD = {DURATION: "duration", PERFUSION: "rate", IL2: "il2"}


def _carried(donor: Donor, state: Any, at: float, until: float, now: Recipe) -> tuple[Any, float]:
    return donor.carried(state, at, until - at, now.rate, now.il2), until
