"""`cytoloop proposal`: list proposals with their claims, show one with its evidence."""

from pathlib import Path

import typer
from pydantic import TypeAdapter
from rich.table import Table

from cytoloop.app.bootstrap import readable_record
from cytoloop.app.names import CLAIM_STATES, named
from cytoloop.app.telling_claim import stated
from cytoloop.app.views import Shelf
from cytoloop.app.views_proposal import (
    ProposalBrief,
    ProposalView,
    Shown,
    proposal_view,
    proposals_view,
    withheld_view,
)
from cytoloop.cli.batch import language_named
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import number, out, plain, say_json, table
from cytoloop.core.words import Language, Words

app = typer.Typer(help="Proposals: what feedback proposed, what it claims, how the claim stands.", no_args_is_help=True)

JSON_TOO = typer.Option(False, "--json", help="Say it as JSON.")
LINE = typer.Option(None, help="Only of this production line.")
LANG = typer.Option("en", help="en or zh.")


@app.command("list")
def list_proposals(data: Path | None = DATA, line: str | None = LINE, lang: str = LANG, json: bool = JSON_TOO) -> None:
    """Every proposal with its decision and claim, newest first; below, why at other times nothing was proposed."""
    language = language_named(lang)
    with readable_record(newest(data)) as ledger:
        shelf = Shelf(ledger)
        found, withheld = proposals_view(shelf, line), withheld_view(shelf, line)
    if json:
        say_json(
            {
                "proposals": TypeAdapter(tuple[ProposalBrief, ...]).dump_python(found, mode="json"),
                "withheld": [
                    {"line": name, "at": at.isoformat(), "reason": {"en": why.en, "zh": why.zh}}
                    for name, at, why in withheld
                ],
            }
        )
        return
    shown = table(None, "proposal", "line", "move", "decision", "claim", ">batches")
    for each in found:
        claim = named(CLAIM_STATES, each.claim).text(language) if each.claim else "–"
        batches = f"{each.after}/{each.most}" if each.most else "–"
        shown.add_row(each.proposal, each.line, each.moves, each.state, claim, batches)
    out.print(shown)
    for name, at, why in withheld:
        said = plain(f"{at:%Y-%m-%d} {name}: {why.text(language)}")
        out.print(said, highlight=False, soft_wrap=True)


@app.command("show")
def show(
    proposal: str = typer.Argument(..., help="Name of the proposal."),
    data: Path | None = DATA,
    lang: str = LANG,
    json: bool = JSON_TOO,
) -> None:
    """One proposal: moves, expected effects, risk, filing, evidence, and its claim batch by batch."""
    language = language_named(lang)
    with readable_record(newest(data)) as ledger:
        view = proposal_view(Shelf(ledger), proposal)
    if json:
        say_json(TypeAdapter(ProposalView).dump_python(view, mode="json"))
        return
    for line in _head(view, language):
        out.print(plain(line), highlight=False, soft_wrap=True)
    effects = table(None, "attribute", ">median change", ">90 % interval", "unit", "in the claim")
    for each in view.attributes:
        change = each.predicted
        effects.add_row(
            each.words.text(language),
            number(change.median if change else None, 3),
            f"{change.low:.3g} … {change.high:.3g}" if change else "–",
            each.unit,
            _role(each, language),
        )
    out.print(effects)
    if view.tested:
        out.print(_tested(view))
    for known in view.evidence:
        read, held = known.lineage, "as it was read" if known.known else "NOT as it was read"
        text = f"evidence: {read.batch} version {read.recipe_version}, {read.entries} entries, {read.sha256[:12]}…"
        out.print(f"{text} ({held})", highlight=False, soft_wrap=True)


def _head(view: ProposalView, language: Language) -> list[str]:
    draft, claim = view.draft, view.claim
    moves = "; ".join(f"{m.parameter} {m.old:g} -> {m.new:g} {m.unit}" for m in draft.moves)
    said = [
        f"{draft.proposal} ({view.kind}, {view.state}): {moves}",
        f"version {draft.from_version} -> {draft.from_version + 1} of {draft.recipe}, twin {draft.twin[:40]}…",
        view.risk.text(language),
        view.filing.text(language),
    ]
    if view.gate:
        said.append(f"gate row {view.gate.row}: {view.gate.answer} ({view.gate.reason})")
    if view.reason:
        said.append(f"declined: {view.reason}")
    if claim:
        state = named(CLAIM_STATES, claim.state).text(language)
        said.append(f"{claim.claimed.claim} ({state}): {stated(claim.claimed.rule).text(language)}")
        said.append(f"rule {claim.claimed.rule_sha256}")
    if claim and claim.decided:
        decided = Words(en=claim.decided.reason, zh=claim.decided.reason_zh)
        said.append(f"{claim.decided.verdict}: {decided.text(language)}")
    return said


def _role(each: Shown, language: Language) -> str:
    if each.effect is None:
        return "–"
    words = Words(
        en=f"{each.role}: {'at least' if each.role == 'claimed' else 'worse by at most'} {each.effect.en}",
        zh=f"{'声明改进：至少' if each.role == 'claimed' else '受监护：变差不超过'} {each.effect.zh}",
    )
    return words.text(language)


def _tested(view: ProposalView) -> Table:
    kept, refuted = number(view.bound_kept, 0), number(view.bound_refuted, 0)
    shown = table(None, "batch", "version", ">result", f">for (≥ {kept})", f">against (≥ {refuted})", ">of harm")
    for each in view.tested:
        shown.add_row(
            each.batch,
            each.arm,
            number(each.result, 3) if each.result is not None else "failed",
            number(each.evidence_kept, 3),
            number(each.evidence_refuted, 3),
            number(max(each.evidence_harm.values(), default=None), 3),
        )
    return shown
