"""The controller's search: which lever, to which value, and when to harvest, in a fixed number of shootings.

One lever: each lever is tried alone, the harvest as planned (or alone); the best of them is what is asked for, unless
waiting a day is worth more: to move one lever of an operation is to give up the others for the batch, so the search
weighs what a day's counts may tell (a share of the expected value of perfect information; Raiffa & Schlaifer 1961,
Applied Statistical Decision Theory) against what a day's delay costs. Several levers: coordinate descent over all of
them with the harvest free. Either way the first shooting is what holding the set-points gives, and every alternative
meets the same scenarios. A value is reached in moves of a largest step with rests between them, and the plan knows
it. Receding horizon: the search is made anew at each step and only the first move of its plan is asked for, so that
one pass a step is enough (real-time iteration: Diehl, Bock and Schloeder 2005, SIAM J Control Optim 43:1714).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from cytoloop.feedback.control.kernel import _carry, _tail, _worth

VALUE, LOW, HIGH, STEP, REST, FREE = range(6)
"""Columns of `levers` (rows: perfusion rate in vessel volumes a day, IL-2 in the fresh medium in IU/mL): value in
force, range, largest step of one move, intervals between two moves, 1 when free."""
PLANNED, SOONEST, LATEST, MOVABLE = range(4)
"""Places of `harvest`: intervals until it is planned, and may be at the soonest and the latest; 1 when free."""
WORTH, HARVEST, FIRST, SECOND, CHOSEN, DELAYED, LEVER = range(7)
"""Places of what was found: robust worth, intervals until harvest, targets of the two rates, which lever was chosen,
robust worth of the same plan begun a rest later (0 when nothing is given up), and from LEVER on the best of each
lever."""
NONE, TIME, RATE, CYTOKINE, SEVERAL = range(5)
"""Which lever was chosen. Row of `kept`: what its best plan is worth in each scenario."""
MENDED, BLENDED, NEW = 5, 6, 7
"""Rows of `kept` that are written on the way."""
WEIGHT, SHARE, FORESIGHT = range(3)
"""Places of `caution`: weight of the worst scenarios, share of them that counts as the worst, and how much of the
choice of the harvest later counts will still allow to mend."""
NUMBERS = np.array([0, 1, 2, 3, 4, -1])
"""Handed in as data: numba would compile a kernel anew for each number that stands in the text."""
GRID = 3
"""Values that are tried over a lever's range before the best is refined."""


def _path_plain(plan: Any, column: int, lever: Any, target: float, begins: int) -> None:
    """Write the way of one lever to `target` into its column from interval `begins`: steps, with rests between."""
    value = lever[0]
    for k in range(plan.shape[0]):
        if k >= begins and (k - begins) % int(lever[4]) == 0:
            value += min(max(target - value, -lever[3]), lever[3])
        plan[k, column] = value


_path: Callable[..., None] = njit(cache=True, error_model="numpy")(_path_plain)


def _weigh_plain(model: Any, wanted: Any, room: Any, best: Any, chosen: int) -> float:
    """Robust worth of the runs as they stand in `room`; when better than the best of its lever, they become that
    (`chosen` -1: they are weighed alone).

    `wanted`: target of each rate, soonest and latest harvest to choose from. A plan that may choose its harvest is
    worth, in each scenario, its harvest's worth and, by the foresight, that of the scenario's own best harvest.
    """
    _, _, product, caution = model
    _, runs, worth, kept, order, anchor, _ = room
    first, last, better, at = int(wanted[2]), int(wanted[3]), -1.0, int(wanted[2])
    _worth(product, (first, last), runs, anchor, worth)
    for n in range(worth.shape[0]):
        kept[5, n] = 0.0
        for k in range(first, last + 1):
            kept[5, n] = max(kept[5, n], worth[n, k])
    for k in range(first, last + 1):
        mean = 0.0
        for n in range(worth.shape[0]):
            kept[6, n] = (1.0 - caution[2]) * worth[n, k] + caution[2] * kept[5, n]
            mean += kept[6, n] / worth.shape[0]
        value = (1.0 - caution[0]) * mean + caution[0] * _tail(kept, 6, caution[1], order)
        if value > better:
            better, at = value, k
            for n in range(worth.shape[0]):
                kept[7, n] = kept[6, n]
    if chosen >= 0 and better > best[6 + chosen]:
        best[6 + chosen] = better
        for n in range(worth.shape[0]):
            kept[chosen, n] = kept[7, n]
        if better > best[0]:
            best[0], best[1], best[2], best[3], best[4] = better, at, wanted[0], wanted[1], chosen
    return better


