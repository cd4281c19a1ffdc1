"""The audit trail as a page: what its address asks for, and the addresses of its other pages, orders and exports."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cytoloop.app.audit.asked import Asked, moment, sort_named, zone_named
from cytoloop.app.permissions import role_named

FIELDS = ("batch", "who", "role", "stream", "name", "from", "to", "changes", "text", "sort", "order", "zone")
"""What an address of the audit trail may hold, besides the page."""
ASCENDING = "ascending"


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What somebody asked for, as they wrote it and as it was read."""

    written: Mapping[str, str]
    asked: Asked
    zone: ZoneInfo

    def address(self, path: str = "/audit", **changed: str | int) -> str:
        """An address of the same question, with some of it changed; an empty text drops it."""
        kept = {**self.written, **{name: str(value) for name, value in changed.items()}}
        query = urlencode({name: value for name, value in kept.items() if value})
        return f"{path}?{query}" if query else path

    def sorted_by(self, sort: str) -> str:
        """The address in that order; of the order it has already, the other way round."""
        turned = self.asked.sort == sort and self.asked.descending
        return self.address(sort=sort, order=ASCENDING if turned else "", page="")


def query_of(written: Mapping[str, str]) -> AuditQuery:
    """The question in an address's parameters; UserError for a day, zone, role or order there is not."""
    kept = {name: written[name].strip() for name in FIELDS if written.get(name, "").strip()}

    def get(name: str) -> str:
        return kept.get(name, "")

    zone = zone_named(get("zone"))
    asked = Asked(
        batch=get("batch"),
        who=get("who"),
        role=role_named(get("role")) if get("role") else "",
        stream=get("stream"),
        name=get("name"),
        since=moment(get("from"), zone),
        until=moment(get("to"), zone, end=True),
        changes=bool(get("changes")),
        text=get("text"),
        sort=sort_named(get("sort") or "time"),
        descending=get("order") != ASCENDING,
    )
    return AuditQuery(kept, asked, zone)


def nothing_asked() -> AuditQuery:
    """The whole audit trail, newest first."""
    return query_of({})
