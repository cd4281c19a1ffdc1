"""Passkeys: check, with the public key alone, that a passkey signed exactly this (WebAuthn Level 3 §7.2).

What a sign-in page must also ask (is this the right site, was the counter turned back) was asked when it was signed;
here is what can be checked for ever.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from cytoloop.core.errors import FindingError
from cytoloop.core.json import parse
from cytoloop.core.signature import PasskeyAssertion, Signature, challenge

PRESENT_AND_VERIFIED = 0x05
"""Flags of the authenticator data: the user was present (bit 0) and verified (bit 2)."""
_FLAGS_AT = 32

_ALGORITHM = 3
_ES256, _EDDSA, _RS256 = -7, -8, -257
"""COSE algorithms (RFC 9053 §2, RFC 8812 §2)."""


def check_passkey(signature: Signature, assertion: PasskeyAssertion) -> None:
    """Check that the passkey of `signature` signed its meaning and digest, its owner present and verified.

    FindingError when it did not.
    """
    try:
        client_data, data = decoded(assertion.client_data), decoded(assertion.authenticator_data)
        _check_client_data(client_data, challenge(signature.meaning, signature.digest))
        if len(data) <= _FLAGS_AT or data[_FLAGS_AT] & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED:
            raise FindingError("its owner was not both present and verified")
        message = data + sha256(client_data).digest()
        _check(cose_key(decoded(assertion.public_key)), message, decoded(assertion.signature))
    except InvalidSignature as error:
        raise FindingError("its signature is not by its key") from error
    except (binascii.Error, ValueError, KeyError, IndexError, TypeError, UnsupportedAlgorithm) as error:
        raise FindingError(f"it cannot be read ({error})") from error


def decoded(text: str) -> bytes:
    """The bytes of base64url text without padding (RFC 4648 §5)."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cose_key(content: bytes) -> dict[int, int | bytes]:
    """A COSE key (RFC 9052 §7): a flat map in CBOR (RFC 8949) of small numbers to numbers and byte strings."""
    kind, count, at = _head(content, 0)
    if kind != _MAP:
        raise ValueError("a COSE key is a map")
    key: dict[int, int | bytes] = {}
    for _ in range(count):
        name, at = _item(content, at)
        value, at = _item(content, at)
        if not isinstance(name, int):
            raise ValueError("a COSE key's labels are numbers")
        key[name] = value
    if at != len(content):
        raise ValueError("a COSE key ends where its map does")
    return key


_UNSIGNED, _NEGATIVE, _BYTES, _MAP = 0, 1, 2, 5


def _item(content: bytes, at: int) -> tuple[int | bytes, int]:
    kind, value, at = _head(content, at)
    if kind == _UNSIGNED:
        return value, at
    if kind == _NEGATIVE:
        return -1 - value, at
    if kind != _BYTES or at + value > len(content):
        raise ValueError("a COSE key holds numbers and byte strings")
    return content[at : at + value], at + value


def _head(content: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where the next item begins (RFC 8949 §3)."""
    kind, short = content[at] >> 5, content[at] & 0x1F
    if short < 24:
        return kind, short, at + 1
    width = {24: 1, 25: 2, 26: 4}[short]
    return kind, int.from_bytes(content[at + 1 : at + 1 + width], "big"), at + 1 + width


def _check_client_data(client_data: bytes, expected: bytes) -> None:
    plain = parse(client_data)
    wanted = urlsafe_b64encode(expected).decode().rstrip("=")
    if not isinstance(plain, dict) or plain.get("type") != "webauthn.get" or plain.get("challenge") != wanted:
        raise FindingError("it was made for another meaning or other content")


def _check(key: dict[int, int | bytes], message: bytes, signature: bytes) -> None:
    algorithm = key[_ALGORITHM]
    if algorithm == _ES256:
        _point(key).verify(signature, message, ec.ECDSA(SHA256()))
    elif algorithm == _EDDSA:
        Ed25519PublicKey.from_public_bytes(_octets(key, -2)).verify(signature, message)
    elif algorithm == _RS256:
        numbers = rsa.RSAPublicNumbers(_number(key, -2), _number(key, -1))
        numbers.public_key().verify(signature, message, padding.PKCS1v15(), SHA256())
    else:
        raise ValueError(f"algorithm {algorithm!r} is not known")


def _point(key: dict[int, int | bytes]) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicNumbers(_number(key, -2), _number(key, -3), ec.SECP256R1()).public_key()


def _number(key: dict[int, int | bytes], label: int) -> int:
    return int.from_bytes(_octets(key, label), "big")


def _octets(key: dict[int, int | bytes], label: int) -> bytes:
    value = key[label]
    if not isinstance(value, bytes):
        raise TypeError(f"label {label} is not a byte string")
    return value
