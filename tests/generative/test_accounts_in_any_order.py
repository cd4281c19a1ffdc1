"""Accounts, whatever order people do things in: only an owner whose account another confirmed ever signs."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.credentials import Credentials, Provisioning, RelyingParty, passwords
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.accounts import AccountAct, Accounts, Close, Confirm, Enrol, Reset, Unlock
from cytoloop.app.acts import REFUSALS
from cytoloop.app.demo import START
from cytoloop.app.founding import Founder, found
from cytoloop.app.people import People, Signer
from cytoloop.app.registrar import Registrar
from cytoloop.core.errors import CytoloopError, RefusedError
from cytoloop.core.facts.people import ActRefused
from cytoloop.core.json import digest
from cytoloop.core.signature import challenge
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.passkey import SoftPasskey

SITE = RelyingParty(id="localhost", name="tested", origins=("http://localhost:8818",))
USERS = st.just("li.na")
STAFF = ("admin.a", "qa.q")
ASKED, SIGNED = b"c" * 32, "0" * 64


@dataclass(slots=True)
class Known:
    """What the account should be, by a much simpler account of the rules."""

    state: str
    issuer: str = ""
    code: str = ""
    key: SoftPasskey | None = None
    wrong: int = 0

    @property
    def locked(self) -> bool:
        return self.wrong >= 5

    @property
    def signs(self) -> bool:
        return self.state == "active" and not self.locked


class Machine(RuleBasedStateMachine):
    """A person comes and goes; two founders run the accounts. Everybody is wrong at times."""

    @initialize()
    def found(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = SimulatedClock(START)
        self.store = MemoryStore()
        registrar = Registrar(Ledger(self.store, self.clock), self.clock)
        self.people = People(registrar, Credentials(Path(self.folder.name), site=SITE))
        self.accounts = Accounts(self.people)
        self.keys = {user: SoftPasskey(site=SITE.id, origin=SITE.origins[0]) for user in STAFF}
        self.refused = 0

        def show(_: Founder, provisioning: Provisioning) -> str:
            return pyotp.TOTP(provisioning.secret).at(self.clock.now())

        founders = [
            Founder(user=user, printed_name=user, zone="UTC", secret=f"{user[0]} long enough") for user in STAFF
        ]
        found(self.people, administrator=founders[0], quality=founders[1], show=show)
        for user in STAFF:
            keep = self.people.credentials
            keep.stage_passkey(user, None, self.keys[user].register(ASKED), challenge=ASKED, name="", at=START)
            person = self.people.person(user)
            assert person is not None
            self.accounts._settle(person, keep.ready(user, None, "", START))
        wanted = Enrol(user="li.na", printed_name="Li Na", roles=("operator",), zone="UTC")
        code = self._do(wanted, "admin.a") or ""
        self.known = {"li.na": Known(state="invited", issuer="admin.a", code=code)}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _do(self, wanted: AccountAct, by: str) -> str | None:
        """Do it as `by` of the staff, with their passkey; raises what it raises."""
        plan = self.accounts.plan(wanted)
        asked = challenge(plan.meaning, digest(self.accounts.shown(plan)))
        return self.accounts.do(wanted, Signer(user=by, proof=self.keys[by].answer(asked)))

    @rule(user=USERS, right=st.sampled_from([True, True, False]))
    def set_credential(self, user: str, right: bool) -> None:
        known, key = self.known[user], SoftPasskey(site=SITE.id, origin=SITE.origins[0])
        code = known.code if right and known.code else "0000-0000-0000-0000-0000"
        if known.state == "invited" and code == known.code:
            self.accounts.set_passkey(user, code, key.register(ASKED), asked=ASKED, name="")
            known.state, known.key, known.code, known.wrong = "unconfirmed", key, "", 0
            return
        self.refused += 1
        with pytest.raises(RefusedError, match="not good for this account"):
            self.accounts.set_passkey(user, code, key.register(ASKED), asked=ASKED, name="")

    @rule(user=USERS, by=st.sampled_from(STAFF))
    def confirm(self, user: str, by: str) -> None:
        known = self.known[user]
        if known.state == "unconfirmed" and not known.locked and by != known.issuer:
            self._do(Confirm(user=user), by)
            known.state = "active"
            return
        self.refused += known.state == "unconfirmed" and not known.locked
        with pytest.raises(CytoloopError):
            self._do(Confirm(user=user), by)

    @rule(user=USERS)
    def try_wrongly(self, user: str) -> None:
        known, other = self.known[user], SoftPasskey(site=SITE.id, origin=SITE.origins[0])
        self.refused += 1
        with pytest.raises(RefusedError, match="do not match"):
            self.people.sign_in(user, other.answer(ASKED), asked=ASKED)
        if known.state in ("unconfirmed", "active") and not known.locked:
            known.wrong += 1

    @rule(user=USERS)
    def unlock(self, user: str) -> None:
        known, wanted = self.known[user], Unlock(user=user, reason="tested")
        if known.locked and known.state in ("unconfirmed", "active"):
            self._do(wanted, "admin.a")
            known.wrong = 0
            return
        with pytest.raises(CytoloopError):
            self._do(wanted, "admin.a")

    @precondition(lambda self: self.known["li.na"].state != "invited")
    @rule(user=USERS)
    def reset(self, user: str) -> None:
        known, wanted = self.known[user], Reset(user=user, reason="tested")
        if known.state == "closed":
            with pytest.raises(CytoloopError):
                self._do(wanted, "admin.a")
            return
        known.code = self._do(wanted, "admin.a") or ""
        known.state, known.key, known.wrong, known.issuer = "invited", None, 0, "admin.a"

    @precondition(lambda self: self.known["li.na"].state == "active")
    @rule(user=USERS, leaves=st.sampled_from([True, False, False, False]))
    def close(self, user: str, leaves: bool) -> None:
        if leaves:
            self._do(Close(user=user, reason="tested"), "admin.a")
            self.known[user].state = "closed"

    @rule(user=USERS)
    def sign(self, user: str) -> None:
        known = self.known[user]
        key = known.key or SoftPasskey(site=SITE.id, origin=SITE.origins[0])
        proof = key.answer(challenge("performed", SIGNED))
        if known.signs:
            made = self.people.sign(user, proof, role="operator", meaning="performed", digest=SIGNED)
            assert made.signer == user
            known.wrong = 0
            return
        self.refused += 1
        with pytest.raises(RefusedError):
            self.people.sign(user, proof, role="operator", meaning="performed", digest=SIGNED)
        if known.state == "unconfirmed" and not known.locked:
            known.wrong = 0  # the proof was right; only the confirmation is missing

    @invariant()
    def the_record_says_the_same(self) -> None:
        if not hasattr(self, "known"):
            return
        for user, known in self.known.items():
            person = self.people.person(user)
            expected = "locked" if known.locked and known.state != "closed" else known.state
            assert (person.state if person else "nobody") == expected
            assert person is None or person.locked == known.locked or known.state == "closed"

    @invariant()
    def every_refusal_is_an_entry(self) -> None:
        if hasattr(self, "known"):
            kept = [each.fact for each in self.people.registrar.ledger.stream(REFUSALS)]
            assert len(kept) == self.refused
            assert all(isinstance(fact, ActRefused) for fact in kept)
            assert verify(self.store).entries > 0


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the hash of passwords nor power cuts are tested here: both may be light."""
    light = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: light)
    monkeypatch.setattr(os, "fsync", lambda _: None)


TestAccountsInAnyOrder = Machine.TestCase
TestAccountsInAnyOrder.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
