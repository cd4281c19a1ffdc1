"""Runs of an optimiser on a problem: experiments one after the other, until the optimum is near or the budget spent."""

import json
import math
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol, cast

import numpy as np

from cytoloop.bench.optimum import optimum, true_value
from cytoloop.bench.simulators import Simulator
from cytoloop.bench.surfaces import Floats, Function, Surface, as_prior, quadratic
from cytoloop.core.json import JSON
from cytoloop.feedback.optimise.campaign import Campaign
from cytoloop.feedback.optimise.prior import PriorFunction

BUDGET = 30
"""Experiments of a run; one that has not come near by then counts as BUDGET + 1."""
NEAR = 0.95
OBJECTIVE = "y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A plant with one objective to raise, and what is true of it."""

    name: str
    ranges: Mapping[str, tuple[float, float]] = field(hash=False)
    true: Callable[[Mapping[str, float]], float]
    seen: Callable[[Mapping[str, float], int], float]
    """An observation of parameters, given the number of the experiment."""
    top: float
    centre: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a run."""

    shares: tuple[float, ...]
    """True value of the best experiment so far as a share of the optimum, by number of experiments."""
    gains: tuple[float, ...]
    """The same as a share of the way from the centre point to the optimum."""
    seconds: tuple[float, ...]
    """Of each suggestion."""

    def share_after(self, count: int) -> float:
        """Share of the optimum after so many experiments."""
        return self.shares[min(count, len(self.shares)) - 1]

    def needed(self, *, gain: bool = False, cap: int = BUDGET) -> int:
        """Experiments to NEAR the optimum; cap + 1 for a run that did not get there."""
        found = self.gains if gain else self.shares
        return next((place + 1 for place, value in enumerate(found) if value >= NEAR), cap + 1)


class Optimiser(Protocol):
    """One campaign of some optimiser."""

    def ask(self) -> dict[str, float]:
        """The next experiment."""
        ...

    def tell(self, parameters: dict[str, float], value: float) -> None:
        """What it gave."""
        ...


@dataclass(slots=True)
class Ours:
    """Ours, through its public API."""

    campaign: Campaign
    objective: str = OBJECTIVE

    def ask(self) -> dict[str, float]:
        """The next experiment."""
        return self.campaign.suggest()[0]

    def tell(self, parameters: dict[str, float], value: float) -> None:
        """What it gave."""
        self.campaign.observe(parameters, {self.objective: value} if math.isfinite(value) else None)


def ours(problem: Problem, prior: PriorFunction | None, seed: int, objective: str = OBJECTIVE) -> Ours:
    """A new campaign on a problem; `objective` is what the prior calls it."""
    return Ours(Campaign(problem.ranges, {objective: "maximise"}, prior=prior, seed=seed), objective)


@dataclass(slots=True)
class Design:
    """Design of experiments: a space-filling design, a quadratic in each factor, its optimum, again with that added."""

    problem: Problem
    seed: int
    points: list[Floats] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def ask(self) -> dict[str, float]:
        """A point of the design of 2 d + 1, then the optimum of the quadratic through all values."""
        d = len(self.problem.ranges)
        if len(self.points) < 2 * d + 1:
            generator = np.random.default_rng([self.seed, d, 3])
            point = np.vstack([np.full((1, d), 0.5), _latin(d, generator)])[len(self.points)]
        else:
            point = _vertex(quadratic(np.array(self.points), np.array(self.values)), d)
        self.points.append(point)
        ranges = self.problem.ranges.values()
        return {n: low + x * (high - low) for n, x, (low, high) in zip(self.problem.ranges, point, ranges, strict=True)}

    def tell(self, parameters: dict[str, float], value: float) -> None:
        """What it gave."""
        self.values.append(value)


def _latin(d: int, generator: np.random.Generator) -> Floats:
    return np.array([(generator.permutation(2 * d) + 0.5) / (2 * d) for _ in range(d)]).T


def _vertex(function: Function, d: int) -> Floats:
    """The optimum of a function that is a sum over the factors: each factor's own."""
    grid = np.linspace(0.0, 1.0, 41)
    point = np.full(d, 0.5)
    for place in range(d):
        tried = np.repeat(point[None, :], len(grid), axis=0)
        tried[:, place] = grid
        point[place] = grid[int(np.argmax(function(tried)))]
    return point


