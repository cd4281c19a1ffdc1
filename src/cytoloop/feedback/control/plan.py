"""A controller's plan: what the search is asked, and what its answer means in set-points and hours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cytoloop.feedback.control.estimate import Estimate, spread_out
from cytoloop.feedback.control.gate import DURATION, IL2, PERFUSION, Gate
from cytoloop.feedback.control.search import (
    CHOSEN,
    CYTOKINE,
    DELAYED,
    FIRST,
    HARVEST,
    LEVER,
    NONE,
    NUMBERS,
    RATE,
    SECOND,
    SEVERAL,
    WORTH,
    _search,
)
from cytoloop.feedback.culture import Floats

INTERVALS = 20
"""Most intervals of a plan."""
INTERVAL, FINE = 12.0, 6.0
"""h of an interval, and once the whole plan is shorter than FINE_BELOW."""
FINE_BELOW = 96.0
SMALLEST = 0.02
"""Share of its range below which a move of a rate is not worth one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The best plan found for the rest of a culture, against holding the parameters as they stand."""

    moves: Mapping[str, float] = field(hash=False)
    """Parameter -> value that its first move would bring; empty when holding is best."""
    targets: Mapping[str, float] = field(hash=False)
    """Parameter -> value that it goes to in the end."""
    harvest_at: float
    """h of the culture."""
    held_until: float
    """h of the harvest as parameters stand."""
    gain: float
    """Mean gain in yield over holding, as a share of the better of the two."""
    tail: float
    """The same over the scenarios that gain least."""
    worth: float
    """Robust worth of the plan, 1e6 cells in specification."""
    held: float
    """Robust worth of holding."""
    told: float = 0.0
    """What perfect knowledge would add before one lever is chosen and the others given up, as a share of the worth."""
    delay: float = 0.0
    """What a rest's delay costs, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Hours of the possible harvests: `at + first + (k - 1) * rest` after interval k."""

    first: float
    rest: float
    harvest: Floats
    """Intervals until the harvest as planned, at the soonest, at the latest; 1 when it may be moved."""

    def hours(self) -> Floats:
        """h from now at the end of each interval, shape (intervals + 1,)."""
        out: Floats = np.arange(-1, int(self.harvest[:3].max()), dtype=np.float64) * self.rest + self.first
        out[0] = 0.0
        return out


def planned(found: Estimate, gate: Gate, *, caution: tuple[float, float, float]) -> Plan:
    """The best plan from `found` inside `gate`; `caution`: see `control.search`."""
    free = gate.free()
    grid = _grid(found, gate, movable=DURATION in free)
    hours = grid.hours()
    levers = _levers(found, gate, grid.rest, free)
    ahead = found.begins + (gate.planned or 0.0) - found.at
    weights = np.array([*caution[:2], caution[2] * max(0.0, 1.0 - 24.0 / max(ahead, 24.0))])
    best, kept = _searched(found, grid, hours, levers, several=gate.several, caution=weights)
    chosen = int(best[CHOSEN])
    gain = kept[chosen] - kept[NONE]
    scale = max(float(kept[NONE].mean()), float(kept[chosen].mean()), 1e-9)
    worst = np.sort(gain)[: max(1, round(caution[1] * len(gain)))]
    return Plan(
        moves=_moves(best, levers, gate, found.at + float(hours[int(best[HARVEST])]) - found.begins),
        targets={PERFUSION: float(best[FIRST]), IL2: float(best[SECOND])},
        harvest_at=found.at + float(hours[int(best[HARVEST])]),
        held_until=found.begins + (gate.planned or 0.0),
        gain=float(gain.mean()) / scale,
        tail=float(worst.mean()) / scale,
        worth=float(best[WORTH]),
        held=float(best[LEVER]),
        told=_told(kept, best, free) / scale,
        delay=max(0.0, float(best[WORTH] - best[DELAYED])) / scale if chosen in (RATE, CYTOKINE) else 0.0,
    )


def _told(kept: Floats, best: Floats, free: list[str]) -> float:
    """Expected value of perfect information on which lever to choose; 0 when nothing would be given up."""
    if len(free) < 2 or best[CHOSEN] in (NONE, SEVERAL):
        return 0.0
    rows = kept[:SEVERAL][best[LEVER : LEVER + SEVERAL] > 0.0]
    return float(rows.max(axis=0).mean() - rows.mean(axis=1).max())


