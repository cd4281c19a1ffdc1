"""Time-stamping authorities over HTTP (RFC 3161, §3.4). Extra `time-stamp`.

A token is kept as the whole response of the authority (TimeStampResp, DER), with the authority's certificates in it:
`openssl ts -verify` reads it as it is, in thirty years too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256, sha384, sha512
from types import ModuleType
from typing import TYPE_CHECKING, Literal
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cryptography.x509 import Certificate, load_pem_x509_certificates

from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.time import Instant

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

Hash = Literal["SHA256", "SHA512"]
SECONDS = 30.0
"""How long an authority may take to answer."""
LARGEST = 1_000_000
"""Bytes of the longest answer that is read."""

_HASHES = {
    "2.16.840.1.101.3.4.2.1": sha256,
    "2.16.840.1.101.3.4.2.2": sha384,
    "2.16.840.1.101.3.4.2.3": sha512,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a time stamp says."""

    at: Instant
    """When the authority saw the content."""
    trusted: bool
    """Whether a certificate chain that was named leads to the authority; without one only the hash was compared."""


def authority(url: str, algorithm: Hash, chain: bytes | None = None) -> Callable[[bytes], bytes]:
    """A function that has its content stamped at `url`. `chain`: certificates (PEM) that the answer is checked with.

    UserError when the extra is missing, when the authority cannot be reached, refuses, or answers for something else.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise UserError(f"{url!r} is no address of a time-stamping authority; it begins with http:// or https://")
    client = _client()

    def ask(content: bytes) -> bytes:
        builder = client.TimestampRequestBuilder().data(content).hash_algorithm(client.HashAlgorithm[algorithm])
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        answer = _post(url, request.as_bytes())
        try:
            check_token(answer, content, chain, nonce=request.nonce)
        except FindingError as error:
            raise UserError(f"{url} did not answer with a time stamp of this: {error}; try another") from error
        return answer

    return ask


def check_token(token: bytes, content: bytes, chain: bytes | None = None, *, nonce: int | None = None) -> Token:
    """Check that the token is over this content, and with `chain` (PEM) that the authority really signed it.

    FindingError when it is not; UserError when the extra is missing or the chain cannot be read.
    """
    client = _client()
    try:
        response = client.decode_timestamp_response(token)
        _check_imprint(response, content, nonce)
        if chain is not None:
            _check_signature(client, response, content, chain)
        return Token(at=response.tst_info.gen_time, trusted=chain is not None)
    except ValueError as error:
        raise FindingError(f"it cannot be read ({error})") from error


def _check_signature(client: ModuleType, response: "TimeStampResponse", content: bytes, chain: bytes) -> None:
    builder = client.VerifierBuilder()
    for certificate in _certificates(chain):
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify_message(response, content)
    except client.VerificationError as error:
        raise FindingError(f"its authority's signature does not hold with the certificates named ({error})") from error


def _check_imprint(response: "TimeStampResponse", content: bytes, nonce: int | None) -> None:
    if response.status != 0:
        raise FindingError(f"the authority did not grant it (status {response.status})")
    imprint = response.tst_info.message_imprint
    hashed = _HASHES.get(imprint.hash_algorithm.dotted_string)
    if hashed is None or hashed(content).digest() != imprint.message:
        raise FindingError("it is over other content")
    if nonce is not None and response.tst_info.nonce != nonce:
        raise FindingError("it answers another request")


def _post(url: str, content: bytes) -> bytes:
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    request = Request(url, data=content, headers=headers, method="POST")
    try:
        with urlopen(request, timeout=SECONDS) as answer:
            return bytes(answer.read(LARGEST))
    except (URLError, OSError) as error:
        raise UserError(f"the time-stamping authority at {url} cannot be reached ({error}); try again later") from error


def _certificates(chain: bytes) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(chain)
    except ValueError as error:
        raise UserError("the authority's certificates cannot be read; name a file of them in PEM") from error


def _client() -> ModuleType:
    try:
        import rfc3161_client  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UserError("time stamps need an extra; install it with: pip install 'cytoloop[time-stamp]'") from error
    return rfc3161_client
