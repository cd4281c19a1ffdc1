"""The vault: nobody reads it without the key, nobody changes it unseen, and no crash locks it for ever."""

import json
import os
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cytoloop.adapters.vault import KeyFile, Vault, vault
from cytoloop.adapters.vault.sealed import seal
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.json import JSON

ANN: dict[str, JSON] = {"names": ["Ann Secretname 王小明"], "birth_date": "1970-02-03"}
BOB: dict[str, JSON] = {"names": ["Bob Otherperson"]}


def opened(folder: Path, passphrase: str | None = None) -> Vault:
    # A cheap scrypt: the tests are about what is refused, not about how long a guess takes.
    return Vault(folder / "identities.vault", KeyFile(folder / "keys" / "identities.key", passphrase, cost=16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    opened(tmp_path).keep({"S-1": ANN, "S-2": BOB})
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_what_is_kept_is_given_back_and_cannot_be_read_in_the_file(folder: Path) -> None:
    assert opened(folder).identity("S-1") == ANN
    assert opened(folder).identity("S-3") is None
    assert opened(folder).subjects() == ("S-1", "S-2")
    content = (folder / "identities.vault").read_bytes()
    for secret in (b"Secretname", b"1970", "王小明".encode(), b"Otherperson"):
        assert secret not in content


def test_files_are_their_owners_only(folder: Path) -> None:
    for name in ("identities.vault", "keys/identities.key"):
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_the_same_identity_is_never_sealed_twice_alike(folder: Path) -> None:
    before = json.loads((folder / "identities.vault").read_text())["identities"]
    opened(folder).keep({"S-1": ANN})
    after = json.loads((folder / "identities.vault").read_text())["identities"]
    assert before["S-1"] != after["S-1"]
    assert before["S-2"] == after["S-2"]


def flip(text: str) -> str:
    raw = bytearray(b64decode(text))
    raw[-1] ^= 1
    return b64encode(bytes(raw)).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["identities"].update({"S-1": flip(c["identities"]["S-1"])}),
        lambda c: c["identities"].update({"S-1": c["identities"]["S-2"], "S-2": c["identities"]["S-1"]}),
        lambda c: c["identities"].pop("S-2"),
        lambda c: c["identities"].update({"S-3": c["identities"]["S-1"]}),
        lambda c: c.update({"seal": flip(c["seal"])}),
        lambda c: c["identities"].update({"S-1": "no base64"}),
    ],
    ids=["one bit", "two swapped", "one taken out", "one put in", "the seal", "rubbish"],
)
def test_a_change_by_something_else_is_found_and_never_served(
    folder: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    edit(folder / "identities.vault", change)
    for ask in (lambda: opened(folder).identity("S-1"), lambda: opened(folder).subjects()):
        with pytest.raises(FindingError, match="was changed, taken out or put in"):
            ask()


def test_an_identity_sealed_for_another_pseudonym_is_not_served_even_under_a_right_seal(folder: Path) -> None:
    """Whoever holds the key and swaps two identities has to seal each anew: the pseudonym is bound in."""
    inside = opened(folder)
    key, sealed = inside._read()
    assert key is not None
    swapped = {"S-1": sealed["S-2"], "S-2": sealed["S-1"]}
    edit(
        folder / "identities.vault",
        lambda c: c.update(
            {"identities": swapped, "seal": seal(key.secret, vault._whole(swapped), vault._bound(vault.ALL))}
        ),
    )
    with pytest.raises(FindingError, match="the identity of S-1"):
        opened(folder).identity("S-1")


def test_without_the_key_nothing_is_read_and_no_new_key_is_made(folder: Path) -> None:
    (folder / "keys" / "identities.key").unlink()
    with pytest.raises(UserError, match="is missing; restore it"):
        opened(folder).identity("S-1")
    with pytest.raises(UserError, match="is missing; restore it"):
        opened(folder).keep({"S-3": BOB})
    assert not (folder / "keys" / "identities.key").exists()


def test_the_key_of_another_vault_is_named(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    opened(other).keep({"S-9": BOB})
    shutil.copy(other / "keys" / "identities.key", folder / "keys" / "identities.key")
    with pytest.raises(UserError, match="which is not in"):
        opened(folder).identity("S-1")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("identities.vault", b"\x00\x01"),
        ("identities.vault", b"[]"),
        ("identities.vault", b'{"format": "cytoloop-vault/2"}'),
        ("identities.vault", b'{"format": "cytoloop-vault/1", "identities": 3}'),
        ("keys/identities.key", b"{}"),
        ("keys/identities.key", b'{"format": "cytoloop-vault-key/1", "wrap": null, "keys": {}}'),
        ("keys/identities.key", b'{"format": "cytoloop-vault-key/1", "wrap": null, "keys": {"a": "AAAA"}}'),
        ("keys/identities.key", b'{"format": "cytoloop-vault-key/1", "wrap": {"n": 1e99}, "keys": {"a": "AAAA"}}'),
    ],
)
def test_a_file_that_is_something_else_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        opened(folder).identity("S-1")


