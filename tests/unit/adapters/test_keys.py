"""Private keys: one file, its owner's alone, whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from cytoloop.adapters.keys import PASSPHRASE, load_key, new_key, promote, save_key, save_new
from cytoloop.core.errors import UserError


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE, raising=False)


def test_a_key_comes_back_from_its_file_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key, path = new_key("example.org/a"), tmp_path / "keys" / "a.pem"
    save_new(key, path)
    again = load_key(path)
    assert (again.name, again.public, again.sign(b"x")) == (key.name, key.public, key.sign(b"x"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["a.pem"]


def test_a_key_that_is_there_is_never_overwritten_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    save_new(new_key("one"), path)
    with pytest.raises(UserError, match="is there already and was not touched"):
        save_new(new_key("two"), path)
    assert load_key(path).name == "one"


def test_a_key_may_be_encrypted_and_then_needs_its_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, path = new_key("a"), tmp_path / "a.pem"
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    save_key(key, path)
    assert b"ENCRYPTED" in path.read_bytes()
    assert load_key(path).public == key.public
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(UserError, match="is the passphrase right"):
        load_key(path)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(UserError, match=f"is encrypted; put its passphrase into .* {PASSPHRASE}"):
        load_key(path)
    save_key(key, path)
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    with pytest.raises(UserError, match=f"has no passphrase; unset {PASSPHRASE}"):
        load_key(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a key of Cytoloop"),
        (b"\xff\xfe", "cannot be read"),
        (b"Key of a\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be opened"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "must say whose key it is"),
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as found:
        load_key(path)
    assert str(path) in str(found.value)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "a.pem"
    path.write_bytes(b"Key of a\n" + other)
    with pytest.raises(UserError, match="is not an Ed25519 key"):
        load_key(path)


def test_a_successor_takes_the_place_of_the_key_which_is_gone_then(tmp_path: Path) -> None:
    old, new = new_key("a"), new_key("a")
    save_key(old, tmp_path / "a.pem")
    save_key(new, tmp_path / "next.pem")
    promote(tmp_path / "next.pem", tmp_path / "a.pem")
    assert os.listdir(tmp_path) == ["a.pem"]
    assert load_key(tmp_path / "a.pem").public == new.public
