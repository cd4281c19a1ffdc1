"""The clairvoyant: who knows the plant's true equations and the donor, and searches offline for the best course.

He moves the same levers at the same hours under the same ranges, steps and rests as the controller, from the first
hour a decision is made. Search: brute force over targets and harvests, then descent over the value of every day.
"""

from itertools import product as combinations

import numpy as np

from cytoloop.bench.feedback_control_plants import EXPANSION, Donor, worth
from cytoloop.bench.feedback_control_runs import EVERY, FIRST_SAMPLE, RANGES, STEPS, TURNAROUND, Recipe
from cytoloop.feedback.control.controller import DURATION, IL2, PERFUSION
from cytoloop.feedback.culture import Floats

HARVEST_EVERY = 6.0
"""h between harvests that are tried."""
_GRID = {PERFUSION: 7, IL2: 6}
_DAYS = int((RANGES[DURATION][1] - (FIRST_SAMPLE - EXPANSION)) // EVERY) + 1


def clairvoyant(donor: Donor, recipe: Recipe, *, several: bool) -> float:
    """The best in-specification yield that anybody could have had of this donor, 1e6 cells."""
    held = np.tile([recipe.rate, recipe.il2], (_DAYS, 1))
    if several:
        paths = [_ramps(recipe, rate, il2) for rate, il2 in combinations(_grid(PERFUSION), _grid(IL2))]
        best = max(
            ((_best(donor, recipe, path), place) for place, path in enumerate(paths)), key=lambda found: found[0]
        )
        return _refined(donor, recipe, paths[best[1]], columns=(0, 1), harvest=None)
    alone = _best(donor, recipe, held)
    for column, name in enumerate((PERFUSION, IL2)):
        paths = [
            _ramps(recipe, value if column == 0 else recipe.rate, value if column == 1 else recipe.il2)
            for value in _grid(name)
        ]
        tried = [_best(donor, recipe, path, recipe.duration) for path in paths]
        place = int(np.argmax(tried))
        found = _refined(donor, recipe, paths[place], columns=(column,), harvest=recipe.duration)
        alone = max(alone, found)
    return alone


def _grid(name: str) -> Floats:
    return np.linspace(*RANGES[name], _GRID[name])


def _ramps(recipe: Recipe, rate: float, il2: float) -> Floats:
    """Values of each day on the way to two targets, shape (days, 2)."""
    path, now = np.empty((_DAYS, 2)), np.array([recipe.rate, recipe.il2])
    steps = np.array([STEPS[PERFUSION], STEPS[IL2]])
    for day in range(_DAYS):
        now = now + np.clip(np.array([rate, il2]) - now, -steps, steps)
        path[day] = now
    return path


def _best(donor: Donor, recipe: Recipe, path: Floats, harvest: float | None = None) -> float:
    """The best harvest along a path, or the one given."""
    ends = [harvest] if harvest is not None else [*np.arange(*RANGES[DURATION], HARVEST_EVERY), RANGES[DURATION][1]]
    at, state, best = EXPANSION, donor.begun(), 0.0
    marks: list[tuple[float, int | None]] = [(FIRST_SAMPLE + TURNAROUND + EVERY * day, day) for day in range(_DAYS)]
    marks += [(EXPANSION + end, None) for end in ends]
    rate, il2 = recipe.rate, recipe.il2
    for hour, day in sorted(marks, key=lambda mark: mark[0]):
        if hour > EXPANSION + ends[-1]:
            break
        state, at = donor.carried(state, at, hour - at, rate, il2) if hour > at else state, hour
        if day is None:
            best = max(best, worth(donor, state))
        else:
            rate, il2 = path[day]
    return best


def _refined(donor: Donor, recipe: Recipe, path: Floats, *, columns: tuple[int, ...], harvest: float | None) -> float:
    """Descent over single days' values, in halving steps; a day's value stays within a step of its neighbours'."""
    best = _best(donor, recipe, path, harvest)
    steps = np.array([STEPS[PERFUSION], STEPS[IL2]])
    ranges = np.array([RANGES[PERFUSION], RANGES[IL2]])
    for size in (1.0, 0.5):
        for column, day in combinations(columns, range(0, _DAYS, 2)):
            for sign in (-1.0, 1.0):
                tried = path.copy()
                tried[day:, column] = np.clip(path[day:, column] + sign * size * steps[column], *ranges[column])
                if _allowed(tried, recipe, steps) and (found := _best(donor, recipe, tried, harvest)) > best:
                    best, path = found, tried
    return best


def _allowed(path: Floats, recipe: Recipe, steps: Floats) -> bool:
    whole = np.vstack([[recipe.rate, recipe.il2], path])
    return bool((np.abs(np.diff(whole, axis=0)) <= steps + 1e-9).all())