@dataclass(slots=True)
class Remote:
    """A campaign of a peer, in the peers' environment."""

    process: "subprocess.Popen[str]"
    seconds: float = 0.0

    def begin(self, library: str, problem: Problem, seed: int) -> None:
        """A new campaign."""
        self._say({"begin": library, "ranges": {n: list(pair) for n, pair in problem.ranges.items()}, "seed": seed})

    def ask(self) -> dict[str, float]:
        """The next experiment."""
        answer = self._say({"ask": True})
        self.seconds = float(cast(float, answer["seconds"]))
        return cast(dict[str, float], answer["parameters"])

    def tell(self, parameters: dict[str, float], value: float) -> None:
        """What it gave; 0 for an experiment that failed, since not every peer takes failures."""
        self._say({"tell": value if math.isfinite(value) else 0.0})

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _say(self, said: dict[str, JSON]) -> dict[str, JSON]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()
        return cast(dict[str, JSON], json.loads(self.process.stdout.readline()))


def run(problem: Problem, optimiser: Optimiser, budget: int = BUDGET, *, whole: bool = False) -> Run:
    """Experiments until both measures are near the optimum (all of the budget with `whole`)."""
    best, seconds, bests = -math.inf, [], []
    for number in range(budget):
        began = perf_counter()
        parameters = optimiser.ask()
        seconds.append(perf_counter() - began)
        best = max(best, problem.true(parameters))
        bests.append(best)
        optimiser.tell(parameters, problem.seen(parameters, number))
        if not whole and min(_share(problem, best), _gain(problem, best)) >= NEAR:
            break
    return Run(
        shares=tuple(_share(problem, each) for each in bests),
        gains=tuple(_gain(problem, each) for each in bests),
        seconds=tuple(seconds),
    )


def _share(problem: Problem, value: float) -> float:
    return value / problem.top


def _gain(problem: Problem, value: float) -> float:
    return (value - problem.centre) / (problem.top - problem.centre)


def of_surface(surface: Surface, seed: int) -> Problem:
    """A surface as a problem; the noise of the n-th experiment is the same for every optimiser."""

    def seen(parameters: Mapping[str, float], number: int) -> float:
        return surface.seen(parameters, np.random.default_rng([seed, number, 5]))

    return Problem(
        name=surface.name, ranges=surface.ranges, true=surface.true, seen=seen, top=surface.top, centre=surface.centre
    )


def of_simulator(simulator: Simulator, donor: int, seed: int, effort: int = 60) -> Problem:
    """A plant as a problem, for one donor; a failed experiment is seen as NaN and worth nothing."""

    def seen(parameters: Mapping[str, float], number: int) -> float:
        values = simulator.simulate(parameters, donor, 1000 * seed + number)
        return float(values.get(simulator.objective, math.nan))

    middle = {name: sum(pair) / 2.0 for name, pair in simulator.space.items()}
    return Problem(
        name=simulator.name,
        ranges=simulator.space,
        true=lambda parameters: true_value(simulator, parameters, donor),
        seen=seen,
        top=optimum(simulator, donor, effort=effort).value,
        centre=true_value(simulator, middle, donor),
    )


def quadratic_prior(problem: Problem, seed: int) -> PriorFunction:
    """A wrong-structure prior of any plant: a quadratic without interactions through 2 d + 1 noisy experiments."""
    d = len(problem.ranges)
    points = np.vstack([np.full((1, d), 0.5), _latin(d, np.random.default_rng([seed, d, 4]))])
    low, high = np.array(list(problem.ranges.values())).T
    asked = [dict(zip(problem.ranges, map(float, low + point * (high - low)), strict=True)) for point in points]
    values = np.array([problem.seen(parameters, 500 + place) for place, parameters in enumerate(asked)])
    function = quadratic(points[np.isfinite(values)], values[np.isfinite(values)])
    surface = Surface(name="", ranges=problem.ranges, truth=function, top=1.0, centre=0.0, noise=0.0)
    return as_prior(function, surface, OBJECTIVE)
