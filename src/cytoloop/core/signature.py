"""Signature: a person's name, meaning, time and the hash of exactly what was shown.

It carries the printed name as it was, date and time, and the meaning (21 CFR 11.50(a)); it is bound to the digest of
exactly what was shown, so that it cannot be moved to another record (11.70; EU GMP Annex 11 §14). All components are
asked again at each signing (11.200(a)(1)(ii) in its strict reading: no signing rides on an earlier one).
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Protocol

from cytoloop.core.json import digest
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
    public_key: str = ""
    """COSE key of the credential, as the account holds it: filled in by whoever checked the answer."""


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


def answered(shown: str, decision: str, reason: str) -> str:
    """What is signed when something is decided: the hash of what was `shown`, together with the answer given to it."""
    return digest({"shown": shown, "decision": decision, "reason": reason})


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
    """SHA-256 of the canonical JSON of what was shown; of a decision: `answered`."""
    components: tuple[str, ...]
    """Names of the components given again at signing: ("user-id", "password", "one-time-code") or
    ("user-id", "passkey")."""
    passkey: PasskeyAssertion | None = None
    """The passkey's own answer, when one was used."""


class Signing(Protocol):
    """Turns a person's user id and proof into a signature. Knows the secrets; the record never does.

    Nobody signs for somebody else: whose proof it is signs (11.100(a), 11.200(a)(2)).
    """

    def sign(self, *, signer: str, proof: Proof, role: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        """Raises RefusedError when the proof does not match, the role is not the signer's, or the account is locked."""
        ...
