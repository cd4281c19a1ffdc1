"""`cytoloop twin calibrate | forecast | propose`: a process scientist's own tables, or a dataset that was exported."""

from pathlib import Path

import typer

from cytoloop.app.tables_twin import Asked, Calibrated, Foretold, calibrated, foretold, proposed, write_twin
from cytoloop.cli.output import number, out, plain, progress, say_json, table
from cytoloop.core.facts.feedback import Interval
from cytoloop.core.json import JSON
from cytoloop.feedback.proposal.propose import NoProposal, Proposal

FOLDER = typer.Argument(..., metavar="DIR", help="Folder of tables: parameters, trajectories, batches, results.")
PACK = typer.Option("car_t_cd19", help="Pack whose twin, recipe and specification are meant.")
PRODUCT = typer.Option(None, help="The product that is learned from, where the tables hold several.")
WITHOUT = typer.Option([], metavar="BATCH", help="Hold this batch out; again for more.")
SEED = typer.Option(1, min=0, help="Seed of what is drawn.")
WEIGHT = typer.Option(70.0, min=1.0, help="The patient's weight in kg, for limits per kilogram.")
JSON_TOO = typer.Option(False, "--json", help="Say it as JSON.")


def calibrate(
    folder: Path = FOLDER,
    pack: str = PACK,
    product: str | None = PRODUCT,
    without: list[str] = WITHOUT,
    file: Path | None = typer.Option(None, "--out", metavar="FILE", help="Write the twin, to forecast with."),
    seed: int = SEED,
    json: bool = JSON_TOO,
) -> None:
    """Fit the twin on batches in tables; each is foretold by the others, so that the error is one of unseen batches."""
    found = _fitted(Asked(folder=folder, pack=pack, product=product, without=tuple(without), seed=seed))
    if file is not None:
        write_twin(found.fit.twin, pack, file)
    say_json(_document(found)) if json else _show(found, file)


def forecast(
    folder: Path = FOLDER,
    batch: str = typer.Argument(..., metavar="BATCH", help="The batch, which the twin was not fitted on."),
    at: float = typer.Option(..., "--at", min=0.0, metavar="HOUR", help="Hour of the culture; nothing later is used."),
    twin: Path = typer.Option(..., "--twin", metavar="FILE", help="The twin, as `calibrate --out` wrote it."),
    product: str | None = PRODUCT,
    weight: float = WEIGHT,
    seed: int = SEED,
    json: bool = JSON_TOO,
) -> None:
    """Forecast one batch from what was known at an hour of its culture, beside what came where that is known."""
    asked = Asked(folder=folder, product=product, seed=seed)
    found = foretold(asked, batch, at, twin, weight=weight)
    say_json(_forecast_document(found)) if json else _show_forecast(found, batch, at)


def propose(
    folder: Path = FOLDER,
    pack: str = PACK,
    product: str | None = PRODUCT,
    weight: float = WEIGHT,
    seed: int = SEED,
    json: bool = JSON_TOO,
) -> None:
    """Say what move of the recipe the tables' batches speak for, with its expected effects; or why none. Advice."""
    asked = Asked(folder=folder, pack=pack, product=product, seed=seed)
    learned = _fitted(asked)
    found = proposed(asked, learned, weight=weight)
    if isinstance(found, NoProposal):
        say_json({"proposal": None, "reason": found.reason.en}) if json else out.print(
            f"nothing is proposed: {plain(found.reason.en)}", highlight=False, soft_wrap=True
        )
        return
    say_json(_proposal_document(found)) if json else _show_proposal(found)


def _fitted(asked: Asked) -> Calibrated:
    with progress() as bars:
        bar = bars.add_task("calibrate", total=1)
        found = calibrated(asked)
        bars.advance(bar)
    return found


