"""Lanes: eight cultures side by side in one vector register, for equations that are written once for one culture.

A group works in one flat array: `LANES` numbers in a row, one per culture, row after row (structure of arrays). All
rows lie behind one pointer at offsets the compiler knows, so it sees that no row overlaps another and turns a loop
over the lanes into vector instructions. For the same reason nothing here calls libm or branches.
"""

from typing import Any

from numba import njit

LANES = 8
"""Cultures in a group: one AVX-512 register of doubles, two of AVX2."""

AFTER, CONTROLS = 0, LANES
"""First rows of every group: 1 after the kink and 0 before it, then the controls."""

_BOUND = 60.0
_HALVINGS = 256.0


def exp_of(x: float) -> float:
    """exp(x) for -60 <= x <= 60, x cut off there: Taylor's series of x / 256 to degree 11, squared eight times.

    Relative error below 1e-13: the series leaves (60 / 256)^12 / 12! = 6e-17, and both it and the rounding are
    multiplied by 256 at most.
    """
    r = min(_BOUND, max(-_BOUND, x)) / _HALVINGS
    e = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * _tail(r))))))
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    e = e * e
    return e * e


def _tail_plain(r: float) -> float:
    return 1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r / 39916800))))


def _one(w: Any, at: int) -> Any:
    return (w[at],)


def _two(w: Any, at: int) -> Any:
    return (w[at], w[at + LANES])


def _three(w: Any, at: int) -> Any:
    return (w[at], w[at + LANES], w[at + 2 * LANES])


def _six(w: Any, at: int) -> Any:
    return (
        w[at],
        w[at + LANES],
        w[at + 2 * LANES],
        w[at + 3 * LANES],
        w[at + 4 * LANES],
        w[at + 5 * LANES],
    )


def _put_six(w: Any, at: int, d: Any) -> None:
    w[at] = d[0]
    w[at + LANES] = d[1]
    w[at + 2 * LANES] = d[2]
    w[at + 3 * LANES] = d[3]
    w[at + 4 * LANES] = d[4]
    w[at + 5 * LANES] = d[5]


_tail = njit(inline="always")(_tail_plain)
fast_exp = njit(inline="always")(exp_of)
"""`exp_of` inside compiled equations."""
one = njit(inline="always")(_one)
two = njit(inline="always")(_two)
"""So many rows' values of one lane, from the row at `at` (its offset plus the lane)."""
three = njit(inline="always")(_three)
six = njit(inline="always")(_six)
put_six = njit(inline="always")(_put_six)
"""Write six rows' values of one lane."""
