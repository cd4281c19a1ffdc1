"""A small record with everything that a bundle can hold: a passkey, readings, a correction."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from json import dumps
from pathlib import Path
from subprocess import run
from threading import Thread

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore, MemoryTelemetry
from cytoloop.app.bundle import Source, export
from cytoloop.app.packs import read_pack
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.facts.people import CredentialSet, PersonEnrolled
from cytoloop.core.facts.production import BatchFinished, StepCompleted, ValueCorrected
from cytoloop.core.facts.quality import DispositionSigned
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.rule import Verdict
from cytoloop.core.signature import Meaning, PasskeyAssertion, Signature, challenge
from cytoloop.core.telemetry import Tag, microseconds, moment, readings
from cytoloop.core.time import after
from cytoloop.record.ledger import Ledger
from cytoloop.record.segment import FORM
from cytoloop.testing.builders import START, Book, approved, created, written_batch

BATCH = "B-T001"
SIGNER = "qp.chen"
LINE = "fixed"

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Passkey:
    """An authenticator in software."""

    key: Key

    @property
    def public(self) -> str:
        """COSE key (RFC 9052 §7), base64url."""
        return _unpadded(_cose(self.key))

    def answer(self, asked: bytes, *, flags: int = 0x05, kind: str = "webauthn.get") -> PasskeyAssertion:
        """What it answers to the challenge `asked`."""
        said = {"type": kind, "challenge": _unpadded(asked), "origin": "https://batch.example.org"}
        client = dumps(said).encode()
        data = sha256(b"batch.example.org").digest() + bytes([flags]) + (7).to_bytes(4, "big")
        return PasskeyAssertion(
            credential=_unpadded(b"credential"),
            client_data=_unpadded(client),
            authenticator_data=_unpadded(data),
            signature=_unpadded(_signed(self.key, data + sha256(client).digest())),
            public_key=self.public,
        )

    def signature(self, meaning: Meaning = "released", digest: str = "ab" * 32) -> Signature:
        """A signature of the qualified person with it."""
        return Signature(
            signer=SIGNER,
            printed_name="Chen Jianguo 陈建国",
            role="qualified_person",
            meaning=meaning,
            signed_at=START,
            zone="Asia/Shanghai",
            digest=digest,
            components=("user-id", "passkey"),
            passkey=self.answer(challenge(meaning, digest)),
        )


def passkeys() -> list[Passkey]:
    """One of each kind of key that passkeys have."""
    return [
        Passkey(ec.generate_private_key(ec.SECP256R1())),
        Passkey(ed25519.Ed25519PrivateKey.generate()),
        Passkey(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ]


def record(folder: Path, *, passkey: Passkey | None = None, enrolled: bool = True, hours: float = 40.0) -> Source:
    """A record in memory with one batch: corrected, with sealed readings, released with a passkey."""
    passkey = passkey or Passkey(ec.generate_private_key(ec.SECP256R1()))
    store, clock, master = MemoryStore(), SimulatedClock(START), read_pack("car_t_cd19").master
    book = Book(ledger=Ledger(store, clock))
    who = f"person/{SIGNER}"
    person = PersonEnrolled(
        user=SIGNER,
        printed_name="Chen Jianguo 陈建国",
        roles=("qualified_person",),
        zone="Asia/Shanghai",
        signature=None,
    )
    book.tell(who, person, actor="system:access")
    fingerprint = sha256(passkey.public.encode()).hexdigest()
    if enrolled:
        book.tell(who, CredentialSet(user=SIGNER, method="passkey", fingerprint=fingerprint), actor=f"person:{SIGNER}")
    book.tell(f"recipe/{LINE}/{master.recipe.recipe}", approved(master, line=LINE))
    fact = created(master, BATCH, line=LINE)
    ended = written_batch(book, master, fact, until=hours)
    _correct(book, passkey)
    telemetry = MemoryTelemetry(FORM)
    _seal(book, telemetry)
    stream = f"batch/{BATCH}"
    finding = FindingRecorded(
        locus="CN-SC818:14",
        text_sha256="1960056b35ece0593a2d010258eb73ab7c96778e921e8fb9829abab654718d9b",
        verdict=Verdict.PASS,
        severity="S1",
        reason="both committees passed it",
        act="collection",
    )
    book.tell(stream, finding, ended)
    book.tell(stream, BatchFinished(), ended)
    signed = DispositionSigned(disposition="released", reason="all is well", signature=passkey.signature())
    book.tell(stream, signed, ended, actor=f"person:{SIGNER}")
    return Source(
        ledger=book.ledger, store=store, telemetry=telemetry, folder=folder, clock=clock, zone="Asia/Shanghai"
    )


def bundle(source: Source, to: Path) -> bytes:
    """The bundle of the batch, without PDF."""
    export(source, BATCH, to, typeset=None)
    return to.read_bytes()


def _correct(book: Book, passkey: Passkey) -> None:
    """A value that a person typed wrong, and its correction."""
    entries = list(book.ledger.stream(f"batch/{BATCH}"))
    done = next(e for e in entries if isinstance(e.fact, StepCompleted) and e.fact.step == "receipt/inspect")
    correction = ValueCorrected(
        corrects=done.entry.position,
        field="transport_temperature",
        old=58.4,
        new=5.84,
        reason="the decimal point was missing",
        signature=replace(passkey.signature("performed"), printed_name="Zhou Min 周敏", role="operator"),
    )
    book.tell(f"batch/{BATCH}", correction, START, actor=f"person:{SIGNER}")


def _seal(book: Book, telemetry: MemoryTelemetry) -> None:
    tag = Tag("bioreactor-01/temperature", "°C")
    times = [microseconds(after(START, hour / 6)) for hour in range(50)]
    telemetry.write([readings(BATCH, [(tag, at, at, 37.0 + at % 7 / 100, 0) for at in times])])
    for segment in telemetry.seal(BATCH, microseconds(after(START, 1000))):
        sealed = TelemetrySealed(
            segment=segment.name,
            batch=BATCH,
            format=FORM.name,
            first=moment(segment.first),
            last=moment(segment.last),
            readings=segment.readings,
            tags=segment.tags,
            sha256=segment.sha256,
        )
        book.tell(f"batch/{BATCH}", sealed, START)


def _signed(key: Key, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    return key.sign(message)


def _cose(key: Key) -> bytes:
    """CBOR map of the public key (RFC 8949, RFC 9053)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        x, y = (each.to_bytes(32, "big") for each in (point.x, point.y))
        return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
    if isinstance(key, rsa.RSAPrivateKey):
        modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
        return b"\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00" + modulus + b"\x21\x43\x01\x00\x01"
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20" + public


