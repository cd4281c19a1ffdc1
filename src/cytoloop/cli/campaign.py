"""`cytoloop campaign`: thousands of virtual batches on every core, or on a cluster."""

from pathlib import Path
from typing import cast, get_args

import typer

from cytoloop.adapters.processes import cores
from cytoloop.app.campaign import On, Subject, workers_of
from cytoloop.app.campaign_files import Begun, Finished, begin, carry, resumed
from cytoloop.app.campaign_tables import IN_ALL
from cytoloop.cli.data import fresh
from cytoloop.cli.output import err, number, out, progress, say_json, table
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.feedback.in_silico.plan import CampaignPlan, Design

app = typer.Typer(help="In-silico campaigns: virtual batches by the thousand.", no_args_is_help=True)

SHOWN = 30
"""Rows of effects that the table shows; all are in the files."""
LEAST = 0.005
"""Share of variance that an effect has for certain, to be shown."""


@app.callback()
def _group() -> None:
    """In-silico campaigns: virtual batches by the thousand."""


@app.command("run")
def run(
    batches: int = typer.Option(10_000, min=10, help="Virtual batches."),
    pack: str = typer.Option("car_t_cd19", help="Pack: the name of a shipped one, or a folder."),
    factor: list[str] = typer.Option(
        [], metavar="NAME=LOW:HIGH", help="A parameter of the recipe that is varied; again for more."
    ),
    design: str = typer.Option("sobol", help="sobol, grid or optimise."),
    levels: int = typer.Option(3, min=2, max=50, help="Levels of each factor in a grid."),
    rounds: int = typer.Option(20, min=3, help="Rounds of an optimisation."),
    on: str = typer.Option("plant", help="plant (the simulated facility's cells) or twin (the pack's)."),
    donors: int | None = typer.Option(None, min=1, help="Take donors from a pool of so many, in turn."),
    weight: float = typer.Option(70.0, min=1.0, help="Patients' weight in kg, for limits per kilogram."),
    faults: bool = typer.Option(True, "--faults/--no-faults", help="Whether the facility's equipment fails at times."),
    seed: int = typer.Option(1, min=0, help="Seed of donors, luck and design."),
    folder: Path | None = typer.Option(None, "--out", metavar="DIR", help="New folder for the tables."),
    workers: int | None = typer.Option(None, min=1, help="Processes; as many as there are cores if left out."),
    address: str | None = typer.Option(None, "--cluster", metavar="ADDRESS", help="Dask scheduler, tcp://host:port."),
    resume: Path | None = typer.Option(None, metavar="DIR", help="Go on with a campaign that was stopped."),
    parquet: bool = typer.Option(False, "--parquet", help="Batches as Parquet (extra 'parquet') in place of CSV."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Run a campaign of virtual batches: who of the donors ends in specification, with what yield, and what moves it.

    The same plan and seed give the same batches, however many workers there are and whatever was stopped in between.
    """
    if resume is not None:
        begun = resumed(resume)
    else:
        space = dict(_factor(each) for each in factor)
        subject = Subject(pack=pack, on=_on(on), weight=weight, faults=faults)
        plan = CampaignPlan(
            batches=batches, space=space, design=_design(design), levels=levels, rounds=rounds, donors=donors, seed=seed
        )  # fmt: skip
        begun = begin(folder or fresh("campaign"), subject, plan)
    done = _carried(begun, workers or cores(), address, parquet=parquet)
    say_json(_document(done)) if json else _show(done)


def _carried(begun: Begun, workers: int, address: str | None, *, parquet: bool) -> Finished:
    try:
        with workers_of(workers, address) as those, progress() as bars:
            bar = bars.add_task("virtual batches", total=begun.plan.batches)
            return carry(begun, those, lambda count: bars.advance(bar, count), parquet=parquet)
    except BaseException as error:
        if begun.folder.exists() and not isinstance(error, UserError):
            err.print(
                f"{begun.done:,} of {begun.plan.batches:,} batches are kept; go on: "
                f"cytoloop campaign run --resume {begun.folder}", highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip
        raise


def _factor(text: str) -> tuple[str, tuple[float, float]]:
    name, _, span = text.partition("=")
    low, _, high = span.partition(":")
    try:
        return name.strip(), (float(low), float(high))
    except ValueError as error:
        raise UserError(
            f"--factor {text!r} cannot be read; write NAME=LOW:HIGH, such as expansion.perfusion_rate=0.5:1.5"
        ) from error


def _on(text: str) -> On:
    if text not in get_args(On):
        raise UserError(f"--on {text!r}: virtual batches run on {' or '.join(get_args(On))}")
    return cast(On, text)


def _design(text: str) -> Design:
    if text not in get_args(Design):
        raise UserError(f"--design {text!r} is none; choose {', '.join(get_args(Design))}")
    return cast(Design, text)


def _document(done: Finished) -> dict[str, JSON]:
    return {
        "folder": str(done.folder), "batches": done.batches, "summary": list(done.summary),
        "effects": list(done.effects), "manifest": dict(done.manifest),
    }  # fmt: skip


def _show(done: Finished) -> None:
    shares = table(f"{done.batches:,} virtual batches", "in specification", ">share", ">90 % interval")
    for row in done.summary:
        if row["figure"] == IN_ALL:
            shares.add_row(
                str(row["attribute"]), _percent(row["value"]), f"{_percent(row['low'])} to {_percent(row['high'])}"
            )
    out.print(shares)
    spread = table("Quantiles over batches (90 % interval)", "", ">quantile", ">value", ">90 % interval")
    for row in done.summary:
        if row["figure"] != IN_ALL and row["attribute"] == "in_specification_yield":
            told = f"{number(_real(row['low']), 4)} to {number(_real(row['high']), 4)}"
            spread.add_row(str(row["attribute"]), str(row["figure"]), number(_real(row["value"]), 4), told)
    out.print(spread)
    _show_effects(done)
    out.print(f"tables: {done.folder}", highlight=False, soft_wrap=True)


def _show_effects(done: Finished) -> None:
    """The yield and the share, then what is moved for certain; all of it is in the files."""
    always = ("in_specification_yield", "in_specification")
    rows = [row for row in done.effects if row["attribute"] in always or _real(row["first_order_low"]) > LEAST]
    if not rows:
        return
    moved = table("What each factor moves", "", "factor", ">rank correlation", ">share of variance", ">90 % interval")
    for row in rows[:SHOWN]:
        span = f"{_percent(row['first_order_low'])} to {_percent(row['first_order_high'])}"
        moved.add_row(
            str(row["attribute"]), str(row["factor"]), f"{_real(row['rank_correlation']):+.2f}",
            _percent(row["first_order"]), span,
        )  # fmt: skip
    out.print(moved)


def _percent(value: JSON) -> str:
    return f"{_real(value):.1%}"


def _real(value: JSON) -> float:
    assert isinstance(value, int | float), "a number of the tables"
    return float(value)