def _searched(
    found: Estimate, grid: _Grid, hours: Floats, levers: Floats, *, several: bool, caution: Floats
) -> tuple[Floats, Floats]:
    count, intervals = len(found.states), len(hours) - 1
    runs = np.empty((count, intervals + 1, 6))
    runs[:, 0] = found.states
    best, kept = np.zeros(LEVER + SEVERAL + 1), np.zeros((SEVERAL + 4, count))
    clock = np.array([found.at, grid.first, grid.rest])
    product = (found.product, spread_out(found, hours), found.strange, found.limits)
    model = (found.figures, clock, product, caution)
    worth, anchor = np.empty((2, count, intervals + 1))
    room = (np.empty((intervals, 2)), runs, worth, kept, np.empty(count), anchor, NUMBERS)
    _search((model, levers, room, best), grid.harvest, several, np.empty(4))
    return best, kept


def _grid(found: Estimate, gate: Gate, *, movable: bool) -> _Grid:
    """Intervals such that the harvest as planned ends one of them."""
    held = found.begins + (gate.planned or 0.0) - found.at
    earlier, later = _reach(found, gate, held) if movable else (0.0, 0.0)
    longest = held + later
    rest = FINE if longest <= FINE_BELOW else max(INTERVAL, longest / (INTERVALS - 1))
    count = max(1, int(np.ceil(held / rest - 1e-9)))
    harvest = np.array([count, max(1, count - int(earlier / rest + 1e-9)), count + int(later / rest + 1e-9), movable])
    return _Grid(first=held - rest * (count - 1), rest=rest, harvest=harvest.astype(np.float64))


def _reach(found: Estimate, gate: Gate, held: float) -> tuple[float, float]:
    """h by which the harvest can come earlier and later: in the range, after the notice, in moves that are left."""
    lever = gate.levers[DURATION]
    moves = max(1, gate.most_moves - len({each.at for each in gate.moved}))
    later = min(
        lever.high - lever.value, lever.step * min(moves, 1 + int(max(0.0, held - gate.notice) // max(gate.rest, 1.0)))
    )
    earlier = min(lever.value - lever.low, lever.step * moves, held - gate.notice)
    return max(0.0, earlier), max(0.0, later)


def _levers(found: Estimate, gate: Gate, interval: float, free: list[str]) -> Floats:
    """Rows of PERFUSION and IL2: value, low, high, step, intervals of rest, free."""
    rows = np.zeros((2, 6))
    wait = max(1.0, np.ceil(gate.rest / interval - 1e-9))
    for row, name in enumerate((PERFUSION, IL2)):
        lever = gate.levers.get(name)
        if lever is None:
            rows[row] = (found.rates[row], 0.0, 0.0, 0.0, 1.0, 0.0)
        else:
            rows[row] = (
                lever.value,
                lever.low,
                lever.high,
                min(lever.step, lever.high - lever.low),
                wait,
                name in free,
            )
    return rows


def _moves(best: Floats, levers: Floats, gate: Gate, harvest: float) -> dict[str, float]:
    """The first move of each lever that the plan moves."""
    moves: dict[str, float] = {}
    if not best[CHOSEN]:
        return moves
    for row, name in enumerate((PERFUSION, IL2)):
        value, low, high, step = levers[row, :4]
        new = value + min(max(best[FIRST + row] - value, -step), step)
        if levers[row, 5] and abs(new - value) >= SMALLEST * (high - low):
            moves[name] = _rounded(new, low, high, value, step)
    shift = harvest - (gate.planned or 0.0)
    if DURATION in gate.free() and abs(shift) > 1e-6:
        lever = gate.levers[DURATION]
        moves[DURATION] = lever.value + min(max(shift, -lever.step), lever.step)
    return moves


def _rounded(new: float, low: float, high: float, value: float, step: float) -> float:
    """To three figures, where that stays inside the range and the step."""
    near = float(f"{new:.3g}")
    return near if low <= near <= high and abs(near - value) <= step else float(new)
