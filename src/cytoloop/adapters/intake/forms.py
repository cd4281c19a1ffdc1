"""Checks, states and moments as rows of plain numbers: what the machine code works on and what is kept of it."""

from collections.abc import Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from cytoloop.core.intake import MOMENTS, NEVER, Check, Moment

Rows = NDArray[np.void]

FORMS = {"tag": "u2", "at": "i8", "received": "i8", "value": "f8", "status": "u4", "server": "i8", "sequence": "i8"}
"""Column of readings -> its numbers."""

CHECK = np.dtype(
    [
        ("begins", "i8"), ("least", "f8"), ("most", "f8"), ("deadband", "f8"), ("heartbeat", "i8"), ("silence", "i8"),
        ("armed", "i8"), ("low", "f8"), ("high", "f8"), ("hysteresis", "f8"), ("on_delay", "i8"), ("off_delay", "i8"),
        ("tolerance", "i8"),
    ]
)  # fmt: skip
TOLD = MOMENTS.index("silence")
"""Kinds before it are findings, told once in a while."""
STATE = np.dtype(
    [
        ("seen", "i8"), ("usable", "i8"), ("last_value", "f8"), ("kept_at", "i8"), ("kept_value", "f8"),
        ("sequence", "i8"), ("out", "i8"), ("back", "i8"), ("raised", "i8"), ("missing", "i8"), ("told", "i8", (TOLD,)),
        ("last_status", "u4"), ("kept_status", "u4"), ("noted", "u1"), ("missing_noted", "u1"),
    ]
)  # fmt: skip
"""Fields as in the slow twin's `TagState`."""
MOMENT = np.dtype([("kind", "i8"), ("tag", "i8"), ("at", "i8"), ("since", "i8"), ("value", "f8"), ("count", "i8")])


def check_rows(checks: Sequence[Check]) -> Rows:
    """The checks as rows."""
    return np.array([tuple(getattr(each, name) for name in CHECK.names or ()) for each in checks], CHECK)


def fresh_states(count: int) -> Rows:
    """States of tags of which nothing has come yet."""
    rows = np.zeros(count, STATE)
    for name in ("seen", "usable", "kept_at", "out", "back", "raised", "missing", "told"):
        rows[name] = NEVER
    rows["kept_value"], rows["last_value"], rows["sequence"] = nan, nan, -1
    return rows


def moments(rows: Rows, tags: Sequence[str]) -> tuple[Moment, ...]:
    """The moments that rows of MOMENT are."""
    return tuple(Moment(MOMENTS[kind], tags[tag], *rest) for kind, tag, *rest in rows.tolist())
