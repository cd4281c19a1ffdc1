"""Security of the OPC UA connection: policies, certificates, sign-in; what is not right is said, and nobody gets in."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.contract.opcua_plant import free_port
from tests.fault.proxy import Proxy
from tests.fault.skid import Skid

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.opcua import security
from cytoloop.adapters.opcua.certificates import (
    KEY,
    OWN,
    REJECTED,
    TRUSTED,
    judge,
    make_certificate,
    own_certificate,
    read_certificate,
)
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.security import MODES, PASSWORD, POLICIES, Access, ServerSecurity
from cytoloop.adapters.opcua.server import DeviceServer
from cytoloop.adapters.opcua.users import Users, add_user
from cytoloop.core.equipment import Command, UnreachableError
from cytoloop.core.errors import UserError

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "correct horse battery"
NOW = datetime.now(UTC)
Late = tuple[datetime, int, str]
"""When a certificate begins, how many days it is valid, and what is said of it."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Security folders `plant` and `platform`, which trust each other."""
    top = tmp_path_factory.mktemp("security")
    for name in ("plant", "platform"):
        make_certificate(top / name, f"urn:test:{name}", "127.0.0.1")
    trust(top / "platform", by=top / "plant")
    trust(top / "plant", by=top / "platform")
    add_user(top / "users", "platform-1", SECRET)
    password = top / "password"
    password.write_text(f"{SECRET}\n")
    password.chmod(0o600)
    return top


def trust(whom: Path, *, by: Path) -> None:
    shutil.copy(whom / OWN, by / TRUSTED / f"{whom.name}.der")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(folders: Path) -> AsyncIterator[DeviceServer]:
    clock = ScaledClock()
    asked = ServerSecurity(folder=folders / "plant", users=folders / "users")
    endpoint = f"opc.tcp://127.0.0.1:{free_port()}/cytoloop"
    skid = Skid(clock, folders / "effects")
    server = DeviceServer(devices=(skid,), clock=clock, endpoint=endpoint, every=0.1 / 3600, security=asked)
    await server.start()
    yield server
    await server.stop()


def access(folders: Path, **other: Any) -> Access:
    right = Access(folder=folders / "platform", user="platform-1", password_file=folders / "password")
    return replace(right, **other)


def setting() -> Command:
    return Command(key="B-1/set#1", target="skid-01", verb="set", arguments={"temperature": 30.0})


async def refused(served: DeviceServer, how: Access) -> str:
    """The sentence with which somebody is kept out."""
    door = OpcUaDoor(endpoint=served.endpoint, access=how, patience=10.0)
    with pytest.raises(UserError) as why:
        await door.open()
    with pytest.raises(UnreachableError) as doubt:
        await door.perform(setting())
    assert str(doubt.value) == str(why.value)
    await door.close()
    return str(why.value)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
async def test_every_policy_signs_in_and_no_password_is_readable_on_the_wire(
    served: DeviceServer, folders: Path, policy: str, mode: str
) -> None:
    async with Proxy(int(served.endpoint.rpartition(":")[2].partition("/")[0])) as proxy:
        door = OpcUaDoor(endpoint=proxy.endpoint, access=access(folders, policy=policy, mode=mode), patience=10.0)
        outcome = await door.perform(replace(setting(), key=f"B-1/{policy}/{mode}#1"))
        assert outcome.ok, outcome.note
        await door.close()
        assert SECRET.encode() not in proxy.wire
        assert (b"B-1/" in proxy.wire) is (mode == "Sign"), "signed is readable, encrypted is not"


async def test_a_certificate_that_the_plant_does_not_trust(served: DeviceServer, folders: Path) -> None:
    stranger = folders / "stranger"
    make_certificate(stranger, "urn:test:stranger", "127.0.0.1")
    trust(folders / "plant", by=stranger)
    said = await refused(served, access(folders, folder=stranger))
    assert "does not trust our certificate; have its owner trust" in said
    kept = list((folders / "plant" / REJECTED).glob("*.der"))
    assert [read_certificate(path) for path in kept] == [read_certificate(stranger / OWN)]


