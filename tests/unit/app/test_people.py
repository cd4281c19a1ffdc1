"""People: nobody alone makes an account that signs; nobody signs for another; every refusal is an entry."""

import inspect
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.credentials import Credentials, Provisioning, RelyingParty
from cytoloop.adapters.memory import MemoryStore
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.accounts import AccountAct, Accounts, ChangeRoles, Close, Confirm, Enrol, Reset, Unlock
from cytoloop.app.acts import ALERTS, REFUSALS
from cytoloop.app.directory import person_stream
from cytoloop.app.founding import Founder, found
from cytoloop.app.people import WRONG, People, Signer, people_at
from cytoloop.app.permissions import Circle
from cytoloop.app.registrar import Registrar
from cytoloop.core.entry import Fact
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.people import (
    AccountConfirmed,
    AccountLocked,
    ActRefused,
    MisuseAlerted,
    PersonEnrolled,
    SignedIn,
    SignedOut,
)
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Password, Signature, Signing, challenge
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.testing.passkey import SoftPasskey

SITE = RelyingParty(id="localhost", name="tested", origins=("http://localhost:8818",))
SECRET = "seven small grey boats"


@dataclass(slots=True)
class Wall:
    """A clock that a test turns."""

    moment: Instant

    def now(self) -> Instant:
        return self.moment

    async def until(self, when: Instant) -> None:
        self.moment = max(self.moment, when)


@dataclass(slots=True)
class House:
    """A record with its founders, and everybody's secrets."""

    people: People
    clock: Wall
    codes: dict[str, str] = field(default_factory=dict)
    """User id -> secret of the codes."""

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.people)

    def proof(self, user: str) -> Password:
        """Password and code; a minute later each time, so that the code is a new one."""
        self.clock.moment += timedelta(minutes=1)
        code = pyotp.TOTP(self.codes[user]).at(self.clock.moment) if user in self.codes else "000000"
        return Password(secret=f"{SECRET} of {user[0]}", code=code)

    def signer(self, user: str) -> Signer:
        return Signer(user=user, proof=self.proof(user), source="desk")

    def do(self, wanted: AccountAct, by: str) -> str | None:
        return self.accounts.do(wanted, self.signer(by))

    def activate(self, user: str, code: str) -> None:
        provisioning = self.accounts.set_password(user, code, f"{SECRET} of {user[0]}")
        self.codes[user] = provisioning.secret
        self.accounts.prove_code(user, code, pyotp.TOTP(provisioning.secret).at(self.clock.moment))

    def enrol(self, user: str, *roles: str) -> str:
        wanted = Enrol(user=user, printed_name=user.title(), roles=roles or ("operator",), zone="Asia/Shanghai")
        code = self.do(wanted, "admin.a")
        assert code is not None
        return code

    def enrolled(self, user: str, *roles: str, by: str = "qa.q") -> None:
        self.activate(user, self.enrol(user, *roles))
        self.do(Confirm(user=user), by)

    def state(self, user: str) -> str:
        person = self.people.person(user)
        return person.state if person else "nobody"

    def facts(self, stream: str) -> list[Fact]:
        return [recorded.fact for recorded in self.people.registrar.ledger.stream(stream)]

    def refusals(self) -> list[ActRefused]:
        return [fact for fact in self.facts(REFUSALS) if isinstance(fact, ActRefused)]


def founder(user: str) -> Founder:
    return Founder(user=user, printed_name=user.title(), zone="Asia/Shanghai", secret=f"{SECRET} of {user[0]}")


def empty_house(folder: Path, start: Instant) -> House:
    clock = Wall(start)
    registrar = Registrar(Ledger(MemoryStore(), clock), clock)
    return House(People(registrar, Credentials(folder, site=SITE)), clock)


def founded(folder: Path, start: Instant) -> House:
    made = empty_house(folder, start)

    def show(who: Founder, provisioning: Provisioning) -> str:
        made.codes[who.user] = provisioning.secret
        return pyotp.TOTP(provisioning.secret).at(made.clock.moment)

    found(made.people, administrator=founder("admin.a"), quality=founder("qa.q"), show=show)
    return made


@pytest.fixture
def house(tmp_path: Path, start: Instant) -> House:
    return founded(tmp_path, start)


def sign(house: House, user: str, role: str, proof: Password | None = None) -> Signature:
    return house.people.sign(user, proof or house.proof(user), role=role, meaning="reviewed", digest="0" * 64)


