"""A passkey made of software: ES256 keys, real answers (WebAuthn Level 3 §6). For tests that need no browser."""

import json
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from cytoloop.core.json import JSON
from cytoloop.core.signature import PasskeyAssertion

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of authenticator data (§6.1)."""


def base64url(data: bytes) -> str:
    """Text without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(slots=True, kw_only=True)
class SoftPasskey:
    """One passkey of one person, for one site."""

    site: str
    """Relying party id, "localhost"."""
    origin: str
    counter: int = 0
    """Counts each use; set it back to act as a copy. Stays 0 when `counts` is False, as synchronised passkeys do."""
    counts: bool = True
    verifies: bool = True
    """Whether it verifies its owner (a finger, a number) and not only that somebody is there."""
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential: bytes = field(default_factory=lambda: os.urandom(32))

    def register(self, challenge: bytes) -> dict[str, JSON]:
        """The answer of `navigator.credentials.create`, as JSON."""
        attested = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + self._cose()
        data = self._authenticator_data(ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response: dict[str, JSON] = {
            "clientDataJSON": base64url(self._client_data("webauthn.create", challenge)),
            "attestationObject": base64url(attestation),
            "transports": ["internal"],
        }
        name = base64url(self.credential)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}

    def answer(self, challenge: bytes) -> PasskeyAssertion:
        """The answer of `navigator.credentials.get`."""
        self.counter += self.counts
        client, data = self._client_data("webauthn.get", challenge), self._authenticator_data()
        signed = self.key.sign(data + sha256(client).digest(), ECDSA(SHA256()))
        return PasskeyAssertion(
            credential=base64url(self.credential),
            client_data=base64url(client),
            authenticator_data=base64url(data),
            signature=base64url(signed),
        )

    def _client_data(self, kind: str, challenge: bytes) -> bytes:
        data = {"type": kind, "challenge": base64url(challenge), "origin": self.origin, "crossOrigin": False}
        return json.dumps(data, separators=(",", ":")).encode()

    def _authenticator_data(self, flags: int = 0) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        return sha256(self.site.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _cose(self) -> bytes:
        """The public key as COSE: EC2, ES256, P-256 (RFC 9053 §7.1)."""
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
