"""`cytoloop alarm`: what the equipment of batches asks attention for, and acknowledging it."""

from pathlib import Path

import typer

from cytoloop.app.acknowledging import acknowledge, alarm_to_acknowledge
from cytoloop.app.acts import refusing
from cytoloop.app.names import ALARM_KINDS, ALARM_STATES, named
from cytoloop.app.records import readable_record
from cytoloop.app.views import Shelf
from cytoloop.app.views_alarms import AlarmLine, alarm_lines
from cytoloop.cli.acting import acting, show_what_is_signed
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import number, out, plain, say_json, table
from cytoloop.cli.signer import AS, signer
from cytoloop.core.json import JSON

app = typer.Typer(help="Alarms of the equipment of batches.", no_args_is_help=True)


@app.command("list")
def listed(
    batch: str | None = typer.Option(None, "--batch", metavar="NUMBER", help="Of this batch only."),
    every: bool = typer.Option(False, "--all", help="Also those that are over and acknowledged."),
    data: Path | None = DATA,
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Alarms that still ask for somebody: active, or not acknowledged."""
    with readable_record(newest(data)) as ledger:
        shelf = Shelf(ledger)
        batches = [shelf.batch(batch)] if batch else shelf.batches()
        lines = [each for one in batches for each in alarm_lines(one) if every or each.state != "over"]
    if json:
        say_json([_document(each) for each in lines])
        return
    shown = table(None, "batch", "alarm", "what", ">value", "raised", "state")
    for each in lines:
        shown.add_row(
            each.batch, plain(each.alarm), f"{named(ALARM_KINDS, each.kind).en}{_limits(each)}, {each.priority}",
            "" if each.value is None else f"{number(each.value, 3)} {each.unit}", f"{each.raised_at:%m-%d %H:%M}",
            named(ALARM_STATES, each.state).en,
        )  # fmt: skip
    out.print(shown if lines else "no alarm asks for anybody", highlight=False)


@app.command("acknowledge")
def acknowledged(
    batch: str = typer.Argument(..., help="Batch number."),
    alarm: str = typer.Argument(..., help="Name of the alarm, as `cytoloop alarm list` has it."),
    why: str = typer.Option(..., "--why", metavar="TEXT", help="What is done about it.", prompt="What is done"),
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Say that you have seen an alarm and what is done about it, and sign; it is active until the process is back."""
    with acting(data) as desk:
        with refusing(desk.people.registrar, "acknowledge-alarm", f"batch/{batch}"):
            seen = alarm_to_acknowledge(desk.ledger, batch, alarm, why)
        show_what_is_signed(seen.content, seen.digest)
        acknowledge(desk.people, signer(user), seen)
    out.print(f"alarm {plain(alarm)} is acknowledged", highlight=False, soft_wrap=True)


def _limits(line: AlarmLine) -> str:
    limits = ["" if each is None else f"{each:g}" for each in (line.low, line.high)]
    return f" ({limits[0]} … {limits[1]})" if any(limits) else ""


def _document(line: AlarmLine) -> JSON:
    return {
        "alarm": line.alarm,
        "batch": line.batch,
        "tag": line.tag,
        "kind": line.kind,
        "priority": line.priority,
        "state": line.state,
        "since": line.since.isoformat(),
        "raised_at": line.raised_at.isoformat(),
        "cleared_at": line.cleared_at.isoformat() if line.cleared_at else None,
        "value": line.value,
        "unit": line.unit,
        "low": line.low,
        "high": line.high,
        "acknowledged_by": line.signature.signer if line.signature else None,
        "reason": line.reason,
    }
