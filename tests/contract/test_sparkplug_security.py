"""Sparkplug with names, passwords and TLS: who is not let in hears why, and what to do about it."""

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.contract.mqtt_broker import Mosquitto, running_broker
from tests.contract.sparkplug_line import Line, setting

from cytoloop.adapters.sparkplug.link import Broker
from cytoloop.core.equipment import UnreachableError
from cytoloop.core.errors import UserError

pytestmark = [
    # paho leaves the socket of a handshake that failed to the garbage collector, which warns and closes it.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DAY = timedelta(days=1)
Signed = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def signed(name: str, by: Signed | None, begin: timedelta = -DAY, end: timedelta = DAY) -> Signed:
    """A key and its certificate; signed by itself when `by` is None."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[1].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if by is not None:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(by[0].public_key())
        made = made.add_extension(issuer, critical=False)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return key, made.sign(by[0] if by else key, hashes.SHA256())


def kept(folder: Path, name: str, given: Signed) -> tuple[Path, Path]:
    """The certificate and the key as PEM files that the broker may read."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(given[1].public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(given[0].private_bytes(*private))
    key.chmod(0o644)
    return certificate, key


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a broker may read: one that root starts gives up its rights, and pytest's are their owner's."""
    made = Path(tempfile.mkdtemp(prefix="cytoloop-mqtt-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def tls_broker(folder: Path, end: timedelta = DAY) -> Iterator[tuple[Mosquitto, Broker]]:
    """A broker that asks for a certificate, and how to be let in."""
    authority = signed("authority", None, -9 * DAY)
    ca, _ = kept(folder, "ca", authority)
    certificate, key = kept(folder, "broker", signed("broker", authority, -5 * DAY, end))
    own, own_key = kept(folder, "own", signed("door", authority))
    files = {"cafile": ca, "certfile": certificate, "keyfile": key}
    settings = (*(f"{name} {path}" for name, path in files.items()), "require_certificate true", "allow_anonymous true")
    with running_broker(*settings) as mosquitto:
        to = Broker(host="127.0.0.1", port=mosquitto.port, tls=True, ca=ca, certificate=own, key=own_key, keepalive=2)
        yield mosquitto, to


@pytest_asyncio.fixture
async def lines() -> AsyncIterator[list[Line]]:
    made: list[Line] = []
    yield made
    for each in made:
        await each.close()


async def test_over_tls_with_certificates_on_both_sides(folder: Path, lines: list[Line]) -> None:
    with tls_broker(folder) as (mosquitto, to):
        lines.append(line := Line(mosquitto=mosquitto, folder=folder))
        await line.edge(line.device(), to=to)
        assert (await line.door(to=to).perform(setting(1, 36.5))).ok
        bare = line.door(to=replace(to, certificate=None, key=None), patience=0.5)
        with pytest.raises(UnreachableError, match=r"broker at mqtts://127\.0\.0\.1"):
            await bare.perform(setting(2, 36.0))
        strange = line.door(to=replace(to, ca=None), patience=0.5)
        with pytest.raises(UnreachableError, match=r"its certificate is not accepted .*name its authority"):
            await strange.perform(setting(2, 36.0))
        await line.close()


async def test_a_certificate_that_expired_is_said(folder: Path, lines: list[Line]) -> None:
    with tls_broker(folder, end=-DAY) as (mosquitto, to):
        lines.append(line := Line(mosquitto=mosquitto, folder=folder))
        with pytest.raises(UnreachableError, match=r"certificate is not accepted .*expired.*renew it"):
            await line.door(to=to, patience=0.5).perform(setting(1, 36.5))
        await line.close()


async def test_who_has_no_password_is_not_let_in(folder: Path, lines: list[Line]) -> None:
    passwords = folder / "passwords"
    passwords.write_text("line:secret\n", encoding="utf-8")
    subprocess.run([shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-U", passwords], check=True)
    passwords.chmod(0o644)
    with running_broker("allow_anonymous false", f"password_file {passwords}") as mosquitto:
        lines.append(line := Line(mosquitto=mosquitto, folder=folder))
        good = line.broker()
        good = replace(good, user="line", password="secret")
        await line.edge(line.device(), to=good)
        assert (await line.door(to=good).perform(setting(1, 36.5))).ok
        for version in ("3.1.1", "5"):
            wrong = replace(good, password="guessed", version=version)
            with pytest.raises(UnreachableError, match="lets nobody in under this name and password") as said:
                await line.door(to=wrong, patience=0.5).perform(setting(2, 36.0))
            assert "guessed" not in str(said.value)
        await line.close()


async def test_files_that_do_not_fit_are_the_users_mistake(folder: Path, lines: list[Line]) -> None:
    with running_broker() as mosquitto:
        lines.append(line := Line(mosquitto=mosquitto, folder=folder))
        to = replace(line.broker(), tls=True, ca=folder / "missing.pem")
        with pytest.raises(UserError, match=r"missing\.pem cannot be used for TLS .*name PEM files"):
            await line.door(to=to).perform(setting(1, 36.5))
        await line.close()
