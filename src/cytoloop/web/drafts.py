"""Drafts: what somebody typed into a sheet whose session was over, kept until they have signed in again.

Never a password, a code or a passkey's answer: only what the sheet itself asks for. Shown to nobody but who typed it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cytoloop.core.time import Instant

KEPT = timedelta(minutes=30)
MOST = 200
ASKED = "a."
"""Prefix of what a sheet asks for, in its form."""
BESIDE = ("reason", "happened")


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed, by whom, when."""

    user: str
    texts: Mapping[str, str] = field(hash=False)
    at: Instant


@dataclass(slots=True)
class Drafts:
    """Drafts by a name that only the browser knows that sent them."""

    _kept: dict[str, Draft] = field(default_factory=dict)

    def keep(self, user: str, answers: Mapping[str, str], at: Instant) -> str:
        """The name under which what was typed is kept for a while."""
        while len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)), None)
        name = secrets.token_urlsafe(16)
        texts = {each: text for each, text in answers.items() if each.startswith(ASKED) or each in BESIDE}
        self._kept[name] = Draft(user, texts, at)
        return name

    def find(self, name: str, user: str, at: Instant) -> Mapping[str, str]:
        """What `user` typed; nothing when it is too old, unknown, or somebody else's."""
        found = self._kept.get(name)
        if found is None or found.user != user or at - found.at > KEPT:
            return {}
        return found.texts
