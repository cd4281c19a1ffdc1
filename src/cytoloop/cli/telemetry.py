"""`cytoloop telemetry`: the readings of a batch's equipment, as a table or as a file."""

from pathlib import Path

import typer

from cytoloop.app.historian import readable_telemetry
from cytoloop.app.views_telemetry import SignalLine, as_csv, signal_lines
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import number, out, say_json, table, write_text
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.telemetry import ALWAYS, microseconds
from cytoloop.core.time import instant

app = typer.Typer(help="Readings of a batch's equipment, kept beside the record.", no_args_is_help=True)


@app.command("show")
def show(
    batch: str = typer.Argument(..., help="Batch number."),
    tag: list[str] = typer.Option([], "--tag", help='Signal, "<equipment>/<signal>"; may be given again.'),
    start: str | None = typer.Option(None, "--from", metavar="TIME", help="From then on (ISO 8601 with offset)."),
    stop: str | None = typer.Option(None, "--to", metavar="TIME", help="Before then (ISO 8601 with offset)."),
    csv: Path | None = typer.Option(None, "--csv", metavar="FILE", help="Write every reading into this file."),
    data: Path | None = DATA,
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """What was measured: for each signal how many readings, when, and between which values."""
    with readable_telemetry(newest(data)) as store:
        if store is None or batch not in store.batches():
            raise UserError(f"there are no readings of batch {batch} here; see `cytoloop batch list`")
        readings = store.read(batch, _time(start, ALWAYS[0]), _time(stop, ALWAYS[1]), tag)
        segments, unsealed = len(store.segments(batch)), store.unsealed(batch)
    absent = sorted(set(tag) - {each.name for each in readings.tags})
    if absent:
        raise UserError(
            f"batch {batch} has no readings of {', '.join(absent)} at that time; leave --tag out to see all"
        )
    if csv is not None:
        write_text(as_csv(readings), csv)
    lines = signal_lines(readings)
    if json:
        say_json({"batch": batch, "segments": segments, "unsealed": unsealed, "signals": [_plain(x) for x in lines]})
        return
    _say(lines)
    told = (
        f"{len(readings):,} readings; the batch has {segments} sealed segments and {unsealed:,} readings not sealed yet"
    )
    out.print(told, highlight=False, soft_wrap=True)


def _say(lines: tuple[SignalLine, ...]) -> None:
    shown = table(None, "signal", "unit", ">readings", "from", "to", ">least", ">median", ">most", ">not good")
    for line in lines:
        values = (number(value, 3) for value in (line.least, line.median, line.most))
        first, last = (when.strftime("%m-%d %H:%M") for when in (line.first, line.last))
        shown.add_row(line.tag, line.unit, f"{line.readings:,}", first, last, *values, f"{line.not_good:,}")
    out.print(shown)


def _plain(line: SignalLine) -> JSON:
    return {
        "tag": line.tag,
        "unit": line.unit,
        "readings": line.readings,
        "first": line.first.isoformat(),
        "last": line.last.isoformat(),
        "least": line.least,
        "median": line.median,
        "most": line.most,
        "not_good": line.not_good,
    }


def _time(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return microseconds(instant(text))
    except ValueError as error:
        raise UserError(f"{text!r} is no time ({error}); write it like 2026-06-01T08:00:00+08:00") from error
