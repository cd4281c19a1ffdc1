"""Readings as a controller takes them: a `BatchHistory`, or the plain mapping that outsiders have."""

import math
from collections.abc import Mapping
from typing import Any

from cytoloop.core.errors import UserError
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.given import taken


def history_from(readings: BatchHistory | Mapping[str, Any], at: float) -> BatchHistory:
    """What was known at hour `at`. A mapping has

    "start"     a `Start` or its fields: {"seeding_density": 1.0, "volume": 200.0, ...}
    "controls"  `Control`s or their fields: [{"at": 48.0, "perfusion_rate": 0.5, "il2": 100.0}, ...]
    "readings"  attribute -> [(hour, value), ...]; "batch" may name the batch (forms: `feedback.given`).

    UserError says what is missing, or what cannot be.
    """
    if not (math.isfinite(at) and at >= 0):
        raise UserError(f"at is {at!r}; give the hour of the culture, 0 or more")
    if isinstance(readings, Mapping):
        missing = [name for name in ("start", "controls", "readings") if name not in readings]
        if missing:
            raise UserError(f"the readings name no {', '.join(missing)}; give start, controls and readings")
    known = taken(readings).seen_until(at)
    if not known.controls:
        raise UserError(f"batch {known.batch} names no set-points; give its perfusion_rate and il2 as executed")
    return known


def failed_reading(readings: BatchHistory | Mapping[str, Any]) -> str | None:
    """The first reading that is no finite number, as failing equipment sends it; None when there is none."""
    given = readings.get("readings") if isinstance(readings, Mapping) else getattr(readings, "observations", None)
    for name, pairs in given.items() if isinstance(given, Mapping) else ():
        for pair in pairs if isinstance(pairs, list | tuple) else ():
            if isinstance(pair, list | tuple) and any(_lost(value) for value in pair):
                return str(name)
    return None


def _lost(value: object) -> bool:
    return value is None or (isinstance(value, float | int) and not math.isfinite(value))
