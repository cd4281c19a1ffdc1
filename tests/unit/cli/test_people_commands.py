"""`cytoloop people`: from a record without people to one where each signs for themselves, at the console."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pyotp
import pytest
import typer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.credentials import Provisioning
from cytoloop.cli import people, signer

Cytoloop = Callable[..., CompletedProcess[str]]


class Console:
    """People at a console: what they type, and the minutes that pass between two commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self.folder = folder
        self.secrets: dict[str, str] = {}
        self.typed: dict[str, str] = {}
        self.questions: list[tuple[str, bool]] = []
        self.user = ""
        monkeypatch.setattr(people, "ScaledClock", self.clock)
        monkeypatch.setattr(typer, "prompt", self.prompt)
        shown = people._show

        def show(whose: str, provisioning: Provisioning) -> None:
            self.secrets[pyotp.parse_uri(provisioning.uri).name] = provisioning.secret
            shown(whose, provisioning)

        monkeypatch.setattr(people, "_show", show)

    def clock(self) -> ScaledClock:
        self.now += timedelta(minutes=1)
        return ScaledClock(self.now, factor=0.001)

    def prompt(self, question: str, *, hide_input: bool, confirmation_prompt: bool, err: bool) -> str:
        self.questions.append((question, hide_input))
        for words, answer in self.typed.items():
            if words in question:
                return answer
        if "ode" in question:
            user = list(self.secrets)[-1] if "app" in question else self.user
            return pyotp.TOTP(self.secrets[user]).at(self.now)
        return f"a good long passphrase {self.user[:1]}"

    def run(self, cytoloop: Cytoloop, *words: str, by: str = "", expect: int = 0) -> CompletedProcess[str]:
        self.user = by
        signed = ["--as", by] if by and words[0] not in ("activate", "password") else []
        result = cytoloop("people", *words, *signed, "--data", self.folder)
        assert result.returncode == expect, result.stderr + result.stdout
        return result


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cytoloop: Cytoloop) -> Console:
    made = Console(monkeypatch, tmp_path / "house")
    made.typed = {"password of Ann": "a good long passphrase a", "password of Qin": "a good long passphrase q"}
    made.run(
        cytoloop, "found", "--administrator", "ann.a", "--administrator-name", "Ann", "--quality", "qin.q",
        "--quality-name", "Qin",
    )  # fmt: skip
    made.typed = {}
    return made


def code_in(result: CompletedProcess[str]) -> str:
    return result.stdout.split(" h:")[1].split()[0]


def test_a_person_is_enrolled_sets_their_own_credential_and_is_confirmed_by_another(
    console: Console, cytoloop: Cytoloop
) -> None:
    enrol = ("enrol", "li.na", "--name", "Li Na 李娜", "--role", "qa", "--role", "operator")
    made = console.run(cytoloop, *enrol, by="ann.a")
    assert "you sign: enrol (user li.na, printed_name Li Na 李娜" in made.stdout
    console.typed = {"One-time code": code_in(made)}
    set_up = console.run(cytoloop, "activate", "li.na", by="li.na")
    assert console.secrets["li.na"] in set_up.stdout
    assert "▄" in set_up.stdout or "█" in set_up.stdout, "the picture for the authenticator app"
    console.typed = {}
    refused = console.run(cytoloop, "confirm", "li.na", by="ann.a", expect=2)
    assert "ann.a issued this account or its code and may not confirm-account" in refused.stderr
    console.run(cytoloop, "confirm", "li.na", by="qin.q")
    listed = json.loads(console.run(cytoloop, "list", "--json").stdout)
    assert [(each["user"], each["state"], each["roles"]) for each in listed] == [
        ("ann.a", "active", ["administrator"]),
        ("qin.q", "active", ["qa"]),
        ("li.na", "active", ["operator", "qa"]),
    ]
    shown = console.run(cytoloop, "show", "li.na")
    assert "Li Na 李娜" in shown.stdout
    assert all(hidden for question, hidden in console.questions if "assword" in question), "passwords are not echoed"


def test_accounts_are_locked_unlocked_changed_reset_and_closed(console: Console, cytoloop: Cytoloop) -> None:
    console.run(cytoloop, "enrol", "wu.yi", "--name", "Wu Yi", "--role", "operator", by="ann.a")
    console.typed = {"Password of qin.q": "wrong wrong wrong"}
    for _ in range(5):
        told = console.run(cytoloop, "close", "wu.yi", "--why", "x", by="qin.q", expect=2)
        assert "user id and proof do not match" in told.stderr
    console.typed = {}
    assert "locked" in console.run(cytoloop, "show", "qin.q").stdout
    console.run(cytoloop, "unlock", "qin.q", "--why", "seen in person", by="ann.a")
    console.run(cytoloop, "roles", "wu.yi", "--role", "planner", "--why", "moved", by="ann.a")
    console.run(cytoloop, "reset", "wu.yi", "--why", "code too old", by="ann.a")
    console.run(cytoloop, "close", "wu.yi", "--why", "left", by="ann.a")
    assert "closed" in console.run(cytoloop, "show", "wu.yi").stdout
    gone = console.run(cytoloop, "enrol", "wu.yi", "--name", "W", "--role", "qa", by="ann.a", expect=2)
    assert "never given again" in gone.stderr


def test_a_person_changes_their_own_password(console: Console, cytoloop: Cytoloop) -> None:
    console.typed = {"New password": "quite another passphrase"}
    console.run(cytoloop, "password", "qin.q", by="qin.q")
    console.typed = {}
    console.run(cytoloop, "password", "qin.q", by="qin.q", expect=2)


def test_a_record_with_people_is_not_founded_again(console: Console, cytoloop: Cytoloop) -> None:
    again = ("found", "--administrator", "x.x", "--administrator-name", "X", "--quality", "y.y", "--quality-name", "Y")
    told = console.run(cytoloop, *again, expect=2)
    assert "the record has people already" in told.stderr


def test_scripts_give_password_and_code_by_the_environment(
    console: Console, cytoloop: Cytoloop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signer.SECRET, "a good long passphrase a")
    monkeypatch.setenv(signer.CODE, pyotp.TOTP(console.secrets["ann.a"]).at(console.now + timedelta(minutes=1)))
    console.questions.clear()
    console.run(cytoloop, "enrol", "wu.yi", "--name", "Wu Yi", "--role", "operator", by="ann.a")
    assert console.questions == []


def test_where_nobody_types_the_missing_answer_is_named(
    console: Console, cytoloop: Cytoloop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> str:
        raise typer.Abort

    monkeypatch.setattr(typer, "prompt", nobody)
    told = console.run(cytoloop, "unlock", "qin.q", "--why", "x", by="ann.a", expect=2)
    assert "is not locked" in told.stderr
    told = console.run(cytoloop, "close", "qin.q", "--why", "x", by="ann.a", expect=2)
    assert "Password of ann.a: nothing was typed; set CYTOLOOP_SECRET where nobody types" in told.stderr


def test_nobody_known_and_no_record_are_named(console: Console, cytoloop: Cytoloop, tmp_path: Path) -> None:
    assert "nobody has the user id 'no.one'" in console.run(cytoloop, "show", "no.one", expect=2).stderr
    missing = cytoloop("people", "list", "--data", tmp_path / "empty")
    assert missing.returncode == 2
