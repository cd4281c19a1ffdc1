"""Sessions: who is signed in at which browser. Kept in memory: a restart signs everybody out.

A session lets a person read and ask; it signs nothing: each signature asks for its two components again (21 CFR
11.200(a)(1)). Idle screens are signed out, so that nobody acts at somebody else's.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from cytoloop.core.time import Instant

IDLE = timedelta(minutes=15)
"""A session that nothing was asked in for so long is over."""
WHOLE = timedelta(hours=12)
"""No session lives longer."""
ASKED = timedelta(minutes=5)
"""So long a passkey may take to answer."""
MOST_ASKED = 1000


@dataclass(slots=True, kw_only=True)
class Session:
    """One person at one browser."""

    user: str
    token: str
    """Stands in every form: a page of another site cannot know it."""
    began: Instant
    seen: Instant
    roles: tuple[str, ...]
    """Held when the right to read was asked for last."""

    def over(self, at: Instant) -> bool:
        """Whether it ended by itself."""
        return at - self.seen > IDLE or at - self.began > WHOLE


@dataclass(slots=True)
class Sessions:
    """Everybody who is signed in. Safe to use from several threads."""

    _by_id: dict[str, Session] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, user: str, at: Instant, *, roles: tuple[str, ...] = ()) -> str:
        """A new session of `user`; its id, which only its browser knows."""
        made, token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        with self._lock:
            self._by_id[made] = Session(user=user, token=token, began=at, seen=at, roles=roles)
        return made

    def find(self, given: str | None, at: Instant, *, touch: bool = True) -> Session | None:
        """The session of that id while it lasts. `touch`: somebody asked for something, and not a page by itself."""
        found = self._by_id.get(given or "")
        if found is None or found.over(at):
            return None
        if touch:
            found.seen = at
        return found

    def end(self, given: str | None) -> Session | None:
        """End a session; the one that was ended."""
        with self._lock:
            return self._by_id.pop(given or "", None)

    def swept(self, at: Instant) -> tuple[Session, ...]:
        """Sessions that ended by themselves since the last time; they are forgotten."""
        with self._lock:
            over = [given for given, session in self._by_id.items() if session.over(at)]
            return tuple(self._by_id.pop(given) for given in over)


@dataclass(slots=True)
class Challenges:
    """Random challenges that passkeys were asked, each good once and for five minutes."""

    _asked: dict[str, tuple[bytes, Instant]] = field(default_factory=dict)

    def ask(self, at: Instant) -> tuple[str, bytes]:
        """A new challenge and the name it is known by."""
        while len(self._asked) >= MOST_ASKED:
            self._asked.pop(next(iter(self._asked)), None)
        name, challenge = secrets.token_urlsafe(16), secrets.token_bytes(32)
        self._asked[name] = (challenge, at)
        return name, challenge

    def take(self, name: str, at: Instant) -> bytes:
        """The challenge of that name, no longer to be had afterwards; nothing when it is too old or unknown."""
        challenge, asked = self._asked.pop(name, (b"", at))
        return challenge if at - asked <= ASKED else b""