def test_the_founders_may_sign_at_once_and_nobody_is_founded_twice(house: House) -> None:
    assert (house.state("admin.a"), house.state("qa.q")) == ("active", "active")
    assert sign(house, "qa.q", "qa").printed_name == "Qa.Q"
    with pytest.raises(RefusedError, match="the record has people already"):
        found(house.people, administrator=founder("admin.b"), quality=founder("qa.r"), show=lambda *_: "")
    assert house.refusals()[-1].act == "found"
    assert house.state("admin.b") == "nobody"


def test_founders_are_two_people_with_codes_that_work(tmp_path: Path, start: Instant) -> None:
    house = empty_house(tmp_path, start)
    one = founder("admin.a")
    with pytest.raises(UserError, match="two people"):
        found(house.people, administrator=one, quality=one, show=lambda *_: "")
    shown: list[str] = []

    def wrong(who: Founder, _: Provisioning) -> str:
        shown.append(who.user)
        return "000000"

    with pytest.raises(RefusedError, match="not the code of the moment"):
        found(house.people, administrator=one, quality=founder("qa.q"), show=wrong)
    assert shown == ["admin.a"] * 3
    assert house.people.everybody() == (), "nothing was written"


def test_a_founding_cut_short_is_done_again(tmp_path: Path, start: Instant, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append_all", dies)
        with pytest.raises(KeyboardInterrupt):
            founded(tmp_path, start)
    house = founded(tmp_path, start)
    assert sign(house, "admin.a", "administrator").signer == "admin.a"


def test_a_signature_says_who_what_when_where_and_how(house: House) -> None:
    house.enrolled("li.na", "operator", "process_scientist")
    proof = house.proof("li.na")
    signature = house.people.sign("li.na", proof, role="operator", meaning="performed", digest="ab" * 32)
    assert (signature.signer, signature.printed_name, signature.role) == ("li.na", "Li.Na", "operator")
    assert (signature.meaning, signature.digest, signature.zone) == ("performed", "ab" * 32, "Asia/Shanghai")
    assert signature.signed_at == house.clock.moment
    assert signature.components == ("user-id", "password", "one-time-code")
    with pytest.raises(RefusedError, match=r"li\.na is no qa; sign in a role you hold: operator, process_scientist"):
        sign(house, "li.na", "qa")
    assert (house.refusals()[-1].user, house.refusals()[-1].act) == ("li.na", "sign")


def test_an_account_signs_nothing_before_its_owner_set_it_and_another_confirmed(house: House) -> None:
    code = house.enrol("li.na")
    assert house.state("li.na") == "invited"
    with pytest.raises(RefusedError, match="do not match"):
        sign(house, "li.na", "operator")
    house.activate("li.na", code)
    assert house.state("li.na") == "unconfirmed"
    with pytest.raises(RefusedError, match="waits until somebody who did not issue it confirms it"):
        sign(house, "li.na", "operator")
    with pytest.raises(RefusedError, match="waits until somebody"):
        house.people.sign_in("li.na", house.proof("li.na"))
    house.do(Confirm(user="li.na"), "qa.q")
    assert sign(house, "li.na", "operator").signer == "li.na"


def test_who_issued_the_code_cannot_confirm_nor_the_owner_and_an_operator_may_not(house: House) -> None:
    house.enrolled("op.o", "operator")
    house.enrolled("qa.z", "qa")
    house.activate("qa.new", house.enrol("qa.new", "qa"))
    for by, why in (
        ("admin.a", "issued this account or its code and may not confirm-account"),
        ("op.o", r"op.o \(operator\) may not confirm-account"),
        ("qa.new", "waits until somebody"),
    ):
        with pytest.raises(RefusedError, match=why):
            house.do(Confirm(user="qa.new"), by)
        assert (house.refusals()[-1].user, house.refusals()[-1].act) == (by, "confirm-account")
        assert house.refusals()[-1].subject == "person/qa.new"
    assert house.state("qa.new") == "unconfirmed"
    house.do(Confirm(user="qa.new"), "qa.z")
    assert house.state("qa.new") == "active"


def test_an_administrator_who_sets_a_credential_cannot_use_it(house: House) -> None:
    """They know the password, have the codes, and still sign nothing: a third person would have to confirm."""
    code = house.enrol("qa.fake", "qa")
    house.activate("qa.fake", code)  # the administrator does it themselves
    with pytest.raises(RefusedError):
        house.do(Confirm(user="qa.fake"), "admin.a")
    with pytest.raises(RefusedError):
        house.do(Confirm(user="qa.fake"), "qa.fake")
    with pytest.raises(RefusedError):
        sign(house, "qa.fake", "qa")
    house.enrolled("admin.b", "administrator")
    house.do(Reset(user="qa.q", reason="tested"), "admin.b")
    with pytest.raises(RefusedError, match="do not match"):
        sign(house, "qa.q", "qa")


def test_a_credential_put_into_the_file_behind_its_owners_back_signs_nothing_and_is_told(
    house: House, tmp_path: Path
) -> None:
    house.enrolled("li.na")
    forged = house.people.credentials.stage_password("li.na", None, f"{SECRET} of l", house.clock.moment)
    keep = house.people.credentials
    keep.settle(
        "li.na", keep.ready("li.na", None, pyotp.TOTP(forged.secret).at(house.clock.moment), house.clock.moment)
    )
    house.codes["li.na"] = forged.secret
    with pytest.raises(RefusedError, match="is not the one the record knows"):
        sign(house, "li.na", "operator")
    alerts = [fact for fact in house.facts(person_stream("li.na")) if isinstance(fact, MisuseAlerted)]
    assert [fact.what for fact in alerts] == ["a credential that its owner did not set"]


def test_wrong_tries_give_one_sentence_are_entries_and_lock(house: House) -> None:
    house.enrolled("li.na")
    before = len(house.refusals())
    said: set[str] = set()
    for user in ["li.na"] * 6 + ["nobody"]:
        with pytest.raises(RefusedError) as refusal:
            sign(house, user, "operator", Password(secret="wrong wrong wrong", code="000000"))
        said.add(str(refusal.value))
    with pytest.raises(RefusedError) as refusal:
        sign(house, "li.na", "operator")
    said.add(str(refusal.value))
    assert said == {WRONG.en}
    assert [each.user for each in house.refusals()[before:]] == ["li.na"] * 6 + ["", "li.na"]
    facts = house.facts(person_stream("li.na"))
    assert [fact.what for fact in facts if isinstance(fact, MisuseAlerted)] == ["3 wrong tries in a row"]
    assert [fact.failures for fact in facts if isinstance(fact, AccountLocked)] == [5]
    assert house.state("li.na") == "locked"


def test_only_an_administrator_who_is_not_its_owner_unlocks_an_account(house: House) -> None:
    house.enrolled("li.na")
    house.enrolled("admin.b", "administrator")
    for user in ("li.na", "admin.b"):
        for _ in range(5):
            with pytest.raises(RefusedError):
                sign(house, user, "operator", Password(secret="wrong wrong wrong"))
    with pytest.raises(RefusedError, match="may not unlock"):
        house.do(Unlock(user="li.na", reason="seen in person"), "qa.q")
    with pytest.raises(RefusedError, match="do not match"):
        house.do(Unlock(user="admin.b", reason="I am sure it was me"), "admin.b")
    house.do(Unlock(user="li.na", reason="seen in person"), "admin.a")
    assert sign(house, "li.na", "operator").signer == "li.na"
    with pytest.raises(UserError, match="is not locked"):
        house.do(Unlock(user="li.na", reason="again"), "admin.a")


def test_a_lock_whose_entry_was_cut_off_by_a_crash_is_entered_at_the_next_try(house: House) -> None:
    house.enrolled("li.na")
    for _ in range(5):
        house.people.credentials.try_("li.na", Password(secret="wrong"), challenge=b"", at=house.clock.moment)
    assert house.state("li.na") == "active", "the entry is missing"
    with pytest.raises(RefusedError, match="do not match"):
        sign(house, "li.na", "operator")
    assert house.state("li.na") == "locked"


def test_an_accounts_file_from_before_the_lock_does_not_unlock(house: House, tmp_path: Path) -> None:
    house.enrolled("li.na")
    copy = (tmp_path / "accounts.json").read_text()
    for _ in range(5):
        with pytest.raises(RefusedError):
            sign(house, "li.na", "operator", Password(secret="wrong wrong wrong"))
    (tmp_path / "accounts.json").write_text(copy)
    with pytest.raises(RefusedError, match="do not match"):
        sign(house, "li.na", "operator")


def test_what_nobody_has_as_a_user_id_does_not_come_into_the_record(house: House) -> None:
    typed = "correct horse battery"
    for act in (
        lambda: house.people.sign_in(typed, Password(secret="x")),
        lambda: house.people.sign(typed, Password(secret="x"), role="qa", meaning="reviewed", digest="0" * 64),
        lambda: house.accounts.set_password(typed, "code", SECRET),
        lambda: house.people.admit(typed),
    ):
        with pytest.raises(RefusedError):
            act()
    entries = [str(recorded.entry.data) for recorded in house.people.registrar.ledger.entries()]
    assert not any(typed in text for text in entries)


def test_wrong_tries_at_three_accounts_from_one_desk_are_told(house: House) -> None:
    house.enrolled("li.na")
    for user in ("li.na", "nobody.1", "nobody.2"):
        with pytest.raises(RefusedError):
            house.people.sign_in(user, Password(secret="wrong"), source="10.0.0.7")
    alerts = [fact for fact in house.facts(ALERTS) if isinstance(fact, MisuseAlerted)]
    assert [fact.what for fact in alerts] == ["wrong tries at 3 accounts within 15 minutes from 10.0.0.7"]


def test_signing_in_and_out_are_entries(house: House) -> None:
    house.people.sign_in("qa.q", house.proof("qa.q"))
    house.people.sign_out("qa.q", "idle")
    assert house.facts(person_stream("qa.q"))[-2:] == [
        SignedIn(user="qa.q", method="password+code"),
        SignedOut(user="qa.q", reason="idle"),
    ]
    assert house.people.admit("qa.q").user == "qa.q"
    assert house.facts(person_stream("qa.q"))[-1] == SignedIn(user="qa.q", method="openid")


def test_a_user_id_is_never_given_again(house: House) -> None:
    house.enrolled("li.na")
    house.do(Close(user="li.na", reason="left the house"), "admin.a")
    assert house.state("li.na") == "closed"
    with pytest.raises(RefusedError, match="do not match"):
        sign(house, "li.na", "operator")
    with pytest.raises(UserError, match="never given again"):
        house.enrol("li.na")
    with pytest.raises(UserError, match="never used again"):
        house.do(Reset(user="li.na", reason="came back"), "admin.a")


LI = Enrol(user="li.na", printed_name="Li", roles=("qa",), zone="UTC")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (replace(LI, user="Li Na"), "will not do as a user id"),
        (replace(LI, user="l" * 33), "will not do as a user id"),
        (replace(LI, printed_name=" "), "name of li.na is empty"),
        (replace(LI, printed_name="Li\nNa"), "not printable"),
        (replace(LI, roles=("boss",)), "'boss' is no role"),
        (replace(LI, roles=()), "at least one role"),
        (replace(LI, roles=("administrator", "qa")), "administrator goes with no other role"),
        (replace(LI, roles=("inspector", "operator")), "inspector goes with no other role"),
        (replace(LI, zone="Mars/Olympus"), "is no time zone"),
    ],
)
def test_an_account_that_will_not_do_is_named(house: House, wanted: Enrol, said: str) -> None:
    with pytest.raises(UserError, match=said):
        house.do(wanted, "admin.a")
    assert house.state(wanted.user) == "nobody"


