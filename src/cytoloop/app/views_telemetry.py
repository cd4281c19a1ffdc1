"""View of a batch's telemetry: each signal in one line, and every reading as a table of text."""

import csv
import io
import math
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from cytoloop.core.telemetry import Readings, moment, quality
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLine:
    """What one signal of one unit showed."""

    tag: str
    unit: str
    readings: int
    first: Instant
    last: Instant
    least: float | None
    median: float | None
    most: float | None
    """Of the readings that have a value and are not bad; None when there are none."""
    not_good: int
    """Readings that the equipment itself calls uncertain or bad."""


def signal_lines(readings: Readings) -> tuple[SignalLine, ...]:
    """One line for each tag; `readings` are sorted by tag and time, as a store gives them."""
    lines = []
    for tag, rows in groupby(readings.rows(), key=lambda row: row[0]):
        every = list(rows)
        grades = [quality(status) for *_, status in every]
        values = [row[3] for row, grade in zip(every, grades, strict=True) if grade != "bad" and not math.isnan(row[3])]
        lines.append(
            SignalLine(
                tag=tag.name,
                unit=tag.unit,
                readings=len(every),
                first=moment(every[0][1]),
                last=moment(every[-1][1]),
                least=min(values, default=None),
                median=median(values) if values else None,
                most=max(values, default=None),
                not_good=sum(grade != "good" for grade in grades),
            )
        )
    return tuple(lines)


def as_csv(readings: Readings) -> str:
    """Every reading as one line of comma-separated values (RFC 4180), times in ISO 8601."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(("tag", "unit", "measured_at", "received_at", "value", "quality", "status"))
    for tag, at, received, value, status in readings.rows():
        when, taken_in = moment(at).isoformat(), moment(received).isoformat()
        shown = "" if math.isnan(value) else repr(value)
        lines.writerow((tag.name, tag.unit, when, taken_in, shown, quality(status), f"0x{status:08X}"))
    return text.getvalue()
