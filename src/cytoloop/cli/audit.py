"""`cytoloop audit`: the audit trail, filtered, sorted, taken out."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from cytoloop.app.audit.asked import Asked, moment, sort_named, stamp, zone_named
from cytoloop.app.audit.changes import Change
from cytoloop.app.audit.export import to_csv, to_json
from cytoloop.app.audit.rows import AuditRow
from cytoloop.app.bootstrap import readable_record
from cytoloop.app.permissions import ROLE_WORDS, role_named
from cytoloop.app.views import Shelf
from cytoloop.app.views_audit import audit_rows
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, plain, say_json, table, write_text
from cytoloop.core.errors import UserError
from cytoloop.core.words import LANGUAGES, Language, Words

HEADS = (
    Words(en="#", zh="#"),
    Words(en="recorded", zh="记录时间"),
    Words(en="who", zh="何人"),
    Words(en="what", zh="何事"),
    Words(en="old → new", zh="原值 → 新值"),
    Words(en="why", zh="原因"),
)
PROMPTED = Words(en="asked", zh="系统要求填写")


def audit(
    batch: str = typer.Option("", metavar="BATCH", help="Entries of this batch and its order."),
    who: str = typer.Option("", metavar="USER", help="Entries by this person."),
    role: str = typer.Option("", metavar="ROLE", help="Entries by people who acted in this role."),
    stream: str = typer.Option("", metavar="TEXT", help="Streams whose name begins with this."),
    name: str = typer.Option("", metavar="NAME", help="Entries of this name, as value-corrected/1."),
    since: str = typer.Option("", "--from", metavar="DAY", help="Happened on this day (or time) or later."),
    until: str = typer.Option("", "--to", metavar="DAY", help="Happened on this day or earlier, or before this time."),
    changes: bool = typer.Option(False, "--changes", help="Only what changed something that stood before."),
    text: str = typer.Option("", metavar="TEXT", help="Text in the sentence, the reason, the stream or the actor."),
    sort: str = typer.Option("time", metavar="ORDER", help="time, who or what."),
    ascending: bool = typer.Option(False, "--ascending", help="Oldest (or A) first."),
    most: int = typer.Option(200, min=1, help="Most rows to show; exports hold all."),
    zone: str = typer.Option("", metavar="ZONE", help="Time zone to show times in; the house's when left out."),
    lang: str = typer.Option("en", help="en or zh."),
    csv: Path | None = typer.Option(None, metavar="FILE", help="Write it as CSV (RFC 4180)."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
    data: Path | None = DATA,
) -> None:
    """Who did what, from what to what, when and why: every entry of the record, or those asked for."""
    language, at = language_named(lang), zone_named(zone)
    asked = Asked(
        batch=batch,
        who=who,
        role=role_named(role) if role else "",
        stream=stream,
        name=name,
        since=moment(since, at),
        until=moment(until, at, end=True),
        changes=changes,
        text=text,
        sort=sort_named(sort),
        descending=not ascending,
    )
    with readable_record(newest(data)) as ledger:
        rows = list(audit_rows(Shelf(ledger), asked))
    if csv is not None:
        write_text(to_csv(rows, at), csv)
    if json:
        say_json(to_json(rows, at))
    elif csv is not None:
        out.print(f"{len(rows)} entries written to {csv}", highlight=False, soft_wrap=True)
    else:
        out.print(audit_table(islice(rows, most), at, language))
        more = f"; {most} shown, --most shows more" if len(rows) > most else ""
        out.print(f"{len(rows)} entries; times of {at.key}{more}", highlight=False)


def audit_table(rows: Iterable[AuditRow], zone: ZoneInfo, language: Language) -> Table:
    """Rows for people."""
    shown = table(None, *(f"{'>' * (place == 0)}{head.text(language)}" for place, head in enumerate(HEADS)))
    for row in rows:
        shown.add_row(
            str(row.sequence),
            stamp(row.recorded_at, zone),
            plain(_who(row, language)),
            plain(row.what.text(language)),
            plain("\n".join(_change(each) for each in row.changes)),
            plain(f"{row.reason} ({PROMPTED.text(language)})" if row.prompted and row.reason else row.reason),
        )
    return shown


def language_named(named: str) -> Language:
    """The language of that name; UserError for another."""
    for language in LANGUAGES:
        if named == language:
            return language
    raise UserError(f"--lang {named} is no language of the house; name one of {', '.join(LANGUAGES)}")


def _who(row: AuditRow, language: Language) -> str:
    who = row.who
    roles = ", ".join(words.text(language) for role, words in ROLE_WORDS.items() if role in who.roles)
    named = " · ".join(part for part in (who.printed_name, roles, who.zone) if part)
    return "\n".join(part for part in (who.user or who.actor, named) if part)


def _change(change: Change) -> str:
    return f"{change.what}: {change.old} → {change.new} {change.unit}".rstrip()
