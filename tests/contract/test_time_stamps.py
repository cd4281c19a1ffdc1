"""Time stamps by a real authority (`openssl ts` behind HTTP on this machine): taken, renewed, exported, checked."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bundles import authority, bundle, openssl, record

from cytoloop.adapters import timestamp
from cytoloop.adapters.timestamp import check_token
from cytoloop.app.bundle import Source
from cytoloop.app.bundle_check import check_bundle
from cytoloop.app.bundle_parts import shipped
from cytoloop.app.bundle_trust import Trust
from cytoloop.app.publishing import publish
from cytoloop.app.stamping import stamp, stamps_of
from cytoloop.core.errors import FindingError, UserError
from cytoloop.record.container import unpack


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An authority: its address and its certificate."""
    with authority(tmp_path_factory.mktemp("authority")) as made:
        yield made


@pytest.fixture(scope="module")
def stamped(tsa: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A published record, stamped once with SHA-256 and renewed with SHA-512."""
    source = record(tmp_path_factory.mktemp("record"))
    publish(source.ledger, source.store, source.folder, source.clock)
    chain = tsa[1].read_bytes()
    assert stamp(source.store, timestamp.authority(tsa[0], "SHA256", chain)).number == 1
    assert stamp(source.store, timestamp.authority(tsa[0], "SHA512", chain), again=True).number == 2
    return source


def size_of(source: Source) -> int:
    """Entries under the stamped checkpoint."""
    return max(each.size for each in source.store.attestations() if each.kind == "time-stamp")


def test_a_renewed_stamp_is_over_the_one_before_and_all_it_was_over(stamped: Source) -> None:
    (note, first), (content, _) = stamps_of(stamped.store, size_of(stamped))
    assert content == first + note
    assert note.startswith(b"cytoloop.record/")


def test_the_authoritys_signature_is_checked_with_its_certificate(stamped: Source, tsa: tuple[str, Path]) -> None:
    chain = tsa[1].read_bytes()
    for content, token in stamps_of(stamped.store, size_of(stamped)):
        assert check_token(token, content, chain).trusted
        assert not check_token(token, content).trusted
        with pytest.raises(FindingError, match="over other content"):
            check_token(token, content + b" ", chain)


def test_another_authority_is_not_trusted(stamped: Source, tmp_path: Path) -> None:
    with authority(tmp_path) as (_, other):
        (content, token), _ = stamps_of(stamped.store, size_of(stamped))
        with pytest.raises(FindingError, match="does not hold with the certificates named"):
            check_token(token, content, other.read_bytes())


def test_a_changed_token_never_says_anything_else(stamped: Source, tsa: tuple[str, Path]) -> None:
    """Bits of a token that are not signed mean nothing; all others are found."""
    (content, token), _ = stamps_of(stamped.store, size_of(stamped))
    chain, found = tsa[1].read_bytes(), 0
    good = check_token(token, content, chain)
    for at in range(0, len(token), 31):
        changed = token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]
        try:
            assert check_token(changed, content, chain) == good
        except FindingError:
            found += 1
    assert found > len(token) / 31 / 3


def test_the_bundle_carries_the_stamps(stamped: Source, tsa: tuple[str, Path], tmp_path: Path) -> None:
    archive = bundle(stamped, tmp_path / "b.zip")
    first, second = check_bundle(archive, Trust(authority=tsa[1].read_bytes())).stamps
    assert first.trusted
    assert second.trusted
    assert not check_bundle(archive).stamps[0].trusted
    for name, content in unpack(archive).items():
        if name.startswith("timestamps/"):
            (tmp_path / Path(name).name).write_bytes(content)
    for number in ("1", "2"):
        files = ("-in", f"{number}.tsr", "-data", f"{number}.data", "-CAfile", str(tsa[1]))
        assert openssl(tmp_path, "ts", "-verify", *files, "-partial_chain")
    (tmp_path / "verify.py").write_bytes(shipped("verify.py"))
    done = subprocess.run(
        [sys.executable, tmp_path / "verify.py", tmp_path / "b.zip"], capture_output=True, text=True, check=False
    )
    assert "2 time stamps" in done.stdout, done.stderr


def test_a_stamp_is_taken_once_and_renewed_only_after_that(tsa: tuple[str, Path], tmp_path: Path) -> None:
    source = record(tmp_path)
    ask = timestamp.authority(tsa[0], "SHA256")
    with pytest.raises(UserError, match="never published"):
        stamp(source.store, ask)
    publish(source.ledger, source.store, source.folder, source.clock)
    with pytest.raises(UserError, match="no time stamp to renew"):
        stamp(source.store, ask, again=True)
    stamp(source.store, ask)
    with pytest.raises(UserError, match="stamped already"):
        stamp(source.store, ask)
    assert len(stamps_of(source.store, size_of(source))) == 1


def test_an_authority_that_cannot_be_reached_keeps_nothing(tmp_path: Path) -> None:
    source = record(tmp_path)
    publish(source.ledger, source.store, source.folder, source.clock)
    with pytest.raises(UserError, match="cannot be reached"):
        stamp(source.store, timestamp.authority("http://127.0.0.1:9/", "SHA256"))
    with pytest.raises(UserError, match="begins with http"):
        timestamp.authority("file:///etc/passwd", "SHA256")
    assert not [each for each in source.store.attestations() if each.kind == "time-stamp"]


def test_an_answer_for_something_else_is_not_kept(stamped: Source, tmp_path: Path) -> None:
    """An authority that answers an old token again: neither its nonce nor its content is what was sent."""
    _, (_, old) = stamps_of(stamped.store, size_of(stamped))
    source = record(tmp_path)
    publish(source.ledger, source.store, source.folder, source.clock)
    with pytest.raises(FindingError, match="over other content"):
        check_token(old, b"something else")
    (content, token), _ = stamps_of(stamped.store, size_of(stamped))
    with pytest.raises(FindingError, match="answers another request"):
        check_token(token, content, nonce=12345)


def test_without_the_extra_the_command_to_install_is_said(stamped: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(UserError, match=r"pip install 'cytoloop\[time-stamp\]'"):
        timestamp.authority("http://127.0.0.1:9/", "SHA256")


def test_without_the_extra_a_bundle_says_that_its_stamps_were_not_opened(
    stamped: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bundle(stamped, tmp_path / "b.zip")
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    first, _ = check_bundle(archive).stamps
    assert first.at is None
    assert "time-stamp" in first.remark
