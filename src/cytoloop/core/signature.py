"""Signature: a person's name, meaning, time and the hash of exactly what was shown (21 CFR 11.50, 11.70, 11.200).

Two components are asked again at each signing: the user id and a secret.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from cytoloop.core.time import Instant

Meaning = Literal["performed", "verified", "reviewed", "approved", "released", "rejected", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """An electronic signature, as it stands in an entry."""

    signer: str
    """User id."""
    printed_name: str
    """The name as it was at signing (11.50(a)(1))."""
    role: str
    meaning: Meaning
    signed_at: Instant
    zone: str
    """IANA name of the signer's time zone."""
    digest: str
    """SHA-256 of the canonical JSON of what was shown."""
    components: tuple[str, ...]
    """Names of the components given again at signing: ("user-id", "password")."""


class Signing(Protocol):
    """Turns a person's two components into a signature. Knows the secrets; the record never does."""

    def sign(self, *, signer: str, secret: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        """Raises RefusedError when the components do not match or the account is locked."""
        ...
