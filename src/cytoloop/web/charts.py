"""Charts of one batch, as BokehJS documents: what was measured against what was expected.

The figures are built here once; `sources` gives the same columns again for a live page to put in their place.
"""

from collections.abc import Callable, Mapping
from math import pi
from typing import Any

from cytoloop.app.views_batch import COUNTED, BatchView
from cytoloop.app.views_results import Curve
from cytoloop.core.words import Words
from cytoloop.web.show import unit_of

INK, MUTED, GRID = "#17242b", "#566770", "#e3e9ec"
MEASURED, EXPECTED, MOVED, LIMIT = "#0b6b68", "#b0561a", "#6d4aa8", "#b3363a"
FONT = "Inter, 'Segoe UI', -apple-system, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
DAY = 24.0

Say = Callable[[str, str, Words | None], str]
"""(group, name, words of the pack if any) -> text in the visitor's language."""
Columns = dict[str, list[float]]


def sources(view: BatchView) -> dict[str, Columns]:
    """Name of each data source -> its columns; days since the culture began on the x axis."""
    found = {"forecast": _forecast(view), "moves": _moves(view), "harvest": _harvest(view)}
    found["counts"] = _columns(view.counts) if view.counts else {"day": [], "value": []}
    for curve in (*view.metabolites, *view.readings):
        found[_key(view, curve)] = _columns(curve)
    return found


def charts(view: BatchView, say: Say) -> dict[str, Any]:
    """Id of the element that holds the chart -> BokehJS item."""
    from bokeh.embed import json_item  # noqa: PLC0415  (a second to import, and needed on batch pages only)

    figures = {"chart-culture": culture(view, say)}
    for curve in view.metabolites:
        figures[f"chart-{_key(view, curve)}"] = small(view, curve, say, dots=True)
    for curve in view.readings:
        figures[f"chart-{_key(view, curve)}"] = small(view, curve, say, dots=False)
    return {name: json_item(figure) for name, figure in figures.items()}


def chart_ids(view: BatchView) -> dict[str, list[str]]:
    """Ids of the elements that hold the small charts: of sampled attributes, of readings."""
    return {
        "sampled": [f"chart-{_key(view, curve)}" for curve in view.metabolites],
        "readings": [f"chart-{_key(view, curve)}" for curve in view.readings],
    }


def culture(view: BatchView, say: Say) -> Any:
    """Viable cell density: the latest forecast's band and median, the counts, where set-points moved, the harvest.

    Only what there is to show is drawn, so that the legend names nothing that is not there.
    """
    from bokeh.models import ColumnDataSource  # noqa: PLC0415  (see charts)
    from bokeh.models.annotations import Legend, LegendItem  # noqa: PLC0415  (see charts)

    counted = say("attribute", COUNTED, view.attribute_words.get(COUNTED))
    plot = plain_figure(400, f"{counted} ({unit_of('1e6 cells/mL')})", say)
    drawn = {
        name: _GLYPHS[name](plot, ColumnDataSource(data=columns, name=name))
        for name, columns in sources(view).items()
        if name in _GLYPHS and columns["day"]
    }
    items = [LegendItem(label=say("chart", name, None), renderers=renderers) for name, renderers in drawn.items()]
    plot.add_layout(Legend(items=items, **LEGEND), "above")
    if "counts" in drawn:
        _hover(plot, drawn["counts"], say)
    plot.x_range.start = plot.y_range.start = 0
    return plot


def small(view: BatchView, curve: Curve, say: Say, *, dots: bool) -> Any:
    """One curve by itself with its limits."""
    from bokeh.models import ColumnDataSource  # noqa: PLC0415  (see charts)
    from bokeh.models.annotations import Span  # noqa: PLC0415  (see charts)

    name, unit = _key(view, curve), unit_of(curve.unit)
    title = say("attribute" if dots else "signal", curve.name, view.attribute_words.get(curve.name))
    plot = plain_figure(176, f"{title} ({unit})" if unit else title, say)
    data = ColumnDataSource(data=_columns(curve), name=name)
    plot.line("day", "value", source=data, color=MEASURED, width=1.5)
    if dots:
        plot.scatter("day", "value", source=data, color=MEASURED, line_color="white", size=7)
    for limit in (curve.low, curve.high):
        if limit is not None:
            location = limit * (100 if curve.unit == "fraction" else 1)
            plot.add_layout(Span(location=location, dimension="width", line_color=LIMIT, line_dash=[4, 3]))
    plot.xaxis.axis_label = None
    return plot