async def test_a_plant_that_we_do_not_trust_until_a_person_says_so(served: DeviceServer, folders: Path) -> None:
    wary = folders / "wary"
    shutil.copytree(folders / "platform", wary)
    (wary / TRUSTED / "plant.der").unlink()
    said = await refused(served, access(folders, folder=wary))
    assert "is not trusted; compare it with its owner, then move" in said
    (kept,) = (wary / REJECTED).glob("*.der")
    kept.rename(wary / TRUSTED / kept.name)
    door = OpcUaDoor(endpoint=served.endpoint, access=access(folders, folder=wary), patience=10.0)
    await door.open({"skid-01": "skid"})
    await door.close()


@pytest.mark.parametrize(
    "late",
    [
        (NOW - timedelta(days=30), 10, "our own certificate in .* expired on .*; make a new one"),
        (NOW + timedelta(days=3), 10, "is valid from .* only; wait, or set the clocks"),
    ],
    ids=["expired", "not-yet-valid"],
)
async def test_a_certificate_out_of_its_time_is_refused_on_both_sides(
    served: DeviceServer,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    late: tuple[datetime, int, str],
) -> None:
    begins, days, sentence = late
    make_certificate(tmp_path / "late", "urn:test:platform", "127.0.0.1", begins=begins, days=days)
    trust(folders / "plant", by=tmp_path / "late")
    how = access(folders, folder=tmp_path / "late")
    said = await refused(served, how)
    assert re.search(sentence, said), said
    shutil.copy(tmp_path / "late" / OWN, folders / "plant" / TRUSTED / f"late-{days}-{begins:%m%d}.der")
    monkeypatch.setattr(security, "own_certificate", lambda folder, _: read_certificate(folder / OWN))
    assert "finds our certificate out of its time; compare both clocks" in await refused(served, how)
    judged = judge(read_certificate(tmp_path / "late" / OWN), "urn:test:platform", folders / "plant", NOW, "it")
    assert judged is not None
    assert judged.fault in {"expired", "not-yet-valid"}
    with pytest.raises(UserError):
        own_certificate(tmp_path / "late", NOW)


async def test_a_certificate_for_another_application(
    served: DeviceServer, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "_own_uri", lambda *_: "urn:test:somebody-else")
    assert "finds another URI in our certificate than we call ourselves" in await refused(served, access(folders))
    own = read_certificate(folders / "platform" / OWN)
    judged = judge(own, "urn:test:somebody-else", folders / "plant", NOW, "the certificate of it")
    assert judged is not None
    assert judged.sentence.startswith(
        "the certificate of it is for urn:test:platform, but its owner calls itself urn:test:som"
    )


async def test_a_line_without_security_gets_nobody_in(served: DeviceServer, folders: Path) -> None:
    assert "does not offer a connection without security; name a security folder" in await refused(served, Access())
    asyncua = library()
    with pytest.raises(asyncua.ua.UaStatusCodeError, match="BadUserAccessDenied"):
        await _forced(asyncua.Client(served.endpoint))


async def _forced(client: Any) -> None:
    """Open a channel without security and create a session on it, whatever endpoints the server offers."""
    ua = library().ua
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        parameters = ua.CreateSessionParameters(SessionName="forced", RequestedSessionTimeout=10_000.0)
        parameters.EndpointUrl, parameters.ClientNonce = client.server_url.geturl(), bytes(32)
        await client.uaclient.create_session(parameters)
        activate = ua.ActivateSessionParameters()
        activate.UserIdentityToken = ua.UserNameIdentityToken(UserName="platform-1", Password=SECRET.encode())
        activate.UserIdentityToken.PolicyId = "username"
        await client.uaclient.activate_session(activate)
        await client.get_namespace_array()
    finally:
        client.disconnect_socket()


async def test_a_policy_that_the_plant_does_not_offer_is_named(folders: Path) -> None:
    with pytest.raises(UserError, match="there is no security Basic128Rsa15/Sign; take one of Basic256Sha256"):
        access(folders, policy="Basic128Rsa15", mode="Sign")
    open_plant = DeviceServer(devices=(), clock=ScaledClock(), endpoint=f"opc.tcp://127.0.0.1:{free_port()}/cytoloop")
    await open_plant.start()
    said = await refused(open_plant, access(folders))
    assert "does not offer Aes256Sha256RsaPss/SignAndEncrypt but None/None; name one of these" in said
    await open_plant.stop()


