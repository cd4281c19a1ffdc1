"""Campaign tables: what a campaign says, as rows: shares, quantiles and effects, each with its 90 % interval."""

from collections.abc import Mapping, Sequence

import numpy as np

from cytoloop.app.campaign import GOOD, YIELD
from cytoloop.core.json import JSON
from cytoloop.feedback.in_silico.sensitivity import QUANTILES, Columns, Figure, effects, quantile_of, share_of

Limits = Mapping[str, tuple[float | None, float | None]]

IN_ALL = "share in specification"


def summary_rows(columns: Columns, results: Sequence[str], limits: Limits) -> list[dict[str, JSON]]:
    """Share in specification, of all and of each attribute, then quantiles of every result."""
    rows = [_row(IN_ALL, "all attributes", share_of(columns[GOOD] > 0.0))]
    for name in results:
        low, high = limits.get(name, (None, None))
        if low is not None or high is not None:
            good = (columns[name] >= (-np.inf if low is None else low)) & (
                columns[name] <= (np.inf if high is None else high)
            )
            rows.append(_row(IN_ALL, name, share_of(good)))
    measured = [name for name in results if name != GOOD and np.ptp(columns[name]) > 0.0]
    for name in sorted(measured, key=lambda name: name != YIELD):
        rows += [_row(f"quantile {share:g}", name, quantile_of(columns[name], share)) for share in QUANTILES]
    return rows


def effect_rows(
    columns: Columns, factors: Sequence[str], results: Sequence[str], generator: np.random.Generator
) -> list[dict[str, JSON]]:
    """What each factor did to each result, the strongest first within a result; the yield first."""
    found = effects(columns, factors, results, generator)
    order = [YIELD, GOOD, *(name for name in results if name not in (YIELD, GOOD))]
    found.sort(key=lambda each: (order.index(each.attribute), -each.share.value, each.factor))
    return [
        {
            "attribute": each.attribute, "factor": each.factor,
            "rank_correlation": each.correlation.value, "rank_correlation_low": each.correlation.low,
            "rank_correlation_high": each.correlation.high, "first_order": each.share.value,
            "first_order_low": each.share.low, "first_order_high": each.share.high,
        }
        for each in found
    ]  # fmt: skip


def _row(figure: str, attribute: str, found: Figure) -> dict[str, JSON]:
    return {"figure": figure, "attribute": attribute, "value": found.value, "low": found.low, "high": found.high}
