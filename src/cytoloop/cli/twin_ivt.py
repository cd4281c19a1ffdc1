"""`cytoloop twin fit` on the transcription tables: the parameters found, and how well they foretell."""

from collections.abc import Mapping
from pathlib import Path

from cytoloop.cli.output import number, out, progress, say_json, table
from cytoloop.core.json import JSON
from cytoloop.feedback.models.ivt import PARAMETERS
from cytoloop.feedback.published.ivt_fit import IvtFit, IvtScore, fit_ivt
from cytoloop.feedback.published.ivt_tables import published, read_runs


def fit_transcription(tables: Mapping[str, str], *, json: bool) -> None:
    """Fit, leave out in turn, and say it."""
    runs, paper = read_runs(tables), published(tables)
    with progress() as bars:
        task = bars.add_task("fit, and fit again without each run or table", total=1)
        found = fit_ivt(runs, paper)
        bars.advance(task)
    if json:
        say_json(_document(found))
    else:
        _show(found)


def _show(found: IvtFit) -> None:
    columns = ("table", "observable", ">runs", ">values", ">fitted", ">left out", ">published")
    shown = table("Mean relative error (absolute errors over what was measured)", *columns)
    for each in found.scores:
        paper = "" if each.published is None else f"{each.published:.1%}"
        told = f"{each.fitted:.1%}", f"{each.left_out:.1%}", paper
        shown.add_row(Path(each.table).stem, each.observable, str(each.runs), str(each.values), *told)
    out.print(shown)
    out.print(
        "fitted: with these values among the rest; left out: without the trajectory, or without the table; published:"
        " by the paper's parameters, which saw every akama table. rosadata and pfizerNTP are never fitted: other RNA,"
        " other enzyme lots.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    figures = table("Parameters", "parameter", ">value", ">sd of log10", "unit")
    units = {each.name: each.unit for each in PARAMETERS}
    for name, (log, sd) in found.parameters.items():
        figures.add_row(name, f"{10.0**log:.4g}", number(sd, 3), units[name])
    out.print(figures)
    if found.unidentified:
        out.print(f"the tables say little of: {', '.join(found.unidentified)}", highlight=False, soft_wrap=True)


def _document(found: IvtFit) -> JSON:
    return {
        "model": "ivt",
        "parameters": {name: [log, sd] for name, (log, sd) in found.parameters.items()},
        "scores": [_score(each) for each in found.scores],
        "unidentified": list(found.unidentified),
    }


def _score(each: IvtScore) -> JSON:
    return {
        "table": each.table,
        "observable": each.observable,
        "runs": each.runs,
        "values": each.values,
        "fitted": each.fitted,
        "left_out": each.left_out,
        "published": each.published,
    }