@pytest.mark.parametrize("other", [{"user": "platform-2"}, {"user": ""}, {"password_file": None}])
async def test_a_sign_in_that_is_not_right(
    served: DeviceServer, folders: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    monkeypatch.setenv(PASSWORD, "something else entirely")
    said = await refused(served, access(folders, **other))
    assert any(words in said for words in ("refuses platform-", "does not let somebody without a name in"))


async def test_the_password_comes_from_the_environment_too(
    served: DeviceServer, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    how = access(folders, password_file=None)
    assert f"no password for platform-1: put it in a file and name it, or in {PASSWORD}" in await refused(served, how)
    monkeypatch.setenv(PASSWORD, SECRET)
    door = OpcUaDoor(endpoint=served.endpoint, access=how, patience=10.0)
    await door.open({"skid-01": "skid"})
    await door.close()


async def test_trust_that_is_withdrawn_in_the_middle_leaves_the_step_in_doubt(
    served: DeviceServer, folders: Path
) -> None:
    async with Proxy(int(served.endpoint.rpartition(":")[2].partition("/")[0])) as proxy:
        door = OpcUaDoor(endpoint=proxy.endpoint, access=access(folders), patience=10.0)
        await door.open()
        ours = folders / "plant" / TRUSTED / "platform.der"
        ours.rename(folders / "platform.aside")
        proxy.cut()
        with pytest.raises(UnreachableError, match="does not trust our certificate"):
            await door.recall("B-1/anything#1")
        (folders / "platform.aside").rename(ours)
        assert await door.recall("B-1/anything#1") is None
        await door.close()


async def test_a_password_file_that_others_can_read_is_refused(folders: Path, tmp_path: Path) -> None:
    loose = tmp_path / "password"
    loose.write_text(SECRET)
    loose.chmod(0o644)
    with pytest.raises(UserError, match="can be read by others than its owner; run: chmod 600"):
        security.password_of(access(folders, password_file=loose))
    with pytest.raises(UserError, match="cannot be read"):
        security.password_of(access(folders, password_file=tmp_path / "none"))


async def test_keys_are_the_owners_and_never_replaced(folders: Path) -> None:
    assert os.stat(folders / "platform" / KEY).st_mode & 0o077 == 0
    with pytest.raises(UserError, match="holds a certificate already"):
        make_certificate(folders / "platform")
    with pytest.raises(UserError, match=r"there is no own\.der in .*make both with `cytoloop plant certificate"):
        own_certificate(folders, NOW)


async def test_users_are_kept_as_hashes(folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "users"
    add_user(path, "a", "a long enough secret")
    add_user(path, "b", "another long secret!")
    add_user(path, "a", "a new secret for a..")
    users = Users.read(path)
    assert users.match("a", "a new secret for a..")
    assert not users.match("a", "a long enough secret")
    assert not users.match("c", "")
    assert b"secret" not in path.read_bytes()
    for name, password, why in (
        ("", SECRET, "no user name"),
        ("x:y", SECRET, "no user name"),
        ("x", "short", "too short"),
    ):
        with pytest.raises(UserError, match=why):
            add_user(path, name, password)
    path.write_text("somebody\n")
    with pytest.raises(UserError, match="users, line 1: not a name and a hash"):
        Users.read(path)


async def test_passwords_do_not_go_over_a_line_without_encryption(folders: Path) -> None:
    server = DeviceServer(
        devices=(), clock=ScaledClock(), endpoint=f"opc.tcp://127.0.0.1:{free_port()}/x",
        security=ServerSecurity(users=folders / "users"),
    )  # fmt: skip
    with pytest.raises(UserError, match="passwords do not go over a connection without encryption"):
        await server.start()
    door = OpcUaDoor(endpoint="opc.tcp://127.0.0.1:1/x", access=access(folders, folder=None))
    with pytest.raises(UserError, match="goes over no connection without encryption"):
        await door.open()
    await door.close()
