"""The controller's search: which lever, to which value, and when to harvest, in a fixed number of shootings.

One lever: each lever is tried alone, the harvest as planned (or alone); the best of them is what is asked for.
Several: coordinate descent over all levers with the harvest free. Either way the first shooting is what holding the
set-points gives, and every alternative meets the same scenarios. A value is reached in moves of a largest step with
rests between them, and the plan knows it. Receding horizon: the search is made anew at each step and only the first
move of its plan is asked for, so that one pass a step is enough (real-time iteration: Diehl, Bock and Schlöder 2005,
SIAM J Control Optim 43:1714).
"""

from collections.abc import Callable
from typing import Any

from numba import njit

from cytoloop.feedback.control_kernel import _carry, _robust, _worth

PERFUSED, MEDIUM = 0, 1
"""Columns of a plan and rows of `levers`: perfusion rate in vessel volumes a day, IL-2 in the fresh medium in IU/mL."""
VALUE, LOW, HIGH, STEP, REST, FREE = range(6)
"""Columns of `levers`: value in force, range, largest step of one move, intervals between two moves, 1 when free."""
PLANNED, SOONEST, LATEST, MOVABLE = range(4)
"""Places of `harvest`: intervals until it is planned, and may be at the soonest and the latest; 1 when free."""
WORTH, HARVEST, FIRST, SECOND, HELD, CHOSEN = range(6)
"""Places of what was found: robust worth, intervals until harvest, targets of the two rates, robust worth of holding,
and which lever was chosen."""
NONE, TIME, RATE, CYTOKINE, SEVERAL = range(5)
"""Which lever was chosen."""
GRID = 4
"""Values that are tried over a lever's range before the best is refined."""


def _path_plain(plan: Any, column: int, lever: Any, target: float) -> None:
    """Write the way of one lever to `target` into its column: steps no larger than allowed, with rests between."""
    value = lever[0]
    for k in range(plan.shape[0]):
        if k % int(lever[4]) == 0:
            value += min(max(target - value, -lever[3]), lever[3])
        plan[k, column] = value


_path: Callable[..., None] = njit(cache=True, error_model="numpy")(_path_plain)


def _weigh_plain(model: Any, wanted: Any, room: Any, best: Any, chosen: int) -> None:
    """Weigh the runs as they stand in `room`; when they are better than the best so far they become the best."""
    _, _, _, per, shocks, strange, limits, caution = model
    _, runs, worth, kept, order, anchor = room
    first, last = int(wanted[2]), int(wanted[3])
    _worth(runs, first, last, per, shocks, strange, anchor, limits, worth)
    value, at = _robust(worth, first, last, caution, order)
    if value > best[0]:
        best[0], best[1], best[2], best[3], best[5] = value, at, wanted[0], wanted[1], chosen
        for n in range(worth.shape[0]):
            kept[1, n] = worth[n, at]


_weigh: Callable[..., None] = njit(cache=True, error_model="numpy")(_weigh_plain)


def _try_plain(model: Any, levers: Any, wanted: Any, room: Any, best: Any, chosen: int) -> None:
    """Shoot and weigh the plan that goes to the `wanted` targets.

    `wanted`: target of each rate, soonest and latest harvest to choose from. `model` and `room`: see `search`.
    """
    _path(room[0], 0, levers[0], wanted[0])
    _path(room[0], 1, levers[1], wanted[1])
    _carry(model[0], model[1], model[2], room[0], int(wanted[3]), room[1])
    _weigh(model, wanted, room, best, chosen)


_try: Callable[..., None] = njit(cache=True, error_model="numpy")(_try_plain)


def _scan_plain(model: Any, levers: Any, row: int, wanted: Any, room: Any, best: Any, chosen: int) -> None:
    """Try one lever over its range, denser towards the low end, then between the best value and its neighbours."""
    low, wide, place = levers[row, 1], levers[row, 2] - levers[row, 1], -1
    for number in range(GRID):
        before, share = best[0], number / (GRID - 1)
        wanted[row] = low + wide * share * share
        _try(model, levers, wanted, room, best, chosen)
        if best[0] > before:
            place = number
    for side in (-0.5, 0.5):
        share = (place + side) / (GRID - 1)
        if place >= 0 and 0.0 < share < 1.0:
            wanted[row] = low + wide * share * share
            _try(model, levers, wanted, room, best, chosen)


_scan: Callable[..., None] = njit(cache=True, error_model="numpy")(_scan_plain)


def _hold_plain(model: Any, levers: Any, last: int, room: Any) -> None:
    """Carry the parameters as they stand to interval `last`: the densities that every plan is compared with."""
    runs, anchor = room[1], room[5]
    _path(room[0], 0, levers[0], levers[0, 0])
    _path(room[0], 1, levers[1], levers[1, 0])
    _carry(model[0], model[1], model[2], room[0], last, runs)
    for n in range(anchor.shape[0]):
        for k in range(last + 1):
            anchor[n, k] = runs[n, k, 0]


_hold: Callable[..., None] = njit(cache=True, error_model="numpy")(_hold_plain)


def _search_plain(model: Any, levers: Any, harvest: Any, several: bool, room: Any, best: Any, wanted: Any) -> None:
    """Write the best plan to `best`, and what each scenario is worth to `kept`: row 0 holding, row 1 the plan.

    `model`: parameters, fixed figures, clock, product, shocks, strange, limits (see `control_kernel`) and caution.
    `room`: the arrays that are written on the way: plan, runs, worth, kept, order, anchor. `wanted`: four numbers.
    """
    kept, latest = room[3], int(harvest[2])
    best[0], best[5] = -1.0, 0.0
    wanted[0], wanted[1], wanted[2], wanted[3] = levers[0, 0], levers[1, 0], harvest[0], harvest[0]
    _hold(model, levers, latest, room)
    _weigh(model, wanted, room, best, 0)
    best[4] = best[0]
    for n in range(kept.shape[1]):
        kept[0, n] = kept[1, n]
    if harvest[3] > 0.0:
        wanted[2], wanted[3] = harvest[1], harvest[2]
        _weigh(model, wanted, room, best, 4 if several else 1)
    for row in range(2):
        if levers[row, 5] > 0.0:
            if several:
                wanted[0], wanted[1] = best[2], best[3]
            else:
                wanted[0], wanted[1], wanted[2], wanted[3] = levers[0, 0], levers[1, 0], harvest[0], harvest[0]
            _scan(model, levers, row, wanted, room, best, 4 if several else 2 + row)


_search: Callable[..., None] = njit(cache=True, error_model="numpy")(_search_plain)
