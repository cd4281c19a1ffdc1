"""Acts: what was refused to whom is an entry too (21 CFR 11.10(d), (g); EU GMP Annex 11 §12.4)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cytoloop.app.registrar import Registrar
from cytoloop.core.entry import Fact
from cytoloop.core.errors import ConflictError, RefusedError
from cytoloop.core.facts.people import REFUSALS, ActRefused
from cytoloop.core.time import Instant

__all__ = ["ACCESS", "ALERTS", "REFUSALS", "note", "refused", "refusing"]

ALERTS = "access/alerts"
"""Stream of what looks like misuse and concerns no single account."""
ACCESS = "system:access"
TRIES = 100
"""Times a note is tried again when others wrote into its stream first."""


def note(registrar: Registrar, stream: str, *facts: Fact, actor: str, at: Instant | None = None) -> None:
    """Keep `facts` wherever the stream ends: for what is true whatever others wrote meanwhile."""
    for _ in range(TRIES):
        try:
            registrar.say(stream, *facts, actor=actor, at=at)
        except ConflictError:
            continue
        return
    raise ConflictError(f"{stream} could not be appended to: others appended {TRIES} times first; try again")


def refused(
    registrar: Registrar, act: str, subject: str, reason: str, *, user: str = "", roles: Sequence[str] = ()
) -> None:
    """Keep that somebody asked for `act` on `subject` and was refused."""
    fact = ActRefused(act=act, subject=subject, user=user, roles=tuple(roles), reason=reason)
    note(registrar, REFUSALS, fact, actor=ACCESS)


@contextmanager
def refusing(
    registrar: Registrar, act: str, subject: str, *, user: str = "", roles: Sequence[str] = ()
) -> Iterator[None]:
    """Inside, whatever is refused becomes an entry and is refused all the same."""
    try:
        yield
    except RefusedError as why:
        refused(registrar, act, subject, str(why), user=user, roles=roles)
        raise