def test_roles_are_changed_by_an_administrator_for_others_and_the_old_ones_stand_beside(house: House) -> None:
    house.enrolled("li.na", "operator")
    house.do(ChangeRoles(user="li.na", roles=("qa", "operator"), reason="trained"), "admin.a")
    assert sign(house, "li.na", "qa").role == "qa"
    change = house.facts(person_stream("li.na"))[-1]
    assert (getattr(change, "old", None), getattr(change, "new", None)) == (("operator",), ("operator", "qa"))
    with pytest.raises(RefusedError, match="would act on their own account"):
        house.do(ChangeRoles(user="admin.a", roles=("qualified_person",), reason="me too"), "admin.a")
    with pytest.raises(UserError, match="has these roles already"):
        house.do(ChangeRoles(user="li.na", roles=("operator", "qa"), reason="again"), "admin.a")
    with pytest.raises(UserError, match="say why"):
        house.do(ChangeRoles(user="li.na", roles=("qa",), reason=" "), "admin.a")


def test_a_signed_act_on_an_account_is_bound_to_where_it_stands(house: House) -> None:
    house.enrolled("li.na")
    (enrolled,) = [fact for fact in house.facts(person_stream("li.na")) if isinstance(fact, PersonEnrolled)]
    assert enrolled.signature is not None
    shown = {
        "fact": "person-enrolled/1", "stream": "person/li.na", "position": 0, "user": "li.na",
        "printed_name": "Li.Na", "roles": ["operator"], "zone": "Asia/Shanghai",
    }  # fmt: skip
    assert enrolled.signature.digest == digest(shown)  # type: ignore[arg-type]  # plain JSON
    (confirmed,) = [fact for fact in house.facts(person_stream("li.na")) if isinstance(fact, AccountConfirmed)]
    assert confirmed.fingerprint == getattr(house.people.person("li.na"), "fingerprint", None)