def _draw_counts(plot: Any, data: Any) -> list[Any]:
    line = plot.line("day", "value", source=data, color=MEASURED, width=1.5, alpha=0.5)
    return [plot.scatter("day", "value", source=data, color=MEASURED, line_color="white", size=9), line]


def _draw_forecast(plot: Any, data: Any) -> list[Any]:
    band = plot.varea("day", "low", "high", source=data, color=EXPECTED, alpha=0.16)
    return [plot.line("day", "median", source=data, color=EXPECTED, width=2, line_dash=[6, 3]), band]


def _draw_moves(plot: Any, data: Any) -> list[Any]:
    return [plot.ray("day", "y", length=0, angle=pi / 2, source=data, color=MOVED, line_dash=[2, 3], line_width=1.5)]


def _draw_harvest(plot: Any, data: Any) -> list[Any]:
    return [plot.ray("day", "y", length=0, angle=pi / 2, source=data, color=INK, line_width=1.5)]


_GLYPHS: Mapping[str, Callable[[Any, Any], list[Any]]] = {
    "forecast": _draw_forecast,
    "counts": _draw_counts,
    "moves": _draw_moves,
    "harvest": _draw_harvest,
}
"""Source of the culture chart -> how it is drawn; the first renderer is the one to hover over."""


def _hover(plot: Any, renderers: list[Any], say: Say) -> None:
    from bokeh.models import HoverTool  # noqa: PLC0415  (see charts)

    tooltips = [(say("chart", "day", None), "@day{0.0}"), (unit_of("1e6 cells/mL"), "@value{0.00}")]
    plot.add_tools(HoverTool(renderers=renderers[:1], tooltips=tooltips))


LEGEND: Mapping[str, Any] = {
    "orientation": "horizontal",
    "border_line_color": None,
    "label_text_font": FONT,
    "label_text_font_size": "13px",
    "label_text_color": INK,
    "background_fill_alpha": 0,
    "padding": 0,
    "margin": 0,
    "spacing": 18,
    "click_policy": "none",
}


def plain_figure(height: int, title: str, say: Say, **ranges: Any) -> Any:
    """An empty figure in the house's looks, days on its x axis unless somebody says otherwise."""
    from bokeh.plotting import figure  # noqa: PLC0415  (see charts)

    plot: Any = figure(
        height=height,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        title=title,
        min_border_left=44,
        **ranges,
    )
    plot.title.text_font, plot.title.text_font_size = FONT, "13px"
    plot.title.text_color, plot.title.text_font_style = INK, "bold"
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    plot.xaxis.axis_label = say("chart", "days", None)
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = GRID
        axis.minor_tick_line_color = None
        axis.major_label_text_font = axis.axis_label_text_font = FONT
        axis.major_label_text_font_size = axis.axis_label_text_font_size = "12px"
        axis.major_label_text_color = axis.axis_label_text_color = MUTED
        axis.axis_label_text_font_style = "normal"
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = GRID
    if "x_range" not in ranges:
        plot.x_range.only_visible = True
    return plot


def _key(view: BatchView, curve: Curve) -> str:
    kind = "reading" if any(curve is each for each in view.readings) else "sampled"
    return f"{kind}-{curve.name}"


def _columns(curve: Curve) -> Columns:
    factor = 100.0 if curve.unit == "fraction" else 1.0
    return {"day": [hour / DAY for hour in curve.hours], "value": [value * factor for value in curve.values]}


def _forecast(view: BatchView) -> Columns:
    made = view.forecast
    if made is None:
        return {"day": [], "low": [], "median": [], "high": []}
    return {
        "day": [hour / DAY for hour in made.curve_hours],
        "low": list(made.curve_low),
        "median": list(made.curve_median),
        "high": list(made.curve_high),
    }


def _moves(view: BatchView) -> Columns:
    days = [move.hours / DAY for move in view.moves if move.hours is not None]
    return {"day": days, "y": [0.0 for _ in days]}


def _harvest(view: BatchView) -> Columns:
    return {"day": [view.forecast.harvest_at / DAY], "y": [0.0]} if view.forecast else {"day": [], "y": []}
