"""Charts of one proposal: each attribute before and after against its limits, and the claim's evidence by batch."""

from typing import Any

from cytoloop.app.views_proposal import ProposalView, Shown
from cytoloop.web.charts import EXPECTED, INK, LEGEND, LIMIT, MEASURED, MUTED, Say, plain_figure
from cytoloop.web.show import unit_of

LEAST = 1e-3
"""Evidence below it is drawn at it: the axis is logarithmic."""


def proposal_charts(view: ProposalView, say: Say) -> dict[str, Any]:
    """Id of the element that holds the chart -> BokehJS item."""
    from bokeh.embed import json_item  # noqa: PLC0415  (a second to import, and needed on such pages only)

    figures = {chart_id(each): spread(each, say) for each in view.attributes}
    if view.tested:
        figures["chart-evidence"] = evidence(view, say)
    return {name: json_item(figure) for name, figure in figures.items()}


def chart_id(each: Shown) -> str:
    """Id of the element that holds an attribute's chart."""
    return f"chart-spread-{each.attribute}"


def spread(each: Shown, say: Say) -> Any:
    """Expected 5-95 % (line), 25-75 % (bar) and median over donors, results so far as dots, limits dashed."""
    from bokeh.models.annotations import Span  # noqa: PLC0415  (see proposal_charts)

    rows = [say("arm", "after", None), say("arm", "before", None)]
    name, unit = say("attribute", each.attribute, each.words), unit_of(each.unit)
    plot = plain_figure(150, f"{name} ({unit})" if unit else name, say, y_range=rows)
    plot.xaxis.axis_label = None
    factor = 100.0 if each.unit == "fraction" else 1.0
    for row, quantiles, values in (
        (rows[1], each.before, each.observed.get("before", ())),
        (rows[0], each.after, each.observed.get("after", ())),
    ):
        if quantiles:
            _box(plot, row, [value * factor for value in quantiles])
        if values:
            plot.scatter(
                [value * factor for value in values],
                [(row, 0.24)] * len(values),
                size=7, color=MEASURED, line_color="white", alpha=0.9,
            )  # fmt: skip
    for limit in (each.low, each.high):
        if limit is not None:
            plot.add_layout(Span(location=limit * factor, dimension="height", line_color=LIMIT, line_dash=[4, 3]))
    _include(plot, each, factor)
    return plot


def evidence(view: ProposalView, say: Say) -> Any:
    """E-values batch by batch, on a logarithmic axis, against the bounds that decide."""
    from bokeh.models import NumeralTickFormatter  # noqa: PLC0415  (see proposal_charts)
    from bokeh.models.annotations import Legend, LegendItem, Span  # noqa: PLC0415  (see proposal_charts)

    after = [each for each in view.tested if each.arm == "after"] or list(view.tested)
    names = [each.batch for each in after]
    bounds = [bound for bound in (view.bound_kept, view.bound_refuted) if bound is not None]
    lines = {
        "evidence_kept": ([each.evidence_kept for each in after], MEASURED),
        "evidence_refuted": ([each.evidence_refuted for each in after], EXPECTED),
        "evidence_harm": ([max(each.evidence_harm.values(), default=LEAST) for each in after], MUTED),
    }
    highest = max([*bounds, *(value for values, _ in lines.values() for value in values)])
    lowest = min([1.0, *(value for values, _ in lines.values() for value in values)])
    plot = plain_figure(
        300, say("chart", "evidence", None), say,
        x_range=names, y_axis_type="log", y_range=(max(lowest, LEAST) / 1.6, highest * 1.8),
    )  # fmt: skip
    plot.xaxis.axis_label = None
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[000]")
    if len(names) > 8:
        plot.xaxis.major_label_orientation = 0.6
    items = []
    for key, (values, color) in lines.items():
        drawn = [max(value, LEAST) for value in values]
        line = plot.line(names, drawn, color=color, width=2)
        dots = plot.scatter(names, drawn, color=color, line_color="white", size=8)
        items.append(LegendItem(label=say("chart", key, None), renderers=[dots, line]))
    for bound, color in ((view.bound_kept, MEASURED), (view.bound_refuted, EXPECTED)):
        if bound is not None:
            plot.add_layout(Span(location=bound, dimension="width", line_color=color, line_dash=[6, 3]))
    plot.add_layout(Legend(items=items, **LEGEND), "above")
    return plot


def _box(plot: Any, row: str, quantiles: list[float]) -> None:
    low, quarter, middle, three, high = quantiles
    at = (row, -0.08)
    plot.segment([low], [at], [high], [at], color=EXPECTED, line_width=1.5)
    plot.segment([quarter], [at], [three], [at], color=EXPECTED, line_width=12, alpha=0.32)
    plot.segment([middle], [(row, -0.22)], [middle], [(row, 0.06)], color=INK, line_width=2)


def _include(plot: Any, each: Shown, factor: float) -> None:
    """The x axis from below all that is drawn to above it, limits included where they are near."""
    values = [*each.before, *each.after, *each.observed.get("before", ()), *each.observed.get("after", ())]
    if not values:
        return
    low, high = min(values), max(values)
    near = [limit for limit in (each.low, each.high) if limit is not None and low - (high - low) <= limit]
    near = [limit for limit in near if limit <= high + (high - low)]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    plot.x_range.start, plot.x_range.end = (low - margin) * factor, (high + margin) * factor
