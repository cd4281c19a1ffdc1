"""`cytoloop bench`: figures measured on this machine, now, beside their peers."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from cytoloop.bench.frame import Options, Row, document, machine
from cytoloop.bench.peers import Peers, cache_folder
from cytoloop.cli.output import err, out, say_json, table
from cytoloop.core.json import JSON

app = typer.Typer(help="Measure this machine; peers live in environments of their own.", no_args_is_help=True)

MET = {True: "yes", False: "no", None: ""}


@app.callback()
def _group() -> None:
    """Measure this machine; peers live in environments of their own."""


QUICK = typer.Option(False, "--quick", help="Small and without peers: some seconds, to see that it works.")
JSON_TOO = typer.Option(False, "--json", help="Say it as JSON.")
SEED = typer.Option(1, min=0, help="Seed of what is drawn.")
PEERS = typer.Option(None, metavar="DIR", help="Where peers' environments are kept.")
PARTS = "Only this part: simulation, control, forecast, claim, learning, campaign or optimise. May be repeated."
SCRATCH = typer.Option(Path(), metavar="DIR", help="A folder on the disk to measure; here if left out.")


@app.command("record")
def record(
    quick: bool = QUICK,
    json: bool = JSON_TOO,
    seed: int = SEED,
    peers: Path | None = PEERS,
    scratch: Path = SCRATCH,
) -> None:
    """Measure the record: durable appends, groups of them, reading back, verification, telemetry, kills, backup."""
    from cytoloop.bench.record import rows  # noqa: PLC0415  (other commands need not load what is measured)

    _measure(rows, quick=quick, json=json, seed=seed, peers=peers, scratch=scratch)


@app.command("production")
def production(
    quick: bool = QUICK,
    json: bool = JSON_TOO,
    seed: int = SEED,
    peers: Path | None = PEERS,
    scratch: Path = SCRATCH,
) -> None:
    """Measure production: batches in flight, what a step costs, OPC UA changes, a facility's day, faulty batches."""
    from cytoloop.bench.production import rows  # noqa: PLC0415  (other commands need not load what is measured)

    _measure(rows, quick=quick, json=json, seed=seed, peers=peers, scratch=scratch)


@app.command("feedback")
def feedback(
    part: list[str] = typer.Option([], "--part", metavar="PART", help=PARTS),
    quick: bool = QUICK,
    json: bool = JSON_TOO,
    seed: int = SEED,
    peers: Path | None = PEERS,
    scratch: Path = SCRATCH,
) -> None:
    """Measure data feedback: optimiser, control, forecast, simulations, claims, small samples, virtual batches."""
    from cytoloop.bench.feedback import chosen  # noqa: PLC0415  (other commands need not load what is measured)

    _measure(chosen(part), quick=quick, json=json, seed=seed, peers=peers, scratch=scratch)


def _measure(
    rows: Callable[[Options], list[Row]], *, quick: bool, json: bool, seed: int, peers: Path | None, scratch: Path
) -> None:
    before, others = machine(), Peers(None if quick else peers or cache_folder())
    with TemporaryDirectory(prefix="cytoloop-bench-", dir=scratch) as folder:
        options = Options(scratch=Path(folder), peers=others, quick=quick, seed=seed, tick=_tick)
        measured = rows(options)
    for note in others.notes:
        err.print(f"[yellow]note:[/] {note}", highlight=False, soft_wrap=True)
    if json:
        say_json(document(measured, options, before))
    else:
        _show(measured, before)


def _tick(what: str) -> None:
    err.print(f"[dim]{what} …[/]", highlight=False)


def _show(rows: list[Row], before: dict[str, JSON]) -> None:
    shown = table(_told(before), "", "what", ">value", "", "peer", ">peer's", ">ratio", "goal", "met")
    for each in rows:
        peer = "" if each.peer is None else _number(each.peer_value) or "not available"
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}x"
        shown.add_row(
            each.id, each.what, _number(each.value), each.unit, each.peer or "", peer, ratio, each.goal, MET[each.met]
        )
    out.print(shown)


def _told(before: dict[str, JSON]) -> str:
    return f"{before['processor']}, {before['cores']} cores, {before['system']}, Python {before['python']}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