def _show(found: Calibrated, file: Path | None) -> None:
    for note in found.notes:
        out.print(f"note: {plain(note.en)}", highlight=False, soft_wrap=True)
    out.print(f"twin fitted on {found.batches} batches", highlight=False)
    fit = found.fit
    if fit.error is not None and fit.coverage is not None:
        out.print(
            f"each batch foretold by the others, 60 h ahead: mean relative error of viable cells {fit.error:.1%}, "
            f"{fit.coverage:.0%} of results inside their 90 % intervals", highlight=False, soft_wrap=True,
        )  # fmt: skip
    if fit.unidentified:
        said = f"the batches say little of: {', '.join(fit.unidentified)} (there the pack's figures stand)"
        out.print(said, highlight=False, soft_wrap=True)
    if file is not None:
        out.print(
            f"twin version {fit.twin.version}, {fit.twin.sha256[:16]}…, in {file}", highlight=False, soft_wrap=True
        )


def _document(found: Calibrated) -> dict[str, JSON]:
    fit = found.fit
    return {
        "twin": fit.twin.key, "batches": list(fit.twin.batches), "error": fit.error, "coverage": fit.coverage,
        "unidentified": list(fit.unidentified), "notes": [note.en for note in found.notes],
        "figures": {name: list(pair) for name, pair in fit.twin.figures().items()},
    }  # fmt: skip


def _show_forecast(found: Foretold, batch: str, at: float) -> None:
    made = found.forecast.made
    trusted = "" if found.forecast.trusted else "; NOT to be trusted: the twin does not describe this batch so far"
    out.print(f"{batch} at hour {at:g}, harvest at hour {found.harvest_at:g}{trusted}", highlight=False, soft_wrap=True)
    shown = table(None, "attribute", ">expected", ">90 % interval", "unit", ">came")
    for name, each in made.quantities.items():
        span = f"{each.low:.3g} … {each.high:.3g}"
        shown.add_row(name, f"{each.median:.3g}", span, each.unit, _came(found, name))
    out.print(shown)
    out.print(f"probability in specification: {made.in_specification:.0%}", highlight=False)
    if found.count is not None:
        hour, value = found.count
        out.print(f"last count of viable cells: {value:.3g} 1e6 cells/mL at hour {hour:g}", highlight=False)


def _came(found: Foretold, name: str) -> str:
    return number(found.product.get(name), 3) if name in found.product else "–"


def _forecast_document(found: Foretold) -> dict[str, JSON]:
    made = found.forecast.made
    return {
        "twin": made.twin, "at": made.elapsed, "harvest_at": found.harvest_at, "trusted": found.forecast.trusted,
        "quantities": {name: _interval(each) for name, each in made.quantities.items()},
        "in_specification": made.in_specification, "came": dict(found.product),
        "last_count": list(found.count) if found.count else None,
    }  # fmt: skip


def _interval(each: Interval) -> JSON:
    return {"low": each.low, "median": each.median, "high": each.high, "unit": each.unit}


def _show_proposal(found: Proposal) -> None:
    for move in found.moves:
        out.print(f"proposed: {move.parameter} {move.old:g} -> {move.new:g} {move.unit}", highlight=False)
    out.print(
        f"probability in specification {found.before:.0%} -> {found.after:.0%}; evidence: {', '.join(found.batches)}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    shown = table(None, "attribute", ">median change", ">90 % interval", "unit")
    for name, each in found.predicted.items():
        shown.add_row(name, f"{each.median:+.3g}", f"{each.low:+.3g} … {each.high:+.3g}", each.unit)
    out.print(shown)
    out.print(f"risk: {plain(found.risk.en)}", highlight=False, soft_wrap=True)


def _proposal_document(found: Proposal) -> dict[str, JSON]:
    moves: list[JSON] = [
        {"parameter": move.parameter, "old": move.old, "new": move.new, "unit": move.unit} for move in found.moves
    ]
    return {
        "proposal": {"moves": moves, "predicted": {name: _interval(each) for name, each in found.predicted.items()}},
        "before": found.before, "after": found.after, "risk": found.risk.en, "batches": list(found.batches),
    }  # fmt: skip
