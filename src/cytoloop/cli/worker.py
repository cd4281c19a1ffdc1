"""`cytoloop worker`: carries the batches of a shared record, beside other workers."""

import asyncio
import logging
import signal
from pathlib import Path

import typer

from cytoloop.adapters.engine import Pulse
from cytoloop.app.settings import FILE, Settings, read_settings
from cytoloop.app.working import PATIENCE
from cytoloop.app.workplace import MOST, Asked, run_worker
from cytoloop.cli.output import out
from cytoloop.cli.store import prepare
from cytoloop.core.errors import UserError

TAKE_OVER = Pulse().dead
QUIET = ("asyncua", "procrastinate", "psycopg.pool", "asyncio")
"""What these have to say is said in one sentence of our own."""


def worker(
    data: Path = typer.Option(..., "--data", metavar="DIR", help="This worker's own data folder; made when not there."),
    plant: str = typer.Option(..., metavar="URL", help="Endpoint of the equipment: opc.tcp://host:4840/cytoloop."),
    store: str | None = typer.Option(
        None, metavar="URL", help="The shared record: postgresql://role@host:port/database; for a new folder."
    ),
    concurrency: int = typer.Option(MOST, min=1, help="Batches carried at once."),
    patience: float = typer.Option(
        PATIENCE, min=0.0, metavar="HOURS", help="How long a batch may wait here before it is given back till its time."
    ),
    take_over: float = typer.Option(
        TAKE_OVER,
        min=2.0,
        metavar="SECONDS",
        help="Without a sign of life for so long, a worker is given up by this one.",
    ),
    scripted_people: bool = typer.Option(
        False, "--scripted-people", help="Invented people answer, for a demonstration; else people at screens do."
    ),
    factor: float = typer.Option(1.0, min=0.001, help="How many times as fast as the wall a simulated plant runs."),
) -> None:
    """Carry the batches of a shared record until Ctrl-C; as many workers as wanted, on as many machines."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    _folder(data, store)
    asked = Asked(
        folder=data,
        plant=plant,
        scripted=scripted_people,
        factor=factor,
        most=concurrency,
        patience=patience,
        pulse=Pulse.of(take_over),
    )
    asyncio.run(_until_stopped(asked))


def _folder(data: Path, store: str | None) -> None:
    """Make the folder when it has no settings; UserError when it belongs to another record."""
    if not (data / FILE).exists():
        if store is None:
            raise UserError(f"{data} has no settings yet; name the shared record with --store postgresql://...")
        prepare(data, Settings(store=store, telemetry="part"))
    elif store is not None and read_settings(data).store != store:
        raise UserError(
            f"{data} belongs to another record (see {data / FILE}); leave --store out, or name a new folder"
        )


async def _until_stopped(asked: Asked) -> None:
    """Run until SIGTERM or Ctrl-C, which hand the batches over."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await run_worker(asked, _say, stop)
    _say("worker: stopped; its batches go on elsewhere, or here when it is started again")


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True, markup=False)
