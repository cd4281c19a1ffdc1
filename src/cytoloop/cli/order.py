"""`cytoloop order`: what is foretold of an order's batch, and what was."""

from pathlib import Path

import typer

from cytoloop.adapters.clocks import FolderClock
from cytoloop.app.bootstrap import readable_record
from cytoloop.app.orders import risk_of_order
from cytoloop.app.views import Shelf
from cytoloop.app.views_foresight import ForetoldView, foretold_view
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, plain, say_json, table
from cytoloop.core.errors import UserError
from cytoloop.core.facts.foresight import RiskAssessed
from cytoloop.core.json import JSON
from cytoloop.feedback.samples.starting_factors import FACTORS

app = typer.Typer(help="Orders: the risk of their batch before it begins.", no_args_is_help=True)

_FACTORS = ", ".join(FACTORS)
KNOWN = typer.Option(
    None, "--known", metavar="FACTOR=VALUE", help=f"A factor the record does not hold, one of {_FACTORS}."
)


@app.command("risk")
def risk(
    order: str = typer.Argument(..., help="Order."),
    data: Path | None = DATA,
    known: list[str] | None = KNOWN,
    line: str | None = typer.Option(None, help="Line the batch will be made on, where there are several."),
    pack: str = typer.Option("car_t_cd19", help="Pack whose fixed figures the line's twin stands on."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """How likely the batch of an order is to fail, on what that rests, and what may be kept ready. Writes nothing."""
    folder = newest(data)
    with readable_record(folder) as ledger:
        now = FolderClock(folder).now()
        told = risk_of_order(ledger, order, line=line, pack=pack, entered=_entered(known or []), now=now)
    if json:
        say_json(_document(told))
        return
    out.print(_sentence(told), highlight=False, markup=False, soft_wrap=True)
    for plan in told.plan_b:
        out.print(f"plan B ({plan.plan}): {plan.en}", highlight=False, markup=False, soft_wrap=True)
    out.print("a suggestion: a clinician decides", highlight=False)


@app.command("risks")
def told_risks(data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="Say it as JSON.")) -> None:
    """Every risk that was foretold, beside what came of the batch."""
    with readable_record(newest(data)) as ledger:
        told = foretold_view(Shelf(ledger))
    if json:
        say_json([_line(each) for each in told])
        return
    if not told:
        out.print("no order's risk was told in this record; ask for one: cytoloop order risk ORDER", highlight=False)
        return
    shown = table(None, "order", "batch", ">risk", ">90 %", "failed", "plan B")
    for each in told:
        low_high = "" if each.interval is None else f"{each.interval.low:.0%}-{each.interval.high:.0%}"
        chance = "not enough" if each.probability is None else f"{each.probability:.0%}"
        came = "" if each.failed is None else "yes" if each.failed else "no"
        plans = ", ".join(plan.plan for plan in each.plan_b)
        shown.add_row(each.order, each.batch or "–", chance, low_high, came, plans)
    out.print(shown)


def _line(each: ForetoldView) -> dict[str, JSON]:
    plans: list[JSON] = [plan.plan for plan in each.plan_b]
    interval = each.interval
    return {
        "order": each.order, "batch": each.batch, "probability": each.probability, "failed": each.failed,
        "interval": None if interval is None else [interval.low, interval.median, interval.high],
        "reason": {"en": each.reason.en, "zh": each.reason.zh}, "plan_b": plans,
    }  # fmt: skip


def _entered(known: list[str]) -> dict[str, float]:
    found = {}
    for each in known:
        name, _, value = each.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise UserError(f"--known {plain(each)}: expected FACTOR=NUMBER, for example lymphocytes=0.8") from error
    return found


def _sentence(told: RiskAssessed) -> str:
    if told.probability is None or told.interval is None:
        return f"{told.order}: {told.reason_en}"
    low, high = told.interval.low, told.interval.high
    return f"{told.order}: risk of failure {told.probability:.0%} ({low:.0%} to {high:.0%}); {told.reason_en}"


def _document(told: RiskAssessed) -> dict[str, JSON]:
    interval = told.interval
    batches: list[JSON] = list(told.batches)
    factors: dict[str, JSON] = dict(told.factors)
    return {
        "order": told.order,
        "known": told.known,
        "probability": told.probability,
        "interval": None if interval is None else [interval.low, interval.median, interval.high],
        "reason": {"en": told.reason_en, "zh": told.reason_zh},
        "factors": factors,
        "batches": batches,
        "failed": told.failed,
        "twin": told.twin,
        "plan_b": [{"plan": each.plan, "en": each.en, "zh": each.zh} for each in told.plan_b],
    }
