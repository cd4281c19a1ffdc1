"""The connection to an MQTT broker: its address, who we are to it, and how it is opened (MQTT 3.1.1 or 5)."""

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from cytoloop.adapters.sparkplug.codec import LARGEST
from cytoloop.core.errors import UserError

PORTS = {"mqtt": 1883, "mqtts": 8883}
QUEUE = 10_000
"""Messages that may wait to be taken; what comes beyond is dropped, and the gap in its numbers asks for a rebirth."""
Version = Literal["3.1.1", "5"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker, and how to be let in."""

    host: str
    port: int
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    """Certificates that the broker's is checked against; None: those of the machine."""
    certificate: Path | None = None
    """Our own, for brokers that ask for one, with its `key`."""
    key: Path | None = None
    version: Version = "3.1.1"
    keepalive: int = 10
    """Seconds of silence after which a side asks whether the other is still there."""

    @property
    def shown(self) -> str:
        """For messages: never a password."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def broker(address: str, *, password_file: Path | None = None, **options: Any) -> Broker:
    """The broker at an address such as "mqtts://user@host:8883"; UserError when it is none.

    `options`: further fields of `Broker`.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise UserError(f"{address!r} is no address of a broker ({error}); write mqtt://host:1883") from error
    if parts.password is not None:
        raise UserError("a password does not belong in a broker's address; put it in a file and name the file")
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UserError(f"{address!r} is no address of a broker; write mqtt://host:1883 or mqtts://user@host:8883")
    return Broker(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        user=parts.username or "",
        password=_first_line(password_file) if password_file else "",
        **options,
    )


def client(to: Broker, identifier: str, will: tuple[str, bytes, bool]) -> Any:
    """A client with a clean session that will connect when entered.

    `will`: topic, payload and whether it is retained, at QoS 1 (specification 3.0.0, §6.4.25 and §6.4.27).
    """
    aiomqtt = library()
    topic, payload, retain = will
    quiet = logging.getLogger("cytoloop.mqtt")
    quiet.setLevel(logging.CRITICAL)  # what goes wrong is said in one sentence of our own
    v5 = to.version == "5"  # without an expiry interval its session ends with the connection, as a clean one does
    return aiomqtt.Client(
        to.host,
        to.port,
        identifier=identifier,
        username=to.user or None,
        password=to.password or None,
        protocol=aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311,
        clean_session=None if v5 else True,
        will=aiomqtt.Will(topic, payload, qos=1, retain=retain),
        keepalive=to.keepalive,
        timeout=max(1.0, to.keepalive / 2),
        tls_context=_tls(to) if to.tls else None,
        max_queued_incoming_messages=QUEUE,
        logger=quiet,
    )


async def subscribe(mqtt: Any, topics: list[str]) -> None:
    """Subscribe to all of them at QoS 1. aiomqtt.MqttError when the broker does not allow one."""
    codes = await mqtt.subscribe([(each, 1) for each in topics])
    _cancelled()
    refused = [topic for topic, code in zip(topics, codes, strict=True) if getattr(code, "is_failure", code == 128)]
    if refused:
        raise library().MqttError(f"it does not let us subscribe to {', '.join(refused)}; allow it in its access list")


async def publish(mqtt: Any, topic: str, data: bytes, *, qos: int = 0, retain: bool = False) -> None:
    """Publish; returns once it is handed to the network, or at QoS 1 once the broker has it."""
    await mqtt.publish(topic, data, qos=qos, retain=retain)
    _cancelled()


def _cancelled() -> None:
    """Raise a cancellation that came meanwhile: Python 3.11's `wait_for`, on which aiomqtt stands, may swallow it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def broken(error: BaseException) -> str | None:
    """Why a connection could not be made or was lost, for a person; None when that is not what the error says."""
    aiomqtt = library()
    if not isinstance(error, aiomqtt.MqttError | OSError | TimeoutError):
        return None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message}); renew it, or name its authority"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason}); see whether it speaks TLS, and whether it takes our certificate"
        if isinstance(cause, aiomqtt.exceptions.MqttConnectError):
            return f"it lets nobody in under this name and password ({cause})"
        cause = cause.__cause__ or cause.__context__
    return str(error) or "it gives no answer"


def library() -> Any:
    """aiomqtt, which only those who speak MQTT need; UserError says how to get it."""
    try:
        import aiomqtt.exceptions  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UserError("MQTT needs a library that is not installed; run: pip install 'cytoloop[mqtt]'") from error
    return aiomqtt


def bounded(payload: object) -> bytes:
    """What a message carries, as bytes; a longer one than any payload may be is cut, which reading it will say."""
    return bytes(payload)[: LARGEST + 1] if isinstance(payload, bytes | bytearray) else b""


def _tls(to: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=to.ca)
        if to.certificate is not None:
            context.load_cert_chain(to.certificate, to.key)
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(each) for each in (to.ca, to.certificate, to.key) if each)
        raise UserError(f"{named} cannot be used for TLS ({error}); name PEM files that fit each other") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the password in {path} cannot be read ({error}); write it there as one line") from error
    if not lines or not lines[0]:
        raise UserError(f"{path} holds no password; write it there as one line")
    return lines[0]
