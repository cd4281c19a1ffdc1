"""`cytoloop simulate`: a whole facility on seeded dice, with faults, held to its invariants."""

from time import perf_counter

import typer

from cytoloop.adapters.faulty.faults import FAULTS
from cytoloop.app.simulation.running import PACK, Asked, Tally, many, simulated
from cytoloop.app.simulation.world import Ended
from cytoloop.cli.output import err, out, say_json, table


def simulate(
    seeds: int = typer.Option(200, min=1, help="Worlds to simulate, one for each seed."),
    first: int = typer.Option(1, min=0, help="The first seed."),
    seed: int | None = typer.Option(None, min=0, help="Simulate this seed alone."),
    batches: int = typer.Option(4, min=1, max=50, help="Batches in each world, on shared equipment."),
    faults: str = typer.Option(
        "all", metavar="KINDS", help="Kinds of faults, with commas; --list names them. `none`: nothing goes wrong."
    ),
    rate: float = typer.Option(1.0, min=0.0, help="Factor of every fault's rate."),
    full: bool = typer.Option(
        False, "--full", help="With biology and patients, from the order to the administration: a hundred times slower."
    ),
    pack: str = typer.Option(PACK, help="Pack: the name of a shipped one, or a folder."),
    processes: int = typer.Option(1, min=1, max=64, help="Processes that share the seeds."),
    trace: bool = typer.Option(False, "--trace", help="Tell everything that happens; needs --seed."),
    every: bool = typer.Option(False, "--list", help="List the kinds of faults with their rates, and do nothing."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Simulate whole facilities, each from one seed, with faults; a violated invariant ends with exit code 1.

    A seed replays bit for bit: the same entries, the same tree head. What fails is told with the command to replay it.
    """
    if every:
        return _list()
    kinds = tuple(each.strip() for each in faults.split(","))
    asked = Asked(batches=batches, kinds=kinds, factor=0.0 if faults == "none" else rate, full=full, pack=pack)
    if seed is not None:
        return _one(asked, seed, trace=trace, json=json)
    began, tally = perf_counter(), Tally()
    for ended in many(asked, range(first, first + seeds), processes):
        tally.add(ended)
        if ended.violation is not None:
            _failed(asked, ended)
    if json:
        say_json(tally.document())
    else:
        _show(tally, perf_counter() - began)
    if tally.violated:
        raise typer.Exit(1)
    return None


def _one(asked: Asked, seed: int, *, trace: bool, json: bool) -> None:
    ended, tally = simulated(asked, seed, traced=trace), Tally()
    tally.add(ended)
    for line in ended.trace:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if json:
        say_json({**tally.document(), "tree_head": ended.head.root.hex() if ended.head else None})
    elif ended.violation is None:
        head = ended.head.root.hex() if ended.head else ""
        out.print(f"seed {seed}: {ended.entries} entries, tree head {head}", highlight=False, soft_wrap=True)
    if ended.violation is not None:
        _failed(asked, ended)
        raise typer.Exit(1)


def _failed(asked: Asked, ended: Ended) -> None:
    err.print(f"seed {ended.seed} violated {ended.violation}", markup=False, highlight=False, soft_wrap=True)
    err.print(f"  replay it: {asked.words(ended.seed)}", markup=False, highlight=False, soft_wrap=True)


def _show(tally: Tally, seconds: float) -> None:
    sums = tally.sums
    shown = table(f"{tally.seeds} worlds in {seconds:.1f} s", "", ">")
    for name in ("batches", "released", "rejected", "aborted", "held", "entries", "effects", "lives"):
        shown.add_row("lives of the platform" if name == "lives" else name, f"{sums[name]:,}")
    out.print(shown)
    met = table("Faults", "kind", ">times")
    for kind, times in sorted(tally.faults.items()):
        met.add_row(kind, f"{times:,}")
    if tally.faults:
        out.print(met)
    verdict = f"{len(tally.violated)} seeds violated an invariant" if tally.violated else "every invariant held"
    out.print(f"{sums['batches'] * 60 / seconds:,.0f} batches a minute; {verdict}", highlight=False)


def _list() -> None:
    shown = table("Faults", "kind", "where", ">rate", "of each", "what happens")
    for each in FAULTS:
        shown.add_row(each.kind, each.place, f"{each.rate:g}", each.per, each.what)
    out.print(shown)
