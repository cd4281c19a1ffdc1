"""Sealed: AES-256-GCM with a random nonce of 96 bits, as one text (NIST SP 800-38D)."""

import os
from base64 import b64decode, b64encode

NONCE = 12
"""Bytes. One key seals far fewer than the 2^32 texts that random nonces allow (SP 800-38D §8.3)."""


def seal(secret: bytes, content: bytes, bound_to: bytes) -> str:
    """`content`, encrypted, readable again only together with `bound_to`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (loaded only by who seals)

    nonce = os.urandom(NONCE)
    return b64encode(nonce + AESGCM(secret).encrypt(nonce, content, bound_to)).decode()


def unseal(secret: bytes, sealed: str, bound_to: bytes) -> bytes | None:
    """The content; None when `sealed` was changed, belongs to something else, or was sealed with another secret."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        raw = b64decode(sealed, validate=True)
        return AESGCM(secret).decrypt(raw[:NONCE], raw[NONCE:], bound_to)
    except (ValueError, InvalidTag):
        return None
