"""`cytoloop work`: what waits for people, and answering it at a console. Each answer there is signed."""

from pathlib import Path

import typer

from cytoloop.adapters.clocks import FolderClock
from cytoloop.app.answering import Answering, shown_for, shown_to_second
from cytoloop.app.answers import qualified_in
from cytoloop.app.asked import Asked, Typed, contents_of
from cytoloop.app.records import readable_record
from cytoloop.app.views import Shelf
from cytoloop.app.views_line import moment_of
from cytoloop.app.views_work import WorkLine, for_roles, work_of
from cytoloop.cli.acting import Desk, acting, show_what_is_signed
from cytoloop.cli.audit import language_named
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, plain, say_json, table
from cytoloop.cli.signer import AS, signer
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, digest
from cytoloop.core.time import Instant, instant
from cytoloop.core.words import Language

app = typer.Typer(help="Work: what the line asks of people, and answering it.", no_args_is_help=True)

KEY = typer.Argument(..., metavar="KEY", help="The request, as `work list` names it.")
WHY = typer.Option("", "--why", metavar="TEXT", help="Why all the same, why it cannot be done, or what differs.")


@app.command("list")
def list_work(
    role: str | None = typer.Option(None, help="Only what this role is asked."),
    line: str | None = typer.Option(None, help="Only of this production line."),
    data: Path | None = DATA,
    lang: str = typer.Option("en", help="en or zh."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """What waits for people: longest waiting first, overdue before."""
    folder, language = newest(data), language_named(lang)
    with readable_record(folder) as ledger:
        shelf = Shelf(ledger)
        at, _ = moment_of(shelf, FolderClock(folder).now())
        work = work_of(shelf, at)
    roles = [role] if role else sorted({each.role for each in work})
    found = for_roles(work, roles, line=line)
    if json:
        say_json([_document(each) for each in found])
        return
    _print(found, language)


def _print(found: tuple[WorkLine, ...], language: Language) -> None:
    if not found:
        out.print("nobody is waited for")
        return
    shown = table(None, "request", "asks", "what", "unit", "since (UTC)", "latest", "")
    for each in found:
        state = "overdue" if each.overdue else "second person" if each.waits == "second" else ""
        latest = f"{each.latest:%m-%d %H:%M}" if each.latest else "–"
        shown.add_row(
            plain(each.key),
            each.role,
            plain(each.title.text(language)),
            each.unit,
            f"{each.since:%m-%d %H:%M}",
            latest,
            state,
        )
    out.print(shown)


def _document(line: WorkLine) -> dict[str, JSON]:
    return {
        "request": line.key,
        "batch": line.batch,
        "coi": line.coi,
        "line": line.line,
        "unit": line.unit,
        "role": line.role,
        "verb": line.verb,
        "title": {"en": line.title.en, "zh": line.title.zh},
        "since": line.since.isoformat(),
        "latest": line.latest.isoformat() if line.latest else None,
        "overdue": line.overdue,
        "waits": line.waits,
    }


@app.command("show")
def show(key: str = KEY, data: Path | None = DATA, lang: str = typer.Option("en", help="en or zh.")) -> None:
    """What a request asks for, or what was answered."""
    language = language_named(lang)
    with acting(data) as desk:
        answering = _answering(desk)
        asked = answering.look(key)
        said = answering.already(asked.given) if asked.given else None
    _show(asked, language)
    if said is not None:
        out.print(said.text(language), highlight=False)


def _show(asked: Asked, language: Language) -> None:
    out.print(f"{plain(asked.request.command.key)}  {asked.batch.created.coi}", highlight=False)
    shown = table(None, "name", "asks for", "unit", "range", "choices")
    for each in asked.fields:
        span = each.range.text(language) if each.range else "–"
        choices = ", ".join(f"{name} ({words.text(language)})" for name, words in each.choices) or "–"
        shown.add_row(each.name, each.words.text(language), each.unit_words.text(language), span, choices)
    out.print(shown)


@app.command("answer")
def answer(
    key: str = KEY,
    value: list[str] | None = typer.Option(
        None, "--value", metavar="NAME=VALUE", help="An answer by its name, in the unit shown; once for each."
    ),
    why: str = WHY,
    cannot: bool = typer.Option(False, "--cannot", help="Say that it cannot be done; --why says why."),
    happened: str | None = typer.Option(
        None, metavar="TIME", help="When it was done, with its offset: 2026-06-01T08:00:00Z; now when left out."
    ),
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Answer a request; the first answer stands. Signed with password and code."""
    typed = Typed(texts=_values(value or []), reason=why.strip(), done=not cannot, happened_at=_time(happened))
    with acting(data) as desk:
        answering = _answering(desk)
        asked = answering.open(key)
        checked = answering.demand_answer(asked, typed)
        shown = shown_for(asked, checked.values, typed)
        if asked.request.command.verb == "decide":
            show_what_is_signed(contents_of(asked.request), str(asked.request.command.arguments.get("digest")))
        show_what_is_signed(shown, digest(shown))
        fact = answering.give(signer(user), key, typed)
    second = f"; somebody else, {fact.verifier}, confirms it (`cytoloop work verify`)" if fact.verifier else ""
    out.print(f"{plain(key)} is answered{second}", highlight=False, soft_wrap=True)


@app.command("verify")
def verify(
    key: str = KEY,
    confirmed: bool = typer.Option(True, "--confirmed/--not-confirmed", help="Whether it is as you find it."),
    why: str = WHY,
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Confirm somebody else's answer, having looked yourself; or say that it is not so. Signed."""
    with acting(data) as desk:
        answering = _answering(desk)
        asked = answering.look(key)
        answering.demand_second(asked, confirmed=confirmed, reason=why.strip())
        shown = shown_to_second(asked, confirmed, why.strip())
        show_what_is_signed(shown, digest(shown))
        answering.verify(signer(user), key, confirmed=confirmed, reason=why.strip())
    out.print(f"{plain(key)} is {'confirmed' if confirmed else 'not confirmed'}", highlight=False)


def _answering(desk: Desk) -> Answering:
    return Answering(people=desk.people, clock=desk.clock, qualified=qualified_in(desk.ledger))


def _values(given: list[str]) -> dict[str, str]:
    """Answers by name; UserError for one that names nothing."""
    for each in given:
        if "=" not in each:
            raise UserError(f"--value {each!r} names nothing; write NAME=VALUE, as in --value code=COI-1")
    return {name.strip(): text.strip() for name, _, text in (each.partition("=") for each in given)}


def _time(text: str | None) -> Instant | None:
    try:
        return instant(text) if text else None
    except ValueError as error:
        raise UserError(f"--happened {text}: {error}") from error
