"""Addresses of brokers, and what is said when one does not let us in."""

import builtins
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from cytoloop.adapters.sparkplug.edge import _kept
from cytoloop.adapters.sparkplug.link import broken, broker, client, library, subscribe
from cytoloop.adapters.sparkplug.topics import HostState, Topic, parse_state, parse_topic
from cytoloop.adapters.sparkplug.wire import PayloadError
from cytoloop.core.errors import UserError


def test_addresses_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\nother\n", encoding="utf-8")
    plain = broker("mqtt://broker.example")
    assert (plain.host, plain.port, plain.tls, plain.user) == ("broker.example", 1883, False, "")
    safe = broker("mqtts://line@10.0.0.1:9999", password_file=tmp_path / "secret")
    assert (safe.host, safe.port, safe.tls, safe.user, safe.password) == ("10.0.0.1", 9999, True, "line", "s3cret")
    assert "s3cret" not in repr(safe)
    assert broker("mqtts://broker.example").port == 8883


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://x", "is no address of a broker"),
        ("mqtt://", "is no address of a broker"),
        ("mqtt://x/topic", "is no address of a broker"),
        ("mqtt://x:port", "is no address of a broker"),
        ("mqtt://me:secret@x", "password does not belong"),
    ],
)
def test_what_is_no_address_is_said_without_a_password(address: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        broker(address)
    assert "secret" not in str(caught.value)


def test_a_password_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        broker("mqtt://x", password_file=tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(UserError, match="holds no password"):
        broker("mqtt://x", password_file=tmp_path / "empty")


@pytest.mark.parametrize(("version", "clean"), [("3.1.1", True), ("5", None)])
def test_a_client_has_a_clean_session_and_a_will(
    version: str, clean: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(aiomqtt, "Client", lambda *_, **options: asked.update(options))
    client(broker("mqtt://x", version=version), "me", ("t", b"p", True))
    assert asked["identifier"] == "me"
    assert asked["clean_session"] is clean
    assert asked["will"] == aiomqtt.Will("t", b"p", qos=1, retain=True)
    assert asked["max_queued_incoming_messages"] > 0


async def test_a_subscription_that_is_not_allowed_is_said() -> None:
    class Refusing:
        async def subscribe(self, topics: list[Any]) -> list[int]:
            return [1, 128][: len(topics)]

    await subscribe(Refusing(), ["a"])
    with pytest.raises(aiomqtt.MqttError, match="does not let us subscribe to b; allow it"):
        await subscribe(Refusing(), ["a", "b"])


def test_only_what_a_network_does_is_a_broken_connection() -> None:
    assert broken(ValueError("x")) is None
    assert broken(aiomqtt.MqttError("gone")) == "gone"
    assert broken(TimeoutError()) == "it gives no answer"


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("aiomqtt"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'cytoloop\[mqtt\]'"):
        library()


@pytest.mark.parametrize(
    "topic",
    [
        Topic("NBIRTH", "g", "n"), Topic("DDATA", "g", "n", "d"), Topic("DCMD", "g", "n", "d"), Topic("STATE", "", "h"),
    ],
)  # fmt: skip
def test_topics_come_back(topic: Topic) -> None:
    assert parse_topic(topic.text) == topic


@pytest.mark.parametrize(
    "text",
    [
        "", "spBv1.0", "spAv1.0/g/NDATA/n", "spBv1.0/g/NDATA", "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n",
        "spBv1.0/g/DDATA/n/", "spBv1.0/g/DDATA/n/d/e", "spBv1.0/g/STATE/h", "spBv1.0/g/ndata/n", "spBv1.0//NDATA/n",
    ],
)  # fmt: skip
def test_other_topics_are_refused(text: str) -> None:
    with pytest.raises(PayloadError, match="is no Sparkplug topic"):
        parse_topic(text)


def test_a_hosts_state_comes_back() -> None:
    assert parse_state(HostState(online=True, timestamp=7).payload) == HostState(online=True, timestamp=7)
    assert parse_state(b'{"online":false,"timestamp":7,"more":1}') == HostState(online=False, timestamp=7)


@pytest.mark.parametrize(
    "data",
    [b"ONLINE", b"{}", b'{"online":1,"timestamp":7}', b'{"online":true,"timestamp":true}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_state_is_said(data: bytes) -> None:
    with pytest.raises(PayloadError, match="STATE message must be JSON"):
        parse_state(data)


def test_the_number_of_the_last_session_must_be_one(tmp_path: Path) -> None:
    assert _kept(tmp_path / "none") == -1
    (tmp_path / "bad").write_text("seven", encoding="ascii")
    with pytest.raises(UserError, match="should hold a number"):
        _kept(tmp_path / "bad")