def test_an_account_that_was_changed_meanwhile_is_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.activate("li.na", house.enrol("li.na"))
    stale = house.accounts.plan(Confirm(user="li.na"))
    house.do(Reset(user="li.na", reason="typed wrong"), "admin.a")
    monkeypatch.setattr(Accounts, "plan", lambda *_: stale)
    with pytest.raises(ConflictError):
        house.do(Confirm(user="li.na"), "qa.q")
    assert house.state("li.na") == "invited"


def test_a_passkey_is_set_by_its_owner_and_signs_in_the_record(house: House) -> None:
    key, asked = SoftPasskey(site=SITE.id, origin=SITE.origins[0]), b"c" * 32
    code = house.enrol("li.na", "qa")
    house.accounts.set_passkey("li.na", code, key.register(asked), asked=asked, name="my phone")
    house.do(Confirm(user="li.na"), "qa.q")
    signed = challenge("reviewed", "0" * 64)
    signature = house.people.sign("li.na", key.answer(signed), role="qa", meaning="reviewed", digest="0" * 64)
    assert signature.components == ("user-id", "passkey")
    assert signature.passkey is not None
    assert signature.passkey.public_key != ""
    once = b"r" * 32
    assert house.people.sign_in("li.na", key.answer(once), asked=once).user == "li.na"
    with pytest.raises(RefusedError, match="do not match"):
        house.people.sign("li.na", key.answer(signed), role="qa", meaning="released", digest="0" * 64)
    copy = replace(key, counter=1)
    with pytest.raises(RefusedError, match="do not match"):
        house.people.sign("li.na", copy.answer(signed), role="qa", meaning="reviewed", digest="0" * 64)
    alerts = [fact.what for fact in house.facts(person_stream("li.na")) if isinstance(fact, MisuseAlerted)]
    assert alerts == ["a passkey's counter went back: there may be a copy of it"]


