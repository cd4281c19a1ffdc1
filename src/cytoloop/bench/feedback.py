"""`cytoloop bench feedback`: optimiser, control, forecast, simulations, claims, small samples, virtual batches."""

from collections.abc import Callable, Sequence

from cytoloop.bench import (
    feedback_campaign,
    feedback_claim,
    feedback_control,
    feedback_forecast,
    feedback_learning,
    feedback_optimise,
    feedback_simulation,
)
from cytoloop.bench.frame import Options, Row
from cytoloop.core.errors import UserError

PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "simulation": feedback_simulation.rows,
    "control": feedback_control.rows,
    "forecast": feedback_forecast.rows,
    "claim": feedback_claim.rows,
    "learning": feedback_learning.rows,
    "campaign": feedback_campaign.rows,
    "optimise": feedback_optimise.rows,
}
"""Part of the benchmark -> what measures it, in the order in which they run."""


def chosen(names: Sequence[str]) -> Callable[[Options], list[Row]]:
    """What measures the parts named, or all of them; UserError for one that is not there."""
    for name in names:
        if name not in PARTS:
            raise UserError(f"the benchmark has no part {name!r}; use {', '.join(PARTS)}")

    def rows(options: Options) -> list[Row]:
        return [found for name, part in PARTS.items() if not names or name in names for found in part(options)]

    return rows
