"""A chart as SVG text: a line over time between its limits. The same text stands in the HTML and in the PDF."""

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from statistics import median

from cytoloop.core.report import Chart

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520.0, 170.0, 52.0, 10.0, 24.0, 30.0
MOST_POINTS = 600
"""Points of one line; a longer one is thinned by the lowest and highest of each stretch, so that no peak is lost."""
TICKS = 6
GAP = 6.0
"""Times the usual distance of two points from which the line is broken: nothing was measured there."""


def svg(chart: Chart) -> str:
    """The chart as a whole SVG element."""
    points = thinned(chart.points)
    across = _Scale.of([x for x, _ in points], LEFT, WIDTH - RIGHT)
    limits = [limit for limit in (chart.low, chart.high) if limit is not None]
    up = _Scale.of([*(y for _, y in points), *limits], HEIGHT - BOTTOM, TOP)
    parts = [*_axes(chart, across, up), *(_limit(up, limit) for limit in limits)]
    parts += [_line(stretch, across, up) for stretch in unbroken(points)]
    title = f'<text x="{LEFT:g}" y="14" font-size="11">{escape(chart.title)} [{escape(chart.unit)}]</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img"'
    return f'{head} font-family="Noto Sans SC, sans-serif">{title}{"".join(parts)}</svg>'


def thinned(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The points, or the lowest and the highest of each of a few hundred stretches when they are very many."""
    if len(points) <= MOST_POINTS:
        return points
    stretch = -(-2 * len(points) // MOST_POINTS)
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept += sorted({min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])})
    return tuple(kept)


def unbroken(points: tuple[tuple[float, float], ...]) -> Iterator[tuple[tuple[float, float], ...]]:
    """The stretches of the line between gaps, so that no line stands where nothing was measured."""
    usual = median([b[0] - a[0] for a, b in pairwise(points)] or [0.0])
    start = 0
    for place, (one, next_one) in enumerate(pairwise(points), 1):
        if next_one[0] - one[0] > GAP * usual > 0:
            yield points[start:place]
            start = place
    yield points[start:]


class _Scale:
    """From values to places on the picture."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high, self._start, self._end = low, high, start, end

    @staticmethod
    def of(values: list[float], start: float, end: float) -> "_Scale":
        low, high = min(values, default=0.0), max(values, default=1.0)
        margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        return _Scale(low - margin, high + margin, start, end)

    def place(self, value: float) -> float:
        return self._start + (value - self.low) / (self.high - self.low) * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Round values inside the scale, about `TICKS` of them."""
        step = _round_step((self.high - self.low) / TICKS)
        number = ceil(self.low / step)
        while number * step <= self.high:
            yield number * step
            number += 1


def _round_step(wanted: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** floor(log10(wanted))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= wanted * 0.999)


def _axes(chart: Chart, across: _Scale, up: _Scale) -> Iterator[str]:
    for value in up.ticks():
        y = up.place(value)
        yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 4:g}" y="{y + 3:.1f}" font-size="9" text-anchor="end">{value:.4g}</text>'
    for value in across.ticks():
        x = across.place(value)
        yield f'<text x="{x:.1f}" y="{HEIGHT - 16:g}" font-size="9" text-anchor="middle">{value:.4g}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle:g}" y="{HEIGHT - 3:g}" font-size="9" text-anchor="middle">{escape(chart.across)}</text>'


def _limit(up: _Scale, limit: float) -> str:
    y = up.place(limit)
    dashes = 'stroke="#b00020" stroke-dasharray="5 3"'
    return f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}" {dashes}/>'


def _line(points: tuple[tuple[float, float], ...], across: _Scale, up: _Scale) -> str:
    if len(points) == 1:
        ((x, y),) = points
        return f'<circle cx="{across.place(x):.1f}" cy="{up.place(y):.1f}" r="1.2" fill="#00528c"/>'
    places = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="#00528c" stroke-width="1.2"/>'