def _unpadded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class _Authority(BaseHTTPRequestHandler):
    """Answers time-stamp queries with `openssl ts`."""

    folder: Path

    def do_POST(self) -> None:
        (self.folder / "query.tsq").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        made = openssl(
            self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr"
        )
        self.send_response(200 if made else 500)
        self.end_headers()
        self.wfile.write((self.folder / "reply.tsr").read_bytes())

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def authority(folder: Path) -> Iterator[tuple[str, Path]]:
    """A time-stamping authority on this machine: its address and its certificate."""
    (folder / "tsa.cnf").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.pem", "-days", "30")
    openssl(
        folder, *request, "-subj", "/CN=Test time-stamping authority", "-config", "tsa.cnf", "-extensions", "tsa_ext"
    )
    handler = type("Handler", (_Authority,), {"folder": folder})
    server = HTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", folder / "tsa.pem"
    finally:
        server.shutdown()
        server.server_close()


def openssl(folder: Path, *arguments: str) -> bool:
    """Run openssl in `folder`; whether it succeeded."""
    return run(["openssl", *arguments], cwd=folder, capture_output=True, check=False, timeout=60).returncode == 0


_CONFIGURATION = """
[req]
distinguished_name = dn
[dn]
[tsa_ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
[tsa]
default_tsa = tsa1
[tsa1]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
