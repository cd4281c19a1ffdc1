"""Credentials: passwords with codes, passkeys, one-time codes to set them; wrong tries counted across processes."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher

from cytoloop.adapters.credentials import (
    LOCKED_AFTER,
    Credentials,
    Provisioning,
    RelyingParty,
    Tried,
    assertion_options,
    registration_options,
)
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.signature import Password, challenge
from cytoloop.core.time import Instant
from cytoloop.testing.passkey import SoftPasskey

GOOD = "seven small grey boats"
SITE = RelyingParty(id="localhost", name="tested", origins=("http://localhost:8818",))


@pytest.fixture
def book(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path, site=SITE)


def code_at(provisioning: Provisioning, at: Instant) -> str:
    return pyotp.TOTP(provisioning.secret).at(at)


def with_password(book: Credentials, at: Instant, user: str = "a.li", secret: str = GOOD) -> Provisioning:
    """An account with a password and codes in force; the code before that of the moment was used to set it."""
    code = book.invite(user, at)
    provisioning = book.stage_password(user, code, secret, at)
    book.settle(user, book.ready(user, code, code_at(provisioning, at - timedelta(seconds=30)), at))
    return provisioning


def passkey() -> SoftPasskey:
    return SoftPasskey(site=SITE.id, origin=SITE.origins[0])


def with_passkey(book: Credentials, at: Instant, user: str = "a.li", key: SoftPasskey | None = None) -> SoftPasskey:
    key = key or passkey()
    code = book.invite(user, at)
    book.stage_passkey(user, code, key.register(b"c" * 32), challenge=b"c" * 32, name="my phone", at=at)
    book.settle(user, book.ready(user, code, "", at))
    return key


def tried(book: Credentials, secret: str, code: str, at: Instant, *, user: str = "a.li", source: str = "") -> Tried:
    return book.try_(user, Password(secret=secret, code=code), challenge=b"", at=at, source=source)


def test_password_and_code_of_the_moment_are_right_together_only(book: Credentials, start: Instant) -> None:
    made = with_password(book, start)
    good = code_at(made, start)
    assert tried(book, GOOD, good, start).components == ("user-id", "password", "one-time-code")
    later = start + timedelta(minutes=5)
    fresh = code_at(made, later)
    for secret, code in ((GOOD, ""), (GOOD, "000000"), ("wrong wrong wrong", fresh), ("", fresh)):
        assert not tried(book, secret, code, later).right
    assert tried(book, GOOD, fresh, later).right


def test_a_code_is_taken_once(book: Credentials, start: Instant) -> None:
    code = code_at(with_password(book, start), start)
    assert tried(book, GOOD, code, start).right
    assert not tried(book, GOOD, code, start).right
    assert not tried(book, GOOD, code, start + timedelta(seconds=29)).right


@pytest.mark.parametrize(("seconds", "right"), [(-30, True), (0, True), (30, True), (-90, False), (90, False)])
def test_a_device_may_be_half_a_minute_off(book: Credentials, start: Instant, seconds: int, right: bool) -> None:
    made = with_password(book, start)
    now = start + timedelta(hours=1)
    assert tried(book, GOOD, code_at(made, now + timedelta(seconds=seconds)), now).right is right


def test_an_older_code_is_not_taken_after_a_newer_one(book: Credentials, start: Instant) -> None:
    made = with_password(book, start)
    now = start + timedelta(hours=1)
    assert tried(book, GOOD, code_at(made, now), now).right
    assert not tried(book, GOOD, code_at(made, now - timedelta(seconds=30)), now).right


def test_a_password_is_the_same_from_every_keyboard(book: Credentials, start: Instant) -> None:
    made = with_password(book, start, secret="ｓｅｖｅｎ café boats")
    assert tried(book, "seven cafe\u0301 boats", code_at(made, start), start).right


@pytest.mark.parametrize("secret", ["short", "x" * 300, "a.li is my name", "aaaaaaaaaaaaaaaa"])
def test_a_password_that_will_not_do_is_refused(book: Credentials, start: Instant, secret: str) -> None:
    code = book.invite("a.li", start)
    with pytest.raises(UserError, match="a password"):
        book.stage_password("a.li", code, secret, start)


def test_the_third_wrong_try_is_told_and_the_fifth_locks_for_every_process(
    book: Credentials, start: Instant, tmp_path: Path
) -> None:
    made = with_password(book, start)
    results = [tried(book, "wrong wrong wrong", "000000", start, source="desk") for _ in range(LOCKED_AFTER)]
    assert [result.alarms for result in results] == [(), (), ("3 wrong tries in a row",), (), ()]
    assert [result.locks for result in results] == [False] * 4 + [True]
    later = start + timedelta(minutes=5)
    other = Credentials(tmp_path)
    assert not tried(other, GOOD, code_at(made, later), later).right
    other.unlock("a.li")
    assert tried(book, GOOD, code_at(made, later), later).right


def test_the_right_try_clears_the_count(book: Credentials, start: Instant) -> None:
    made = with_password(book, start)
    for minute in range(1, 4):
        now = start + timedelta(minutes=minute)
        for _ in range(LOCKED_AFTER - 1):
            tried(book, "wrong wrong wrong", "", now)
        assert tried(book, GOOD, code_at(made, now), now).right


def test_wrong_tries_at_three_accounts_from_one_place_are_told_once(book: Credentials, start: Instant) -> None:
    alarms = [tried(book, "x", "", start, user=f"u.{n}", source="10.0.0.7").alarms for n in range(5)]
    assert alarms == [(), (), ("wrong tries at 3 accounts within 15 minutes from 10.0.0.7",), (), ()]


def test_wrong_tries_at_three_accounts_over_hours_or_from_several_places_are_not_told(
    book: Credentials, start: Instant
) -> None:
    for hour in range(5):
        assert tried(book, "x", "", start + timedelta(hours=hour), user=f"u.{hour}", source="desk").alarms == ()
    for place in range(5):
        assert tried(book, "x", "", start, user=f"u.{place}", source=f"desk {place}").alarms == ()


def test_what_somebody_typed_as_a_user_id_is_not_kept(book: Credentials, start: Instant, tmp_path: Path) -> None:
    tried(book, "x", "", start, user="my secret password")
    assert "my secret" not in (tmp_path / "accounts.json").read_text()


def test_no_secret_is_in_the_files_and_only_their_owner_reads_them(
    book: Credentials, start: Instant, tmp_path: Path
) -> None:
    made = with_password(book, start)
    text = (tmp_path / "accounts.json").read_text()
    assert GOOD not in text
    assert made.secret not in text
    for path in (tmp_path / "accounts.json", tmp_path / "keys" / "accounts.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_the_invitation_is_good_for_a_day_for_one_account_and_once(book: Credentials, start: Instant) -> None:
    code = book.invite("a.li", start)
    with pytest.raises(RefusedError, match="not good for this account"):
        book.stage_password("b.wu", code, GOOD, start)
    with pytest.raises(RefusedError, match="not good for this account"):
        book.stage_password("a.li", code, GOOD, start + timedelta(hours=24))
    made = book.stage_password("a.li", code, GOOD, start)
    book.settle("a.li", book.ready("a.li", code, code_at(made, start), start))
    with pytest.raises(RefusedError, match="not good for this account"):
        book.stage_password("a.li", code, "another long password", start)


def test_the_code_that_set_a_password_is_taken(book: Credentials, start: Instant) -> None:
    code = book.invite("a.li", start)
    made = book.stage_password("a.li", code, GOOD, start)
    book.settle("a.li", book.ready("a.li", code, code_at(made, start), start))
    assert not tried(book, GOOD, code_at(made, start), start).right
    assert tried(book, GOOD, code_at(made, start + timedelta(seconds=30)), start).right


def test_five_wrong_codes_of_the_moment_void_the_invitation(book: Credentials, start: Instant) -> None:
    code = book.invite("a.li", start)
    made = book.stage_password("a.li", code, GOOD, start)
    for _ in range(LOCKED_AFTER):
        with pytest.raises(RefusedError, match="not the code of the moment"):
            book.ready("a.li", code, "000000", start)
    with pytest.raises(RefusedError, match="not good for this account"):
        book.ready("a.li", code, code_at(made, start), start)


def test_a_new_invitation_ends_what_was_set(book: Credentials, start: Instant) -> None:
    made = with_password(book, start)
    book.invite("a.li", start)
    assert not tried(book, GOOD, code_at(made, start), start).right


def test_an_accounts_key_that_was_changed_or_lost_is_named(book: Credentials, start: Instant, tmp_path: Path) -> None:
    made = with_password(book, start)
    key = tmp_path / "keys" / "accounts.key"
    key.write_bytes(bytes(32))
    with pytest.raises(UserError, match="does not open with the key of the accounts"):
        tried(book, GOOD, code_at(made, start), start)
    key.write_bytes(b"short")
    with pytest.raises(UserError, match="is no key of accounts"):
        tried(book, GOOD, code_at(made, start), start)
    key.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        tried(book, GOOD, code_at(made, start), start)


def test_a_sealed_secret_of_one_account_does_not_open_for_another(
    book: Credentials, start: Instant, tmp_path: Path
) -> None:
    with_password(book, start, "a.li")
    made = with_password(book, start, "b.wu")
    path = tmp_path / "accounts.json"
    document = json.loads(path.read_text())
    accounts = document["book"]["accounts"]
    accounts["a.li"]["sealed"] = accounts["b.wu"]["sealed"]
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match="does not open"):
        tried(book, GOOD, code_at(made, start), start)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{", r"accounts\.json cannot be read"),
        ("{}", r"accounts\.json cannot be read"),
        ('{"format": 2, "book": {"accounts": 7}}', r"cannot be read \(accounts: "),
        ('{"format": 3, "book": {}}', "have format 3, and this version knows 2"),
    ],
)
def test_a_file_that_is_not_ours_is_named(book: Credentials, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "accounts.json").write_text(text)
    with pytest.raises(UserError, match=said):
        book.account("a.li")


def test_accounts_of_the_first_release_are_scripted_people(book: Credentials, tmp_path: Path) -> None:
    first = [{"user": "qa.lin", "printed_name": "L", "role": "qa", "zone": "UTC", "secret_hash": "x", "failures": 0}]
    (tmp_path / "accounts.json").write_text(json.dumps(first))
    assert book.account("qa.lin").scripted


def test_a_scripted_person_does_not_take_a_persons_place(book: Credentials, start: Instant) -> None:
    with_password(book, start)
    with pytest.raises(UserError, match="belongs to a person"):
        book.cast("a.li", "secret")


def test_a_passkey_signs_what_was_shown_and_its_public_key_goes_along(book: Credentials, start: Instant) -> None:
    key = with_passkey(book, start)
    asked = challenge("released", "0" * 64)
    result = book.try_("a.li", key.answer(asked), challenge=asked, at=start)
    assert result.right
    assert result.components == ("user-id", "passkey")
    assert result.passkey is not None
    assert result.passkey.public_key == book.account("a.li").passkeys[0].public_key
    assert result.fingerprint == book.account("a.li").passkeys[0].fingerprint


def test_a_passkeys_answer_to_something_else_is_wrong(book: Credentials, start: Instant) -> None:
    key = with_passkey(book, start)
    answer = key.answer(challenge("reviewed", "0" * 64))
    assert not book.try_("a.li", answer, challenge=challenge("released", "0" * 64), at=start).right
    forged = replace(key.answer(b"x"), signature=passkey().answer(b"x").signature)
    assert not book.try_("a.li", forged, challenge=b"x", at=start).right


@pytest.mark.parametrize("change", [{"origin": "http://evil.example"}, {"site": "evil.example"}, {"verifies": False}])
def test_a_passkey_of_another_site_or_without_its_owner_is_wrong(
    book: Credentials, start: Instant, change: dict[str, object]
) -> None:
    key = with_passkey(book, start)
    for name, value in change.items():
        setattr(key, name, value)
    assert not book.try_("a.li", key.answer(b"x"), challenge=b"x", at=start).right
    with pytest.raises(RefusedError, match="the passkey's answer does not hold"):
        with_passkey(book, start, "b.wu", key)


def test_a_passkey_whose_counter_goes_back_is_refused_and_told(book: Credentials, start: Instant) -> None:
    key = with_passkey(book, start)
    for _ in range(3):
        assert book.try_("a.li", key.answer(b"x"), challenge=b"x", at=start).right
    key.counter = 1
    result = book.try_("a.li", key.answer(b"x"), challenge=b"x", at=start)
    assert not result.right
    assert result.alarms == ("a passkey's counter went back: there may be a copy of it",)


def test_a_passkey_without_a_counter_works(book: Credentials, start: Instant) -> None:
    key = passkey()
    key.counts = False
    with_passkey(book, start, key=key)
    for _ in range(2):
        assert book.try_("a.li", key.answer(b"x"), challenge=b"x", at=start).right


def test_one_passkey_belongs_to_one_person(book: Credentials, start: Instant) -> None:
    key = with_passkey(book, start)
    with pytest.raises(RefusedError, match="belongs to one person"):
        with_passkey(book, start, "b.wu", key)


def test_the_browser_is_told_to_verify_the_owner(book: Credentials, start: Instant) -> None:
    with_passkey(book, start)
    known = book.account("a.li").passkeys
    made = registration_options(SITE, user="a.li", printed_name="Li", challenge=b"c" * 32, known=known)
    asked = assertion_options(SITE, challenge=b"c" * 32, known=known)
    selection = made["authenticatorSelection"]
    assert isinstance(selection, dict)
    assert (selection["userVerification"], asked["userVerification"]) == ("required", "required")
    assert made["excludeCredentials"] == asked["allowCredentials"]
    assert [each["id"] for each in asked["allowCredentials"]] == [known[0].credential]  # type: ignore[union-attr, index, call-overload]  # JSON


def test_a_user_id_that_nobody_has_takes_as_much_work_as_a_wrong_password(
    book: Credentials, start: Instant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_password(book, start)
    work: list[str] = []
    real = PasswordHasher.verify

    def counted(hasher: PasswordHasher, kept: str, secret: str) -> bool:
        work.append(kept.rpartition("$")[0].rpartition("$")[0])
        return bool(real(hasher, kept, secret))

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for user, barred in (("a.li", False), ("nobody", False), ("a.li", True)):
        proof = Password(secret="wrong wrong wrong", code=code_at(made, start))
        assert not book.try_(user, proof, challenge=b"", at=start, barred=barred).right
    assert len(work) == 3
    assert len(set(work)) == 1, "the same parameters, so the same work"


TRIES = """
import sys
from datetime import datetime
from pathlib import Path
from cytoloop.adapters.credentials import Credentials
from cytoloop.core.signature import Password
book, now = Credentials(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[3])
for _ in range(int(sys.argv[2])):
    tried = book.try_("a.li", Password(secret="wrong wrong wrong"), challenge=b"", at=now)
    print(tried.failures, flush=True)
"""


def test_wrong_tries_of_two_processes_at_once_are_all_counted(
    book: Credentials, start: Instant, tmp_path: Path
) -> None:
    with_password(book, start)
    each = [
        subprocess.Popen([sys.executable, "-c", TRIES, tmp_path, str(tries), start.isoformat()], stdout=subprocess.PIPE)
        for tries in (2, 3)
    ]
    counted = [int(word) for process in each for word in process.communicate()[0].split()]
    assert sorted(counted) == [1, 2, 3, 4, 5], "each try saw the ones before it"
    assert book.account("a.li").failures == LOCKED_AFTER