def test_a_second_passkey_and_a_new_password_are_set_by_who_proves_who_they_are(house: House) -> None:
    house.enrolled("li.na")
    key, asked = SoftPasskey(site=SITE.id, origin=SITE.origins[0]), b"c" * 32
    house.accounts.add_passkey(house.signer("li.na"), key.register(asked), asked=asked, name="key")
    signed = challenge("reviewed", "0" * 64)
    house.people.sign("li.na", key.answer(signed), role="operator", meaning="reviewed", digest="0" * 64)
    house.accounts.change_password("li.na", house.proof("li.na"), "another four words here")
    with pytest.raises(RefusedError, match="do not match"):
        sign(house, "li.na", "operator")
    proof = replace(house.proof("li.na"), secret="another four words here")
    assert sign(house, "li.na", "operator", proof).signer == "li.na"
    house.do(Reset(user="li.na", reason="lost the phone"), "admin.a")
    with pytest.raises(RefusedError, match="do not match"):
        house.people.sign("li.na", key.answer(signed), role="operator", meaning="reviewed", digest="0" * 64)


def test_the_right_role_is_found_for_an_act_and_segregation_is_kept(house: House) -> None:
    house.enrolled("li.na", "operator", "qa")
    shown: dict[str, JSON] = {"batch": "B-1", "position": 9}
    people, by = house.people, house.signer("li.na")
    signature = people.sign_for("review-record", by, meaning="reviewed", shown=shown, subject="batch/B-1")
    assert (signature.role, signature.digest) == ("qa", digest({"batch": "B-1", "position": 9}))
    with pytest.raises(RefusedError, match="took part in this batch"):
        people.sign_for(
            "review-record", house.signer("li.na"), meaning="reviewed", shown=shown, subject="batch/B-1",
            circle=Circle(actors=frozenset({"li.na"})),
        )  # fmt: skip
    assert (house.refusals()[-1].act, house.refusals()[-1].subject) == ("review-record", "batch/B-1")
    with pytest.raises(RefusedError, match="may not dispose"):
        people.sign_for("dispose", house.signer("li.na"), meaning="released", shown=shown, subject="batch/B-1")


