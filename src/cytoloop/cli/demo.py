"""`cytoloop demo`: the main job. Patients' orders through the loop twice, then the pages."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import typer

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.security import Access
from cytoloop.app.demo import ARMS, START, Demonstration, demonstrate, drawn_patients, patients_of
from cytoloop.app.importing import import_fhir, imported_subjects, subjects_of
from cytoloop.app.line import Patient, Tick
from cytoloop.app.packs import read_pack
from cytoloop.app.plant import clock_of, equipment_of
from cytoloop.app.records import holds_record, writable_record
from cytoloop.app.settings import Settings
from cytoloop.cli.connection import MODE, PASSWORD_FILE, POLICY, SECURITY, USER
from cytoloop.cli.data import fresh
from cytoloop.cli.output import err, number, out, progress, table, write_json
from cytoloop.cli.record import serve_folder
from cytoloop.cli.store import STORE, prepare
from cytoloop.core.errors import UserError
from cytoloop.production.pack import Pack
from cytoloop.record.ledger import Ledger

PATIENTS = 12
POLL = 0.02
"""Seconds between two looks at a command of a plant behind OPC UA: its clock may run very fast."""


def demo(
    patients: int | None = typer.Option(None, min=1, max=500, help="Patients: 12, or all of an import."),
    seed: int = typer.Option(1, min=0, help="Seed of donors, noise, faults and people."),
    data: Path | None = typer.Option(None, metavar="DIR", help="Data folder: a new one under cytoloop-data/."),
    json: Path | None = typer.Option(None, metavar="FILE", help="Write the comparison as JSON."),
    pack: str = typer.Option("car_t_cd19", help="Pack: the name of a shipped one, or a folder."),
    patients_from: Path | None = typer.Option(
        None, metavar="DIR", help="Patients of an import (`cytoloop import fhir`), or a folder of FHIR R4 files."
    ),
    realtime: float | None = typer.Option(
        None, min=0.001, metavar="FACTOR", help="Run on the wall clock, FACTOR times as fast, not in simulated time."
    ),
    plant: str | None = typer.Option(
        None, metavar="ENDPOINT", help="Drive a facility behind OPC UA (`cytoloop plant serve`); needs --realtime."
    ),
    security: Path | None = SECURITY,
    policy: str = POLICY,
    mode: str = MODE,
    user: str = USER,
    password_file: Path | None = PASSWORD_FILE,
    store: str | None = STORE,
    serve: bool = typer.Option(True, help="Serve the pages afterwards."),
    port: int = typer.Option(8818, min=0, max=65535, help="Port of the pages; 0 for any free one."),
) -> None:
    """Take patients' orders through the loop twice on the same donors: the fixed recipe, then the closed loop."""
    began = perf_counter()
    loaded, folder = read_pack(pack), data or fresh(f"demo-seed{seed}")
    if holds_record(folder) and patients_from != folder:
        raise UserError(f"{folder} holds a record already; name an empty folder, or leave --data out")
    if plant is not None and realtime is None:
        raise UserError("a plant runs in its own time: name its factor with --realtime")
    if store is not None:
        prepare(folder, Settings(store=store), empty=True)
    asked = Asked(folder=folder, pack=loaded, seed=seed, patients=patients, source=patients_from)
    access = Access(folder=security, policy=policy, mode=mode, user=user, password_file=password_file)
    result = asyncio.run(_run(asked, realtime, plant, access))
    seconds = perf_counter() - began
    _show(result, folder, seconds)
    if json is not None:
        write_json(result.document(seconds), json)
    if serve:
        serve_folder(folder, "127.0.0.1", port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a demonstration was asked to do."""

    folder: Path
    pack: Pack
    seed: int
    patients: int | None
    source: Path | None


async def _run(asked: Asked, realtime: float | None, plant: str | None, access: Access) -> Demonstration:
    if plant is None or realtime is None:
        clock = SimulatedClock(START) if realtime is None else ScaledClock(START, realtime)
        return await _demonstrate(asked, clock, None)
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what goes wrong is said in one sentence of our own
    door = OpcUaDoor(endpoint=plant, poll=POLL, access=access, plant=asked.pack.plant, tell=_told)
    try:
        await door.open(equipment_of(asked.pack.plant))
        return await _demonstrate(asked, await clock_of(door, realtime), door)
    finally:
        await door.close()


def _told(text: str) -> None:
    err.print(f"[yellow]note:[/] {text}", highlight=False)


async def _demonstrate(asked: Asked, clock: SimulatedClock | ScaledClock, plant: OpcUaDoor | None) -> Demonstration:
    with writable_record(asked.folder, clock) as ledger, progress() as bars:
        people = _patients(ledger, clock, asked)
        tasks = {arm: bars.add_task(f"{arm.replace('_', ' '):12}", total=len(people)) for arm in ARMS}

        def told(arm: str) -> Tick:
            return lambda _: bars.advance(tasks[arm])

        return await demonstrate(
            ledger, clock, asked.pack, asked.folder, seed=asked.seed, patients=people, progress=told, plant=plant
        )


def _patients(ledger: Ledger, clock: SimulatedClock | ScaledClock, asked: Asked) -> list[Patient]:
    source, seed, count = asked.source, asked.seed, asked.patients
    if source is None:
        return drawn_patients(seed, count or PATIENTS)
    if holds_record(source) and source != asked.folder:
        return patients_of(subjects_of(source), seed, count)
    if not holds_record(source):
        for warning in import_fhir(ledger, clock, asked.folder, source).warnings:
            err.print(f"[yellow]note:[/] {warning}", highlight=False)
    return patients_of(imported_subjects(ledger), seed, count)


def _show(result: Demonstration, folder: Path, seconds: float) -> None:
    fixed, loop = (result.arms[arm] for arm in ARMS)
    shown = table(
        f"{result.patients} patient{'s' * (result.patients > 1)}, seed {result.seed}: the same donors on two lines",
        "",
        ">fixed recipe",
        ">closed loop",
    )
    shown.add_row("batches", str(fixed.batches), str(loop.batches))
    shown.add_row("released in specification", str(fixed.released), str(loop.released))
    shown.add_row(
        "viable CAR+ cells, median (1e6)",
        number(fixed.viable_car_cells_median),
        number(loop.viable_car_cells_median),
    )
    shown.add_row(
        "days vein to vein, median", number(fixed.vein_to_vein_days_median), number(loop.vein_to_vein_days_median)
    )
    shown.add_row("deviations", str(fixed.deviations), str(loop.deviations))
    shown.add_row("set-points moved in running batches", str(fixed.moves), str(loop.moves))
    shown.add_row("recipe version at the end", str(fixed.recipe_version), str(loop.recipe_version))
    out.print(shown)
    out.print(
        f"record: {result.entries:,} entries, tree head {result.tree_head[:16]}…, {seconds:.0f} s", highlight=False
    )
    told = f"data:   {folder}   (cytoloop verify {folder}; cytoloop batch list --data {folder})"
    out.print(told, highlight=False, soft_wrap=True)
