"""Readings as a controller takes them: a `BatchHistory`, or the plain mapping that outsiders have."""

from collections.abc import Mapping
from typing import Any

from cytoloop.core.errors import UserError
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history


def history_from(readings: BatchHistory | Mapping[str, Any], at: float) -> BatchHistory:
    """What was known at hour `at`. A mapping has

    "start"     a `Start` or its fields: {"seeding_density": 1.0, "volume": 200.0, ...}
    "controls"  `Control`s or their fields: [{"at": 48.0, "perfusion_rate": 0.5, "il2": 100.0}, ...]
    "readings"  attribute -> [(hour, value), ...]; "batch" may name the batch.

    UserError says what is missing.
    """
    if isinstance(readings, BatchHistory):
        return readings.seen_until(at)
    missing = [name for name in ("start", "controls", "readings") if name not in readings]
    if missing:
        raise UserError(f"the readings name no {', '.join(missing)}; give start, controls and readings")
    start, controls = readings["start"], readings["controls"]
    made = history(
        batch=str(readings.get("batch", "batch")),
        start=start if isinstance(start, Start) else Start(**start),
        controls=[each if isinstance(each, Control) else Control(**each) for each in controls],
        observations=readings["readings"],
    )
    return made.seen_until(at)
