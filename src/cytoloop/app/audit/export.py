"""The audit trail taken out: CSV for a table program, JSON for a machine."""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from zoneinfo import ZoneInfo

from cytoloop.app.audit.asked import stamp
from cytoloop.app.audit.changes import Change
from cytoloop.app.audit.rows import AuditRow
from cytoloop.core.json import JSON

COLUMNS = (
    "sequence", "recorded_at", "happened_at", "zone", "recorded_at_utc", "happened_at_utc", "user", "printed_name",
    "roles", "users_zone", "meaning", "actor", "stream", "position", "entry", "what_en", "what_zh", "changed", "old",
    "new", "unit", "reason", "reason_prompted",
)  # fmt: skip
"""The columns of the CSV. An entry that changed several things has a line for each."""

FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""What a formula begins with; table programs of East Asia take the full-width forms, too (OWASP, CSV injection)."""

NOTHING = Change(what="", old="", new="")


def to_csv(rows: Iterable[AuditRow], zone: ZoneInfo) -> str:
    """The rows as CSV (RFC 4180): times in `zone` with their offset, and in UTC."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        for change in row.changes or (NOTHING,):
            writer.writerow([_cell(value) for value in _line(row, change, zone)])
    return text.getvalue()


def to_json(rows: Iterable[AuditRow], zone: ZoneInfo) -> list[JSON]:
    """The rows as plain JSON, an object for each entry."""
    return [_document(row, zone) for row in rows]


def _line(row: AuditRow, change: Change, zone: ZoneInfo) -> Iterator[JSON]:
    who = row.who
    yield from (row.sequence, stamp(row.recorded_at, zone), stamp(row.happened_at, zone), zone.key)
    yield from (row.recorded_at.isoformat(), row.happened_at.isoformat())
    yield from (who.user, who.printed_name, ", ".join(who.roles), who.zone, who.meaning, who.actor)
    yield from (row.stream, row.position, row.name, row.what.en, row.what.zh)
    yield from (change.what, change.old, change.new, change.unit)
    yield from (row.reason, ("yes" if row.prompted else "no") if row.reason else "")


def _cell(value: JSON) -> str:
    """A value as a cell that no table program takes for a formula."""
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in FORMULA else text


def _document(row: AuditRow, zone: ZoneInfo) -> JSON:
    who = row.who
    roles: list[JSON] = [*who.roles]
    return {
        "sequence": row.sequence,
        "recorded_at": row.recorded_at.astimezone(zone).isoformat(),
        "happened_at": row.happened_at.astimezone(zone).isoformat(),
        "zone": zone.key,
        "who": {
            "actor": who.actor,
            "user": who.user,
            "printed_name": who.printed_name,
            "roles": roles,
            "zone": who.zone,
            "meaning": who.meaning,
        },
        "stream": row.stream,
        "position": row.position,
        "entry": row.name,
        "what": {"en": row.what.en, "zh": row.what.zh},
        "changes": [{"what": each.what, "old": each.old, "new": each.new, "unit": each.unit} for each in row.changes],
        "reason": row.reason,
        "reason_prompted": row.prompted,
    }
