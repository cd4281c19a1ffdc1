"""Address: where an engine keeps its tables: a schema of its own, apart from the record's."""

from dataclasses import dataclass
from types import ModuleType

from cytoloop.core.errors import UserError

CONNECT_WITHIN = 10
"""Seconds that one try to reach the server may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """One engine on a server."""

    url: str
    """What libpq connects to."""
    schema: str
    """A sound name: small letters, digits and underscores."""
    shown: str
    """The database as messages name it: never a password."""

    @property
    def arguments(self) -> dict[str, object]:
        """Arguments of a connection whose unqualified names are the engine's: its statements name no schema."""
        return {
            "options": f"-c search_path={self.schema}",
            "connect_timeout": CONNECT_WITHIN,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }


def library() -> ModuleType:
    """procrastinate; UserError says how to get it."""
    try:
        import procrastinate  # noqa: PLC0415  (extra `worker`)
    except ImportError as error:
        raise UserError(
            "a worker needs packages that are not installed; run `pip install 'cytoloop[worker]'`"
        ) from error
    return procrastinate
