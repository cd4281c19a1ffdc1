"""Certificates of OPC UA applications (OPC 10000-6 §6.2.2): made, kept in a folder, read and judged.

A security folder holds `own.der` and `own.pem` (the private key, readable by its owner only), and `trusted/`, to which
a person adds the certificates of those who may be talked to, and of authorities whose certificates may. Certificates
that were refused for want of trust are kept in `rejected/`, from where a person may move them.
"""

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cytoloop.adapters.files import keep
from cytoloop.core.errors import UserError

OWN, KEY, TRUSTED, REJECTED = "own.der", "own.pem", "trusted", "rejected"
DAYS = 365
GRACE = timedelta(hours=1)
"""A new certificate is valid from so long ago on: the clock of the other side may be a little behind."""
Fault = Literal["untrusted", "not-yet-valid", "expired", "wrong-uri", "no-uri"]


def wall() -> datetime:
    """The machine's clock, which certificates are judged by."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is wrong with a certificate: a sentence with the remedy, and what a server answers."""

    fault: Fault
    sentence: str


def make_certificate(
    folder: Path, uri: str = "", host: str = "", *, begins: datetime | None = None, days: int = DAYS
) -> Path:
    """Make an own certificate (self-signed, RSA 3072, SHA-256) and its key in `folder`; the certificate's path.

    Left out, the host is this machine's name, the URI is made of it, and it is valid at once.
    UserError when there is one already: what others trust is not replaced unasked.
    """
    if (folder / OWN).exists() or (folder / KEY).exists():
        raise UserError(
            f"{folder} holds a certificate already; name another folder, or move {OWN} and {KEY} away first"
        )
    host = host or socket.gethostname()
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    certificate = _signed(key, uri or f"urn:{host}:cytoloop", host, begins or wall() - GRACE, days)
    unlocked = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unlocked)
    keep(folder / KEY, pem)
    keep(folder / OWN, certificate.public_bytes(serialization.Encoding.DER), mode=0o644)
    (folder / TRUSTED).mkdir(exist_ok=True)
    return folder / OWN


def _signed(key: rsa.RSAPrivateKey, uri: str, host: str, now: datetime, days: int) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri)])
    usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), True)
    others = dict.fromkeys(("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False)
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    names = [x509.UniformResourceIdentifier(uri), _host(host)]
    public = key.public_key()
    return (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, **usage, **others), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def own_certificate(folder: Path, now: datetime) -> x509.Certificate:
    """The folder's own certificate; UserError when it or its key is missing, unreadable or out of its time."""
    for name in (OWN, KEY):
        if not (folder / name).exists():
            raise UserError(
                f"there is no {name} in {folder}; make both with `cytoloop plant certificate --to {folder}`"
            )
    certificate = read_certificate(folder / OWN)
    if (judged := in_time(certificate, now, f"our own certificate in {folder / OWN}")) is not None:
        raise UserError(judged.sentence)
    return certificate


def read_certificate(path: Path) -> x509.Certificate:
    """A certificate from a file, DER or PEM; UserError when it is none."""
    data = path.read_bytes()
    try:
        return x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise UserError(f"{path} is not a certificate ({error}); give it in DER or PEM, or take it away") from error


def uris(certificate: x509.Certificate) -> list[str]:
    """The application URIs a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def in_time(certificate: x509.Certificate, now: datetime, whose: str) -> Judged | None:
    """Whether a certificate is in its time."""
    if now < certificate.not_valid_before_utc:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return Judged("not-yet-valid", f"{whose} is valid from {begins} only; wait, or set the clocks of both right")
    if now > certificate.not_valid_after_utc:
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        return Judged("expired", f"{whose} expired on {ended}; make a new one and have the other side trust it")
    return None


def judge(certificate: x509.Certificate, uri: str, folder: Path, now: datetime, whose: str) -> Judged | None:
    """What is wrong with a peer's certificate, None when nothing is; one that is not trusted is kept in `rejected/`."""
    if not trusted(certificate, folder):
        kept = reject(certificate, folder)
        return Judged(
            "untrusted", f"{whose} is not trusted; compare it with its owner, then move {kept} to {folder / TRUSTED}"
        )
    if (judged := in_time(certificate, now, whose)) is not None:
        return judged
    known = uris(certificate)
    if not known:
        return Judged("no-uri", f"{whose} names no application URI; its owner has to make one that does")
    if uri not in known:
        return Judged(
            "wrong-uri",
            f"{whose} is for {known[0]}, but its owner calls itself {uri}; the owner has to make the two one",
        )
    return None


def trusted(certificate: x509.Certificate, folder: Path) -> bool:
    """Whether the certificate itself, or the authority that signed it, is in `trusted/`."""
    return any(known == certificate or _issued(certificate, known) for known in _trusted(folder))


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            return False
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return True


def _trusted(folder: Path) -> Iterator[x509.Certificate]:
    for path in sorted((folder / TRUSTED).glob("*")):
        if path.suffix.lower() in {".der", ".pem", ".crt", ".cer"}:
            yield read_certificate(path)


def reject(certificate: x509.Certificate, folder: Path) -> Path:
    """Keep a certificate that was refused, for a person to look at."""
    path = folder / REJECTED / f"{certificate.fingerprint(hashes.SHA256()).hex()[:16]}.der"
    if not path.exists():
        keep(path, certificate.public_bytes(serialization.Encoding.DER), mode=0o644)
    return path
