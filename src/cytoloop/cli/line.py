"""`cytoloop line`: production with real people on this machine."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from cytoloop.adapters.clocks import ScaledClock, kept_clock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.bootstrap import simulated_site, writable_record
from cytoloop.app.committing import journal_of
from cytoloop.app.historian import writable_telemetry
from cytoloop.app.live import LiveLine
from cytoloop.app.live_site import POLL_SECONDS, demand_fresh, in_production, make_batches, screens, take_in
from cytoloop.app.packs import read_pack
from cytoloop.app.permissions import role_named
from cytoloop.app.plant import clock_of
from cytoloop.app.records import holds_record, readable_record
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, plain
from cytoloop.core.batch import Batch
from cytoloop.production.pack import Pack

app = typer.Typer(help="A line with real people: they answer on the pages, or at a console.", no_args_is_help=True)

SECONDS = 3600.0
"""In an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a line was asked to do."""

    folder: Path
    pack: Pack
    factor: float
    patients: int
    seed: int
    roles: tuple[str, ...]
    """Whose people answer at screens; empty: everybody's."""
    until_done: bool


@app.command("run")
def run(
    data: Path | None = DATA,
    pack: str = typer.Option("car_t_cd19", help="Pack: the name of a shipped one, or a folder."),
    plant: str | None = typer.Option(
        None, metavar="ENDPOINT", help="Drive equipment behind OPC UA (`cytoloop plant serve`); else it is simulated."
    ),
    realtime: float = typer.Option(
        1.0, min=0.001, metavar="FACTOR", help="How many times as fast as the wall time passes: for trials."
    ),
    patients: int = typer.Option(
        0, min=0, max=50, help="First make batches of so many invented patients, in a record that has none."
    ),
    seed: int = typer.Option(1, min=0, help="Seed of invented patients, and of noise and faults of the simulation."),
    screen: list[str] | None = typer.Option(
        None,
        metavar="ROLE",
        help="Role whose people answer at screens, the others scripted; more than once for several. Left out: "
        "everybody's; with --patients: the operator's.",
    ),
    until_done: bool = typer.Option(False, "--until-done", help="End when no batch is in production any more."),
) -> None:
    """Carry every batch in production until Ctrl-C. People answer elsewhere: `cytoloop serve`, `cytoloop work`."""
    roles = tuple(role_named(each) for each in screen or (["operator"] if patients else []))
    asked = Asked(
        folder=newest(data),
        pack=read_pack(pack),
        factor=realtime,
        patients=patients,
        seed=seed,
        roles=roles,
        until_done=until_done,
    )
    asyncio.run(_run(asked, plant))


async def _run(asked: Asked, plant: str | None) -> None:
    if plant is None:
        await _line(asked, _clock(asked), None)
        return
    door = OpcUaDoor(endpoint=plant, poll=POLL_SECONDS)
    try:
        await _line(asked, await clock_of(door, asked.factor), door)
    finally:
        await door.close()


def _clock(asked: Asked) -> ScaledClock:
    """From now on; from the newest entry on, when a faster line has left it ahead of the wall."""
    now = ScaledClock().now()
    if holds_record(asked.folder):
        with readable_record(asked.folder) as ledger, suppress(StopIteration):
            size = ledger.head().size
            now = max(now, next(ledger.entries(max(0, size - 1))).entry.recorded_at)
    return ScaledClock(now, asked.factor)


async def _line(asked: Asked, clock: ScaledClock, plant: OpcUaDoor | None) -> None:
    folder, poll = asked.folder, POLL_SECONDS * asked.factor / SECONDS
    with (
        writable_record(folder, clock) as ledger,
        kept_clock(folder, clock),
        journal_of(ledger, clock) as journal,
        writable_telemetry(folder) as telemetry,
    ):
        made: tuple[Batch, ...] = ()
        if asked.patients:
            made = await make_batches(ledger, clock.now(), asked.pack, folder, seed=asked.seed, count=asked.patients)
        batches = in_production(ledger)
        if plant is None:
            demand_fresh(batches)
        site = simulated_site(
            ledger,
            clock,
            asked.pack,
            folder,
            seed=asked.seed,
            plant=plant,
            journal=journal,
            telemetry=telemetry,
            screens=screens(ledger, clock, poll, asked.roles),
        )
        await take_in(site, made if plant is not None else batches)
        whose = ", ".join(asked.roles) or "everybody"
        _tell(f"line: {len(batches)} in production; answers from screens: {whose}   (Ctrl-C stops)")
        await LiveLine(site=site, look=poll, tell=_tell).run(until_done=asked.until_done)


def _tell(text: str) -> None:
    out.print(plain(text), highlight=False, soft_wrap=True)
