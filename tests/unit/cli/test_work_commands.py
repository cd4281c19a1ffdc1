"""Requests at a console: what is listed, asked, signed, and told to who comes second."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pyotp
import pytest
from tests.asking import ANSWERS, INSPECT, ask, begun
from tests.staff import Staff, founded, on_disk, secret_of

from cytoloop.app.bootstrap import readable_record
from cytoloop.production.asking import answer_stream, outcome_of

Command = Callable[..., CompletedProcess[str]]
KEY = f"B-2/{INSPECT}#1"
GIVEN = ("--value", "transport_temperature=5.2", "--value", "bags_damaged=0")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    made = founded(tmp_path_factory.mktemp("house"))
    for user in ("op.sun", "op.li"):
        made.enrolled(user, "operator")
    begun(made.ledger)
    ask(made.ledger, arguments={"answers": ANSWERS, "verified": True})
    return made


@pytest.fixture
def folder(house: Staff, tmp_path: Path) -> Path:
    on_disk(house, tmp_path)
    return tmp_path


@pytest.fixture
def as_user(house: Staff, folder: Path, monkeypatch: pytest.MonkeyPatch, cytoloop: Command) -> Command:
    """The command line with somebody's password and code of this moment in the environment."""

    def command(user: str, *arguments: str) -> CompletedProcess[str]:
        monkeypatch.setenv("CYTOLOOP_SECRET", secret_of(user))
        monkeypatch.setenv("CYTOLOOP_CODE", pyotp.TOTP(house.codes[user]).at(datetime.now(UTC)))
        return cytoloop("work", *arguments, "--as", user, "--data", folder)

    return command


def test_the_list_is_said_to_people_and_to_machines(folder: Path, cytoloop: Command) -> None:
    listed = json.loads(cytoloop("work", "list", "--data", folder, "--json").stdout)
    assert [(each["request"], each["role"], each["coi"], each["waits"]) for each in listed] == [
        (KEY, "operator", "COI-B-2", "answer")
    ]
    assert "检查血袋并读取运输温度记录"[:2] in cytoloop("work", "list", "--data", folder, "--lang", "zh").stdout
    assert json.loads(cytoloop("work", "list", "--data", folder, "--role", "qa", "--json").stdout) == []
    assert cytoloop("work", "list", "--data", folder, "--line", "closed_loop").stdout == "nobody is waited for\n"


def test_what_is_asked_is_shown_with_unit_and_range(folder: Path, cytoloop: Command) -> None:
    shown = cytoloop("work", "show", KEY, "--data", folder).stdout
    assert "COI-B-2" in shown
    assert "2 – 8" in shown


def test_an_answer_is_signed_confirmed_by_another_and_given_once(folder: Path, as_user: Command) -> None:
    answered = as_user("op.sun", "answer", KEY, *GIVEN)
    assert answered.returncode == 0, answered.stderr
    assert "somebody else, operator, confirms it" in answered.stdout
    second = as_user("op.li", "answer", KEY, *GIVEN)
    assert (second.returncode, second.stderr.startswith("cytoloop: already answered by Op.Sun at")) == (2, True)
    assert as_user("op.li", "verify", KEY, "--not-confirmed").returncode == 2, "no needs a reason"
    confirmed = as_user("op.li", "verify", KEY)
    assert confirmed.returncode == 0, confirmed.stderr
    with readable_record(folder) as ledger:
        outcome = outcome_of(ledger.stream(answer_stream(KEY)))
    assert outcome is not None
    assert (outcome.by, outcome.values["verified_by"]) == ("person:op.sun", "op.li")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--value", "transport_temperature"), "names nothing; write NAME=VALUE"),
        (("--value", "transport_temperature=9.5", "--value", "bags_damaged=0"), "is outside 2 – 8 °C: say why"),
        (("--value", "transport_temperature=warm", "--value", "bags_damaged=0"), "write a number with a point"),
        (("--cannot",), "it cannot be done: say why"),
        ((*GIVEN, "--happened", "2026-06-01T08:00:00"), "names no offset from UTC"),
        ((*GIVEN, "--happened", "2031-06-01T08:00:00Z"), "between the request and now"),
    ],
)
def test_what_will_not_do_is_told_in_a_sentence(
    folder: Path, as_user: Command, arguments: tuple[str, ...], said: str
) -> None:
    refused = as_user("op.sun", "answer", KEY, *arguments)
    assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    with readable_record(folder) as ledger:
        assert ledger.position(answer_stream(KEY)) == 0


def test_a_request_that_nobody_knows_is_told(folder: Path, cytoloop: Command) -> None:
    unknown = cytoloop("work", "show", "B-2/never#1", "--data", folder)
    assert (unknown.returncode, "nobody is asked anything under" in unknown.stderr) == (2, True)


def test_a_line_needs_equipment_that_knows_its_batches(folder: Path, cytoloop: Command) -> None:
    made_twice = cytoloop("line", "run", "--data", folder, "--patients", "1")
    assert (made_twice.returncode, "leave --patients out" in made_twice.stderr) == (2, True), made_twice.stderr
    wrong = cytoloop("line", "run", "--data", folder, "--screen", "pilot")
    assert (wrong.returncode, "is no role" in wrong.stderr) == (2, True)
