"""A report as one HTML file that stands alone: no script, no link, no picture from elsewhere."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from cytoloop.adapters.documents.chart import svg
from cytoloop.core.report import Chart, Report


def render_html(report: Report) -> bytes:
    """The report's HTML: the same report gives the same bytes."""
    return _template().render(report=report, chart=_chart).encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("cytoloop.adapters.documents", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2")


def _chart(chart: Chart) -> Markup:
    return Markup(svg(chart))