def test_an_inspector_reads_and_exports_and_signs_nothing(house: House) -> None:
    house.enrolled("ins.p", "inspector")
    house.people.sign_in("ins.p", house.proof("ins.p"))
    assert house.people.allowed("read-record", "ins.p", "batch/B-1").user == "ins.p"
    assert house.people.allowed("export-bundle", "ins.p", "batch/B-1").user == "ins.p"
    with pytest.raises(RefusedError, match="may not review-record"):
        house.people.allowed("review-record", "ins.p", "batch/B-1")
    assert house.refusals()[-1].user == "ins.p"


def test_nobody_can_ask_to_sign_for_somebody_else() -> None:
    """Who signs is who is proven: no way of signing takes a second person, or the time to put under it."""
    names = set(inspect.signature(People.sign).parameters)
    assert names == {"self", "user", "proof", "role", "meaning", "digest", "source"}
    names = set(inspect.signature(People.sign_for).parameters)
    assert names == {"self", "act", "by", "meaning", "shown", "subject", "circle"}
    assert {each.name for each in Signer.__dataclass_fields__.values()} == {"user", "proof", "source"}
    assert set(inspect.signature(Signing.sign).parameters) == {
        "self", "signer", "proof", "role", "meaning", "digest", "at",
    }  # fmt: skip


def test_a_scripted_person_signs_for_the_program_only(house: House) -> None:
    from cytoloop.app.cast import enrol_cast

    signing, cast = enrol_cast(house.people.registrar, house.people.credentials)
    quality = cast["qa"]
    proof = Password(secret=quality.secret)
    at = house.clock.moment + timedelta(hours=8)
    signature = signing.sign(signer=quality.user, proof=proof, role="qa", meaning="reviewed", digest="0" * 64, at=at)
    assert (signature.signed_at, signature.components) == (at, ("user-id", "password"))
    with pytest.raises(RefusedError, match="do not match"):
        house.people.sign_in(quality.user, proof)
    with pytest.raises(RefusedError, match="do not match"):
        house.people.sign(quality.user, proof, role="qa", meaning="reviewed", digest="0" * 64)
    for signer, role in (("qa.q", "qa"), (quality.user, "qualified_person")):
        with pytest.raises(RefusedError, match="nothing was signed"):
            signing.sign(signer=signer, proof=proof, role=role, meaning="reviewed", digest="0" * 64, at=at)


TRIES = """
import sys
from pathlib import Path
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app.people import people_at
from cytoloop.app.records import acting_record
from cytoloop.core.errors import RefusedError
from cytoloop.core.signature import Password
folder, clock = Path(sys.argv[1]), ScaledClock()
with acting_record(folder, clock) as ledger:
    for _ in range(int(sys.argv[2])):
        try:
            people_at(folder, ledger, clock).sign_in("qa.q", Password(secret="wrong wrong wrong"))
        except RefusedError:
            pass
"""


def test_wrong_tries_of_two_processes_at_once_lock_the_account_once(tmp_path: Path) -> None:
    clock, store = ScaledClock(), open_store(tmp_path / "record.db", create=True)
    people = people_at(tmp_path, Ledger(store, clock), clock)

    def show(_: Founder, provisioning: Provisioning) -> str:
        return pyotp.TOTP(provisioning.secret).at(clock.now())

    found(people, administrator=founder("admin.a"), quality=founder("qa.q"), show=show)
    each = [subprocess.Popen([sys.executable, "-c", TRIES, tmp_path, str(tries)]) for tries in (2, 3)]
    assert [process.wait() for process in each] == [0, 0]
    person = people.person("qa.q")
    assert person is not None
    assert person.locked
    facts = [recorded.fact for recorded in people.registrar.ledger.stream("person/qa.q")]
    assert sum(isinstance(fact, AccountLocked) for fact in facts) == 1
    assert sum(isinstance(fact, MisuseAlerted) for fact in facts) == 1
    refused = [recorded.fact for recorded in people.registrar.ledger.stream(REFUSALS)]
    assert len(refused) == 5
    store.close()
