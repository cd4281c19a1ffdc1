"""The controller's kernel: what a plan of set-points is worth, on every scenario and at every possible harvest.

Single shooting: a plan is carried by the culture's own equations (`culture`), step by step, for a handful of scenarios
(draws of the batch's donor with the shocks of what the equations leave out), and each scenario is worth its viable
CAR+ cells times the chance that every limit holds. Nothing is allocated here: the caller hands in the arrays.

Integration: the second-order Rosenbrock method of Verwer, Spee, Blom and Hundsdorfer (1999, SIAM J Sci Comput
20:1456), which keeps its order for any matrix in place of the Jacobian; here the diagonal for glucose and IL-2, by
differences once an interval, since only these two run out faster than a step. Steps of 6 h stay within about 2 % of
the twin's own integration in viable cells, at a twentieth of its time.
"""

from collections.abc import Callable
from math import erfc, exp, log, sqrt
from typing import Any

from numba import njit

from cytoloop.feedback.models.t_cell import rates_plain
from cytoloop.feedback.twin import NAMES

SUBSTEPS = 2
"""Steps of integration in each interval of a plan."""
VIABILITY, MEMORY, CELLS = range(3)
"""Places of the attributes that the states decide, in `limits` and `shocks`; limits on cells on the log scale."""
MARGIN, INFINITE = 3, 1e300
"""Place of the margin in a row of `limits`; beyond `INFINITE` a limit does not bind."""

_GAMMA = 1.0 - sqrt(0.5)
_SQRT_2 = sqrt(2.0)
_LAG = NAMES.index("lag")
_rates: Callable[..., Any] = njit(inline="always")(rates_plain)
"""The one place where the equations stand."""


def _carry_plain(cells: Any, clock: Any, plan: Any, last: int, runs: Any) -> None:
    """Carry every scenario through the plan's first `last` intervals.

    `cells`: the equations' figures (scenarios, varied and fixed); `clock`: hour now, hours of the first interval and
    of the others; `plan` (intervals, 2), `runs` (scenarios, intervals + 1, 6): its first row holds the states now.
    """
    for n in range(cells.shape[0]):
        q = cells[n]
        x, d, g, c, i, m = runs[n, 0, 0], runs[n, 0, 1], runs[n, 0, 2], runs[n, 0, 3], runs[n, 0, 4], runs[n, 0, 5]
        t = clock[0]
        for k in range(last):
            h = (clock[1] if k == 0 else clock[2]) / SUBSTEPS
            feed = (plan[k, 0] / 24.0, plan[k, 1])
            wg = wi = 0.0
            for step in range(SUBSTEPS):
                after = 1.0 if t > q[_LAG] else 0.0
                a = _rates(t, after, feed, q, (x, d, g, c, i, m))
                if step == 0:
                    dg, di = 1e-3 * (1.0 + g), 1e-3 * (1.0 + i)
                    b = _rates(t, after, feed, q, (x, d, g + dg, c, i + di, m))
                    wg = 1.0 / (1.0 - _GAMMA * h * min(0.0, (b[2] - a[2]) / dg))
                    wi = 1.0 / (1.0 - _GAMMA * h * min(0.0, (b[4] - a[4]) / di))
                ag, ai = wg * a[2], wi * a[4]
                far = (
                    max(0.0, x + h * a[0]), max(0.0, d + h * a[1]), max(0.0, g + h * ag),
                    max(0.0, c + h * a[3]), max(0.0, i + h * ai), max(0.0, m + h * a[5]),
                )  # fmt: skip
                t += h
                b = _rates(t, 1.0 if t > q[_LAG] else 0.0, feed, q, far)
                x = max(0.0, x + 0.5 * h * (a[0] + b[0]))
                d = max(0.0, d + 0.5 * h * (a[1] + b[1]))
                g = max(0.0, g + 1.5 * h * ag + 0.5 * h * wg * (b[2] - 2.0 * ag))
                c = max(0.0, c + 0.5 * h * (a[3] + b[3]))
                i = max(0.0, i + 1.5 * h * ai + 0.5 * h * wi * (b[4] - 2.0 * ai))
                m = max(0.0, m + 0.5 * h * (a[5] + b[5]))
            runs[n, k + 1, 0], runs[n, k + 1, 1], runs[n, k + 1, 2] = x, d, g
            runs[n, k + 1, 3], runs[n, k + 1, 4], runs[n, k + 1, 5] = c, i, m


_carry: Callable[..., None] = njit(cache=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})(_carry_plain)


def _chance_plain(value: float, low: float, high: float, sd: float, margin: float) -> float:
    """Chance that a result of the true `value` lies inside its limits, both moved inward by `margin` sd."""
    inside = 1.0
    if low > -INFINITE:
        inside *= 0.5 * erfc((margin - (value - low) / sd) / _SQRT_2)
    if high < INFINITE:
        inside *= 0.5 * erfc((margin - (high - value) / sd) / _SQRT_2)
    return inside


_chance: Callable[..., float] = njit(cache=True, error_model="numpy")(_chance_plain)


def _worth_plain(product: Any, span: Any, runs: Any, anchor: Any, worth: Any) -> None:
    """Worth of harvesting each scenario after the intervals of a `span`: cells times chance.

    `product`: per, shocks, strange and limits. `per` (scenarios, 3): product cells of a unit density, share of
    viability that thawing leaves, chance of what the states do not decide. `shocks` (3, scenarios, intervals + 1):
    factors on the odds against viability and memory and on the cells. `limits` (3, 4): low, high, sd of a result,
    margin, in the order VIABILITY, MEMORY, CELLS.
    `strange` (2, scenarios): by how many logits viability and memory may fall for each e-fold that the cells are
    more or fewer than in `anchor` (scenarios, intervals + 1), the densities under the parameters as they stand:
    a plan's side effects that the equations leave out, since nobody ran it yet.
    """
    per, shocks, strange, limits = product
    first, last = span
    for n in range(runs.shape[0]):
        for k in range(first, last + 1):
            x = runs[n, k, 0]
            new = abs(log(max(x, 1e-9) / max(anchor[n, k], 1e-9)))
            alive = x / max(x + runs[n, k, 1], 1e-9) * per[n, 1]
            alive = alive / max(alive + (1.0 - alive) * shocks[0, n, k] * exp(strange[0, n] * new), 1e-12)
            memory = runs[n, k, 5]
            memory = memory / max(memory + (1.0 - memory) * shocks[1, n, k] * exp(strange[1, n] * new), 1e-12)
            cells = x * per[n, 0] * shocks[2, n, k]
            chance = per[n, 2] * _chance(alive, limits[0, 0], limits[0, 1], limits[0, 2], limits[0, 3])
            chance *= _chance(memory, limits[1, 0], limits[1, 1], limits[1, 2], limits[1, 3])
            chance *= _chance(log(max(cells, 1e-9)), limits[2, 0], limits[2, 1], limits[2, 2], limits[2, 3])
            worth[n, k] = cells * chance


_worth: Callable[..., None] = njit(cache=True, error_model="numpy")(_worth_plain)


def _tail_plain(rows: Any, row: int, share: float, order: Any) -> float:
    """Mean of the worst `share` of a row (conditional value at risk; Rockafellar & Uryasev 2000, J Risk 2:21)."""
    count = rows.shape[1]
    for n in range(count):
        place = n
        while place > 0 and order[place - 1] > rows[row, n]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = rows[row, n]
    taken = max(1, int(share * count + 0.5))
    total = 0.0
    for n in range(taken):
        total += order[n]
    return total / taken


_tail: Callable[..., float] = njit(cache=True, error_model="numpy")(_tail_plain)