def test_a_passphrase_wraps_the_key(tmp_path: Path) -> None:
    opened(tmp_path, "seven boats").keep({"S-1": ANN})
    assert opened(tmp_path, "seven boats").identity("S-1") == ANN
    with pytest.raises(UserError, match="the passphrase does not open"):
        opened(tmp_path, "eight boats").identity("S-1")
    with pytest.raises(UserError, match="give it in CYTOLOOP_VAULT_PASSPHRASE"):
        opened(tmp_path).identity("S-1")


def test_removing_forgets_for_good_and_may_be_repeated(folder: Path) -> None:
    assert opened(folder).remove(["S-1", "S-7"]) == 1
    assert opened(folder).remove(["S-1"]) == 0
    assert opened(folder).subjects() == ("S-2",)
    assert opened(folder).identity("S-2") == BOB


def test_a_new_key_leaves_the_old_one_useless(folder: Path) -> None:
    old = (folder / "keys" / "identities.key").read_bytes()
    assert opened(folder).rekey("new boats") == 2
    assert opened(folder, "new boats").identity("S-1") == ANN
    (folder / "keys" / "identities.key").write_bytes(old)
    with pytest.raises(UserError, match="which is not in"):
        opened(folder).identity("S-1")


@pytest.mark.parametrize("written", range(4))
def test_a_crash_at_any_write_of_a_new_key_leaves_a_vault_that_opens(
    folder: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key change makes three files safe, one after the other; it is stopped after `written` of them."""
    done, replace_file = [0], os.replace

    def stopping(source: Any, target: Any, **_: Any) -> None:
        if done[0] == written:
            raise KeyboardInterrupt
        done[0] += 1
        replace_file(source, target)

    monkeypatch.setattr(Path, "replace", stopping)
    if written < 3:
        with pytest.raises(KeyboardInterrupt):
            opened(folder).rekey()
    else:
        opened(folder).rekey()
    monkeypatch.undo()
    assert opened(folder).identity("S-1") == ANN
    assert opened(folder).rekey() == 2
    assert len(json.loads((folder / "keys" / "identities.key").read_text())["keys"]) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("keep"), st.sampled_from("abc"), st.text(max_size=8)),
            st.tuples(st.just("remove"), st.sampled_from("abc"), st.just("")),
            st.tuples(st.just("rekey"), st.just("a"), st.just("")),
        ),
        max_size=12,
    )
)
def test_a_vault_holds_what_a_plain_mapping_would(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, str, str]]
) -> None:
    folder, plain = tmp_path_factory.mktemp("vault"), dict[str, dict[str, JSON]]()
    for act, subject, name in acts:
        if act == "keep":
            plain[subject] = {"name": name}
            opened(folder).keep({subject: {"name": name}})
        elif act == "remove":
            assert opened(folder).remove([subject]) == (1 if plain.pop(subject, None) is not None else 0)
        elif (folder / "identities.vault").exists():
            assert opened(folder).rekey() == len(plain)
    assert opened(folder).subjects() == tuple(sorted(plain))
    assert {subject: opened(folder).identity(subject) for subject in plain} == plain
