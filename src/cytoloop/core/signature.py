"""Signature: a person's name, meaning, time and the hash of exactly what was shown (21 CFR 11.50, 11.70, 11.200).

Two components are asked again at each signing: the user id and a secret.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Protocol

from cytoloop.core.time import Instant

Meaning = Literal["performed", "verified", "reviewed", "approved", "released", "rejected", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyAssertion:
    """What a passkey answered to a challenge (WebAuthn Level 3 §7.2), base64url without padding.

    The challenge is `challenge(meaning, digest)`, so that whoever holds the public key can check for ever that this
    passkey, with its owner present and verified, signed exactly this.
    """

    credential: str
    """Credential id."""
    client_data: str
    authenticator_data: str
    signature: str
    public_key: str
    """COSE key of the credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A password and the time-based code of the moment (RFC 6238), as a person gave them."""

    secret: str = field(repr=False)
    code: str = field(repr=False, default="")


Proof = Password | PasskeyAssertion
"""What a person gives, besides the user id, to show that it is they."""


def challenge(meaning: Meaning, digest: str) -> bytes:
    """What a passkey is asked to sign: SHA-256 over the meaning and the hash of what was shown."""
    return sha256(f"cytoloop-signature/1\n{meaning}\n{digest}\n".encode()).digest()


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
    """Names of the components given again at signing: ("user-id", "password", "one-time-code") or
    ("user-id", "passkey")."""
    passkey: PasskeyAssertion | None = None
    """The passkey's own answer, when one was used."""


class Signing(Protocol):
    """Turns a person's two components into a signature. Knows the secrets; the record never does."""

    def sign(self, *, signer: str, secret: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        """Raises RefusedError when the components do not match or the account is locked."""
        ...