_weigh: Callable[..., float] = njit(cache=True, error_model="numpy")(_weigh_plain)


def _try_plain(desk: Any, wanted: Any, chosen: int, begins: int) -> float:
    """Shoot and weigh the plan that goes to the `wanted` targets from interval `begins`."""
    model, levers, room, best = desk
    plan, runs = room[0], room[1]
    _path(plan, room[6][0], levers[0], wanted[0], begins)
    _path(plan, room[6][1], levers[1], wanted[1], begins)
    _carry(model[0], model[1], plan, int(wanted[3]), runs)
    return _weigh(model, wanted, room, best, chosen)


_try: Callable[..., float] = njit(cache=True, error_model="numpy")(_try_plain)


def _scan_plain(desk: Any, row: int, wanted: Any, chosen: int) -> None:
    """Try one lever over its range, denser towards the low end, then between the best value and its neighbours."""
    _, levers, room, best = desk
    low, wide, place, most = levers[row, 1], levers[row, 2] - levers[row, 1], -1, best[6 + chosen]
    for number in range(GRID):
        share = number / (GRID - 1)
        wanted[row] = low + wide * share * share
        if _try(desk, wanted, chosen, room[6][0]) > most:
            most, place = best[6 + chosen], number
    for side in (-0.5, 0.5):
        share = (place + side) / (GRID - 1)
        if place >= 0 and 0.0 < share < 1.0:
            wanted[row] = low + wide * share * share
            _try(desk, wanted, chosen, room[6][0])


_scan: Callable[..., None] = njit(cache=True, error_model="numpy")(_scan_plain)


def _hold_plain(desk: Any, harvest: Any, wanted: Any, chosen: int) -> None:
    """Shoot the parameters as they stand: the densities that plans are compared with, and the worth of holding."""
    model, levers, room, best = desk
    runs, anchor = room[1], room[5]
    wanted[0], wanted[1], wanted[2], wanted[3] = levers[0, 0], levers[1, 0], harvest[0], harvest[2]
    _path(room[0], room[6][0], levers[0], wanted[0], room[6][0])
    _path(room[0], room[6][1], levers[1], wanted[1], room[6][0])
    _carry(model[0], model[1], room[0], int(harvest[2]), runs)
    for n in range(runs.shape[0]):
        for k in range(int(harvest[2]) + 1):
            anchor[n, k] = runs[n, k, 0]
    wanted[3] = harvest[0]
    _weigh(model, wanted, room, best, room[6][0])
    if harvest[3] > 0.0:
        wanted[2], wanted[3] = harvest[1], harvest[2]
        _weigh(model, wanted, room, best, chosen)


_hold: Callable[..., None] = njit(cache=True, error_model="numpy")(_hold_plain)


def _search_plain(desk: Any, harvest: Any, several: bool, wanted: Any) -> None:
    """Write the best plan to `best`, and to `kept` what the best plan of each lever is worth in each scenario.

    `desk`: model, levers, room and best. `model`: cells, clock and product (see `control.kernel`), and caution.
    `room`: the arrays that are written on the way: plan, runs, worth, kept, order, anchor; and NUMBERS. `wanted`: four
    numbers.
    """
    _, levers, room, best = desk
    for place in range(best.shape[0]):
        best[place] = 0.0
    _hold(desk, harvest, wanted, room[6][4] if several else room[6][1])
    for row in range(2):
        if levers[row, 5] > 0.0 and several:
            wanted[0], wanted[1] = best[2], best[3]
            _scan(desk, row, wanted, room[6][4])
        elif levers[row, 5] > 0.0:
            wanted[0], wanted[1], wanted[2], wanted[3] = levers[0, 0], levers[1, 0], harvest[0], harvest[0]
            _scan(desk, row, wanted, room[6][2 + row])
    if best[4] == 2.0 or best[4] == 3.0:
        wanted[0], wanted[1], wanted[2], wanted[3] = best[2], best[3], harvest[0], harvest[0]
        row = int(best[4]) - 2
        best[5] = _try(desk, wanted, room[6][5], int(levers[row, 4]))


_search: Callable[..., None] = njit(cache=True, error_model="numpy")(_search_plain)
