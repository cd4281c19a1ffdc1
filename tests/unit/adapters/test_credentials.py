"""Two components, asked again each time; wrong ones lock the account."""

from pathlib import Path

import pytest

from cytoloop.adapters.credentials import LOCKED_AFTER, CredentialFile
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant


@pytest.fixture
def accounts(tmp_path: Path) -> CredentialFile:
    made = CredentialFile(tmp_path / "accounts.json")
    made.enroll(user="qa.lin", printed_name="Lin Jing", role="qa", zone="Asia/Shanghai", secret="right")
    return made


def sign(accounts: CredentialFile, secret: str, at: Instant, signer: str = "qa.lin") -> Signature:
    return accounts.sign(signer=signer, secret=secret, meaning="reviewed", digest="0" * 64, at=at)


def test_a_signature_carries_name_role_meaning_time_and_digest(accounts: CredentialFile, start: Instant) -> None:
    signature = sign(accounts, "right", start)
    assert (signature.printed_name, signature.role, signature.meaning) == ("Lin Jing", "qa", "reviewed")
    assert (signature.signed_at, signature.digest) == (start, "0" * 64)


def test_a_wrong_secret_or_an_unknown_person_signs_nothing(accounts: CredentialFile, start: Instant) -> None:
    for signer, secret in (("qa.lin", "wrong"), ("nobody", "right")):
        with pytest.raises(RefusedError, match="do not match; nothing was signed"):
            sign(accounts, secret, start, signer)


def test_five_wrong_secrets_lock_the_account_even_for_the_right_one(
    accounts: CredentialFile, start: Instant, tmp_path: Path
) -> None:
    for _ in range(LOCKED_AFTER):
        with pytest.raises(RefusedError):
            sign(accounts, "wrong", start)
    with pytest.raises(RefusedError, match="is locked"):
        sign(accounts, "right", start)
    with pytest.raises(RefusedError, match="is locked"):
        sign(CredentialFile(tmp_path / "accounts.json"), "right", start)


def test_the_right_secret_clears_the_count(accounts: CredentialFile, start: Instant) -> None:
    for _ in range(LOCKED_AFTER - 1):
        with pytest.raises(RefusedError):
            sign(accounts, "wrong", start)
    sign(accounts, "right", start)
    with pytest.raises(RefusedError):
        sign(accounts, "wrong", start)
    sign(accounts, "right", start)


@pytest.mark.usefixtures("accounts")
def test_secrets_are_not_in_the_file_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    assert "right" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_user_id_is_given_once(accounts: CredentialFile) -> None:
    with pytest.raises(UserError, match="is taken"):
        accounts.enroll(user="qa.lin", printed_name="x", role="qa", zone="UTC", secret="x")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "accounts.json").write_text("[{")
    with pytest.raises(UserError, match=r"accounts\.json cannot be read"):
        CredentialFile(tmp_path / "accounts.json")
