"""Where a record is kept on a server: an ordinary PostgreSQL address, and the schema that holds the record."""

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from cytoloop.core.errors import UserError

SCHEMA = "cytoloop"
"""Schema of a record whose address names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One record on a server."""

    url: str = ""
    """What libpq connects to: the address without our own `schema`."""
    schema: str = SCHEMA

    @property
    def shown(self) -> str:
        """For messages: never a password."""
        parts = urlsplit(self.url)
        where = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "")
        return f"database {parts.path.removeprefix('/') or '(default)'} at {where or 'this machine'}"

    def beside(self, ending: str) -> "Address":
        """Another schema of the same database."""
        return replace(self, schema=f"{self.schema}{ending}")


def hidden(url: str) -> str:
    """`url` for messages: never a password."""
    return re.sub(r"(?<=//).*(?=@)|(?<=password=)[^&]*", "...", url)


def address(url: str) -> Address:
    """The address that `url` writes: "postgresql://role@host:port/database?schema=name"; UserError when it is none."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UserError(
            f"{hidden(url)!r} is no address ({error}); write postgresql://role@host:port/database"
        ) from error
    if parts.scheme not in ("postgresql", "postgres"):
        raise UserError(
            f"{hidden(url)!r} is no address of a PostgreSQL database; write postgresql://role@host:port/database"
        )
    asked = parse_qsl(parts.query, keep_blank_values=True)
    schema = dict(asked).get("schema", SCHEMA)
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,47}", schema):
        raise UserError(f"{schema!r} is no name of a schema; use at most 48 small letters, digits and underscores")
    query = urlencode([(key, value) for key, value in asked if key != "schema"])
    return Address(url=urlunsplit(parts._replace(query=query)), schema=schema)
